//! What an account's trails record, and whether they run.

use serde_json::Value;

/// The trails of an account and Region at a moment (GetEventSelectors and GetTrailStatus), and its model invocation logging.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Telemetry {
    trails: Vec<Trail>,
    /// Model invocation logging: `None` if it was not read.
    pub invocation_logging: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
struct Trail {
    is_logging: bool,
    selectors: Selectors,
}

#[derive(Clone, Debug, PartialEq)]
enum Selectors {
    Advanced(Vec<Vec<Condition>>),
    /// Classic selectors can't select any of Bedrock's data events.
    Classic,
}

#[derive(Clone, Debug, PartialEq)]
struct Condition {
    field: String,
    /// `Equals`, `StartsWith`, … with their values: a value has to satisfy each operator that is there.
    operators: Vec<(String, Vec<String>)>,
}

/// What of a data event selectors can look at.
#[derive(Clone, Copy, Debug)]
pub struct DataEvent<'a> {
    /// Such as `AWS::Bedrock::Guardrail`.
    pub resource_type: &'a str,
    /// The operation.
    pub event_name: &'a str,
    /// The service.
    pub event_source: &'a str,
    /// Whether it only reads.
    pub read_only: bool,
}

impl DataEvent<'_> {
    /// An evaluation by a guardrail, direct or inside a call (facts/03 §4).
    pub const EVALUATION: DataEvent<'static> = DataEvent {
        resource_type: "AWS::Bedrock::Guardrail",
        event_name: "ApplyGuardrail",
        event_source: "bedrock.amazonaws.com",
        read_only: true,
    };

    /// Roads to a model that are data events, so that nothing shows them in accounts whose trails don't select them (facts/08 G).
    pub const OTHER_INFERENCE: [DataEvent<'static>; 7] = [
        DataEvent::bedrock("AWS::Bedrock::Model", "InvokeModelWithBidirectionalStream"),
        DataEvent::bedrock("AWS::Bedrock::AsyncInvoke", "StartAsyncInvoke"),
        DataEvent::bedrock("AWS::Bedrock::AgentAlias", "InvokeAgent"),
        DataEvent::bedrock("AWS::Bedrock::InlineAgent", "InvokeInlineAgent"),
        DataEvent::bedrock("AWS::Bedrock::FlowAlias", "InvokeFlow"),
        DataEvent::bedrock("AWS::Bedrock::KnowledgeBase", "RetrieveAndGenerate"),
        DataEvent {
            resource_type: "AWS::BedrockMantle::Project",
            event_name: "CreateInference",
            event_source: "bedrock-mantle.amazonaws.com",
            read_only: false,
        },
    ];

    const fn bedrock(resource_type: &'static str, event_name: &'static str) -> DataEvent<'static> {
        DataEvent { resource_type, event_name, event_source: "bedrock.amazonaws.com", read_only: true }
    }
}

impl Telemetry {
    /// Reads one trail or a list of them. What is missing counts as not recorded.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        let trails = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
        let logging = trails.iter().find_map(|trail| trail.get("loggingConfig"));
        Telemetry {
            trails: trails.iter().map(Trail::from_json).collect(),
            invocation_logging: logging.map(|logging| logging.as_object().is_some_and(|settings| !settings.is_empty())),
        }
    }

    /// Whether some running trail records every event of this kind, whatever its resource.
    #[must_use]
    pub fn records(&self, event: DataEvent<'_>) -> bool {
        self.trails.iter().any(|trail| trail.is_logging && trail.selectors.select(event))
    }
}

impl Trail {
    fn from_json(json: &Value) -> Self {
        let selectors = match json["AdvancedEventSelectors"].as_array() {
            Some(list) => Selectors::Advanced(list.iter().map(conditions).collect()),
            None => Selectors::Classic,
        };
        Trail { is_logging: json["IsLogging"].as_bool().unwrap_or(false), selectors }
    }
}

fn conditions(selector: &Value) -> Vec<Condition> {
    let fields = selector["FieldSelectors"].as_array().map_or(&[][..], Vec::as_slice);
    fields
        .iter()
        .map(|field| Condition {
            field: field["Field"].as_str().unwrap_or_default().to_owned(),
            operators: field
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(operator, _)| *operator != "Field")
                .filter_map(|(operator, values)| {
                    let values = values.as_array()?.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
                    Some((operator.clone(), values))
                })
                .collect(),
        })
        .collect()
}

impl Selectors {
    fn select(&self, event: DataEvent<'_>) -> bool {
        match self {
            Selectors::Advanced(selectors) => selectors.iter().any(|conditions| {
                let is_data = conditions.iter().any(|condition| condition.field == "eventCategory");
                is_data && conditions.iter().all(|condition| condition.holds(event))
            }),
            Selectors::Classic => false,
        }
    }
}

impl Condition {
    fn holds(&self, event: DataEvent<'_>) -> bool {
        let value = match self.field.as_str() {
            "eventCategory" => "Data",
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
            // A condition on the resource's ARN, the caller or a field that we don't know leaves some events out.
            _ => return false,
        };
        self.operators.iter().all(|(operator, values)| {
            let mut values = values.iter().map(String::as_str);
            match operator.as_str() {
                "Equals" => values.any(|wanted| value == wanted),
                "StartsWith" => values.any(|wanted| value.starts_with(wanted)),
                "EndsWith" => values.any(|wanted| value.ends_with(wanted)),
                "NotEquals" => values.all(|unwanted| value != unwanted),
                "NotStartsWith" => values.all(|unwanted| !value.starts_with(unwanted)),
                "NotEndsWith" => values.all(|unwanted| !value.ends_with(unwanted)),
                _ => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trail(fields: &Value) -> Value {
        json!({"TrailARN": "arn:aws:cloudtrail:us-east-1:1:trail/t", "IsLogging": true, "AdvancedEventSelectors": [{"FieldSelectors": fields}]})
    }

    fn records(json: &Value) -> bool {
        Telemetry::from_json(json).records(DataEvent::EVALUATION)
    }

    #[test]
    fn evaluations_need_a_running_trail_with_their_selector() {
        let data = json!({"Field": "eventCategory", "Equals": ["Data"]});
        let guardrail = json!({"Field": "resources.type", "Equals": ["AWS::Bedrock::Model", "AWS::Bedrock::Guardrail"]});
        let good = trail(&json!([data, guardrail]));
        assert!(records(&good));
        assert!(records(&json!([trail(&json!([])), good])), "one of several trails is enough");
        let mut stopped = good;
        stopped["IsLogging"] = json!(false);
        assert!(!records(&stopped));
        for narrowed in [
            json!({"Field": "readOnly", "Equals": ["false"]}),
            json!({"Field": "eventName", "NotEquals": ["ApplyGuardrail"]}),
            json!({"Field": "resources.ARN", "StartsWith": ["arn:aws:bedrock:us-east-1:1:guardrail/abc"]}),
            json!({"Field": "eventName", "Matches": [".*"]}),
        ] {
            assert!(!records(&trail(&json!([data, guardrail, narrowed]))), "{narrowed}");
        }
        assert!(!records(&trail(&json!([{"Field": "eventCategory", "Equals": ["Management"]}]))));
        assert!(!records(&trail(&json!([]))), "a selector without conditions selects nothing");
        let classic = json!({"IsLogging": true, "EventSelectors": [{"ReadWriteType": "All", "DataResources": []}]});
        assert!(!records(&classic));
        assert!(!records(&json!({})));
    }

    #[test]
    fn invocation_logging_is_on_off_or_not_read() {
        let logging = |json: Value| Telemetry::from_json(&json).invocation_logging;
        assert_eq!(logging(json!({"loggingConfig": {"s3Config": {"bucketName": "b"}}})), Some(true));
        assert_eq!(logging(json!({"loggingConfig": {}})), Some(false));
        assert_eq!(logging(json!({})), None);
    }
}
