//! The roads to a model: which operations run inference, and whether an enforced guardrail reaches them (facts/02 §4, facts/08 A).

use crate::cloudtrail::Record;

/// How far enforcement reaches an operation that runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// One of the four operations that AWS names as covered.
    Covered,
    /// One that may or may not be covered: it carries the name of a covered one, but comes from an OpenAI client, whose Responses API is
    /// not covered and whose event name is not known (facts README, unknown 4).
    Ambiguous,
    /// An operation outside those four. What enforcement does to it is not documented: it counts as not covered.
    Uncovered,
    /// An endpoint or interface that guardrails don't support at all.
    Unsupported,
    /// The call runs models through an agent, a flow or a knowledge base, which brings a guardrail of its own, or none.
    Mediated(Mediator),
}

/// What stands between a caller and the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mediator {
    /// An agent, whose configuration names the guardrail.
    Agent,
    /// A flow, whose nodes do.
    Flow,
    /// The request itself does.
    Request,
}

const COVERED: &[&str] = &["InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream"];

const UNCOVERED: &[&str] = &[
    "InvokeModelWithBidirectionalStream",
    "StartAsyncInvoke",
    "CreateModelInvocationJob",
    "CreateEvaluationJob",
    "CreateModelCustomizationJob",
    "CreateAdvancedPromptOptimizationJob",
    "OptimizePrompt",
    "Rerank",
    "GenerateQuery",
];

const MEDIATED: &[(&str, Mediator)] = &[
    ("InvokeAgent", Mediator::Agent),
    ("InvokeInlineAgent", Mediator::Request),
    ("InvokeFlow", Mediator::Flow),
    ("StartFlowExecution", Mediator::Flow),
    ("Retrieve", Mediator::Request),
    ("RetrieveAndGenerate", Mediator::Request),
    ("RetrieveAndGenerateStream", Mediator::Request),
    ("AgenticRetrieveStream", Mediator::Request),
];

/// Operations of the runtime endpoint that run no model.
const NO_INFERENCE: &[&str] = &["ApplyGuardrail", "InvokeGuardrailChecks", "CountTokens", "GetAsyncInvoke", "ListAsyncInvokes"];

/// `POST /v1/responses`, `/v1/chat/completions`, … of bedrock-mantle (facts/03 §7).
const MANTLE_INFERENCE: &str = "CreateInference";

/// The evaluation of content by guardrails, direct or inside a call (facts/03 §4).
pub const APPLY_GUARDRAIL: &str = "ApplyGuardrail";

/// The names of all operations that are known to run a model, and of the evaluations.
pub fn operations() -> impl Iterator<Item = &'static str> {
    let mediated = MEDIATED.iter().map(|(name, _)| *name);
    COVERED.iter().chain(UNCOVERED).copied().chain(mediated).chain([MANTLE_INFERENCE, APPLY_GUARDRAIL])
}

impl Reach {
    /// How far enforcement reaches an operation, by its name alone; `None` if it isn't known to run a model.
    #[must_use]
    pub fn of_operation(name: &str) -> Option<Self> {
        let mediated = || MEDIATED.iter().find(|(mediated, _)| *mediated == name).map(|(_, mediator)| Reach::Mediated(*mediator));
        match name {
            MANTLE_INFERENCE => Some(Reach::Unsupported),
            _ if COVERED.contains(&name) => Some(Reach::Covered),
            _ if UNCOVERED.contains(&name) => Some(Reach::Uncovered),
            _ => mediated(),
        }
    }

    /// How far enforcement reaches the operation that the record reports; `None` if it runs no model.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Option<Self> {
        let name = record.event_name.get()?;
        // A record that doesn't say which service it is of may be a call all the same.
        match record.event_source.get().unwrap_or("bedrock.amazonaws.com") {
            "bedrock-mantle.amazonaws.com" => (name == MANTLE_INFERENCE).then_some(Reach::Unsupported),
            "bedrock.amazonaws.com" | "bedrock-runtime.amazonaws.com" | "bedrock-agent-runtime.amazonaws.com" => {
                Self::of_bedrock(name, record)
            }
            _ => None,
        }
    }

    fn of_bedrock(name: &str, record: &Record<'_>) -> Option<Self> {
        match Self::of_operation(name).filter(|_| name != MANTLE_INFERENCE) {
            Some(Reach::Covered) => {
                let from_openai = record.user_agent.get().is_some_and(|agent| agent.starts_with("OpenAI/") || agent.contains(" OpenAI/"));
                return Some(if from_openai { Reach::Ambiguous } else { Reach::Covered });
            }
            Some(reach) => return Some(reach),
            None => {}
        }
        // An operation of the runtime endpoint that we have never heard of is one more road to a model.
        let host = record.tls_details.0.client_provided_host_header.get().unwrap_or_default();
        let on_runtime = host.starts_with("bedrock-runtime") || host.contains(".bedrock-runtime.");
        match name {
            _ if !on_runtime || NO_INFERENCE.contains(&name) => None,
            _ if name.contains("Response") => Some(Reach::Unsupported),
            _ => Some(Reach::Uncovered),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reach(source: &str, name: &str, host: &str, agent: &str) -> Option<Reach> {
        let json = json!({"eventSource": source, "eventName": name, "userAgent": agent, "tlsDetails": {"clientProvidedHostHeader": host}})
            .to_string();
        Reach::of(&serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn roads_to_a_model_are_told_apart() {
        let bedrock = "bedrock.amazonaws.com";
        let runtime = "bedrock-runtime.us-east-1.amazonaws.com";
        for (source, name, host, agent, expected) in [
            (bedrock, "Converse", runtime, "Boto3/1", Some(Reach::Covered)),
            (bedrock, "InvokeModel", "", "OpenAI/Python 1.50.0", Some(Reach::Ambiguous)),
            (bedrock, "StartAsyncInvoke", "", "", Some(Reach::Uncovered)),
            (bedrock, "InvokeAgent", "", "", Some(Reach::Mediated(Mediator::Agent))),
            (bedrock, "CreateResponse", runtime, "", Some(Reach::Unsupported)),
            (bedrock, "SomethingNew", "vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", "", Some(Reach::Uncovered)),
            (bedrock, "CountTokens", runtime, "", None),
            (bedrock, "GetFoundationModelAvailability", "bedrock.us-east-1.amazonaws.com", "", None),
            ("bedrock-mantle.amazonaws.com", "CreateInference", "", "", Some(Reach::Unsupported)),
            ("bedrock-mantle.amazonaws.com", "CountTokens", "", "", None),
            ("sagemaker.amazonaws.com", "InvokeEndpoint", "", "", None),
            ("", "InvokeModel", "", "", Some(Reach::Covered)),
            ("", "PutObject", "", "", None),
        ] {
            assert_eq!(reach(source, name, host, agent), expected, "{source} {name}");
        }
    }
}
