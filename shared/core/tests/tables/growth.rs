//! An audit takes time in proportion to the changes that it reads. Whoever administers an account can make a hundred thousand of them.
//!
//! Each history is audited at some length and at four times that length. CPU time in proportion gives a ratio of four, and n² steps one of
//! sixteen. `cargo xtask bench --growth` measures the same at the lengths that matter.

use std::time::{Duration, Instant};

use audit_core::auditor;
use serde_json::{Value, json};

use super::given::{ACCOUNT, Given, Record, change};

/// The most times as long that an audit of four times as many changes may take. It lies between four and sixteen: what fits into a processor's
/// caches only at the shorter length makes a linear audit take up to eight times as long.
const MOST: f64 = 10.0;

const MANAGEMENT: &str = "111122223333";
const POLICY: &str = "p-examplepol";

fn guarded(pattern: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "bedrock:InvokeModel*", "Resource": "*",
        "Condition": {"StringLike": {"bedrock:GuardrailIdentifier": pattern}}}]})
}

fn open() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "bedrock:InvokeModel*", "Resource": "*"}]})
}

/// The time of day this many seconds after midnight.
fn second(number: usize) -> String {
    format!("{:02}:{:02}:{:02}", number / 3600, number / 60 % 60, number % 60)
}

fn of_iam(number: usize, operation: &str, parameters: Value) -> Record {
    change(number, &second(number), operation, parameters).of_service("iam")
}

fn of_bedrock(number: usize, operation: &str, parameters: Value) -> Record {
    change(number, &second(number), operation, parameters)
}

fn of_organization(number: usize, operation: &str, parameters: Value) -> Record {
    change(number, &second(number), operation, parameters).of_service("organizations").with("recipientAccountId", json!(MANAGEMENT))
}

fn written(number: usize, policy: &str, document: &Value) -> Record {
    of_iam(number, "PutRolePolicy", json!({"roleName": "app", "policyName": policy, "policyDocument": document.to_string()}))
}

/// An organization of forty accounts, with a Bedrock policy and a service control policy that are attached to its root.
fn read_organization() -> Value {
    let accounts =
        (0..40_u64).map(|number| json!({"Id": (333_300_000_000 + number).to_string(), "Name": "a", "State": "ACTIVE", "ParentId": "ou-1"}));
    let attached = |policy: &str| json!({"PolicyId": policy, "TargetId": "r-1", "AttachedAt": "2026-10-01T00:00:00Z"});
    let types = json!([{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}, {"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]);
    json!({
        "Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT}, "Roots": [{"Id": "r-1", "PolicyTypes": types}],
        "OrganizationalUnits": [{"Id": "ou-1", "Name": "all", "ParentId": "r-1"}], "Accounts": accounts.collect::<Vec<_>>(),
        "Attachments": [attached(POLICY), attached("p-denial")],
    })
}

/// The same, with the policies.
fn organization() -> Given {
    let policy = |id: &str, kind: &str, content: &Value| {
        (
            format!("policies/{id}.json"),
            json!({"Policy": {"PolicySummary": {"Id": id, "Type": kind, "Name": id}, "Content": content.to_string()}}),
        )
    };
    let (ours, ours_content) = policy(POLICY, "BEDROCK_POLICY", &demanding(1));
    let (denial, denial_content) = policy("p-denial", "SERVICE_CONTROL_POLICY", &denying("bedrock:*Guardrail*"));
    Given::nothing().file("organization.json", read_organization()).file(&ours, ours_content).file(&denial, denial_content)
}

fn demanding(version: usize) -> Value {
    let identifier = format!("arn:aws:bedrock:us-east-1:{MANAGEMENT}:guardrail/abcd1234efgh:{version}");
    json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": identifier}}}}}})
}

fn denying(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]})
}

fn attached_and_detached(policy: &str, length: usize) -> Vec<Record> {
    let operation = |number: usize| if number.is_multiple_of(2) { "DetachPolicy" } else { "AttachPolicy" };
    (0..length).map(|number| of_organization(number, operation(number), json!({"policyId": policy, "targetId": "r-1"}))).collect()
}

/// A kind of history: its name, its shorter length, and how it is made.
type Kind = (&'static str, usize, fn(usize) -> Given);

const KINDS: &[Kind] = &[
    ("policies of one role under names of their own", 250, |length| {
        let document = |number: usize| if number.is_multiple_of(2) { guarded("arn:*") } else { open() };
        Given::demanded().records((0..length).map(|number| written(number, &format!("p-{number}"), &document(number))))
    }),
    ("different policies of one role", 250, |length| {
        let document = |number: usize| guarded(&format!("arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/g{number}"));
        Given::demanded().records((0..length).map(|number| written(number, &format!("p-{number}"), &document(number))))
    }),
    ("a policy of one role written and deleted", 250, |length| {
        let deleted = |number| of_iam(number, "DeleteRolePolicy", json!({"roleName": "app", "policyName": "p"}));
        let one = |number: usize| if number.is_multiple_of(2) { written(number, "p", &guarded("arn:*")) } else { deleted(number) };
        Given::demanded().records((0..length).map(one))
    }),
    ("different contents of one policy", 100, |length| {
        let document = |number: usize| guarded(&format!("arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/g{number}"));
        Given::demanded().records((0..length).map(|number| written(number, "p", &document(number))))
    }),
    ("policies attached to one role", 250, |length| {
        let policy = |number: usize| format!("arn:aws:iam::{ACCOUNT}:policy/m-{number}");
        let attach = |number| of_iam(number, "AttachRolePolicy", json!({"roleName": "app", "policyArn": policy(number)}));
        Given::demanded().records((1..length).map(attach).chain([written(0, "p", &guarded("arn:*"))]))
    }),
    ("configurations put and deleted", 400, |length| {
        let put = json!({"guardrailInferenceConfig": {"guardrailIdentifier": "own", "guardrailVersion": "1"}});
        let one = |number: usize| match number % 2 {
            0 => of_bedrock(number, "PutEnforcedGuardrailConfiguration", put.clone()),
            _ => of_bedrock(number, "DeleteEnforcedGuardrailConfiguration", json!({"configId": "c"})),
        };
        Given::demanded().records((0..length).map(one))
    }),
    ("updates of one guardrail", 400, |length| {
        Given::demanded().records((0..length).map(|number| of_bedrock(number, "UpdateGuardrail", json!({"guardrailIdentifier": "own"}))))
    }),
    ("updates of one flow", 400, |length| {
        Given::demanded().records((0..length).map(|number| of_bedrock(number, "UpdateFlow", json!({"flowIdentifier": "FLOW"}))))
    }),
    ("updates of many flows", 100, |length| {
        let update = |number| of_bedrock(number, "UpdateFlow", json!({"flowIdentifier": format!("FLOW{number}")}));
        Given::demanded().records((0..length).map(update))
    }),
    ("readings of the organization", 20, |length| {
        let mut given = organization();
        for number in 0..length {
            let joined = json!({"Id": (444_400_000_000 + number).to_string(), "Name": "new", "ParentId": "ou-1"});
            let mut read = read_organization();
            if let Some(accounts) = read["Accounts"].as_array_mut() {
                accounts.push(joined);
            }
            given = given.file(&format!("organization@20261121T{}Z.json", second(number).replace(':', "")), read);
        }
        given.records(attached_and_detached(POLICY, 2))
    }),
    ("a Bedrock policy attached and detached", 50, |length| organization().records(attached_and_detached(POLICY, length))),
    ("a service control policy attached and detached", 50, |length| organization().records(attached_and_detached("p-denial", length))),
    ("refused detachments", 50, |length| {
        organization().records(attached_and_detached(POLICY, length).into_iter().step_by(2).map(Record::refused))
    }),
    ("updates of a Bedrock policy", 50, |length| {
        let content = |number: usize| demanding(length - number).to_string();
        let update = |number| of_organization(number, "UpdatePolicy", json!({"policyId": POLICY, "content": content(number)}));
        organization().records((0..length).map(update))
    }),
    ("updates of a Bedrock policy that have an error", 50, |length| {
        let content = |number: usize| json!({"bedrock": {"guardrail_inference": number}}).to_string();
        let update = |number| of_organization(number, "UpdatePolicy", json!({"policyId": POLICY, "content": content(number)}));
        organization().records((0..length).map(update))
    }),
    ("exceptions and findings", 100, |length| {
        let exception = |number| {
            format!(
                "[[exception]]\nrule = \"guardrail-deleted\"\naccounts = [\"{ACCOUNT}\"]\n\
                 principals = [\"arn:aws:iam::{ACCOUNT}:role/x{number}\"]\nuntil = 2027-01-31\nreason = \"r\"\nowner = \"o\"\n"
            )
        };
        let deleted = |number| of_bedrock(number, "DeleteGuardrail", json!({"guardrailIdentifier": format!("g{number}")}));
        Given::demanded().configured(&(0..length).map(exception).collect::<String>()).records((0..length).map(deleted))
    }),
];

#[test]
fn an_audit_takes_time_in_proportion_to_the_changes() {
    let mut slow = Vec::new();
    for (name, length, history) in KINDS {
        let (few, many) = (history(*length), history(4 * length));
        // Other work on the machine only makes runs longer, so the shortest of several counts. A ratio that is too large is tried again.
        let (mut shorter, mut longer) = (Duration::MAX, Duration::MAX);
        let mut ratio = f64::MAX;
        for _ in 0..4 {
            shorter = shorter.min(seconds_of(&few)).min(seconds_of(&few));
            longer = longer.min(seconds_of(&many));
            ratio = longer.as_secs_f64() / shorter.as_secs_f64();
            if ratio < MOST {
                break;
            }
        }
        eprintln!("{name}: {length} changes in {shorter:?}, {} in {longer:?}, ratio {ratio:.1}", 4 * length);
        if ratio >= MOST {
            slow.push(format!("{name}: ratio {ratio:.1}"));
        }
    }
    assert_eq!(slow, [""; 0]);
}

/// The CPU time of an audit, without the reading of its records.
fn seconds_of(given: &Given) -> Duration {
    given.with_terms(|facts, world, options| {
        let begun = CpuTime::now();
        std::hint::black_box(auditor::audit(facts, world, options));
        begun.elapsed()
    })
}

/// The CPU time of this thread, where the system tells it (`/proc/thread-self/schedstat`, in nanoseconds); else the time of day.
struct CpuTime {
    nanoseconds: Option<u64>,
    wall: Instant,
}

impl CpuTime {
    fn now() -> Self {
        CpuTime { nanoseconds: Self::of_thread(), wall: Instant::now() }
    }

    fn of_thread() -> Option<u64> {
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
    }

    fn elapsed(&self) -> Duration {
        let used = Self::of_thread().zip(self.nanoseconds).map(|(now, before)| Duration::from_nanos(now.saturating_sub(before)));
        used.filter(|used| !used.is_zero()).unwrap_or_else(|| self.wall.elapsed())
    }
}

#[test]
fn long_histories_are_audited_as_short_ones_are() {
    // More policies than are looked at one by one: the last of them is still found to matter, and what it does is left open.
    let many =
        (0..300).map(|number| written(number, &format!("p-{number}"), &guarded(&format!("arn:aws:bedrock:*:*:guardrail/g{number}"))));
    let given = Given::demanded().records(many.chain([written(300, "last", &open())]));
    let lines = given.findings();
    assert!(lines.iter().any(|line| line.starts_with("guardrail-condition-removed MEDIUM OPEN")), "{lines:?}");
}
