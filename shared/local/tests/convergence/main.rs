//! The result of a run is a function of the set of records. It doesn't depend on their order, on how they are spread over files, on copies,
//! on the number of threads, on how their JSON is written, or on the runs in which a store received them.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that indexes wrongly fails, as it should")]

mod spelling;

use std::{collections::BTreeMap, path::PathBuf};

use audit_core::{
    auditor::{self, Audit, AuditOptions, Continued, Selection},
    config::Configuration,
    facts::EvidenceRows,
    missing_evidence::MissingEvidence,
    timestamp::{Day, Timestamp},
    verdict::Verdict,
    world::World,
};
use audit_local::{
    input,
    scan::{self, Options},
    store::{Added, Store},
    world::LoadedWorld,
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use self::spelling::{Random, spell};

const MANAGEMENT: &str = "111122223333";
const MEMBERS: [&str; 2] = ["222233334444", "333344445555"];
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];
const MODELS: [&str; 4] = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-3-haiku-20240307-v1:0",
    "amazon.titan-embed-text-v2:0",
    "arn:aws:bedrock:us-east-1:222233334444:application-inference-profile/abc123def456",
];
const APIS: [&str; 5] = ["Converse", "InvokeModel", "InvokeModelWithResponseStream", "StartAsyncInvoke", "InvokeFlow"];
const GUARDRAILS: [&str; 2] =
    ["arn:aws:bedrock:us-east-1:111122223333:guardrail/required1", "arn:aws:bedrock:us-east-1:111122223333:guardrail/another01"];

/// Something that happened in a given minute.
#[derive(Clone, Debug)]
enum Happening {
    Call {
        api: usize,
        model: usize,
        principal: u8,
        guardrail: Option<usize>,
        refused: bool,
    },
    /// An evaluation of the call that made this request.
    Evaluation {
        of: u8,
        guardrail: usize,
        requested: bool,
    },
    Log {
        of: u8,
        guarded: u32,
        traced: bool,
    },
    PutConfiguration {
        guardrail: usize,
    },
    DeleteConfiguration {
        refused: bool,
    },
    UpdatePolicy {
        guardrail: Option<usize>,
    },
    Attach {
        detach: bool,
    },
    Other,
    Control {
        what: usize,
        refused: bool,
    },
}

impl Happening {
    fn is_change(&self) -> bool {
        !matches!(self, Happening::Call { .. } | Happening::Evaluation { .. } | Happening::Log { .. } | Happening::Other)
    }
}

#[derive(Clone, Debug)]
struct Event {
    happening: Happening,
    /// In steps of five.
    minute: u8,
    account: usize,
    region: usize,
}

fn event() -> impl Strategy<Value = Event> {
    let happening = prop_oneof![
        8 => (0..APIS.len(), 0..MODELS.len(), 0..3_u8, proptest::option::weighted(0.2, 0..2_usize), proptest::bool::weighted(0.1))
            .prop_map(|(api, model, principal, guardrail, refused)| Happening::Call { api, model, principal, guardrail, refused }),
        4 => (any::<u8>(), 0..2_usize, proptest::bool::weighted(0.3))
            .prop_map(|(of, guardrail, requested)| Happening::Evaluation { of, guardrail, requested }),
        1 => (any::<u8>(), 0..3_u32, any::<bool>()).prop_map(|(of, guarded, traced)| Happening::Log { of, guarded, traced }),
        1 => (0..2_usize).prop_map(|guardrail| Happening::PutConfiguration { guardrail }),
        1 => proptest::bool::weighted(0.3).prop_map(|refused| Happening::DeleteConfiguration { refused }),
        1 => proptest::option::of(0..2_usize).prop_map(|guardrail| Happening::UpdatePolicy { guardrail }),
        1 => any::<bool>().prop_map(|detach| Happening::Attach { detach }),
        1 => Just(Happening::Other),
        4 => (0..CONTROL.len(), any::<bool>()).prop_map(|(what, refused)| Happening::Control { what, refused }),
    ];
    // There are few minutes, so that many events happen at the same time.
    (happening, 0..40_u8, 0..2_usize, 0..2_usize).prop_map(|(happening, minute, account, region)| Event {
        happening,
        minute,
        account,
        region,
    })
}

/// The record of the event with this number.
fn record(number: usize, event: &Event, all: &[Event]) -> Value {
    let of = |of: u8| usize::from(of) % all.len();
    let request = match event.happening {
        Happening::Evaluation { of: call, .. } | Happening::Log { of: call, .. } => of(call),
        _ => number,
    };
    let located = match event.happening {
        Happening::Evaluation { of: call, .. } | Happening::Log { of: call, .. } => &all[of(call)],
        _ => event,
    };
    let (account, region) = (MEMBERS[located.account], REGIONS[located.region]);
    // Not every id is a UUID in its usual spelling.
    let id = |number: usize, rest: &str| match number % 8 {
        3 => format!("{number:08X}-AAAA-{rest}"),
        5 => format!("request {number}"),
        _ => format!("{number:08x}-aaaa-{rest}"),
    };
    let request_id = id(request, "4222-8333-444455556666");
    // Five minutes for each, so that requests of the first ones are settled when the last ones are read.
    let minute = 5 * u16::from(event.minute);
    let time = format!("2026-11-20T{:02}:{:02}:00Z", 12 + minute / 60, minute % 60);
    let make = |name: &str, account: &str, parameters: Value| {
        let principal = match event.happening {
            Happening::Call { principal, .. } => principal,
            _ => 9,
        };
        json!({"eventVersion": "1.11", "eventID": id(number, "4bbb-8ccc-ddddeeeeffff"), "requestID": request_id, "eventTime": time,
            "eventSource": if name.ends_with("Policy") { "organizations.amazonaws.com" } else { "bedrock.amazonaws.com" }, "eventName": name,
            "eventType": "AwsApiCall", "eventCategory": if name == "ApplyGuardrail" { "Data" } else { "Management" }, "awsRegion": region,
            "recipientAccountId": account, "requestParameters": parameters, "responseElements": null,
            "userIdentity": {"type": "IAMUser", "arn": format!("arn:aws:iam::{account}:user/number-{principal}"), "accountId": account}})
    };
    let refuse = |mut record: Value| {
        record["errorCode"] = json!("AccessDenied");
        record
    };
    match event.happening {
        Happening::Call { api, model, guardrail, refused, .. } => {
            let parameters = match APIS[api] {
                "InvokeFlow" => json!({"flowIdentifier": "FLOW123456"}),
                _ => match guardrail {
                    None => json!({"modelId": MODELS[model]}),
                    Some(number) => {
                        json!({"modelId": MODELS[model], "guardrailIdentifier": GUARDRAILS.get(number), "guardrailVersion": "1"})
                    }
                },
            };
            let call = make(APIS[api], account, parameters);
            if refused { refuse(call) } else { call }
        }
        Happening::Evaluation { guardrail, requested, .. } => {
            let named = if requested { GUARDRAILS[guardrail] } else { "ENFORCED" };
            let version = if requested { "1" } else { "ENFORCED" };
            let mut evaluation = make("ApplyGuardrail", account, json!({"guardrailIdentifier": named, "guardrailVersion": version}));
            evaluation["resources"] = json!([{"type": "AWS::Bedrock::Guardrail", "ARN": GUARDRAILS[guardrail]}]);
            evaluation
        }
        Happening::Log { traced: false, .. } => json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": time,
            "accountId": account, "region": region, "requestId": request_id, "operation": "InvokeModel", "modelId": MODELS[0],
            "output": {"outputBodyJson": {"amazon-bedrock-guardrailAction": "NONE"}}}),
        Happening::Log { guarded, .. } => json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": time,
            "accountId": account, "region": region, "requestId": request_id, "operation": "Converse", "modelId": MODELS[0],
            "output": {"outputBodyJson": {"trace": {"guardrail": {"inputAssessment": {"required1": {"invocationMetrics":
                {"guardrailCoverage": {"textCharacters": {"guarded": guarded, "total": 2}}}}}}}}}}),
        Happening::PutConfiguration { guardrail } => make(
            "PutEnforcedGuardrailConfiguration",
            account,
            json!({"guardrailInferenceConfig": {"guardrailIdentifier": GUARDRAILS[guardrail], "guardrailVersion": "1"}}),
        ),
        Happening::DeleteConfiguration { refused } => {
            let deletion = make("DeleteEnforcedGuardrailConfiguration", account, json!({"configId": "cfg1"}));
            if refused { refuse(deletion) } else { deletion }
        }
        Happening::UpdatePolicy { guardrail } => make(
            "UpdatePolicy",
            MANAGEMENT,
            match guardrail {
                None => json!({"policyId": "p-bedrock01", "content": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
                Some(number) => json!({"policyId": "p-bedrock01", "content": policy(GUARDRAILS[number])}),
            },
        ),
        Happening::Attach { detach } => make(
            if detach { "DetachPolicy" } else { "AttachPolicy" },
            MANAGEMENT,
            json!({"policyId": "p-bedrock01", "targetId": MEMBERS[event.account]}),
        ),
        Happening::Other => make("ListFoundationModels", account, Value::Null),
        Happening::Control { what, refused } => {
            let (service, name, parameters) = CONTROL[what];
            let mut change = make(name, account, serde_json::from_str(parameters).unwrap());
            change["eventSource"] = json!(format!("{service}.amazonaws.com"));
            if refused { refuse(change) } else { change }
        }
    }
}

/// Changes that rules of their own report: service, operation and parameters.
const CONTROL: [(&str, &str, &str); 10] = [
    ("bedrock", "UpdateGuardrail", r#"{"guardrailIdentifier":"required1","name":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#),
    ("bedrock", "DeleteModelInvocationLoggingConfiguration", "{}"),
    ("lambda", "UpdateFunctionCode20150331v2", r#"{"functionName":"guardrail-audit-changes"}"#),
    ("lambda", "UpdateFunctionCode20150331v2", r#"{"functionName":"web"}"#),
    (
        "iam",
        "PutRolePolicy",
        r#"{"roleName":"app","policyName":"p","policyDocument":"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"bedrock:InvokeModel\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{\"bedrock:GuardrailIdentifier\":\"g\"}}}}"}"#,
    ),
    (
        "iam",
        "PutRolePolicy",
        r#"{"roleName":"app","policyName":"p","policyDocument":"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"bedrock:*\",\"Resource\":\"*\"}}"}"#,
    ),
    ("iam", "DeleteRolePolicy", r#"{"roleName":"app","policyName":"p"}"#),
    ("cloudtrail", "StopLogging", r#"{"name":"main"}"#),
    ("cloudtrail", "StopLogging", r#"{"name":"arn:aws:cloudtrail:us-east-1:111122223333:trail/organization"}"#),
    ("organizations", "MoveAccount", r#"{"accountId":"222233334444","sourceParentId":"r-ab12","destinationParentId":"r-ab12"}"#),
];

fn policy(guardrail: &str) -> String {
    let region = json!({"config_1": {"identifier": {"@@assign": format!("{guardrail}:1")}}});
    json!({"bedrock": {"guardrail_inference": {"us-east-1": region}}}).to_string()
}

/// Which parts of the world are known.
#[derive(Clone, Copy, Debug)]
struct WorldParts {
    organization: bool,
    configurations: bool,
    telemetry: bool,
}

fn known() -> impl Strategy<Value = WorldParts> {
    // Mostly everything is known: without evidence every call gets the same verdict.
    let mostly = || proptest::bool::weighted(0.85);
    (mostly(), mostly(), any::<bool>()).prop_map(|(organization, configurations, telemetry)| WorldParts {
        organization,
        configurations,
        telemetry,
    })
}

fn world(known: WorldParts) -> World {
    let mut files: Vec<(String, Value)> = Vec::new();
    if known.organization {
        let accounts: Vec<Value> =
            MEMBERS.iter().map(|id| json!({"Id": id, "Name": "member", "State": "ACTIVE", "ParentId": "r-ab12"})).collect();
        files.push((
            "organization.json".to_owned(),
            json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT}, "OrganizationalUnits": [], "Accounts": accounts,
                "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
                "Attachments": [{"PolicyId": "p-bedrock01", "TargetId": MEMBERS[0], "AttachedAt": "2026-10-01T00:00:00Z"}]}),
        ));
        files.push((
            "policies/p-bedrock01.json".to_owned(),
            json!({"Policy": {"PolicySummary": {"Id": "p-bedrock01", "Name": "guardrails", "Type": "BEDROCK_POLICY"}, "Content": policy(GUARDRAILS[0])}}),
        ));
    }
    for account in MEMBERS {
        for region in REGIONS {
            if known.configurations {
                files.push((format!("enforced-configurations/{account}/{region}@20261120T120000Z.json"), json!({"guardrailsConfig": []})));
            }
            if known.telemetry {
                let guardrails = json!([{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::Bedrock::Guardrail"]}]);
                let trail = json!({"TrailARN": "arn:aws:cloudtrail:us-east-1:111122223333:trail/organization", "IsLogging": true,
                    "AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}, {"FieldSelectors": guardrails}]});
                files.push((format!("telemetry/{account}/{region}.json"), trail));
            }
        }
    }
    let mut loaded = LoadedWorld::default();
    for (path, json) in files {
        loaded.take(path.clone(), json.to_string().into_bytes(), &PathBuf::from(path));
    }
    assert_eq!(loaded.problems, []);
    loaded.world
}

fn configuration() -> Configuration {
    let configuration =
        format!("[[require]]\nguardrail = \"{}\"\nregions = [\"us-east-1\"]\naccounts = [\"{}\"]\n", GUARDRAILS[0], MEMBERS[0]);
    Configuration::parse(&configuration).unwrap()
}

/// How a history is written: order, copies, files, threads.
#[derive(Clone, Debug)]
struct Spelling {
    order: Vec<usize>,
    copies: Vec<Index>,
    files: Vec<Index>,
    threads: usize,
}

/// A history, and two ways to write it.
fn history() -> impl Strategy<Value = (Vec<Event>, WorldParts, [Spelling; 2])> {
    proptest::collection::vec(event(), 1..40).prop_flat_map(|events| {
        let spelling = |count: usize| {
            let order = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
            let copies = proptest::collection::vec(any::<Index>(), 0..4);
            let files = proptest::collection::vec(any::<Index>(), 0..4);
            (order, copies, files, 1..4_usize).prop_map(|(order, copies, files, threads)| Spelling { order, copies, files, threads })
        };
        let spellings = [spelling(events.len()), spelling(events.len())];
        (Just(events), known(), spellings)
    })
}

/// Writes files in every form that is read; the file's number selects the form.
fn write(records: &[Value], spelling: &Spelling, folder: &std::path::Path) {
    let mut in_order: Vec<&Value> = spelling.order.iter().map(|number| &records[*number]).collect();
    in_order.extend(spelling.copies.iter().map(|copy| copy.get(records)));
    let mut cuts: Vec<usize> = spelling.files.iter().map(|cut| cut.index(in_order.len() + 1)).chain([0, in_order.len()]).collect();
    cuts.sort_unstable();
    for (number, cut) in cuts.windows(2).enumerate() {
        let part = &in_order[cut[0]..cut[1]];
        let lines = || part.iter().flat_map(|record| [record.to_string(), "\n".to_owned()]).collect::<String>().into_bytes();
        let (name, bytes) = match number % 4 {
            0 => ("json", json!({"Records": part}).to_string().into_bytes()),
            1 => ("jsonl", lines()),
            2 => ("json.gz", gzip(&json!({"Records": part}).to_string().into_bytes())),
            _ => ("json", part.iter().map(|record| in_envelope(record)).collect::<Value>().to_string().into_bytes()),
        };
        std::fs::write(folder.join(format!("{number}.{name}")), bytes).unwrap();
    }
}

/// Wraps a record as EventBridge delivers it. EventBridge doesn't deliver invocation logs.
fn in_envelope(record: &Value) -> Value {
    if record["eventName"].is_null() { record.clone() } else { json!({"detail-type": "AWS API Call via CloudTrail", "detail": record}) }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The result of an audit as text, for comparison.
fn found(audit: &Audit) -> String {
    let Audit { findings, coverage, days, blind, invocations, .. } = audit;
    json!({"findings": findings, "coverage": coverage, "days": days, "blind": blind, "invocations": invocations}).to_string()
}

fn judge(facts: EvidenceRows, known: WorldParts, threads: usize) -> Audit {
    let (configuration, selection) = (configuration(), Selection::default());
    let now = Timestamp::parse("2026-11-22T00:00:00Z").unwrap();
    auditor::audit(facts, world(known), &AuditOptions { configuration: &configuration, selection: &selection, now, threads })
}

fn scan_folder(folder: &std::path::Path, options: &Options<'_>) -> scan::Scanned {
    let scanned = scan::scan(&input::list(&[folder.to_owned()], &[]).unwrap(), &auditor::wanted(), options);
    assert_eq!((scanned.counts.unreadable, &scanned.problems), (0, &Vec::new()));
    scanned
}

fn records_of(events: &[Event]) -> Vec<Value> {
    events.iter().enumerate().map(|(number, event)| record(number, event, events)).collect()
}

fn folder_of(records: &[Value], spelling: &Spelling) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(records, spelling, folder.path());
    folder
}

/// How a run of the command line ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum RunEnds {
    Alone,
    BesideAnother,
    Interrupted,
}

fn run_ends() -> impl Strategy<Value = [RunEnds; 5]> {
    let ends = || prop_oneof![3 => Just(RunEnds::Alone), 1 => Just(RunEnds::BesideAnother), 1 => Just(RunEnds::Interrupted)];
    [ends(), ends(), ends(), ends(), ends()]
}

/// Adds the records with these numbers to a store.
fn add(store: &mut Store, records: &[Value], numbers: &[usize]) -> Added {
    let spelling = Spelling { order: numbers.to_vec(), copies: Vec::new(), files: Vec::new(), threads: 1 };
    let known_inputs = store.known_inputs().unwrap();
    let is_known = |digest: &scan::Digest| known_inputs.contains(digest);
    let run = scan_folder(folder_of(records, &spelling).path(), &Options { known: Some(&is_known), ..Options::default() });
    let new: Vec<_> = run.inputs.into_iter().filter(|(digest, _)| !is_known(digest)).collect();
    store.add(run.facts, &new, &[]).unwrap()
}

/// The time of a step of a history that is spread over five days.
fn time_of_step(step: u8) -> Timestamp {
    Timestamp::parse("2026-11-20T00:00:00Z").unwrap().plus_seconds(3 * 60 * 60 * i64::from(step))
}

/// The records of a history that is spread over five days, with the steps that they belong to. An evaluation or a log is of the minute after its
/// call.
fn over_days(events: &[Event]) -> (Vec<Value>, Vec<u8>) {
    let mut records = records_of(events);
    let mut steps = Vec::new();
    for (record, event) in records.iter_mut().zip(events) {
        let (step, later) = match event.happening {
            Happening::Evaluation { of, .. } | Happening::Log { of, .. } => (events[usize::from(of) % events.len()].minute, 60),
            _ => (event.minute, 0),
        };
        let key = if record["eventName"].is_null() { "timestamp" } else { "eventTime" };
        record[key] = json!(time_of_step(step).plus_seconds(later).to_string());
        steps.push(step);
    }
    (records, steps)
}

fn continued(store: &Store, added: Option<Added>, known: WorldParts, threads: usize) -> Continued {
    let (configuration, selection) = (configuration(), Selection::default());
    let now = Timestamp::parse("2026-11-22T00:00:00Z").unwrap();
    store.audit(added, world(known), &AuditOptions { configuration: &configuration, selection: &selection, now, threads }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn order_files_copies_and_threads_change_nothing((events, known, spellings) in history()) {
        let records = records_of(&events);
        let [one, other] = spellings.map(|spelling| {
            let folder = folder_of(&records, &spelling);
            let scanned = scan_folder(folder.path(), &Options { threads: spelling.threads, ..Options::default() });
            assert_eq!(scanned.counts.read, (records.len() + spelling.copies.len()) as u64);
            found(&judge(scanned.facts, known, spelling.threads))
        });
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_store_that_takes_them_in_run_by_run_holds_the_same(
        (events, known, spellings) in history(),
        cuts in any::<[Index; 3]>(),
        outcomes in run_ends(),
    ) {
        let records = records_of(&events);
        let [once, in_runs] = spellings;
        let at_once = scan_folder(folder_of(&records, &once).path(), &Options::default());

        let home = tempfile::tempdir().unwrap();
        let mut store = Store::open(&home.path().join("store.sqlite")).unwrap();
        let mut cuts = cuts.map(|cut| cut.index(in_runs.order.len()));
        cuts.sort_unstable();
        let [first, second, third] = cuts;
        let order = &in_runs.order;
        let runs = [&order[..first], &order[first..second], &order[second..third], &order[..first / 2], &order[third..]];
        let mut concluded = Continued::default();
        for (number, order) in runs.into_iter().enumerate() {
            let added = add(&mut store, &records, order);
            // Every other run is interrupted before it concludes, or finds that another one has written.
            concluded = match outcomes[number] {
                RunEnds::Interrupted => continue,
                RunEnds::Alone => continued(&store, Some(added), known, in_runs.threads),
                RunEnds::BesideAnother => continued(&store, None, known, in_runs.threads),
            };
            store.conclude(&concluded).unwrap();
        }
        let expected = found(&judge(at_once.facts, known, once.threads));
        prop_assert_eq!(found(&continued(&store, None, known, in_runs.threads).audit), expected.clone());
        if outcomes[runs.len() - 1] != RunEnds::Interrupted {
            prop_assert_eq!(found(&concluded.audit), expected.clone());
        }
        let mut stored = EvidenceRows::default();
        store.load_facts(&mut stored).unwrap();
        prop_assert_eq!(found(&judge(stored, known, in_runs.threads)), expected);
    }

    #[test]
    fn early_rejection_and_the_spelling_of_json_change_nothing((events, known, [spelling, _]) in history(), respell in any::<u64>()) {
        let records = records_of(&events);
        let plain = scan_folder(folder_of(&records, &spelling).path(), &Options { reject_early: false, ..Options::default() });

        let folder = tempfile::tempdir().unwrap();
        let mut random = Random(respell);
        let spelled: Vec<String> = spelling.order.iter().map(|number| spell(&records[*number], &mut random)).collect();
        std::fs::write(folder.path().join("1.json"), format!("{{ \"Records\" :\n[{}]\t}}", spelled.join(" ,\r\n"))).unwrap();
        let rejecting = scan_folder(folder.path(), &Options::default());

        prop_assert_eq!(plain.counts.read - spelling.copies.len() as u64, rejecting.counts.read);
        prop_assert_eq!(found(&judge(rejecting.facts, known, 1)), found(&judge(plain.facts, known, spelling.threads)));
    }
}

proptest! {
    // Each case writes to the disk and rewrites the file of the store.
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn a_store_that_is_compacted_between_runs_holds_the_same(
        (events, known, [spelling, _]) in history(),
        mut cuts in [0..40_u8, 0..40_u8],
        changes_come_late in any::<bool>(),
    ) {
        let (records, steps) = over_days(&events);
        let at_once = judge(scan_folder(folder_of(&records, &spelling).path(), &Options::default()).facts, known, 1);
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store.sqlite");
        let mut store = Store::open(&path).unwrap();
        cuts.sort_unstable();
        let (configuration, selection) = (configuration(), Selection::default());
        let options = AuditOptions { configuration: &configuration, selection: &selection, now: Timestamp::from_seconds(0), threads: 1 };
        let mut in_runs = Continued::default();
        for (from, until) in [(0, cuts[0]), (cuts[0], cuts[1]), (cuts[1], u8::MAX)] {
            let step = |number: usize| if changes_come_late && events[number].happening.is_change() { 40 } else { steps[number] };
            let of_run: Vec<usize> = spelling.order.iter().copied().filter(|number| (from..until).contains(&step(*number))).collect();
            let added = add(&mut store, &records, &of_run);
            in_runs = continued(&store, Some(added), known, 1);
            store.conclude(&in_runs).unwrap();
            if until < u8::MAX {
                store.compact(Day::of(time_of_step(until)), &world(known), &options).unwrap();
            }
        }
        rusqlite::Connection::open(&path).unwrap().execute("UPDATE aggregates SET aggregate = NULL", []).unwrap();
        let from_sums = continued(&store, None, known, 1);
        for audit in [in_runs.audit, from_sums.audit] {
            if audit.blind.iter().any(|row| row.missing == MissingEvidence::CompactedDays) {
                prop_assert!(changes_come_late);
                let (compliant, least) = (compliant(&audit), compliant(&at_once));
                prop_assert!(compliant.iter().all(|(of, count)| least.get(of) >= Some(count)), "{compliant:?} {least:?}");
            } else {
                prop_assert_eq!(found(&audit), found(&at_once));
            }
        }
    }
}

/// The number of compliant calls, by account, Region, model and operation.
fn compliant(audit: &Audit) -> BTreeMap<(&str, &str, &str, &str), u64> {
    let mut calls = BTreeMap::new();
    for row in audit.coverage.iter().filter(|row| row.verdict == Verdict::Compliant) {
        *calls.entry((row.account.as_str(), row.region.as_str(), &*row.model, &*row.api)).or_default() += row.count;
    }
    calls
}
