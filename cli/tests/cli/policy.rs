//! `guardrail-audit policy`: effective policies and lints.

use serde_json::{Value, json};

use super::runner::{assert_shown, at, demo, folder, run};

#[test]
fn the_effective_policy_of_an_account() {
    let world = demo("world");
    assert_shown!("policy_effective", run(&["policy", "effective", "--world", &world, "--account", "101010101010"]).shown());
    let unknown = run(&["policy", "effective", "--world", &world, "--account", "999999999999"]);
    assert!(unknown.code == 2 && unknown.stdout.is_empty() && unknown.stderr.contains("nowhere in the world"), "{}", unknown.stderr);
}

#[test]
fn the_effective_policies_of_all_accounts_as_json() {
    let policies = run(&["policy", "effective", "--world", &demo("world"), "--format", "json"]).json();
    let policies = policies.as_object().unwrap();
    assert!(policies["111122223333"].is_null(), "no policy is null");
    assert!(policies["222233334444"]["bedrock"]["guardrail_inference"]["us-east-1"].is_object());
}

#[test]
fn the_effective_policy_changes_with_time_and_type() {
    let organization = json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": "111122223333"},
        "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}, {"Type": "TAG_POLICY", "Status": "ENABLED"}]}],
        "Accounts": [{"Id": "222233334444", "Name": "shop", "State": "ACTIVE", "ParentId": "r-ab12"}],
        "Attachments": [{"PolicyId": "p-bedrock1", "TargetId": "r-ab12", "AttachedAt": "2026-10-01T00:00:00Z"},
            {"PolicyId": "p-tags000001", "TargetId": "r-ab12", "AttachedAt": "2026-10-01T00:00:00Z"}]});
    let policy = |id: &str, policy_type: &str, content: &Value| {
        json!({"Policy": {"PolicySummary": {"Id": id, "Type": policy_type}, "Content": content.to_string()}}).to_string()
    };
    let guardrail = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:3";
    let bedrock = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": guardrail}}}}}});
    let tags = json!({"tags": {"team": {"tag_key": {"@@assign": "team"}}}});
    let folder = folder(&[
        ("world/organization.json", organization.to_string().as_bytes()),
        ("world/policies/p-bedrock1.json", policy("p-bedrock1", "BEDROCK_POLICY", &bedrock).as_bytes()),
        ("world/policies/p-tags000001.json", policy("p-tags000001", "TAG_POLICY", &tags).as_bytes()),
    ]);
    let effective = |further: &[&str]| {
        let ran = run(&[&["policy", "effective", "--world", &at(&folder, "world"), "--format", "json"], further].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        ran.json()["222233334444"].clone()
    };
    let identifier = "/bedrock/guardrail_inference/us-east-1/config_1/identifier";
    assert!(effective(&["--at", "2026-09-30T23:59:59Z"]).is_null(), "before it was attached");
    assert_eq!(effective(&["--at", "2026-10-01T00:00:00Z"]).pointer(identifier), Some(&guardrail.into()));
    assert_eq!(effective(&[]).pointer(identifier), Some(&guardrail.into()));
    assert_eq!(effective(&["--type", "TAG_POLICY"]).pointer("/tags/team/tag_key"), Some(&"team".into()));
}

#[test]
fn lints_have_their_place() {
    let policy = br#"{
  "bedrock": {
    "guardrail_inference": {
      "us-east-1": {
        "config_1": {
          "identifier": {"@@assign": "arn:aws:bedrock:eu-west-1:111122223333:guardrail/abcd1234efgh:DRAFT"},
          "model_enforcment": {"included_models": {"@@assign": ["ALL"]}}
        }
      }
    }
  }
}
"#;
    let folder = folder(&[("policy.json", policy), ("broken.json", b"{\"bedrock\": ")]);
    let ran = run(&["policy", "lint", &at(&folder, "policy.json"), &at(&folder, "broken.json"), "--management-account", "999988887777"]);
    assert_eq!(ran.code, 3);
    assert_shown!("policy_lint", ran.shown());
    let json = run(&["policy", "lint", &at(&folder, "policy.json"), "--format", "json"]).json();
    assert!(
        json.as_array().unwrap().iter().all(|lint| lint["line"].is_u64() && lint["column"].is_u64() && lint["kind"].is_string()),
        "{json}"
    );
}

#[test]
fn what_is_no_json_has_its_place_too() {
    let broken = "{\n  \"bedrock\": {\n    \"guardrail_inference\" {}\n  }\n}";
    let described = json!({"Policy": {"PolicySummary": {"Id": "p-1", "Type": "BEDROCK_POLICY"}, "Content": broken}}).to_string();
    let sound = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"c": {"identifier":
        {"@@assign": "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1"}}}}}});
    let folder = folder(&[
        ("broken.json", broken.as_bytes()),
        ("marked.json", &[b"\xef\xbb\xbf", sound.to_string().as_bytes()].concat()),
        ("world/policies/p-1.json", described.as_bytes()),
        ("world/policies/p-2.json", b"{"),
    ]);
    for arguments in [vec![at(&folder, "broken.json")], vec!["--world".to_owned(), at(&folder, "world")]] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = run(&[&["policy", "lint", "--format", "json"], &arguments[..]].concat());
        let lint = &ran.json()[0];
        assert_eq!((ran.code, &lint["kind"], &lint["line"], &lint["column"]), (3, &json!("not-json"), &json!(3), &json!(27)), "{lint}");
    }
    let of_world = run(&["policy", "lint", "--world", &at(&folder, "world"), "--format", "json"]);
    assert_eq!(of_world.json().as_array().unwrap().len(), 2, "{}", of_world.stdout);
    assert_eq!(run(&["policy", "lint", &at(&folder, "marked.json")]).code, 0);
}

#[test]
fn a_type_of_policy_that_nobody_knows_is_usage() {
    let world = demo("world");
    for (policy_type, code) in
        [("BEDROK_POLICY", 2), ("bedrock_policy", 2), ("SERVICE_CONTROL_POLICY", 2), ("TAG_POLICY", 0), ("GUARDDUTY_POLICY", 0)]
    {
        let ran = run(&["policy", "effective", "--world", &world, "--type", policy_type, "--format", "json"]);
        assert_eq!((ran.code, ran.stdout.is_empty()), (code, code == 2), "{policy_type}: {}", ran.stderr);
    }
    let policy = json!({"Policy": {"PolicySummary": {"Type": "FUTURE_POLICY"}, "Content": "{}"}}).to_string();
    let folder = folder(&[("policies/p-1.json", policy.as_bytes())]);
    let ran = run(&["policy", "effective", "--world", &at(&folder, ""), "--type", "FUTURE_POLICY"]);
    assert_eq!(ran.code, 0, "a type that the world has: {}", ran.stderr);
}

#[test]
fn the_policies_of_a_world_are_linted_knowing_its_management_account() {
    let ran = run(&["policy", "lint", "--world", &demo("world"), "--format", "json"]);
    assert_eq!(ran.code, 0, "notes don't fail");
    assert!(ran.json().as_array().unwrap().iter().all(|lint| lint["level"] == "note"), "{}", ran.stdout);
    assert_eq!(run(&["policy", "lint"]).code, 2);
    assert_eq!(run(&["policy", "lint", "missing.json"]).code, 1);
}

#[test]
fn what_is_no_policy_is_said_to_be_what_it_is_and_what_is_inside_is_linted() {
    let guardrail = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1";
    let written = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"c": {"identifier": {"@@assign": guardrail}}}}}});
    let effective = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"c": {"identifier": guardrail}}}}});
    let scp = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let resource = |kind: &str, content: Value| json!({"Resources": {"P": {"Type": "AWS::Organizations::Policy", "Properties": {"Name": "n", "Type": kind, "Content": content}}}});
    let described =
        |content: &str| json!({"EffectivePolicy": {"PolicyContent": content, "TargetId": "222233334444", "PolicyType": "BEDROCK_POLICY"}});
    for (name, file, code, says) in [
        ("effective", described(&effective.to_string()).to_string(), 0, "an answer of DescribeEffectivePolicy: the effective policy at"),
        ("effective-none", json!({"EffectivePolicy": null}).to_string(), 3, "no policy of this type reaches the account"),
        ("effective-wrong", described("{\"bedrok\": {}}").to_string(), 3, "`bedrok` is no key that we know"),
        (
            "template",
            resource("BEDROCK_POLICY", written.clone()).to_string(),
            0,
            "a CloudFormation template: the Bedrock policy at /Resources/P/Properties/Content",
        ),
        ("template-text", resource("BEDROCK_POLICY", written.to_string().into()).to_string(), 0, "a CloudFormation template"),
        ("template-scp", resource("SERVICE_CONTROL_POLICY", scp.clone()).to_string(), 3, "of type SERVICE_CONTROL_POLICY"),
        ("template-other", json!({"Resources": {"B": {"Type": "AWS::S3::Bucket"}}}).to_string(), 3, "no Bedrock policy is in it as JSON"),
        (
            "input",
            json!({"Name": "n", "Type": "BEDROCK_POLICY", "Description": "d", "Content": written.to_string()}).to_string(),
            0,
            "the input of CreatePolicy",
        ),
        (
            "terraform",
            json!({"resource": {"aws_organizations_policy": {"p": {"type": "BEDROCK_POLICY", "content": written.to_string()}}}})
                .to_string(),
            0,
            "Terraform configuration in JSON",
        ),
        ("scp", scp.to_string(), 3, "an IAM policy document (a service control, resource control, identity or resource policy)"),
        (
            "described-scp",
            json!({"Policy": {"PolicySummary": {"Type": "SERVICE_CONTROL_POLICY"}, "Content": scp.to_string()}}).to_string(),
            3,
            "an answer of DescribePolicy of type SERVICE_CONTROL_POLICY: give a Bedrock policy",
        ),
        (
            "list",
            json!({"Policies": [{"Id": "p-1", "Type": "BEDROCK_POLICY"}]}).to_string(),
            3,
            "give the answer of DescribePolicy for each",
        ),
        ("guardrail", json!({"guardrailId": "abc", "version": "1", "status": "READY"}).to_string(), 3, "an answer of GetGuardrail"),
        (
            "configuration",
            json!({"guardrailsConfig": [{"guardrailId": "abc", "guardrailVersion": "1", "mode": "x"}]}).to_string(),
            3,
            "`mode` is no key",
        ),
        ("other", json!({"name": "x", "dependencies": {}}).to_string(), 3, "no key of it (`name`, `dependencies`) is a Bedrock policy's"),
        (
            "yaml",
            "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n  P:\n    Type: AWS::Organizations::Policy\n".to_owned(),
            3,
            "only JSON is read",
        ),
        (
            "terraform-hcl",
            "resource \"aws_organizations_policy\" \"p\" {\n  content = jsonencode({})\n}\n".to_owned(),
            3,
            "Terraform configuration",
        ),
        ("empty", String::new(), 3, "an empty file"),
        ("query", Value::from(written.to_string()).to_string(), 0, "a text: the Bedrock policy is linted"),
        ("misspelt", json!({"bedrok": {}}).to_string(), 3, "`bedrok` is no key that we know"),
    ] {
        let folder = folder(&[("file.json", file.as_bytes())]);
        let ran = run(&["policy", "lint", &at(&folder, "file.json"), "--format", "json"]);
        let lints = ran.json();
        let printed: Vec<&str> = lints.as_array().unwrap().iter().map(|lint| lint["message"].as_str().unwrap()).collect();
        assert!(ran.code == code && printed.iter().any(|message| message.contains(says)), "{name}: exit {}, {printed:#?}", ran.code);
        let about_file = lints.as_array().unwrap().iter().filter(|lint| lint["kind"] == "not-a-policy" || lint["kind"] == "other-document");
        assert!(about_file.count() <= 1, "{name}: one line about the file");
    }
}

#[test]
fn lints_of_what_is_inside_have_their_place_in_the_file_or_in_the_text() {
    let template = "{\n \"Resources\": {\"P\": {\"Type\": \"AWS::Organizations::Policy\", \"Properties\": {\"Type\": \"BEDROCK_POLICY\",\n  \"Content\": {\n   \"bedrok\": {}}}}}}";
    let input = json!({"Type": "BEDROCK_POLICY", "Name": "n", "Content": "{\n\"bedrok\": {}}"}).to_string();
    let folder = folder(&[("template.json", template.as_bytes()), ("input.json", input.as_bytes())]);
    let unknown = |file: &str| {
        let lints = run(&["policy", "lint", &at(&folder, file), "--format", "json"]).json();
        lints.as_array().unwrap().iter().find(|lint| lint["kind"] == "unknown-key").unwrap().clone()
    };
    let in_template = unknown("template.json");
    assert_eq!((&in_template["line"], &in_template["pointer"]), (&json!(4), &json!("/Resources/P/Properties/Content/bedrok")));
    let in_text = unknown("input.json");
    assert_eq!((&in_text["line"], &in_text["pointer"]), (&json!(2), &json!("/bedrok")));
    assert!(in_text["file"].as_str().unwrap().ends_with("input.json, Content"));
}

#[test]
fn more_policies_on_one_target_than_aws_attaches_are_said() {
    let policy =
        |id: &str| json!({"Policy": {"PolicySummary": {"Id": id, "Type": "BEDROCK_POLICY"}, "Content": "{\"bedrock\": {}}"}}).to_string();
    let organization = |count: usize| {
        let attachments: Vec<Value> = (0..count).map(|n| json!({"PolicyId": format!("p-{n}"), "TargetId": "r-ab12"})).collect();
        json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": "111122223333"}, "Roots": [{"Id": "r-ab12", "PolicyTypes": []}],
            "Accounts": [], "OrganizationalUnits": [], "Attachments": attachments})
        .to_string()
    };
    for (count, is_said) in [(10, false), (11, true)] {
        let policies: Vec<(String, String)> =
            (0..count).map(|n| (format!("world/policies/p-{n}.json"), policy(&format!("p-{n}")))).collect();
        let organization = organization(count);
        let mut files: Vec<(&str, &[u8])> = policies.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        files.push(("world/organization.json", organization.as_bytes()));
        let folder = folder(&files);
        let lints = run(&["policy", "lint", "--world", &at(&folder, "world"), "--format", "json"]).json();
        assert_eq!(lints.as_array().unwrap().iter().any(|lint| lint["kind"] == "too-many-attachments"), is_said, "{count}: {lints}");
    }
}

#[test]
fn a_world_without_a_policy_does_not_look_like_one_without_lints() {
    let folder = folder(&[("world/organization.json", br#"{"Roots": [{"Id": "r-ab12"}]}"#)]);
    for (format, says) in [("junit", "tests=\"2\""), ("sarif", "\"level\": \"warning\""), ("json", "none was linted")] {
        let ran = run(&["policy", "lint", "--world", &at(&folder, "world"), "--format", format]);
        assert!(ran.code == 0 && ran.stdout.contains(says) && ran.stdout.contains("none was linted"), "{format}: {}", ran.stdout);
    }
}
