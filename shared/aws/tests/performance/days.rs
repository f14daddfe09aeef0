//! Days of a busy account, as its auditor, the management account and the hub's own readings report them: twenty different days, which come again
//! under new dates and with new ids.

use audit_aws::invocations::{HEARTBEAT_MODEL, HEARTBEAT_ROLE};
use audit_core::timestamp::Timestamp;
use serde_json::{Value, json};

use crate::support::{
    Random,
    history::{self, GUARDRAIL, MANAGEMENT, MEMBER},
};

const DAY: i64 = 86_400;

/// Days after which the same day comes again.
const DIFFERENT: u64 = 20;

/// What happens in a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    pub(crate) calls: u64,
    pub(crate) principals: u64,
    pub(crate) evaluations: u64,
    /// Changes that rules look at, and changes that concern nobody.
    pub(crate) relevant: u64,
    pub(crate) irrelevant: u64,
    /// Accounts of the organization.
    pub(crate) accounts: u64,
    /// How often what was reported is routed and folded, at equal distances.
    pub(crate) rounds: u64,
    /// Hours of a round in which anything happens.
    pub(crate) hours: i64,
}

impl Busy {
    /// The day of a busy account. One call of a hundred is a violation; there are two new snapshots and one change of the organization.
    pub(crate) const WHOLE: Self =
        Busy { calls: 10_000, principals: 50, evaluations: 2_000, relevant: 20, irrelevant: 200, accounts: 1_000, rounds: 24, hours: 1 };

    /// The same at a hundredth of its calls.
    pub(crate) const SMALL: Self =
        Busy { calls: 100, principals: 5, evaluations: 20, relevant: 2, irrelevant: 4, accounts: 10, rounds: 1, hours: 3 };

    /// The day of an account in which nothing happens.
    pub(crate) const IDLE: Self =
        Busy { calls: 0, principals: 0, evaluations: 0, relevant: 0, irrelevant: 0, accounts: 10, rounds: 1, hours: 1 };

    /// Whether nothing happens but heartbeats.
    pub(crate) fn is_idle(&self) -> bool {
        self.calls == 0
    }

    /// The records of a round of a day, as EventBridge delivers them, in the order of their times.
    pub(crate) fn records(&self, day: u64, round: u64) -> Vec<String> {
        let mut random = Random((day % DIFFERENT) * 1_000 + round);
        let length = DAY / i64::try_from(self.rounds).unwrap();
        let begin = start_of(day).plus_seconds(length * i64::try_from(round).unwrap());
        let mut number = (day + 1) * 100_000_000 + round * 4_000_000;
        let second = |of: u64, at: u64| begin.plus_seconds(self.hours * 3_600 * i64::try_from(at).unwrap() / i64::try_from(of).unwrap());
        let share = |whole: u64| whole * (round + 1) / self.rounds - whole * round / self.rounds;
        let mut records = Vec::new();
        let (calls, evaluations) = (share(self.calls), share(self.evaluations));
        for at in 0..calls {
            number += 1;
            let principal = random.below(self.principals);
            let time = second(calls, at);
            // Only the enforced guardrail of the other calls covers no bidirectional stream.
            let call = if random.below(100) == 0 {
                record(MEMBER, "InvokeModelWithBidirectionalStream", number, time, &json!({"modelId": "amazon.nova-sonic-v1:0"}))
            } else {
                let model = ["anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-pro-v1:0"][usize::try_from(random.below(2)).unwrap()];
                record(MEMBER, "Converse", number, time, &json!({ "modelId": model }))
            };
            records.push(history::envelope(&by(call, principal)));
            if at < evaluations {
                let parameters = json!({"guardrailIdentifier": "ENFORCED", "guardrailVersion": "ENFORCED"});
                let mut evaluation = record(MEMBER, "ApplyGuardrail", number, time, &parameters);
                evaluation["eventID"] = json!(format!("00000000-0000-4000-a000-{number:012x}"));
                evaluation["resources"] = json!([{"type": "AWS::Bedrock::Guardrail", "ARN": GUARDRAIL}]);
                records.push(history::envelope(&by(evaluation, principal)));
            }
        }
        for at in 0..share(self.relevant) {
            number += 1;
            records.push(history::envelope(&record(
                MEMBER,
                "UpdateGuardrail",
                number,
                second(self.relevant, at),
                &json!({"guardrailIdentifier": "own0000001"}),
            )));
        }
        for at in 0..share(self.irrelevant) {
            number += 1;
            let parameters = json!({"keyId": format!("arn:aws:kms:us-east-1:{MEMBER}:key/{number:08x}-0000-4000-8000-000000000000")});
            let mut grant = record(MEMBER, "RetireGrant", number, second(self.irrelevant, at), &parameters);
            grant["eventSource"] = json!("kms.amazonaws.com");
            records.push(history::envelope(&grant));
        }
        records.push(history::envelope(&heartbeat(number + 1, begin)));
        if round == 0 && !self.is_idle() {
            records.push(organization_change(number + 2, begin));
        }
        records
    }
}

/// The start of a numbered day.
pub(crate) fn start_of(day: u64) -> Timestamp {
    Timestamp::parse("2026-01-01T00:00:00Z").unwrap().plus_seconds(DAY * i64::try_from(day).unwrap())
}

/// A record. `number` gives its ids.
pub(crate) fn record(account: &str, name: &str, number: u64, time: Timestamp, parameters: &Value) -> Value {
    let mut record = history::record(account, name, number, 0, parameters);
    record["eventTime"] = json!(time.to_string());
    record["requestID"] = json!(format!("00000000-0000-4000-8000-{number:012x}"));
    record["eventID"] = json!(format!("00000000-0000-4000-9000-{number:012x}"));
    record
}

/// The record, as made by one of many applications.
fn by(mut record: Value, principal: u64) -> Value {
    record["userIdentity"] = json!({"type": "AssumedRole", "arn": format!("arn:aws:sts::{MEMBER}:assumed-role/application-{principal}/session"),
        "accountId": MEMBER, "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{MEMBER}:role/team/application-{principal}")}}});
    record
}

/// The heartbeat's refused call.
pub(crate) fn heartbeat(number: u64, time: Timestamp) -> Value {
    let mut call = record(MEMBER, "Converse", number, time, &json!({ "modelId": HEARTBEAT_MODEL }));
    call["errorCode"] = json!("AccessDenied");
    let role = format!("arn:aws:iam::{MEMBER}:role/guardrail-audit/{HEARTBEAT_ROLE}");
    call["userIdentity"] = json!({"type": "AssumedRole", "arn": format!("arn:aws:sts::{MEMBER}:assumed-role/{HEARTBEAT_ROLE}/beat"),
        "accountId": MEMBER, "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role, "accountId": MEMBER}}});
    call
}

/// An account of the organization.
pub(crate) fn account(number: u64) -> String {
    if number == 0 { MEMBER.to_owned() } else { (300_000_000_000 + number).to_string() }
}

/// A policy is attached to another account.
pub(crate) fn organization_change(number: u64, time: Timestamp) -> String {
    let mut attached = record(MANAGEMENT, "AttachPolicy", number, time, &json!({"policyId": "p-1", "targetId": account(1)}));
    attached["eventSource"] = json!("organizations.amazonaws.com");
    history::envelope(&attached)
}

/// The organization with this number of accounts, and a policy that came to be attached on a day.
pub(crate) fn organization(accounts: u64, day: u64) -> Value {
    let accounts = (0..accounts).map(
        |number| json!({"Id": account(number), "Name": format!("account {number}"), "State": "ACTIVE", "ParentId": "ou-ab12-prodprod"}),
    );
    json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT},
        "OrganizationalUnits": [{"Id": "ou-ab12-prodprod", "Name": "prod", "ParentId": "r-ab12"}], "Accounts": accounts.collect::<Vec<_>>(),
        "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
        "Attachments": [{"PolicyId": "p-1", "TargetId": account(1), "AttachedAt": start_of(day).to_string()}]})
}
