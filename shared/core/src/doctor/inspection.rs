//! Finds out from an account's own records how AWS behaves where it isn't documented, and whether assumptions of this project hold there
//! (docs/evidence.md).
//!
//! Only a record answers a question. The absence of records answers it only if other records show that they would have been there. Ids,
//! names and flags of records are kept, but neither texts nor parameters.

mod answers;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;
use serde_json::{Map, Value};

use crate::{
    api::APPLY_GUARDRAIL,
    cloudtrail::{HIDDEN, Item, Unwrapped, wanted::Wanted},
    json::{At as _, printable},
    model::is_of_geography,
    operations::{self, OperationCoverage},
    timestamp::Timestamp,
};
pub use answers::{Answer, Conclusion};

/// The records that support one answer: their number and an example.
#[derive(Clone, Debug, Default)]
struct Side {
    count: u64,
    example: Option<String>,
}

impl Side {
    /// Counts a record. The smallest event id is the example, so that the result doesn't depend on the order of records.
    fn add(&mut self, event_id: &str) {
        self.count += 1;
        if self.example.as_deref().is_none_or(|example| event_id < example) {
            self.example = Some(event_id.to_owned());
        }
    }

    fn of<'i>(ids: impl Iterator<Item = &'i str>) -> Self {
        let mut side = Side::default();
        ids.for_each(|id| side.add(id));
        side
    }
}

/// The records for yes and for no.
#[derive(Clone, Debug, Default)]
struct Sides {
    yes: Side,
    no: Side,
}

impl Sides {
    fn add(&mut self, says_yes: bool, event_id: &str) {
        if says_yes { self.yes.add(event_id) } else { self.no.add(event_id) }
    }

    fn only_yes(yes: Side) -> Self {
        Sides { yes, no: Side::default() }
    }
}

/// Collects what is needed of records, one after another.
#[derive(Debug)]
pub struct Inspection {
    wanted: Wanted,
    /// Pairs of event id and recipient account. Copies of a record are counted once, records of several accounts once for each.
    seen: HashSet<(String, String)>,
    calls: Vec<Call>,
    evaluations: Vec<Evaluation>,
    streams_ended: Sides,
    /// The event ids of records that EventBridge delivered.
    on_bus: BTreeSet<String>,
    openai: BTreeMap<String, Side>,
    configuration: Sides,
    resource_policy: Sides,
    guardrail_content: Sides,
    left_out: u64,
}

/// A call that runs a model.
#[derive(Debug)]
struct Call {
    account_region: AccountRegion,
    name: String,
    event_id: String,
    request_id: String,
    time: Option<Timestamp>,
    principal: String,
    reach: Option<OperationCoverage>,
    failed: bool,
    names_guardrail: bool,
    by_profile: bool,
    read_only: Option<bool>,
}

/// An evaluation by guardrails.
#[derive(Debug)]
struct Evaluation {
    account_region: AccountRegion,
    event_id: String,
    shared_event_id: String,
    request_id: String,
    time: Option<Timestamp>,
    principal: String,
    caller: String,
    /// `guardrailIdentifier` is `ENFORCED`: no client requested the evaluation, so it was made within a call.
    enforced: bool,
    source: String,
    action: String,
    /// The accounts that own the guardrails in `resources`.
    owners: BTreeSet<String>,
    lists_guardrails: bool,
}

/// Account and Region.
type AccountRegion = (String, String);

/// The most calls, and the most evaluations, that are kept. More of them would show nothing further to the checks.
const MOST: usize = 500_000;

const CONFIGURATION: &str = "PutEnforcedGuardrailConfiguration";
const RESOURCE_POLICY: &str = "PutResourcePolicy";
const GUARDRAIL: [&str; 2] = ["CreateGuardrail", "UpdateGuardrail"];

impl Default for Inspection {
    fn default() -> Self {
        Inspection {
            wanted: Wanted::new(
                operations::EVERY_CALL.iter().copied().chain([APPLY_GUARDRAIL]).chain([CONFIGURATION, RESOURCE_POLICY]).chain(GUARDRAIL),
            ),
            seen: HashSet::new(),
            calls: Vec::new(),
            evaluations: Vec::new(),
            streams_ended: Sides::default(),
            on_bus: BTreeSet::new(),
            openai: BTreeMap::new(),
            configuration: Sides::default(),
            resource_policy: Sides::default(),
            guardrail_content: Sides::default(),
            left_out: 0,
        }
    }
}

fn text<'v>(json: &'v Value, pointer: &str) -> &'v str {
    json.at(pointer).as_str().unwrap_or_default()
}

fn owned(json: &Value, pointer: &str) -> String {
    printable(text(json, pointer)).into_owned()
}

/// Whether a value is present and not masked.
fn is_shown(json: &Value) -> bool {
    match json {
        Value::Null => false,
        Value::String(text) => !text.is_empty() && text != HIDDEN,
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

impl Inspection {
    /// The numbers of calls and evaluations kept, and of those dropped because there were too many.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        (self.calls.len() as u64, self.evaluations.len() as u64, self.left_out)
    }

    /// Reads one JSON value: a record, or an envelope around records.
    pub fn value(&mut self, bytes: &[u8]) {
        if self.wanted.rejects(bytes) {
            return;
        }
        Item::each(bytes, &mut |found| self.found(&found));
    }

    /// Reads a line of text that begins neither with `{` nor with `[`.
    pub fn line(&mut self, line: &[u8]) {
        Item::each_in_line(line, &mut |found| self.found(&found));
    }

    /// Reads a row of a table, given by its columns.
    pub fn row(&mut self, row: Map<String, Value>) {
        Item::each_in_row(row, &mut |found| self.found(&found));
    }

    fn found(&mut self, found: &Unwrapped<'_>) {
        if let (Ok(Item::Record(_)), Ok(record)) = (&found.item, serde_json::from_slice::<Value>(found.json)) {
            self.record(&record, found.on_bus);
        }
    }

    fn record(&mut self, record: &Value, on_bus: bool) {
        let account = owned(record, "/recipientAccountId");
        let event_id = owned(record, "/eventID");
        let is_data = text(record, "/eventCategory") == "Data";
        if on_bus && is_data && self.on_bus.len() < MOST {
            self.on_bus.insert(event_id.clone());
        }
        if !self.seen.insert((event_id.clone(), account.clone())) {
            return;
        }
        let account_region = (account, owned(record, "/awsRegion"));
        let name = text(record, "/eventName");
        let source = text(record, "/eventSource");
        if text(record, "/eventType") == "AwsServiceEvent" {
            if OperationCoverage::of_operation(name).is_some() {
                let has_parent = !text(record, "/serviceEventDetails/parentRequestId").is_empty();
                self.streams_ended.add(has_parent, &event_id);
            }
            return;
        }
        let failed = !text(record, "/errorCode").is_empty();
        let parameters = record.at("/requestParameters");
        let of_bedrock = source.starts_with("bedrock");
        match name {
            APPLY_GUARDRAIL if of_bedrock => self.evaluation(record, account_region, event_id),
            CONFIGURATION if !failed => {
                let shown = is_shown(parameters.at("/guardrailInferenceConfig/guardrailIdentifier"));
                self.configuration.add(shown, &event_id);
            }
            RESOURCE_POLICY if !failed && text(parameters, "/resourceArn").contains(":guardrail") => {
                let shown = is_shown(parameters.at("/resourcePolicy"));
                self.resource_policy.add(shown, &event_id);
            }
            _ if GUARDRAIL.contains(&name) && of_bedrock && !failed => {
                const PARTS: [&str; 5] = [
                    "contentPolicyConfig",
                    "topicPolicyConfig",
                    "wordPolicyConfig",
                    "sensitiveInformationPolicyConfig",
                    "contextualGroundingPolicyConfig",
                ];
                let shown = PARTS.iter().any(|part| parameters.get(*part).is_some_and(is_shown));
                self.guardrail_content.add(shown, &event_id);
            }
            _ => self.call(record, account_region, event_id, failed),
        }
    }

    fn call(&mut self, record: &Value, account_region: AccountRegion, event_id: String, failed: bool) {
        let json = record.to_string();
        let Ok(parsed) = serde_json::from_str(&json) else { return };
        let Some(reach) = OperationCoverage::of(&parsed) else { return };
        let name = owned(record, "/eventName");
        if reach == OperationCoverage::Ambiguous {
            self.openai.entry(name.clone()).or_default().add(&event_id);
        }
        if self.calls.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let parameters = record.at("/requestParameters");
        let names_guardrail = is_shown(parameters.at("/guardrailIdentifier")) || is_shown(parameters.at("/guardrailConfig"));
        let model = text(parameters, "/modelId");
        let by_profile = model.contains("inference-profile/") || is_of_geography(model);
        self.calls.push(Call {
            account_region,
            name,
            event_id,
            request_id: owned(record, "/requestID"),
            time: Timestamp::parse(text(record, "/eventTime")),
            principal: owned(record, "/userIdentity/arn"),
            reach: Some(reach),
            failed,
            names_guardrail,
            by_profile,
            read_only: record.at("/readOnly").as_bool().or_else(|| text(record, "/readOnly").parse().ok()),
        });
    }

    fn evaluation(&mut self, record: &Value, account_region: AccountRegion, event_id: String) {
        if self.evaluations.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let guardrails = record.at("/resources").as_array().into_iter().flatten().filter(|resource| {
            let arn = resource.get("ARN").or_else(|| resource.get("arn")).and_then(Value::as_str).unwrap_or_default();
            text(resource, "/type") == "AWS::Bedrock::Guardrail" && arn.contains(":guardrail/")
        });
        let owners: BTreeSet<String> = guardrails.map(|resource| owned(resource, "/accountId")).collect();
        self.evaluations.push(Evaluation {
            account_region,
            event_id,
            shared_event_id: owned(record, "/sharedEventID"),
            request_id: owned(record, "/requestID"),
            time: Timestamp::parse(text(record, "/eventTime")),
            principal: owned(record, "/userIdentity/arn"),
            caller: owned(record, "/userIdentity/accountId"),
            enforced: text(record, "/requestParameters/guardrailIdentifier") == "ENFORCED",
            source: owned(record, "/requestParameters/source"),
            action: owned(record, "/responseElements/action"),
            lists_guardrails: !owners.is_empty(),
            owners,
        });
    }
}

#[cfg(test)]
mod tests;
