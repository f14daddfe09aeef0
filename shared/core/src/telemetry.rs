//! An account's telemetry: what its trails record and whether they are logging, and where model invocation logs are delivered.

mod answer;
mod narrowed;
mod seen;

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) use seen::EvaluationsSeen;

use crate::{arn::short, json::At, operations};

/// The trails of an account and Region at one time (GetEventSelectors and GetTrailStatus), and its model invocation logging.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Telemetry {
    /// The trails.
    pub trails: Vec<Trail>,
    /// The configuration of model invocation logging; `None` if it was not read.
    pub invocation_logging: Option<InvocationLogging>,
    /// The buckets, log groups and keys named in the responses, which evidence is stored in or encrypted with.
    pub stores: BTreeSet<String>,
}

/// A trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Trail {
    /// Its name, if the responses have it.
    pub name: Option<String>,
    /// Its ARN, if the responses have it. The ARN of an organization's trail is in the management account.
    pub arn: Option<String>,
    /// Whether it is logging; `None` without a response of GetTrailStatus, which alone shows it.
    pub is_logging: Option<bool>,
    /// What it records; `None` without a response of GetEventSelectors.
    pub selectors: Option<Selectors>,
}

/// Whether events of a kind are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recorded {
    /// No trail records all of them.
    No,
    /// A trail may record them, but it isn't known whether it is logging, or what it selects.
    NotKnown,
    /// A trail that is logging records all of them.
    Yes,
}

/// The event selectors of a trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Selectors(SelectorKind);

#[derive(Clone, Debug, PartialEq)]
enum SelectorKind {
    Advanced(Vec<Vec<Condition>>),
    /// Basic event selectors, which can't select Bedrock's data events.
    Classic(Vec<Classic>),
    /// No selectors: the trail records all management events.
    Default,
}

#[derive(Clone, Debug, PartialEq)]
struct Classic {
    reads: bool,
    management: bool,
}

/// The `loggingConfig` of model invocation logging (docs/aws/invocation-logs.md#configuration).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvocationLogging {
    /// Whether logging is configured.
    pub on: bool,
    /// Whether the logs contain texts. Without them a log shows no trace of guardrails.
    pub text: bool,
    /// The bucket that logs are delivered to.
    pub bucket: Option<Box<str>>,
    /// The log group that logs are delivered to.
    pub log_group: Option<Box<str>>,
}

impl InvocationLogging {
    /// Reads `loggingConfig`. A missing or empty one means that nothing is logged.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        let settings = json.as_object().filter(|settings| !settings.is_empty());
        let name = |pointer: &str| json.at(pointer).as_str().map(Box::from);
        InvocationLogging {
            on: settings.is_some(),
            text: settings.is_some() && json["textDataDeliveryEnabled"].as_bool() != Some(false),
            bucket: name("/s3Config/bucketName"),
            log_group: name("/cloudWatchConfig/logGroupName"),
        }
    }

    /// The bucket and the log group that are set.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        [&self.bucket, &self.log_group].into_iter().flatten().map(AsRef::as_ref)
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Condition {
    field: String,
    /// The operators (`Equals`, `StartsWith`, …) with their values. An event must satisfy each operator.
    operators: Vec<(String, Vec<String>)>,
}

/// The fields of an event that selectors match.
#[derive(Clone, Copy, Debug)]
pub struct LoggedEvent<'a> {
    /// `Management` or `Data`.
    pub category: &'a str,
    /// The resource type of a data event, such as `AWS::Bedrock::Guardrail`; empty for a management event.
    pub resource_type: &'a str,
    /// The operation.
    pub event_name: &'a str,
    /// The service, `eventSource`.
    pub event_source: &'a str,
    /// Whether the operation only reads.
    pub read_only: bool,
}

impl LoggedEvent<'_> {
    /// An evaluation by a guardrail, requested by a client or within a call (docs/aws/cloudtrail-records.md#evaluations).
    pub const EVALUATION: LoggedEvent<'static> = LoggedEvent {
        category: "Data",
        resource_type: "AWS::Bedrock::Guardrail",
        event_name: "ApplyGuardrail",
        event_source: "bedrock.amazonaws.com",
        read_only: true,
    };

    /// The calls that enforcement covers, which are management events.
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
    pub const INVOCATIONS: [LoggedEvent<'static>; operations::COVERED.len()] = {
        let mut events = [LoggedEvent::EVALUATION; operations::COVERED.len()];
        let mut at = 0;
        while at < events.len() {
            events[at] = LoggedEvent::management(operations::COVERED[at]);
            at += 1;
        }
        events
    };

    /// The events of [`DATA_RESOURCES`].
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
    pub const OTHER_INFERENCE: [LoggedEvent<'static>; DATA_RESOURCES.len()] = {
        let mut events = [LoggedEvent::EVALUATION; DATA_RESOURCES.len()];
        let mut at = 0;
        while at < events.len() {
            events[at] = DATA_RESOURCES[at].event;
            at += 1;
        }
        events
    };

    const fn management(event_name: &'static str) -> LoggedEvent<'static> {
        LoggedEvent { category: "Management", resource_type: "", event_name, event_source: "bedrock.amazonaws.com", read_only: true }
    }
}

/// A way to run a model that CloudTrail records as data events: an account's trails show these calls only if they select them.
#[derive(Clone, Copy, Debug)]
pub struct DataResource {
    /// The name of the check in `doctor`.
    pub station: &'static str,
    /// A phrase for the calls that aren't recorded without it.
    pub calls: &'static str,
    /// The event.
    pub event: LoggedEvent<'static>,
}

const BEDROCK: &str = "bedrock.amazonaws.com";
const MANTLE: &str = "bedrock-mantle.amazonaws.com";
const CLAUDE_PLATFORM: &str = "aws-external-anthropic.amazonaws.com";
const AGENTCORE: &str = "bedrock-agentcore.amazonaws.com";

const fn data_resource(
    station: &'static str,
    calls: &'static str,
    source: &'static str,
    kind: &'static str,
    operation: &'static str,
    read_only: bool,
) -> DataResource {
    let event = LoggedEvent { category: "Data", resource_type: kind, event_name: operation, event_source: source, read_only };
    DataResource { station, calls, event }
}

/// The kinds of data events that record calls of models, with the resource type that a selector names for each
/// (docs/aws/cloudtrail-records.md#categories).
pub const DATA_RESOURCES: &[DataResource] = &[
    data_resource("selector-model", "bidirectional calls", BEDROCK, "AWS::Bedrock::Model", "InvokeModelWithBidirectionalStream", true),
    data_resource("selector-async", "asynchronous calls", BEDROCK, "AWS::Bedrock::AsyncInvoke", "StartAsyncInvoke", true),
    data_resource("selector-agents", "calls of agents", BEDROCK, "AWS::Bedrock::AgentAlias", "InvokeAgent", true),
    data_resource("selector-inline-agents", "calls of inline agents", BEDROCK, "AWS::Bedrock::InlineAgent", "InvokeInlineAgent", true),
    data_resource("selector-flows", "calls of flows", BEDROCK, "AWS::Bedrock::FlowAlias", "InvokeFlow", true),
    data_resource("selector-flow-executions", "executions of flows", BEDROCK, "AWS::Bedrock::FlowExecution", "StartFlowExecution", false),
    data_resource(
        "selector-knowledge-bases",
        "calls over knowledge bases",
        BEDROCK,
        "AWS::Bedrock::KnowledgeBase",
        "RetrieveAndGenerate",
        true,
    ),
    data_resource(
        "selector-data-automation",
        "calls of Data Automation",
        BEDROCK,
        "AWS::Bedrock::DataAutomationProfile",
        "InvokeDataAutomationAsync",
        false,
    ),
    data_resource("selector-mantle", "calls through bedrock-mantle", MANTLE, "AWS::BedrockMantle::Project", "CreateInference", false),
    data_resource(
        "selector-mantle-models",
        "calls of customized models through bedrock-mantle",
        MANTLE,
        "AWS::BedrockMantle::CustomizedModel",
        "CreateInference",
        false,
    ),
    data_resource(
        "selector-mantle-reservations",
        "calls of reserved capacity through bedrock-mantle",
        MANTLE,
        "AWS::BedrockMantle::Reservation",
        "CreateInference",
        false,
    ),
    data_resource(
        "selector-claude-platform",
        "calls of Claude Platform on AWS",
        CLAUDE_PLATFORM,
        "AWS::AWSExternalAnthropic::Workspace",
        "CreateInference",
        false,
    ),
    data_resource("selector-gateways", "calls of AgentCore gateways", AGENTCORE, "AWS::BedrockAgentCore::Gateway", "InvokeGateway", false),
    data_resource(
        "selector-runtimes",
        "calls of AgentCore runtimes",
        AGENTCORE,
        "AWS::BedrockAgentCore::Runtime",
        "InvokeAgentRuntime",
        false,
    ),
    data_resource(
        "selector-runtime-endpoints",
        "calls of endpoints of AgentCore runtimes",
        AGENTCORE,
        "AWS::BedrockAgentCore::RuntimeEndpoint",
        "InvokeAgentRuntime",
        false,
    ),
];

impl Telemetry {
    /// Whether a trail records all events of this kind, whatever their resource.
    #[must_use]
    pub fn records(&self, event: LoggedEvent<'_>) -> Recorded {
        self.trails.iter().map(|trail| trail.records(event)).max().unwrap_or(Recorded::No)
    }

    /// Like [`Telemetry::records`], given that evaluations by guardrails were found in the logs. That proves that something records them: a
    /// trail that selects them and may be logging, or else something that isn't known.
    #[must_use]
    pub fn records_as_seen(&self, event: LoggedEvent<'_>) -> Recorded {
        let by_status = self.records(event);
        if self.records(LoggedEvent::EVALUATION) == Recorded::Yes {
            return by_status;
        }
        let mut may_run = self.trails.iter().filter(|trail| trail.records(LoggedEvent::EVALUATION) == Recorded::NotKnown).peekable();
        let is_one_of_them = may_run.peek().is_some();
        if is_one_of_them && may_run.all(|trail| trail.selectors.as_ref().is_some_and(|selectors| selectors.records(event))) {
            return Recorded::Yes;
        }
        by_status.max(Recorded::NotKnown)
    }
}

impl Trail {
    fn records(&self, event: LoggedEvent<'_>) -> Recorded {
        match (self.is_logging, self.selectors.as_ref().map(|selectors| selectors.records(event))) {
            (Some(false), _) | (_, Some(false)) => Recorded::No,
            (Some(true), Some(true)) => Recorded::Yes,
            _ => Recorded::NotKnown,
        }
    }
}

/// Collects the buckets, log groups and keys that a response names at any depth.
fn collect_stores(value: &Value, stores: &mut BTreeSet<String>) {
    const KEYS: &[&str] = &["s3bucketname", "bucketname", "cloudwatchlogsloggrouparn", "loggroupname", "kmskeyid"];
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_stores(item, stores)),
        Value::Object(members) => {
            for (key, member) in members {
                match member.as_str() {
                    Some(text) if KEYS.contains(&key.to_ascii_lowercase().as_str()) => {
                        stores.insert(store_name(text).to_owned());
                    }
                    _ => collect_stores(member, stores),
                }
            }
        }
        _ => {}
    }
}

/// The name or id of a bucket, log group or key, whether given as such, as an ARN or as a URI.
#[must_use]
pub fn store_name(text: &str) -> &str {
    match text.split_once(":log-group:") {
        Some((_, group)) => group.trim_end_matches(":*"),
        None if text.starts_with("arn:") && text.contains(":key/") => short(text),
        None => text.strip_prefix("arn:aws:s3:::").unwrap_or(text),
    }
}

/// A member by the API's name, or by the name that CloudTrail gives it.
fn member<'v>(json: &'v Value, name: &str) -> &'v Value {
    if let Some(value) = json.get(name) {
        return value;
    }
    let mut characters = name.chars();
    let lower: String = characters.next().into_iter().flat_map(char::to_lowercase).chain(characters).collect();
    json.get(&lower).unwrap_or(&Value::Null)
}

fn conditions(selector: &Value) -> Vec<Condition> {
    let fields = member(selector, "FieldSelectors").as_array().map_or(&[][..], Vec::as_slice);
    fields
        .iter()
        .map(|field| Condition {
            field: member(field, "Field").as_str().unwrap_or_default().to_owned(),
            operators: field
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(operator, _)| !operator.eq_ignore_ascii_case("Field"))
                .map(|(operator, values)| {
                    let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
                    (operator.to_ascii_lowercase(), values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
                })
                .collect(),
        })
        .collect()
}

impl Selectors {
    /// Reads GetEventSelectors' response or PutEventSelectors' request. `None` if it has no list of selectors at all; an empty list counts.
    #[must_use]
    pub fn read(json: &Value) -> Option<Self> {
        let lists = ["AdvancedEventSelectors", "EventSelectors"];
        lists.iter().any(|name| member(json, name).is_array()).then(|| Selectors::from_json(json))
    }

    fn from_json(json: &Value) -> Self {
        let list = |name: &str| member(json, name).as_array().filter(|list| !list.is_empty());
        Selectors(if let Some(advanced) = list("AdvancedEventSelectors") {
            SelectorKind::Advanced(advanced.iter().map(conditions).collect())
        } else if let Some(classic) = list("EventSelectors") {
            let read = |selector: &Value| Classic {
                reads: member(selector, "ReadWriteType").as_str() != Some("WriteOnly"),
                management: member(selector, "IncludeManagementEvents").as_bool() != Some(false),
            };
            SelectorKind::Classic(classic.iter().map(read).collect())
        } else {
            SelectorKind::Default
        })
    }

    /// Whether all events of this kind are recorded, whatever their resource.
    #[must_use]
    pub fn records(&self, event: LoggedEvent<'_>) -> bool {
        match &self.0 {
            SelectorKind::Advanced(selectors) => selectors.iter().any(|conditions| {
                let has_category = conditions.iter().any(|condition| condition.field == "eventCategory");
                has_category && conditions.iter().all(|condition| condition.holds(event))
            }),
            SelectorKind::Classic(selectors) => {
                let selects = |selector: &Classic| selector.management && (selector.reads || !event.read_only);
                event.category == "Management" && selectors.iter().any(selects)
            }
            SelectorKind::Default => event.category == "Management",
        }
    }

    /// Whether all calls that enforcement covers are recorded.
    #[must_use]
    pub fn record_invocations(&self) -> bool {
        LoggedEvent::INVOCATIONS.iter().all(|event| self.records(*event))
    }
}

impl Condition {
    fn holds(&self, event: LoggedEvent<'_>) -> bool {
        let value = match self.field.as_str() {
            "eventCategory" => event.category,
            "resources.type" => event.resource_type,
            "eventName" => event.event_name,
            "eventSource" => event.event_source,
            "readOnly" => {
                if event.read_only {
                    "true"
                } else {
                    "false"
                }
            }
            // A condition on the resource's ARN, the caller or an unknown field excludes some events.
            _ => return false,
        };
        self.operators.iter().all(|(operator, values)| {
            let mut values = values.iter().map(String::as_str);
            match operator.as_str() {
                "equals" => values.any(|wanted| value == wanted),
                "startswith" => values.any(|wanted| value.starts_with(wanted)),
                "endswith" => values.any(|wanted| value.ends_with(wanted)),
                "notequals" => values.all(|unwanted| value != unwanted),
                "notstartswith" => values.all(|unwanted| !value.starts_with(unwanted)),
                "notendswith" => values.all(|unwanted| !value.ends_with(unwanted)),
                _ => false,
            }
        })
    }
}

#[cfg(test)]
mod tests;
