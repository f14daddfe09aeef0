//! `cargo xtask bench --growth`: how the time of an audit grows with the changes that it reads, of each kind that many can be made of.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::measure::measured;
use crate::command::target;

const ACCOUNT: &str = "222233334444";
const MANAGEMENT: &str = "111122223333";
const REGION: &str = "us-east-1";
/// The accounts of the organization whose changes are measured.
const ACCOUNTS: u64 = 300;
const POLICY: &str = "p-examplepol";

/// A kind of history: its name, its lengths, and what the change of a number is.
struct Kind {
    name: &'static str,
    lengths: &'static [u64],
    change: fn(u64) -> Value,
}

/// The lengths for the changes of one account.
const OF_ACCOUNT: &[u64] = &[2_500, 10_000, 25_000, 100_000];
/// The lengths for those of an organization of [`ACCOUNTS`] accounts.
const OF_ORGANIZATION: &[u64] = &[625, 2_500, 10_000];

const KINDS: &[Kind] = &[
    Kind { name: "PutRolePolicy, own names", lengths: OF_ACCOUNT, change: |number| put_role_policy(number, &format!("p-{number}")) },
    Kind { name: "PutRolePolicy, one name", lengths: OF_ACCOUNT, change: |number| put_role_policy(number, "p") },
    Kind {
        name: "PutRolePolicy, different",
        lengths: OF_ACCOUNT,
        change: |number| {
            let any = format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:guardrail/g{number}");
            let document = allowing(Some(&any)).to_string();
            record(number, ACCOUNT, "iam", "PutRolePolicy", &json!({"roleName": "app", "policyName": "p", "policyDocument": document}))
        },
    },
    Kind { name: "Put/DeleteEnforced…", lengths: OF_ACCOUNT, change: configured },
    Kind {
        name: "UpdateGuardrail",
        lengths: OF_ACCOUNT,
        change: |number| record(number, ACCOUNT, "bedrock", "UpdateGuardrail", &json!({"guardrailIdentifier": "ownguardrail"})),
    },
    Kind {
        name: "UpdateFlow",
        lengths: OF_ACCOUNT,
        change: |number| record(number, ACCOUNT, "bedrock", "UpdateFlow", &json!({"flowIdentifier": "FLOW"})),
    },
    Kind {
        name: "UpdateFlow, many flows",
        lengths: OF_ACCOUNT,
        change: |number| record(number, ACCOUNT, "bedrock", "UpdateFlow", &json!({"flowIdentifier": format!("F{number:09}")})),
    },
    Kind {
        name: "RetireGrant, many keys",
        lengths: OF_ACCOUNT,
        change: |number| {
            let key = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{number:08}-0000-4000-8000-000000000000");
            record(number, ACCOUNT, "kms", "RetireGrant", &json!({"keyId": key}))
        },
    },
    Kind {
        name: "PutRetentionPolicy",
        lengths: OF_ACCOUNT,
        change: |number| {
            let parameters = json!({"logGroupName": format!("/app/{number}"), "retentionInDays": 7});
            record(number, ACCOUNT, "logs", "PutRetentionPolicy", &parameters)
        },
    },
    Kind {
        name: "Attach/DetachPolicy",
        lengths: OF_ORGANIZATION,
        change: |number| {
            let operation = if number.is_multiple_of(2) { "DetachPolicy" } else { "AttachPolicy" };
            record(number, MANAGEMENT, "organizations", operation, &json!({"policyId": POLICY, "targetId": "r-1"}))
        },
    },
    Kind {
        name: "UpdatePolicy",
        lengths: OF_ORGANIZATION,
        change: |number| {
            let parameters = json!({"policyId": POLICY, "content": demanding(1 + (number + 1) % 2).to_string()});
            record(number, MANAGEMENT, "organizations", "UpdatePolicy", &parameters)
        },
    },
    Kind {
        name: "UpdatePolicy, different",
        lengths: OF_ORGANIZATION,
        change: |number| {
            let parameters = json!({"policyId": POLICY, "content": demanding(100_000 - number).to_string()});
            record(number, MANAGEMENT, "organizations", "UpdatePolicy", &parameters)
        },
    },
    Kind {
        name: "MoveAccount",
        lengths: OF_ORGANIZATION,
        change: |number| {
            let account = (300_000_000_000 + number % (ACCOUNTS - 2)).to_string();
            record(number, MANAGEMENT, "organizations", "MoveAccount", &json!({"accountId": account, "destinationParentId": "r-1"}))
        },
    },
];

/// Measures all kinds, and prints a line for each length.
pub(super) fn run() -> anyhow::Result<()> {
    println!("{:<28}{:>10}{:>10}{:>14}{:>10}", "", "changes", "CPU s", "µs a change", "peak MiB");
    for kind in KINDS {
        for length in kind.lengths {
            let folder = target().join("bench/growth");
            write(&folder, kind, *length)?;
            let fixed = ["audit", "--quiet", "--fail-on", "never", "--format", "json", "--threads", "1", "--world"];
            let mut arguments: Vec<_> = fixed.map(Into::into).into();
            arguments.extend([
                folder.join("world").into(),
                "--output".into(),
                folder.join("report.json").into(),
                folder.join("logs").into(),
            ]);
            let used = measured(&target().join("release/guardrail-audit"), &arguments)?;
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            let each = used.cpu_seconds * 1e6 / *length as f64;
            println!("{:<28}{length:>10}{:>10.2}{each:>14.1}{:>10.0}", kind.name, used.cpu_seconds, used.peak_mib);
        }
    }
    Ok(())
}

/// Writes the records and the world of a history.
fn write(folder: &Path, kind: &Kind, length: u64) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let put = |path: String, json: &Value| -> anyhow::Result<()> {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        Ok(fs::write(path, json.to_string())?)
    };
    let numbers: Vec<u64> = (0..length).collect();
    for (file, part) in numbers.chunks(10_000).enumerate() {
        let records: Vec<Value> = part.iter().map(|number| (kind.change)(*number)).collect();
        put(format!("logs/{file}.json"), &json!({ "Records": records }))?;
    }
    let accounts = (0..ACCOUNTS - 2).map(|number| (300_000_000_000 + number).to_string()).chain([ACCOUNT, MANAGEMENT].map(str::to_owned));
    let accounts = accounts.map(|id| json!({"Id": id, "Name": id, "State": "ACTIVE", "ParentId": "ou-1"}));
    put(
        "world/organization.json".to_owned(),
        &json!({
            "Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT},
            "Roots": [{"Id": "r-1", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
            "OrganizationalUnits": [{"Id": "ou-1", "Name": "all", "ParentId": "r-1"}],
            "Accounts": accounts.collect::<Vec<_>>(),
            "Attachments": [{"PolicyId": POLICY, "TargetId": "r-1", "AttachedAt": "2025-01-01T00:00:00Z"}],
        }),
    )?;
    let summary = json!({"Id": POLICY, "Type": "BEDROCK_POLICY", "Name": "guardrails"});
    let policy = json!({"Policy": {"PolicySummary": summary, "Content": demanding(1).to_string()}});
    put(format!("world/policies/{POLICY}.json"), &policy)?;
    put(format!("world/enforced-configurations/{ACCOUNT}/{REGION}.json"), &json!({"guardrailsConfig": []}))
}

fn demanding(version: u64) -> Value {
    let identifier = format!("arn:aws:bedrock:{REGION}:{MANAGEMENT}:guardrail/abcd1234efgh:{version}");
    json!({"bedrock": {"guardrail_inference": {REGION: {"config_1": {"identifier": {"@@assign": identifier}}}}}})
}

/// A policy that allows inference, with a guardrail of this pattern if there is one.
fn allowing(guardrail: Option<&String>) -> Value {
    let condition = guardrail.map_or_else(|| json!({}), |guardrail| json!({"StringLike": {"bedrock:GuardrailIdentifier": guardrail}}));
    let statement = json!({"Effect": "Allow", "Action": "bedrock:InvokeModel*", "Resource": "*", "Condition": condition});
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

/// Policies that demand a guardrail and policies that don't, in turn.
fn put_role_policy(number: u64, name: &str) -> Value {
    let any = format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:guardrail/*");
    let document = allowing(number.is_multiple_of(2).then_some(&any));
    let parameters = json!({"roleName": "app", "policyName": name, "policyDocument": document.to_string()});
    record(number, ACCOUNT, "iam", "PutRolePolicy", &parameters)
}

fn configured(number: u64) -> Value {
    if number.is_multiple_of(2) {
        let configuration = json!({"guardrailIdentifier": "ownguardrail", "guardrailVersion": "1"});
        let parameters = json!({"guardrailInferenceConfig": configuration});
        record(number, ACCOUNT, "bedrock", "PutEnforcedGuardrailConfiguration", &parameters)
    } else {
        record(number, ACCOUNT, "bedrock", "DeleteEnforcedGuardrailConfiguration", &json!({"configId": "c"}))
    }
}

/// A record of a change, one a minute.
fn record(number: u64, account: &str, service: &str, operation: &str, parameters: &Value) -> Value {
    let (minute, hour, day) = (number % 60, number / 60 % 24, number / 1440);
    let time = format!("2026-{:02}-{:02}T{hour:02}:{minute:02}:00Z", 1 + day / 28, 1 + day % 28);
    let role = format!("arn:aws:iam::{account}:role/admin");
    json!({
        "eventVersion": "1.11", "eventType": "AwsApiCall", "eventCategory": "Management", "eventTime": time, "awsRegion": REGION,
        "eventSource": format!("{service}.amazonaws.com"), "eventName": operation, "recipientAccountId": account,
        "requestParameters": parameters, "responseElements": null, "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.28.8",
        "eventID": format!("00000000-0000-4000-b000-{number:012}"), "requestID": format!("00000000-0000-4000-a000-{number:012}"),
        "userIdentity": {
            "type": "AssumedRole", "accountId": account, "arn": format!("arn:aws:sts::{account}:assumed-role/admin/session"),
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "accountId": account, "userName": "admin"}},
        },
    })
}
