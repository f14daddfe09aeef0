//! `cargo xtask publish`: code and template reach buckets that an organization can read, and a member can be deployed from them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use audit_core::iam::{Call, Decision, Policies};
use end_to_end::{
    commands::{Request, commands_in, parse},
    deployment::{HUB, KEY, MEMBER, ORGANIZATION},
    documents::{document, full_access},
    engine::Engine,
    template::{Template, root, text},
    tools::{AWS, CFN_LINT, output_of, path_with, succeed},
};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with placeholders for the two functions, and the path of the packaged template.
fn binaries() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for function in ["audit-invocations", "audit-changes"] {
        std::fs::create_dir(folder.path().join(function)).unwrap();
        std::fs::write(folder.path().join(function).join("bootstrap"), format!("#!/bin/sh\necho {function}\n")).unwrap();
    }
    let template = folder.path().join("member.yaml");
    (folder, template)
}

fn publish(folder: &Path, template: &Path, endpoint: Option<&str>, more: &[&str]) -> Output {
    publish_in("us-east-1,eu-west-1", folder, template, endpoint, more)
}

fn publish_in(regions: &str, folder: &Path, template: &Path, endpoint: Option<&str>, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["run", "--quiet", "--package", "xtask", "--", "publish", "--hub-account", HUB]);
    command.args(["--organization-id", ORGANIZATION, "--regions", regions, "--binaries"]).arg(folder);
    command.arg("--output").arg(template).args(more);
    command.env("AWS_ACCESS_KEY_ID", HUB).env("AWS_SECRET_ACCESS_KEY", "x").env_remove("AWS_PROFILE");
    match endpoint {
        Some(endpoint) => command.env("AWS_ENDPOINT_URL", endpoint).env("PATH", path_with(&[&AWS.folder()])),
        // A call to AWS fails from here on.
        None => command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
    };
    succeed(&mut command)
}

#[test]
fn a_dry_run_says_what_it_would_do() {
    let (folder, template) = binaries();
    let output = publish(folder.path(), &template, None, &["--dry-run"]);
    let printed = output_of(&output);
    for part in [
        "s3api create-bucket --bucket guardrail-audit-code-111122223333-us-east-1 --region us-east-1",
        "s3api create-bucket --bucket guardrail-audit-code-111122223333-eu-west-1 --create-bucket-configuration LocationConstraint=eu-west-1",
        "put-bucket-versioning",
        "put-public-access-block",
        "create-stack-set --stack-set-name guardrail-audit",
        "--permission-model SERVICE_MANAGED",
        "update-stack-set --stack-set-name guardrail-audit",
        "ParameterKey=ManagementAccount,ParameterValue=true",
    ] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
    let named = printed.split("ParameterKey=").skip(1).map(|rest| rest.split(',').next().unwrap());
    for name in named {
        assert!(Template::member().parameters().contains_key(name), "member.yaml has no parameter {name}");
    }
}

/// The AWS command line accepts every command that is printed, and would send the requests that are meant.
#[test]
fn the_printed_commands_are_what_the_command_line_takes() {
    for regions in ["us-east-1", "us-east-1,eu-west-1,ap-southeast-2", "cn-north-1,cn-northwest-1", "us-gov-west-1,us-gov-east-1"] {
        let (folder, template) = binaries();
        let printed = output_of(&publish_in(regions, folder.path(), &template, None, &["--dry-run"]));
        let commands = commands_in(&printed);
        let parsed = parse(&commands, folder.path());
        for (command, parsed) in commands.iter().zip(&parsed) {
            assert_eq!(parsed.code, 0, "{command:?}: {}", parsed.printed);
        }
        let of = |operation: &str| {
            parsed.iter().flat_map(|parsed| &parsed.requests).filter(|request| request.operation == operation).collect::<Vec<_>>()
        };
        let list = |request: &Request, name: &str| -> Vec<String> {
            let member = |number: usize| request.form.get(&format!("{name}.member.{number}")).map(text);
            (1..).map_while(member).collect()
        };
        let expected: Vec<&str> = regions.split(',').collect();
        let [instances] = of("CreateStackInstances")[..] else { panic!("{printed}") };
        assert_eq!(list(instances, "Regions"), expected);
        assert_eq!(list(instances, "OperationPreferences.RegionOrder"), expected, "each Region is a member of its own");
        assert_eq!(list(instances, "DeploymentTargets.OrganizationalUnitIds"), ["example"]);
        let [set] = of("CreateStackSet")[..] else { panic!("{printed}") };
        assert_eq!(
            (text(&set.form["PermissionModel"]), text(&set.form["AutoDeployment.Enabled"])),
            ("SERVICE_MANAGED".to_owned(), "true".to_owned())
        );
        // An update keeps every parameter that an operator has set.
        let all: BTreeSet<String> = Template::member().parameters().keys().cloned().collect();
        let updates: Vec<&Request> = of("UpdateStackSet").into_iter().chain(of("UpdateStack")).collect();
        assert_eq!(updates.len(), 1 + expected.len());
        for update in updates {
            let mut kept = BTreeSet::new();
            let mut given = BTreeSet::new();
            for number in 1.. {
                let member = |name: &str| update.form.get(&format!("Parameters.member.{number}.{name}")).map(text);
                let Some(name) = member("ParameterKey") else { break };
                match (member("ParameterValue"), member("UsePreviousValue").as_deref()) {
                    (Some(_), None) => assert!(given.insert(name)),
                    (None, Some("true")) => assert!(kept.insert(name)),
                    other => panic!("{name}: {other:?}"),
                }
            }
            assert_eq!(kept.union(&given).cloned().collect::<BTreeSet<_>>(), all);
            for name in ["HomeRegion", "HeartbeatMinutes", "FactsTtlDays", "PermissionsBoundaryArn", "ForwardOnly", "ManagementAccount"] {
                assert!(kept.contains(name), "{name}");
            }
        }
        assert_eq!(of("CreateStack").len(), expected.len(), "the management account has a stack in each Region");
        let (partition, suffix) = match regions.get(..3).unwrap() {
            "cn-" => ("aws-cn", "amazonaws.com.cn"),
            "us-" if regions.starts_with("us-gov") => ("aws-us-gov", "amazonaws.com"),
            _ => ("aws", "amazonaws.com"),
        };
        assert!(text(&set.form["TemplateURL"]).contains(&format!(".s3.{}.{suffix}/member/", expected[0])), "{printed}");
        let policies: Vec<_> = parsed.iter().flat_map(|parsed| &parsed.calls).filter(|call| call.operation == "PutBucketPolicy").collect();
        assert_eq!(policies.len(), expected.len());
        for policy in policies {
            let policy: Value = serde_json::from_str(policy.parameters["Policy"].as_str().unwrap()).unwrap();
            let resource = text(&policy["Statement"][0]["Resource"]);
            assert!(resource.starts_with(&format!("arn:{partition}:s3:::guardrail-audit-code-")), "{resource}");
        }
        assert_eq!(printed.contains("arn:aws:"), partition == "aws", "{printed}");
    }
}

#[test]
fn a_member_is_set_up_from_what_is_published() {
    let engine = Engine::start();
    let (folder, template) = binaries();
    let output = output_of(&publish(folder.path(), &template, Some(&engine.endpoint()), &[]));
    let url = output.split("--template-url ").nth(1).unwrap().split_whitespace().next().unwrap();
    let first = std::fs::read_to_string(&template).unwrap();

    succeed(CFN_LINT.command().args(["--regions", "us-east-1,eu-west-1", "--template"]).arg(&template));
    let packaged = Template::load(&template);
    assert_eq!(packaged.0["Parameters"], Template::member().0["Parameters"]);
    let hub = engine.client(HUB);
    for region in ["us-east-1", "eu-west-1"] {
        let stack = packaged.stack(MEMBER, region, &[("OrganizationId", ORGANIZATION), ("HubAccountId", HUB), ("HubKeyArn", KEY)]);
        for function in ["AuditInvocations", "AuditChanges"] {
            let code = &stack.properties(function)["Code"];
            let text = |key: &str| code[key].as_str().unwrap();
            assert_eq!(text("S3Bucket"), format!("guardrail-audit-code-111122223333-{region}"));
            let client = hub.in_region(region);
            let path = format!("/{}/{}?versionId={}", text("S3Bucket"), text("S3Key"), text("S3ObjectVersion"));
            let archive = client.send("s3", "GET", &path, &[], &[]).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(archive.starts_with(b"PK"), "{path} is a ZIP archive");
        }
    }

    let bucket = "guardrail-audit-code-111122223333-us-east-1";
    let key = url.strip_prefix(&format!("https://{bucket}.s3.us-east-1.amazonaws.com/")).unwrap();
    let url = format!("{}/{bucket}/{key}", engine.endpoint());
    // The stack is created in the account that owns the buckets, because the engine shows no account the buckets of another; who may read
    // is evaluated below. The parameters leave out the hub's account and Region, which default to this one, because the engine doesn't know
    // its own Region in conditions.
    let parameters = [("OrganizationId", ORGANIZATION), ("HubKeyArn", KEY), ("Architecture", "x86_64")];
    let outputs = hub.create_stack("guardrail-audit", &url, &parameters);
    assert_eq!(outputs["ReaderRoleArn"], "arn:aws:iam::111122223333:role/guardrail-audit/guardrail-audit-reader");

    // Publishing the same again changes nothing: no file is uploaded twice, and the template stays the same.
    let again = output_of(&publish(folder.path(), &template, Some(&engine.endpoint()), &[]));
    assert!(!again.contains("put-object") && !again.contains("create-bucket"), "{again}");
    assert_eq!(std::fs::read_to_string(&template).unwrap(), first);
    // Other code becomes other objects, and the earlier ones stay for a rollback.
    std::fs::write(folder.path().join("audit-changes/bootstrap"), "#!/bin/sh\n").unwrap();
    let upgrade = output_of(&publish(folder.path(), &template, Some(&engine.endpoint()), &[]));
    assert_eq!(upgrade.matches("put-object").count(), 3, "one function in two Regions and the template: {upgrade}");

    let policy = hub.in_region("eu-west-1").send("s3", "GET", "/guardrail-audit-code-111122223333-eu-west-1?policy", &[], &[]).unwrap();
    let policies = Policies {
        identity: vec![document(&full_access())],
        resource: Some(document(&serde_json::from_slice::<Value>(&policy).unwrap())),
        ..Policies::default()
    };
    let object = "arn:aws:s3:::guardrail-audit-code-111122223333-eu-west-1/audit-changes/x.zip";
    let of = |action: &str, organization: &str| {
        let call = Call::by("arn:aws:iam::222233334444:role/stacksets-exec-1", action, object).in_account(HUB);
        policies.decide(&call.with("aws:PrincipalOrgID", &[organization]))
    };
    assert_eq!(of("s3:GetObjectVersion", ORGANIZATION), Decision::Allowed);
    assert_eq!(of("s3:GetObject", "o-otherotherot"), Decision::Denied);
    assert_eq!(of("s3:PutObject", ORGANIZATION), Decision::Denied);
    assert_eq!(of("s3:DeleteObject", ORGANIZATION), Decision::Denied);
}

/// The example policy for the publisher allows every call that publishing makes, and no others.
#[test]
fn the_example_policy_is_what_publishing_needs() {
    let text = std::fs::read_to_string(root().join("deploy/publish.policy.json")).unwrap();
    let text = text.replace("HUB_ACCOUNT", HUB).replace("PARTITION", "aws");
    let policies = Policies { identity: vec![document(&serde_json::from_str(&text).unwrap())], ..Policies::default() };
    let bucket = format!("arn:aws:s3:::guardrail-audit-code-{HUB}-eu-west-1");
    let decide = |action: &str, resource: &str| {
        policies.decide(&Call::by("arn:aws:iam::111122223333:role/publisher", action, resource).in_account(HUB))
    };
    // HeadBucket needs s3:ListBucket, HeadObject needs s3:GetObject.
    for action in ["CreateBucket", "ListBucket", "PutBucketPolicy", "PutBucketPublicAccessBlock", "PutBucketVersioning"] {
        assert_eq!(decide(&format!("s3:{action}"), &bucket), Decision::Allowed, "{action}");
    }
    for action in ["GetObject", "PutObject"] {
        assert_eq!(decide(&format!("s3:{action}"), &format!("{bucket}/audit-changes/x.zip")), Decision::Allowed, "{action}");
    }
    let stack = "arn:aws:cloudformation:us-east-1:111122223333:stack/guardrail-audit/x";
    assert_eq!(decide("cloudformation:DescribeStacks", stack), Decision::Allowed);
    // Published objects can't be changed, and nothing else can be either.
    for (action, resource) in [
        ("s3:DeleteObject", format!("{bucket}/audit-changes/x.zip")),
        ("s3:DeleteObjectVersion", format!("{bucket}/audit-changes/x.zip")),
        ("s3:DeleteBucket", bucket.clone()),
        ("s3:PutObject", "arn:aws:s3:::guardrail-audit-world-111122223333-us-east-1/configuration/guardrail-audit.toml".to_owned()),
        ("s3:PutBucketPolicy", "arn:aws:s3:::guardrail-audit-code-444455556666-us-east-1".to_owned()),
        ("cloudformation:UpdateStack", stack.to_owned()),
    ] {
        assert_eq!(decide(action, &resource), Decision::Denied, "{action} {resource}");
    }
}
