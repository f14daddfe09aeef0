//! Tests of `--hub`, with which commands read the tables and the bucket of a hub. The tables and the bucket are those of a local engine and hold what a
//! store holds, so that the answers from both sources must be equal.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::LazyLock,
};

use audit_aws::hub::{
    FINDINGS_TABLE as FINDINGS, FOLD_FINDINGS, NOTES_TABLE as NOTES, OBSERVATIONS_TABLE as OBSERVATIONS, SEND_ALERTS,
    queues::{Back, QUEUES},
    world_bucket,
};
use audit_core::{
    arn::{AccountId, Region},
    finding::Finding,
    report::{BlindRow, CoverageRow, DayRow},
    verdict::Invocations,
};
use audit_local::store::Store;
use end_to_end::{
    double::{Answer, Double},
    engine::{Client, Engine},
    template::Template,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::runner::{NOW, Ran, at, demo, folder, program, ran, run};

/// Each test has accounts of its own on it.
pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::start);

/// A double of Lambda, which answers that `fold-findings` takes messages of its queue.
static JUDGING: LazyLock<Double> =
    LazyLock::new(|| Double::open(|_| Answer::json(&json!({"EventSourceMappings": [{"UUID": "1", "State": "Enabled"}]}))));

/// The hub of an account, with empty tables and an empty bucket.
pub(super) struct Hub {
    pub(super) client: Client,
}

impl Hub {
    pub(super) fn new(account: &str) -> Self {
        let client = ENGINE.client(account);
        for table in [FINDINGS, NOTES, OBSERVATIONS] {
            let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
            let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
            let request = json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
                "AttributeDefinitions": [attribute("pk"), attribute("sk")]});
            client.json("dynamodb", "DynamoDB_20120810.CreateTable", &request).unwrap();
        }
        client.send("s3", "PUT", &format!("/{}", bucket(account)), &[], &[]).unwrap();
        Hub { client }
    }

    pub(super) fn put(&self, pk: &str, sk: &str, attribute: &str, json: &str) {
        self.put_into(FINDINGS, pk, sk, attribute, json);
    }

    pub(super) fn put_into(&self, table: &str, pk: &str, sk: &str, attribute: &str, json: &str) {
        let item = json!({"pk": {"S": pk}, "sk": {"S": sk}, attribute: {"S": json}});
        self.client.json("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": table, "Item": item})).unwrap();
    }

    /// Writes what a store holds, as the hub's functions write it (docs/data-model.md).
    fn take_over(&self, store: &Path, world: &Path) {
        let store = Store::open_existing(store).unwrap();
        let mut places = BTreeSet::new();
        for finding in store.findings().unwrap() {
            places.insert((finding.account.clone(), finding.region.clone()));
            self.put_finding(&finding);
        }
        for ((account, region), rollups) in rollups(&store.coverage().unwrap(), &store.days().unwrap()) {
            for (hour, (invocations, coverage)) in rollups {
                let rollup = json!({"invocations": invocations, "coverage": coverage}).to_string();
                self.put(&format!("ROLLUP#{account}#{region}"), &hour, "rollup", &rollup);
            }
            places.insert((account, region));
        }
        let mut blind: BTreeMap<AccountId, Vec<BlindRow>> = BTreeMap::new();
        for row in store.blind().unwrap() {
            places.insert((row.account.clone(), row.region.clone()));
            blind.entry(row.account.clone()).or_default().push(row);
        }
        for (account, rows) in blind {
            self.put(&format!("ACCOUNT#{account}"), "BLIND", "blind", &serde_json::to_string(&rows).unwrap());
        }
        for (account, region) in places {
            self.put("PLACES", &format!("{account}#{region}"), "entity", "PLACE");
        }
        let organization = std::fs::read(world.join("organization.json")).unwrap();
        self.client.put_object(&bucket(&self.client.account), "world/organization@20261101T000000Z.json", &organization);
    }

    /// Creates the queues of the template, with and without an organization.
    pub(super) fn make_queues(&self, is_organization: bool) {
        for queue in QUEUES.iter().filter(|queue| is_organization || queue.is_everywhere) {
            let attributes = if is_fifo(queue.name) { json!({"FifoQueue": "true"}) } else { json!({}) };
            let request = json!({"QueueName": queue.name, "Attributes": attributes});
            self.client.json("sqs", "AmazonSQS.CreateQueue", &request).unwrap();
        }
    }

    pub(super) fn url(&self, queue: &str) -> String {
        let answer = self.client.json("sqs", "AmazonSQS.GetQueueUrl", &json!({"QueueName": queue})).unwrap();
        answer["QueueUrl"].as_str().unwrap().to_owned()
    }

    pub(super) fn send(&self, queue: &str) {
        let mut message = json!({"QueueUrl": self.url(queue), "MessageBody": "{}"});
        if is_fifo(queue) {
            message["MessageGroupId"] = json!("222233334444");
            message["MessageDeduplicationId"] = json!("222233334444-1");
        }
        self.client.json("sqs", "AmazonSQS.SendMessage", &message).unwrap();
    }

    /// Writes which version of an account's facts was judged.
    pub(super) fn put_index(&self, account: &str, version: u64, folded: u64) {
        let number = |number: u64| json!({"N": number.to_string()});
        let item =
            json!({"pk": {"S": format!("ACCOUNT#{account}")}, "sk": {"S": "INDEX"}, "version": number(version), "folded": number(folded)});
        self.client.json("dynamodb", "DynamoDB_20120810.PutItem", &json!({"TableName": FINDINGS, "Item": item})).unwrap();
    }

    pub(super) fn put_finding(&self, finding: &Finding) {
        self.put(&format!("FINDINGS#{}", finding.account), &finding.id, "finding", &serde_json::to_string(finding).unwrap());
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &JUDGING.endpoint())
    }

    /// Runs the program with Lambda at another endpoint than the rest.
    pub(super) fn run_with(&self, arguments: &[&str], lambda: &str) -> Ran {
        let mut command = program();
        command.env("AWS_ENDPOINT_URL_LAMBDA", lambda);
        command.args(arguments).env("AWS_ENDPOINT_URL", ENGINE.endpoint()).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", &self.client.account).env("AWS_SECRET_ACCESS_KEY", "x");
        alone(&mut command);
        ran(&mut command)
    }
}

/// No configuration of this machine is used, and nobody else is asked for credentials.
fn alone(command: &mut assert_cmd::Command) {
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").env("AWS_EC2_METADATA_DISABLED", "true");
    command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN").env("AWS_MAX_ATTEMPTS", "1");
}

fn bucket(account: &str) -> String {
    world_bucket(account, "us-east-1")
}

/// The numbers of calls by verdict alone, and by verdict, grade and reason.
type Rollups = BTreeMap<String, (Invocations, Vec<CoverageRow>)>;

/// Rollups whose sums are these rows. A store knows the calls by model and the calls by day, and not both at once, so they are dealt out:
/// the calls of each day to the models, as they come.
fn rollups(coverage: &[CoverageRow], days: &[DayRow]) -> BTreeMap<(AccountId, Region), Rollups> {
    let mut rollups: BTreeMap<(AccountId, Region), Rollups> = BTreeMap::new();
    let mut left: Vec<CoverageRow> = coverage.to_vec();
    for day in days {
        let mut count = day.count;
        let hour = day.day.map_or("undated".to_owned(), |day| format!("{day}T10"));
        let is_of_day = |row: &&mut CoverageRow| {
            (&row.account, &row.region, row.verdict, row.grade) == (&day.account, &day.region, day.verdict, day.grade) && row.count > 0
        };
        for row in left.iter_mut().filter(is_of_day) {
            let dealt = count.min(row.count);
            if dealt > 0 {
                let of_hour = rollups.entry((row.account.clone(), row.region.clone())).or_default().entry(hour.clone()).or_default();
                of_hour.0.add(row.verdict, dealt);
                of_hour.1.push(CoverageRow { count: dealt, ..row.clone() });
            }
            row.count -= dealt;
            count -= dealt;
        }
        assert_eq!(count, 0, "calls of a day are calls of a model: {day:?}");
    }
    rollups
}

/// The store of the demo's week, and a hub that holds the same.
fn both(account: &str) -> (TempDir, String, Hub) {
    let folder = folder(&[]);
    let (store, world) = (at(&folder, "s.db"), demo("world"));
    let config = demo("guardrail-audit.toml");
    let audit = ["audit", &demo("AWSLogs"), "--world", &world, "--config", &config, "--now", NOW, "--store", &store, "--fail-on", "never"];
    assert_eq!(run(&[&audit[..], &["--quiet"]].concat()).code, 0);
    let hub = Hub::new(account);
    hub.take_over(Path::new(&store), Path::new(&world));
    (folder, store, hub)
}

/// A report as JSON, without what the sources can't share: when it was made, the number of records, and the configuration, which only a store
/// keeps beside its findings.
fn comparable(ran: &Ran) -> Value {
    let mut report = ran.json();
    for member in ["generated_at", "records", "incomplete", "unreadable", "configuration"] {
        report[member] = Value::Null;
    }
    report
}

/// Returns whether a queue keeps the order of its messages: SQS demands that the name of such a queue ends in `.fifo`.
fn is_fifo(queue: &str) -> bool {
    std::path::Path::new(queue).extension().is_some_and(|end| end == "fifo")
}

#[test]
fn the_hub_and_a_store_of_the_same_tell_the_same() {
    let (_folder, store, hub) = both("111122223301");
    for filter in [&[][..], &["--severity", "HIGH"], &["--account", "support-chat"], &["--region", "us-east-1", "--status", "OPEN"]] {
        let of_store = run(&[&["report", "--store", &store, "--format", "json"], filter].concat());
        let of_hub = hub.run(&[&["report", "--hub", "--format", "json"], filter].concat());
        let (mut expected, found) = (comparable(&of_store), comparable(&of_hub));
        if filter.contains(&"--account") {
            // With `--account`, the other accounts aren't read, so the report can't say anything of them.
            expected["filter"].as_object_mut().unwrap().remove("left_out");
        }
        assert_eq!(found, expected, "{filter:?}: {}", of_hub.stderr);
        assert_eq!(of_hub.code, of_store.code, "{filter:?}");
        assert!(!found["findings"].as_array().unwrap().is_empty(), "{filter:?}");
    }
    // Lists have the same order, and every format has the same contents.
    for format in ["table", "jsonl", "csv", "markdown"] {
        let list = ["findings", "list", "--format", format];
        let (of_hub, of_store) = (hub.run(&[&list[..], &["--hub"]].concat()), run(&[&list[..], &["--store", &store]].concat()));
        assert_eq!(of_hub.stdout, of_store.stdout, "{format}");
    }
    let asked = |format: &str| hub.run(&["report", "--hub", "--format", format, "--fail-on", "never"]);
    let whole = hub.run(&["report", "--hub", "--format", "json", "--fail-on", "never"]).json();
    let count = whole["findings"].as_array().unwrap().len();
    let (html, svg, ocsf, asff, table) = (asked("html"), asked("svg"), asked("ocsf"), asked("asff"), asked("table"));
    for ran in [&html, &svg, &ocsf, &asff, &table] {
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert!(html.stdout.starts_with("<!DOCTYPE html>") && svg.stdout.starts_with("<svg"), "{}", svg.stdout);
    assert_eq!(ocsf.stdout.lines().count(), count);
    let imported = asff.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["Findings"].as_array().unwrap().len());
    assert_eq!(imported.sum::<usize>(), count);
    let headline = run(&["report", "--store", &store, "--fail-on", "never"]).stdout;
    assert_eq!(table.stdout.lines().next(), headline.lines().next(), "the answer in one sentence");
    assert!(!table.stdout.contains("Records: 0 read"), "the hub counts no records:\n{}", table.stdout);
}

#[test]
fn one_finding_is_found_by_the_start_of_its_id_and_exceptions_by_what_they_suppress() {
    let (_folder, store, hub) = both("111122223302");
    let findings = run(&["findings", "list", "--store", &store, "--format", "json"]).json();
    let id = findings[0]["id"].as_str().unwrap();
    let shown = hub.run(&["findings", "show", &id[..12], "--hub", "--format", "json"]);
    assert_eq!(shown.json(), findings[0], "{}", shown.stderr);
    let unknown = hub.run(&["findings", "show", "0000", "--hub"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("there is no finding `0000`"), "{}", unknown.stderr);

    let config = demo("guardrail-audit.toml");
    let check = ["exceptions", "check", "--config", &config, "--now", NOW, "--format", "json"];
    let checked = hub.run(&[&check[..], &["--hub"]].concat());
    assert_eq!(checked.json(), run(&[&check[..], &["--store", &store]].concat()).json(), "{}", checked.stderr);
    assert!(checked.json().as_array().unwrap().iter().any(|row| row["suppresses"].as_u64() > Some(0)), "{}", checked.stdout);

    // The table of observations is empty here, and the command says that it found no facts of the account.
    let call = findings.as_array().unwrap().iter().find(|finding| finding["rule"] == "account-not-covered").unwrap();
    let explained = hub.run(&["explain", call["id"].as_str().unwrap(), "--hub"]);
    assert_eq!(explained.code, 0, "{}", explained.stderr);
    let text = explained.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("The hub's facts no longer give this finding"), "{text}");
    assert!(call["events"].as_array().unwrap().iter().all(|event| text.contains(event.as_str().unwrap())), "{text}");
}

#[test]
fn an_item_that_cannot_be_read_is_named_and_all_pages_are_read() {
    let (_folder, store, hub) = both("111122223303");
    let findings = Store::open_existing(Path::new(&store)).unwrap().findings().unwrap();
    let account = findings[0].account.clone();
    let of_account = findings.iter().filter(|finding| finding.account == account).count();
    // A page of DynamoDB has at most a megabyte.
    for number in 0..5 {
        let long = Finding { id: format!("{number:064x}"), detail: "x".repeat(300_000), ..findings[0].clone() };
        hub.put_finding(&long);
    }
    let list = hub.run(&["findings", "list", "--hub", "--account", account.as_str(), "--format", "jsonl"]);
    assert_eq!(list.stdout.lines().count(), of_account + 5, "{}", list.stderr);

    hub.put(&format!("FINDINGS#{account}"), "ff00", "finding", r#"{"id": "of another release"}"#);
    hub.put(&format!("ROLLUP#{account}#eu-west-3"), "2026-11-12T10", "rollup", "{");
    hub.put("PLACES", &format!("{account}#eu-west-3"), "entity", "PLACE");
    let report = hub.run(&["report", "--hub", "--format", "json", "--fail-on", "never", "--strict"]);
    assert_eq!(report.code, 4, "{}", report.stderr);
    let named: Vec<String> = report.json()["unreadable"].as_array().unwrap().iter().map(|item| item["file"].to_string()).collect();
    assert!(named.len() == 2 && named[0].contains(&format!("FINDINGS#{account} ff00")) && named[1].contains("eu-west-3"), "{named:?}");
    assert!(report.stderr.contains("ff00") && report.json()["findings"].as_array().unwrap().len() == findings.len() + 5);
    let table = hub.run(&["report", "--hub", "--fail-on", "never"]);
    assert!(table.stdout.lines().next().is_some(), "{}", table.stderr);
    let first = table.stdout.split("\n\n").next().unwrap().replace('\n', " ");
    assert!(first.contains("2 records or files could not be read"), "{first}");
}

#[test]
fn a_hub_without_reports_or_without_tables_says_so() {
    let hub = Hub::new("111122223304");
    let empty = hub.run(&["report", "--hub", "--strict"]);
    assert!(empty.code == 4 && empty.stderr.contains("nothing was ever reported to this hub"), "{} {}", empty.code, empty.stderr);
    assert!(empty.stdout.contains("Incomplete: nothing was ever reported"), "{}", empty.stdout);
    let elsewhere = hub.run(&["report", "--hub", "--hub-region", "eu-west-1"]);
    assert_eq!(elsewhere.code, 1);
    let says = "no table guardrail-audit-findings in account 111122223304, eu-west-1: is that the hub's account and Region?";
    assert!(elsewhere.stderr.contains(says), "{}", elsewhere.stderr);
    let named = hub.run(&["findings", "list", "--hub", "--findings-table", "ours"]);
    assert!(named.code == 1 && named.stderr.contains("no table ours"), "{}", named.stderr);
}

#[test]
fn without_credentials_or_region_it_is_said_what_is_missing() {
    let mut command = program();
    alone(command.args(["report", "--hub"]).env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION"));
    let ran_without_region = ran(&mut command);
    assert!(ran_without_region.code == 1 && ran_without_region.stderr.contains("AWS_REGION"), "{}", ran_without_region.stderr);
    let mut command = program();
    alone(command.args(["report", "--hub"]).env("AWS_REGION", "us-east-1"));
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
        command.env_remove(name);
    }
    let nobody = ran(&mut command);
    assert!(nobody.code == 1 && nobody.stderr.contains("failed to find AWS credentials"), "{}", nobody.stderr);
}

#[test]
fn the_names_are_those_of_the_template() {
    let hub = Template::hub().stack("111122223333", "us-east-1", &[]);
    let name = |resource: &str, property: &str| hub.properties(resource)[property].as_str().unwrap().to_owned();
    assert_eq!(name("FindingsTable", "TableName"), FINDINGS);
    assert_eq!(name("NotesTable", "TableName"), NOTES);
    assert_eq!(name("ObservationsTable", "TableName"), OBSERVATIONS);
    assert_eq!(name("WorldBucket", "BucketName"), bucket("111122223333"));
    assert_eq!(name("FoldFindings", "FunctionName"), FOLD_FINDINGS);
    assert_eq!(name("SendAlerts", "FunctionName"), SEND_ALERTS);
}

#[test]
fn the_queues_are_those_of_the_templates() {
    let parameters = [
        ("OrganizationId", "o-exampleorgid"),
        ("ManagementAccountId", "999988887777"),
        ("SecurityHub", "true"),
        ("CallsDelivery", "queued"),
    ];
    let hub = Template::hub().stack("111122223333", "us-east-1", &parameters);
    let member = Template::member();
    let stacks = [hub.nested("Member", &member), hub.nested("Forwarded", &member), hub];
    let made = stacks.iter().flat_map(|stack| stack.of_type("AWS::SQS::Queue")).map(|(_, queue)| queue["QueueName"].as_str().unwrap());
    let (made, known): (BTreeSet<&str>, BTreeSet<&str>) = (made.collect(), QUEUES.iter().map(|queue| queue.name).collect());
    assert_eq!(known, made);

    // Each dead letter goes back to the queue from which it came.
    let mut gave_up = BTreeMap::new();
    for stack in &stacks {
        for (_, queue) in stack.of_type("AWS::SQS::Queue").filter(|(_, queue)| !queue["RedrivePolicy"].is_null()) {
            let dead = queue["RedrivePolicy"]["deadLetterTargetArn"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
            // Events that the members' functions could not take in are kept in the members, so they aren't redriven from here.
            if dead.ends_with("-undelivered") {
                continue;
            }
            gave_up.insert(dead, queue["QueueName"].as_str().unwrap().to_owned());
        }
    }
    let back: BTreeMap<String, String> = QUEUES
        .iter()
        .filter_map(|queue| match queue.back()? {
            Back::To(live) => Some((queue.name.to_owned(), (*live).to_owned())),
            Back::By(_) => None,
        })
        .collect();
    assert_eq!(back, gave_up);
}

#[test]
fn the_status_tells_what_waits_and_what_needs_a_person() {
    let hub = Hub::new("111122223306");
    hub.make_queues(false);
    let calm = hub.run(&["hub", "status", "--format", "json", "--strict"]);
    assert_eq!((calm.code, &calm.json()["unread"]), (0, &json!([])), "queues of an organization need not be there: {}", calm.stderr);
    hub.send("guardrail-audit-trail");
    hub.send("guardrail-audit-folds.fifo");
    hub.put("PLACES", "222233334444#us-east-1", "entity", "PLACE");
    hub.put_index("222233334444", 7, 4);
    let busy = hub.run(&["hub", "status", "--format", "json"]);
    let status = busy.json();
    let waiting =
        |queue: &str| status["queues"].as_array().unwrap().iter().find(|depth| depth["queue"] == queue).unwrap()["waiting"].clone();
    assert_eq!((busy.code, waiting("guardrail-audit-trail"), waiting("guardrail-audit-folds.fifo")), (0, json!(1), json!(1)), "{status}");
    assert_eq!(status["judging"], "runs");
    assert_eq!(status["behind"], json!([{"account": "222233334444", "batches": 3, "attempts": 0}]));

    hub.send("guardrail-audit-facts-dead");
    let dead = hub.run(&["hub", "status"]);
    let line = dead.stdout.lines().find(|line| line.contains("guardrail-audit-facts-dead")).unwrap();
    assert!(dead.code == 3 && line.split_whitespace().nth(1) == Some("1"), "{}", dead.stdout);
    let quarantine = json!({"since": "2026-11-20T10:00:00Z", "problem": "too many facts", "retries": 0, "retry_at": "2026-11-20T10:15:00Z",
        "until": null});
    hub.put("QUARANTINE", "222233334444", "quarantine", &quarantine.to_string());
    let stuck = hub.run(&["hub", "status"]);
    assert!(stuck.code == 3 && stuck.stdout.contains("too many facts"), "{}", stuck.stdout);

    let without = Hub::new("111122223307");
    let unread = without.run(&["hub", "status", "--strict"]);
    assert!(unread.code == 4 && unread.stderr.contains("not known: guardrail-audit-trail: "), "{}", unread.stderr);
}

#[test]
fn what_does_not_go_together_is_usage() {
    for wrong in [
        &["report"][..],
        &["report", "--hub", "--store", "s.db"],
        &["report", "--store", "s.db", "--profile", "p"],
        &["explain", "00", "--hub", "--world", "w"],
        &["explain", "00", "--hub", "--config", "c"],
        &["exceptions", "check", "--store", "s.db", "--hub"],
    ] {
        let ran = run(wrong);
        assert!(ran.code == 2 && !ran.stderr.is_empty(), "{wrong:?}: {} {}", ran.code, ran.stderr);
    }
}

#[test]
fn a_bundle_of_the_hub_holds_its_report_and_its_world() {
    let (folder, _, hub) = both("111122223305");
    let path = at(&folder, "hub.zip");
    let report = hub.run(&["report", "--hub", "--bundle", &path, "--format", "json", "--fail-on", "never"]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    let mut names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["findings.csv", "manifest.json", "report.html", "report.json", "world/organization@20261101T000000Z.json"]);
    let inside: Value = serde_json::from_reader(archive.by_name("report.json").unwrap()).unwrap();
    assert_eq!(inside["findings"], report.json()["findings"]);
    assert_eq!(run(&["bundle", "verify", &path]).code, 0);
}

#[test]
fn the_world_of_the_hub_is_copied_byte_for_byte_into_a_new_folder() {
    let (folder, _, hub) = both("111122223377");
    let path = at(&folder, "copy");
    let copied = hub.run(&["hub", "world", &path]);
    assert_eq!(copied.code, 0, "{}", copied.stderr);
    let copy = Path::new(&path).join("organization@20261101T000000Z.json");
    let original = std::fs::read(Path::new(&demo("world")).join("organization.json")).unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), original);
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
    let again = hub.run(&["hub", "world", &path]);
    assert!(again.code == 2 && again.stderr.contains("is not empty"), "{} {}", again.code, again.stderr);
    // No unfinished copy is left beside it.
    assert!(!std::fs::read_dir(folder.path()).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with(".part")));
}
