//! Tests of the feature `aws`: the program calls a double of AWS, whose answers are written here. No engine that is available answers these
//! calls correctly (see `end_to_end::double`); the shapes are those of the SDK's models.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use audit_aws::{
    fact::{Content, Fact, HeartbeatFact},
    partition::{AccountRegion, Source},
};
use audit_core::timestamp::Timestamp;
use end_to_end::double::{Answer, ApiRequest, Double};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::runner::{Ran, call, run};

const MANAGEMENT: &str = "111122223333";
const SHOP: &str = "222233334444";
/// An account whose role nobody may assume.
const CLOSED: &str = "333344445555";
const SUSPENDED: &str = "444455556666";
const GUARDRAIL: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/required1234";

/// Switches that tests set in the script, and what it counts.
#[derive(Default)]
struct Switches {
    /// Whether GetAgent never answers.
    hangs: AtomicBool,
    /// Whether GetAgent was called while it never answers.
    hanging: AtomicBool,
    /// How often DescribePolicy was called. The first call is throttled.
    policies: AtomicU32,
}

fn page(asked: &ApiRequest, list: &str, items: &[Value], token: Option<&str>) -> Answer {
    // Every list has two pages: the token of the first asks for the second.
    let given = asked.body["NextToken"].as_str().or(asked.query.get("nextToken").map(String::as_str));
    let (first, second) = items.split_at(items.len().min(1));
    match (given, token) {
        (None, Some(token)) if !second.is_empty() => {
            let key = if asked.body.is_null() { "nextToken" } else { "NextToken" };
            Answer::json(&json!({list: first, key: token}))
        }
        (None, _) => Answer::json(&json!({list: items})),
        (Some(_), _) => Answer::json(&json!({list: second})),
    }
}

fn account(id: &str, name: &str, state: &str) -> Value {
    json!({"Id": id, "Name": name, "Email": "a@example.com", "State": state})
}

fn policy_document(region: &str) -> String {
    json!({"bedrock": {"guardrail_inference": {region: {"config_1": {"identifier": {"@@assign": format!("{GUARDRAIL}:1")}}}}}}).to_string()
}

/// Answers for an organization with one root, one OU and three active accounts.
fn organization(asked: &ApiRequest, switches: &Switches) -> Answer {
    let (token, none): (Option<&str>, &[Value]) = (Some("more"), &[]);
    let policy = |id: &str| json!({"Id": id, "Name": id, "Type": "BEDROCK_POLICY", "AwsManaged": false});
    match asked.operation.as_str() {
        _ if asked.account != MANAGEMENT => Answer::denied(),
        "DescribeOrganization" => Answer::json(&json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT}})),
        "ListRoots" => {
            page(asked, "Roots", &[json!({"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]})], token)
        }
        "ListOrganizationalUnitsForParent" if asked.text("ParentId") == "r-ab12" => {
            page(asked, "OrganizationalUnits", &[json!({"Id": "ou-ab12-prodprod", "Name": "prod"})], token)
        }
        "ListOrganizationalUnitsForParent" => page(asked, "OrganizationalUnits", none, token),
        "ListAccountsForParent" if asked.text("ParentId") == "r-ab12" => {
            page(asked, "Accounts", &[account(MANAGEMENT, "root", "ACTIVE"), account(SUSPENDED, "old", "SUSPENDED")], token)
        }
        "ListAccountsForParent" => page(asked, "Accounts", &[account(SHOP, "shop", "ACTIVE"), account(CLOSED, "closed", "ACTIVE")], token),
        "ListPolicies" => page(asked, "Policies", &[policy("p-attached1"), policy("p-unattached")], token),
        "ListTargetsForPolicy" if asked.text("PolicyId") == "p-attached1" => {
            page(asked, "Targets", &[json!({"TargetId": "r-ab12"}), json!({"TargetId": "ou-ab12-prodprod"})], token)
        }
        "ListTargetsForPolicy" => page(asked, "Targets", none, token),
        "DescribePolicy" if switches.policies.fetch_add(1, Ordering::SeqCst) == 0 => Answer::error(400, "TooManyRequestsException"),
        "DescribePolicy" => {
            let id = asked.text("PolicyId");
            Answer::json(&json!({"Policy": {"PolicySummary": policy(id), "Content": policy_document("us-east-1")}}))
        }
        "DescribeEffectivePolicy" => match asked.text("TargetId") {
            SHOP => {
                let content =
                    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": format!("{GUARDRAIL}:1")}}}}});
                Answer::json(&json!({"EffectivePolicy": {"PolicyContent": content.to_string(), "PolicyType": "BEDROCK_POLICY",
                    "TargetId": SHOP, "LastUpdatedTimestamp": 1_795_600_000}}))
            }
            MANAGEMENT => Answer::error(400, "EffectivePolicyNotFoundException"),
            _ => Answer::error(400, "TooManyRequestsException"),
        },
        other => panic!("nobody wrote what {other} answers"),
    }
}

/// Answers of CloudTrail and EventBridge: everything is set up in us-east-1, and there is no trail elsewhere.
fn telemetry(asked: &ApiRequest) -> Answer {
    let trail = "arn:aws:cloudtrail:us-east-1:111122223333:trail/organization";
    let rule = |name: &str, state: &str, calls: &[&str]| {
        let pattern = json!({"source": ["aws.bedrock"], "detail": {"eventName": calls}});
        json!({"Name": name, "State": state, "EventPattern": pattern.to_string()})
    };
    let all = ["InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream"];
    let us = asked.region == "us-east-1";
    match asked.operation.as_str() {
        "DescribeTrails" if us => {
            Answer::json(&json!({"trailList": [{"Name": "organization", "TrailARN": trail, "IsMultiRegionTrail": true,
            "IsOrganizationTrail": true, "HomeRegion": "us-east-1"}]}))
        }
        "DescribeTrails" => Answer::json(&json!({"trailList": []})),
        "GetEventSelectors" => {
            let management = json!({"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]});
            let data = json!({"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]},
                {"Field": "resources.type", "Equals": ["AWS::Bedrock::Guardrail"]}]});
            Answer::json(&json!({"TrailARN": trail, "AdvancedEventSelectors": [management, data]}))
        }
        "GetTrailStatus" => Answer::json(&json!({"IsLogging": true, "LatestDeliveryTime": 1_795_600_000})),
        "ListRules" if us => Answer::json(
            &json!({"Rules": [rule("other", "ENABLED", &["Converse"]), rule("calls", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", &all)]}),
        ),
        "ListRules" => Answer::json(&json!({"Rules": [rule("calls", "ENABLED", &all)]})),
        "ListTargetsByRule" => Answer::json(&json!({"Targets": [{"Id": "queue", "Arn": "arn:aws:sqs:us-east-1:1:q"}]})),
        "LookupEvents" => {
            let attribute = &asked.body["LookupAttributes"][0];
            let mut record = call(7);
            match attribute["AttributeValue"].as_str().unwrap() {
                "guardrail-audit" if us => {
                    record["errorCode"] = json!("AccessDenied");
                    record["requestParameters"]["modelId"] = json!("guardrail-audit.heartbeat");
                    record["eventTime"] = json!(now());
                }
                "Converse" => record["readOnly"] = json!(true),
                _ => return Answer::json(&json!({"Events": []})),
            }
            Answer::json(&json!({"Events": [{"EventId": "e", "EventName": "Converse", "CloudTrailEvent": record.to_string()}]}))
        }
        other => panic!("nobody wrote what {other} answers"),
    }
}

fn now() -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Timestamp::from_seconds(i64::try_from(seconds).unwrap()).to_string()
}

/// Answers of Bedrock: guardrails, a profile, an agent and a flow in the shop's us-east-1; elsewhere in Europe nothing may be read.
fn bedrock(asked: &ApiRequest, switches: &Switches) -> Answer {
    let has_things = asked.region == "us-east-1" && asked.account == SHOP;
    let required = asked.region == "us-east-1" && asked.account == MANAGEMENT;
    let guardrail = |id: &str, version: &str| {
        let arn = format!("arn:aws:bedrock:us-east-1:{}:guardrail/{id}", asked.account);
        json!({"id": id, "arn": arn, "version": version, "name": id, "status": "READY"})
    };
    let listed = |list: &str, items: &[Value]| page(asked, list, if has_things { items } else { &[] }, Some("more"));
    match (asked.part(0), asked.part(1)) {
        ("enforcedGuardrailsConfiguration", _) if asked.region != "us-east-1" => Answer::error(403, "AccessDeniedException"),
        ("enforcedGuardrailsConfiguration", _) => Answer::json(&json!({"guardrailsConfig": []})),
        ("logging", _) => Answer::json(&json!({"loggingConfig": {"s3Config": {"bucketName": "logs"}, "textDataDeliveryEnabled": true}})),
        ("guardrails", "") if required => page(asked, "guardrails", &[guardrail("required1234", "DRAFT")], None),
        ("guardrails", "") if asked.query.contains_key("guardrailIdentifier") => {
            listed("guardrails", &[guardrail("first1234567", "DRAFT"), guardrail("first1234567", "1")])
        }
        ("guardrails", "") => listed("guardrails", &[guardrail("first1234567", "DRAFT"), guardrail("second123456", "DRAFT")]),
        ("guardrails", id) => Answer::json(&json!({"guardrailId": id, "name": id, "version": asked.query["guardrailVersion"],
            "guardrailArn": format!("arn:aws:bedrock:us-east-1:{}:guardrail/{id}", asked.account), "status": "READY",
            "blockedInputMessaging": "no", "blockedOutputsMessaging": "no", "somethingNew": {"kept": true}})),
        ("resource-policy", _) => Answer::error(404, "ResourceNotFoundException"),
        ("inference-profiles", "") => listed("inferenceProfileSummaries", &[json!({"inferenceProfileId": "profile12345"})]),
        ("inference-profiles", id) => Answer::json(&json!({"inferenceProfileId": id,
            "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"}]})),
        ("agents", "") => listed("agentSummaries", &[json!({"agentId": "AGENT12345", "agentName": "a"})]),
        ("agents", id) => {
            while switches.hangs.load(Ordering::SeqCst) {
                switches.hanging.store(true, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
            Answer::json(&json!({"agent": {"agentId": id, "foundationModel": "amazon.nova-pro-v1:0"}}))
        }
        ("flows", "") => listed("flowSummaries", &[json!({"id": "FLOW123456", "name": "f"})]),
        ("flows", id) => Answer::json(&json!({"id": id, "definition": {"nodes": []}})),
        (other, _) => panic!("nobody wrote what {other} answers"),
    }
}

fn aws() -> (Double, Arc<Switches>) {
    let switches = Arc::new(Switches::default());
    let of_script = Arc::clone(&switches);
    (Double::open(move |asked| answer(asked, &of_script)), switches)
}

fn answer(asked: &ApiRequest, switches: &Switches) -> Answer {
    match asked.service.as_str() {
        "sts" if asked.query.get("RoleArn").is_some_and(|role| role.contains(CLOSED)) => Answer::role_denied(),
        "sts" => Answer::identity(asked),
        "account" => {
            let region = |name: &str| json!({"RegionName": name, "RegionOptStatus": "ENABLED_BY_DEFAULT"});
            page(asked, "Regions", &[region("us-east-1"), region("eu-west-1")], Some("more"))
        }
        "organizations" => organization(asked, switches),
        "cloudtrail" | "events" => telemetry(asked),
        "bedrock" => bedrock(asked, switches),
        other => panic!("nobody wrote what {other} answers"),
    }
}

fn command(double: &Double, account: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guardrail-audit"));
    command.args(arguments).envs(double.environment(account, "us-east-1")).env("AWS_MAX_ATTEMPTS", "2");
    command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN").stdin(Stdio::null());
    command
}

fn run_as(double: &Double, account: &str, arguments: &[&str]) -> Ran {
    let output = command(double, account, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The files of a world, without the times in their names.
fn files(folder: &Path) -> BTreeSet<String> {
    fn below(folder: &Path, root: &Path, files: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, root, files);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let (stem, time) = name.split_once('@').unwrap_or((&name, ""));
            let is_snapshot = path.extension().is_some_and(|extension| extension == "json");
            assert!(!is_snapshot || time.ends_with("Z.json"), "{name} holds from when it was read");
            assert!(files.insert(stem.to_owned()), "{stem} is there twice");
        }
    }
    let mut files = BTreeSet::new();
    below(folder, folder, &mut files);
    files
}

fn read(folder: &Path, stem: &str) -> Value {
    let (parent, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let mut entries = std::fs::read_dir(folder.join(parent)).unwrap().map(|entry| entry.unwrap().path());
    let file = entries.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{name}@"))).unwrap();
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn world() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world").display().to_string();
    (folder, path)
}

const WHOLE: &[&str] = &[
    "agents/222233334444/us-east-1/AGENT12345",
    "effective-policies/111122223333",
    "effective-policies/222233334444",
    "enforced-configurations/111122223333/us-east-1",
    "enforced-configurations/222233334444/us-east-1",
    "flows/222233334444/us-east-1/FLOW123456",
    "guardrails/111122223333/us-east-1/required1234/DRAFT",
    "guardrails/222233334444/us-east-1/first1234567/1",
    "guardrails/222233334444/us-east-1/first1234567/DRAFT",
    "guardrails/222233334444/us-east-1/second123456/1",
    "guardrails/222233334444/us-east-1/second123456/DRAFT",
    "inference-profiles/222233334444/us-east-1/profile12345",
    "organization",
    "policies/p-attached1",
    "policies/p-unattached",
    "resource-policies/111122223333/us-east-1/required1234",
    "resource-policies/222233334444/us-east-1/first1234567",
    "resource-policies/222233334444/us-east-1/second123456",
    "telemetry/111122223333/eu-west-1",
    "telemetry/111122223333/us-east-1",
    "telemetry/222233334444/eu-west-1",
    "telemetry/222233334444/us-east-1",
];

#[test]
fn a_snapshot_of_an_organization_is_a_world() {
    let (double, _) = aws();
    let (folder, dir) = world();
    let ran = run_as(&double, MANAGEMENT, &["snapshot", "--dir", &dir, "--format", "json"]);
    assert_eq!(ran.code, 0, "what can't be read ends nothing: {}", ran.stderr);
    let path = folder.path().join("world");
    assert_eq!(files(&path), WHOLE.iter().map(|&file| file.to_owned()).collect());

    let organization = read(&path, "organization");
    assert_eq!(organization["Accounts"].as_array().unwrap().len(), 4, "all pages");
    assert!(!organization.to_string().contains("example.com"), "no addresses of accounts");
    assert!(organization["Attachments"].as_array().unwrap().len() == 2 && organization["Attachments"][0]["AttachedAt"].is_null());
    assert_eq!(read(&path, "effective-policies/111122223333"), json!({"EffectivePolicy": null}), "asked, and there is none");
    let guardrail = read(&path, "guardrails/222233334444/us-east-1/first1234567/1");
    assert_eq!(guardrail["somethingNew"]["kept"], true, "as AWS said it, also what the SDK has no type for");
    assert_eq!(read(&path, "telemetry/222233334444/us-east-1")[0]["loggingConfig"]["s3Config"]["bucketName"], "logs");
    assert_eq!(
        read(&path, "telemetry/222233334444/eu-west-1")[0]["loggingConfig"]["s3Config"]["bucketName"],
        "logs",
        "without a trail, too"
    );

    let outcome = ran.json();
    let missing: Vec<(&str, bool)> = outcome["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|missing| (missing["what"].as_str().unwrap(), missing["denied"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        missing,
        [
            ("account 333344445555", true),
            ("effective-policies/333344445555", false),
            ("enforced-configurations/111122223333/eu-west-1", true),
            ("enforced-configurations/222233334444/eu-west-1", true),
        ],
        "a policy that is throttled is not known, which isn't none"
    );
    assert_eq!(
        outcome["read"]["effective-policies"],
        json!({"written": 2, "unchanged": 0, "earlier": 0, "none": 1, "denied": 0, "failed": 1})
    );
    assert!(outcome["notes"][0].as_str().unwrap().contains("not active"), "{}", outcome["notes"]);

    // The program can read the world that it wrote.
    let effective = run(&["policy", "effective", "--world", &dir, "--format", "json"]);
    assert_eq!((effective.code, effective.stderr.as_str()), (0, ""));
    let effective = effective.json();
    assert!(effective[SHOP].to_string().contains("required1234") && effective[MANAGEMENT].is_null(), "{effective}");
    let mut later = call(1);
    later["eventTime"] = json!("2099-01-01T00:00:00Z");
    let log = folder.path().join("log.json");
    std::fs::write(&log, later.to_string()).unwrap();
    let audit = |log: &Path| {
        let audited = run(&["audit", &log.display().to_string(), "--world", &dir, "--format", "json", "--fail-on", "never"]);
        assert_eq!(audited.code, 0, "{}", audited.stderr);
        let coverage = audited.json()["coverage"][0].clone();
        (coverage["verdict"].as_str().unwrap().to_owned(), coverage["grade"].as_str().unwrap().to_owned())
    };
    assert_eq!(audit(&log), ("compliant".to_owned(), "enforced".to_owned()));
    later["eventTime"] = json!("2026-01-01T00:00:00Z");
    std::fs::write(&log, later.to_string()).unwrap();
    assert_ne!(audit(&log).1, "enforced", "what holds now is no evidence for what held then");

    // The second run writes nothing new, and still reports what could not be read.
    let before = files(&path);
    let again = run_as(&double, MANAGEMENT, &["snapshot", "--dir", &dir, "--strict", "--regions", "us-east-1", "--accounts", SHOP]);
    assert_eq!((again.code, files(&path)), (0, before), "{}", again.stderr);
    assert!(again.stdout.contains("UNCHANGED") && again.stderr.contains("--world"), "{}\n{}", again.stdout, again.stderr);
}

#[test]
fn a_snapshot_that_was_killed_goes_on() {
    let (double, switches) = aws();
    let (folder, dir) = world();
    let arguments = ["snapshot", "--dir", &dir, "--format", "json", "--regions", "us-east-1", "--accounts", "111122223333,222233334444"];
    switches.hangs.store(true, Ordering::SeqCst);
    let mut killed = command(&double, MANAGEMENT, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !switches.hanging.load(Ordering::SeqCst) {
        assert!(start.elapsed() < Duration::from_mins(5) && killed.try_wait().unwrap().is_none(), "it should hang by now");
        std::thread::sleep(Duration::from_millis(20));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    switches.hangs.store(false, Ordering::SeqCst);

    let path = folder.path().join("world");
    let left = files(&path);
    assert!(left.contains("snapshot.journal") && !left.contains("agents/222233334444/us-east-1/AGENT12345"), "{left:?}");
    assert!(left.iter().all(|file| !file.contains(".part")), "no part of a file: {left:?}");
    let usable = run(&["policy", "effective", "--world", &dir]);
    assert_eq!((usable.code, usable.stderr.as_str()), (0, ""), "what was read can be used");
    // A line of the journal that was cut off is ignored.
    let journal = path.join("snapshot.journal");
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.push_str("effective-policies/1111");
    std::fs::write(&journal, text).unwrap();

    let _ = double.take_requests();
    let resumed = run_as(&double, MANAGEMENT, &arguments);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.contains("went on with the run") && resumed.json()["resumed"].is_string(), "{}", resumed.stderr);
    let again: Vec<String> = double.take_requests().into_iter().map(|asked| asked.operation).collect();
    for once in ["DescribePolicy", "DescribeEffectivePolicy", "DescribeOrganization", "GetEventSelectors", "GET /guardrails/first1234567"] {
        assert!(!again.iter().any(|asked| asked.starts_with(once)), "{once} was answered before: {again:?}");
    }
    let whole: BTreeSet<String> = WHOLE.iter().filter(|file| !file.contains("eu-west-1")).map(|&file| file.to_owned()).collect();
    assert_eq!(files(&path), whole, "as if it had never stopped, and no journal");
}

#[test]
fn a_single_account_needs_no_organization() {
    let without_organization = |code: &'static str| {
        let switches = Switches::default();
        Double::open(move |asked| match asked.service.as_str() {
            "organizations" => Answer::error(400, code),
            "sts" => Answer::identity(asked),
            "account" => Answer::error(403, "AccessDeniedException"),
            "bedrock" => bedrock(asked, &switches),
            _ => telemetry(asked),
        })
    };
    let (folder, dir) = world();
    let alone = run_as(&without_organization("AWSOrganizationsNotInUseException"), SHOP, &["snapshot", "--dir", &dir, "--format", "json"]);
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    let path = folder.path().join("world");
    assert_eq!(read(&path, "effective-policies/222233334444"), json!({"EffectivePolicy": null}), "no organization, no policy");
    let outcome = alone.json();
    assert!(alone.stderr.contains("in no organization"), "{}", alone.stderr);
    assert!(outcome["missing"][0]["what"].as_str().unwrap().starts_with("Regions of 222233334444"), "{outcome}");
    assert!(files(&path).contains("guardrails/222233334444/us-east-1/first1234567/1"), "the Region that is configured was read");

    let (folder, dir) = world();
    let double = without_organization("AccessDeniedException");
    let denied = run_as(&double, SHOP, &["snapshot", "--dir", &dir, "--regions", "us-east-1", "--strict"]);
    assert_eq!(denied.code, 4, "{}", denied.stderr);
    for printed in ["organization", "effective-policies/222233334444", "AccessDeniedException"] {
        assert!(denied.stdout.contains(printed), "{printed}: {}", denied.stdout);
    }
    assert!(!files(&folder.path().join("world")).iter().any(|file| file.starts_with("effective")), "not known is no file");
}

#[test]
fn the_doctor_says_where_the_way_of_an_event_ends() {
    let (double, _) = aws();
    let well = run_as(&double, SHOP, &["doctor", "--format", "json"]);
    let checks = |ran: &Ran| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        ran.json()["checks"].as_array().unwrap().iter().map(|check| (text(&check["check"]), text(&check["status"]))).collect()
    };
    let status =
        |ran: &Ran, name: &str| checks(ran).into_iter().find(|(check, _)| check == name).map(|(_, status)| status).unwrap_or_default();
    assert_eq!(well.code, 0, "{}\n{}", well.stdout, well.stderr);
    for (check, expected) in [
        ("trail", "ok"),
        ("trail-scope", "ok"),
        ("read-events", "ok"),
        ("selector-guardrail", "ok"),
        ("selector-mantle", "warn"),
        ("invocation-logging", "ok"),
        ("rule", "ok"),
        ("rule-target", "ok"),
        ("heartbeat", "ok"),
    ] {
        assert_eq!(status(&well, check), expected, "{check}");
    }
    let answers = well.json()["answers"].clone();
    let read_only = answers.as_array().unwrap().iter().find(|answer| answer["id"] == "calls-read-only").unwrap();
    assert_eq!(read_only["settled"], "yes", "event history was looked at");

    let ill = run_as(&double, SHOP, &["doctor", "--regions", "eu-west-1"]);
    assert_eq!(ill.code, 3, "{}", ill.stderr);
    for printed in ["no trail", "calls is ENABLED,", "no heartbeat in event history", "222233334444 eu-west-1"] {
        assert!(ill.stdout.contains(printed), "{printed}: {}", ill.stdout);
    }
    let closed = run_as(&double, MANAGEMENT, &["doctor", "--accounts", CLOSED, "--strict", "--format", "json"]);
    assert_eq!((closed.code, status(&closed, "account")), (4, "unknown".to_owned()), "{}", closed.stderr);
}

/// A table of observations with a heartbeat of the shop that is `age` seconds old.
fn with_a_heartbeat(age: i64) -> Double {
    let time = Timestamp::parse(&now()).unwrap().plus_seconds(-age);
    let heartbeat = Content::Heartbeat(HeartbeatFact { time, event_id: "e".to_owned(), dead_letters: BTreeMap::new() });
    let fact = Fact::new(Source::Account, AccountRegion::new(SHOP, "us-east-1"), Some(time), heartbeat);
    let item = fact.item(1).unwrap();
    let item: serde_json::Map<String, Value> = item
        .into_iter()
        .map(|(name, value)| (name, value.as_s().map_or_else(|value| json!({"N": value.as_n().unwrap()}), |text| json!({"S": text}))))
        .collect();
    let switches = Switches::default();
    Double::open(move |asked| match (asked.service.as_str(), asked.operation.as_str()) {
        // The table belongs to the hub: the caller may read it, and no role of another account may.
        ("dynamodb", _) if asked.account != MANAGEMENT => Answer::denied(),
        ("dynamodb", "Query") => {
            assert_eq!((asked.text("TableName"), asked.region.as_str()), ("facts", "us-east-1"));
            let values = &asked.body["ExpressionAttributeValues"];
            assert_eq!(values[":sk"]["S"], "heartbeat#");
            let is_here = values[":pk"] == item["pk"];
            Answer::json(&json!({"Items": if is_here { vec![&item] } else { Vec::new() }, "Count": u8::from(is_here)}))
        }
        _ => answer(asked, &switches),
    })
}

#[test]
fn the_doctor_sees_whether_a_heartbeat_arrived_at_the_hub() {
    let arrived = |double: &Double, account: &str| {
        let arguments = ["doctor", "--accounts", SHOP, "--observations-table", "facts", "--strict", "--format", "json"];
        let ran = run_as(double, account, &arguments);
        let json = ran.json();
        let found = json["checks"].as_array().unwrap().iter().find(|check| check["check"] == "heartbeat-arrived").cloned();
        let found = found.unwrap_or_else(|| panic!("{json}"));
        (ran.code, found["status"].as_str().unwrap().to_owned(), found.to_string())
    };
    let (code, status, printed) = arrived(&with_a_heartbeat(10 * 60), MANAGEMENT);
    assert_eq!((code, status.as_str()), (0, "ok"), "{printed}");
    let (code, status, printed) = arrived(&with_a_heartbeat(24 * 60 * 60), MANAGEMENT);
    assert_eq!((code, status.as_str()), (3, "fail"), "{printed}");
    assert!(printed.contains("no heartbeat in the table of observations"), "{printed}");
    let (code, status, printed) = arrived(&with_a_heartbeat(0), SHOP);
    assert_eq!((code, status.as_str()), (4, "unknown"), "{printed}");
    assert!(printed.contains("AccessDenied"), "{printed}");
    let without = run_as(&with_a_heartbeat(0), MANAGEMENT, &["doctor", "--format", "json"]);
    assert!(!without.stdout.contains("heartbeat-arrived"), "nobody asked for it");
}

#[test]
fn a_guardrail_that_is_listed_no_longer_is_none_in_the_next_snapshot() {
    let (folder, dir) = world();
    let arguments = ["snapshot", "--dir", &dir, "--accounts", SHOP, "--regions", "us-east-1"];
    let (double, _) = aws();
    assert_eq!(run_as(&double, SHOP, &arguments).code, 0);
    let switches = Switches::default();
    let later = Double::open(move |asked| match (asked.service.as_str(), asked.part(0), asked.part(1)) {
        ("bedrock", "guardrails", "first1234567") => Answer::error(404, "ResourceNotFoundException"),
        ("bedrock", "guardrails", "") if !asked.query.contains_key("guardrailIdentifier") => Answer::json(&json!({"guardrails": []})),
        _ => answer(asked, &switches),
    });
    assert_eq!(run_as(&later, SHOP, &arguments).code, 0);
    let below = folder.path().join("world/guardrails/222233334444/us-east-1/first1234567");
    let says_none = |version: &str| {
        let files = std::fs::read_dir(&below).unwrap().map(|entry| entry.unwrap().path());
        let of_version = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(version));
        let latest = of_version.max().unwrap();
        std::fs::read_to_string(latest).unwrap() == r#"{"guardrailId":null}"#
    };
    assert!(says_none("DRAFT") && says_none("1@"));
    let kept = below.with_file_name("second123456");
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 2, "what is there still says the same");
}

#[test]
fn without_credentials_it_can_not_run() {
    let double = Double::open(|_| Answer::role_denied());
    let (_folder, dir) = world();
    for arguments in [&["snapshot", "--dir", &dir][..], &["doctor"]] {
        let ran = run_as(&double, SHOP, arguments);
        assert_eq!(ran.code, 1, "{}", ran.stdout);
        assert!(ran.stderr.contains("whose credentials") && ran.stderr.contains("AccessDenied"), "{}", ran.stderr);
    }
}
