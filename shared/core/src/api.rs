//! Which records report a call that runs a model, and whether an enforced guardrail applies to it.
//!
//! Names of operations are looked up in the [table of operations](crate::operations). An operation that isn't in it is new, and counts as
//! running a model if its name allows that. A wrong guess judges a call that isn't one; it never misses one.

mod client;

use crate::{
    cloudtrail::{InferenceParameters, Record},
    model::{Alias, Model},
    operations::{self, Mediator, OperationCoverage, Role},
};
use client::Client;

/// The operation that evaluates content with a guardrail, whether a client or a call requested it.
pub const APPLY_GUARDRAIL: &str = "ApplyGuardrail";

/// The event source of Bedrock's own APIs, without `.amazonaws.com`.
const BEDROCK: &str = "bedrock";
const AGENTCORE: &str = "bedrock-agentcore";
const MANTLE: &str = "bedrock-mantle";
const CLAUDE_PLATFORM: &str = "aws-external-anthropic";

/// Endpoints, without `-fips`, on which every unknown operation counts as running a model unless its name shows that it only reads or ends
/// something. They are looked for in host names only, because user agents contain them too.
const RUNTIME_ENDPOINTS: &[&str] = &["bedrock-runtime", "bedrock-agent-runtime", "bedrock-data-automation-runtime"];

impl OperationCoverage {
    /// Whether enforcement applies to an operation, by its name alone. `None` if the operation isn't known to run a model.
    #[must_use]
    pub fn of_operation(name: &str) -> Option<Self> {
        operations::calls().find(|(_, operation, _)| *operation == name).map(|(.., reach)| reach)
    }

    /// Whether enforcement applies to the operation that the record reports. `None` if it runs no model.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Option<Self> {
        let name = record.event_name.get()?;
        // A record without an event source may still be a call of Bedrock.
        let source = record.event_source.get().map_or(BEDROCK, operations::source);
        if !operations::is_bedrocks(source) {
            return None;
        }
        match operations::role(source, name) {
            Some(Role::Runs(OperationCoverage::Covered)) => Some(Self::of_covered(name, record)),
            Some(Role::Runs(reach)) => Some(reach),
            Some(_) => None,
            None => Self::of_unknown(source, name, record),
        }
    }

    /// Distinguishes the Responses API, whose calls are authorised as InvokeModel and recorded under its name, from the covered operations.
    fn of_covered(name: &str, record: &Record<'_>) -> Self {
        // What an OpenAI client called stays open, whatever the record's name. An empty user agent is evidence of a client; a missing one
        // is not.
        match Client::of(record.user_agent.0.as_deref()) {
            Client::SpeaksOpenAi => return OperationCoverage::Ambiguous,
            Client::Other if name.starts_with("InvokeModel") => {}
            Client::Other | Client::WithoutResponses => return OperationCoverage::Covered,
        }
        let parameters: InferenceParameters<'_> = record.parameters();
        if parameters.model().is_none_or(may_serve_responses) { OperationCoverage::Ambiguous } else { OperationCoverage::Covered }
    }

    /// Classifies an operation that the table doesn't have.
    fn of_unknown(source: &str, name: &str, record: &Record<'_>) -> Option<Self> {
        let endpoint = endpoint_of(record.tls_details.0.client_provided_host_header.get().unwrap_or_default())
            .or_else(|| record.event_source.get()?.split('.').next());
        let at_runtime =
            endpoint.is_some_and(|endpoint| RUNTIME_ENDPOINTS.contains(&endpoint) || (endpoint == MANTLE && !sets_something_up(name)));
        let is_data = record.event_category.get() == Some("Data") && !sets_something_up(name);
        if runs_nothing_by_its_name(name) || !(at_runtime || is_data || runs_something_by_its_name(name)) {
            return None;
        }
        if record.event_source.get().is_none() && !at_runtime {
            return None;
        }
        Some(match source {
            MANTLE | CLAUDE_PLATFORM => OperationCoverage::Unsupported,
            _ if endpoint == Some(MANTLE) => OperationCoverage::Unsupported,
            AGENTCORE => OperationCoverage::Mediated(Mediator::AgentCore),
            _ if name.contains("Response") => OperationCoverage::Unsupported,
            _ => OperationCoverage::Uncovered,
        })
    }
}

/// Whether the operation belongs to a service of Bedrock and isn't in the table: it is newer than the table, or doesn't exist.
#[must_use]
pub fn is_new(record: &Record<'_>) -> bool {
    let (Some(name), Some(source)) = (record.event_name.get(), record.event_source.get().map(operations::source)) else { return false };
    operations::is_bedrocks(source) && operations::role(source, name).is_none()
}

/// The endpoint in a host name: `bedrock-runtime` of `vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com`.
fn endpoint_of(host: &str) -> Option<&str> {
    let endpoint = host.split('.').find(|label| label.starts_with("bedrock") || label.starts_with("aws-external-anthropic"))?;
    Some(endpoint.strip_suffix("-fips").unwrap_or(endpoint))
}

/// First words of operations that only read or end something, so that they run no model.
const RUN_NOTHING: &[&str] = &[
    "Get",
    "List",
    "Describe",
    "Head",
    "Lookup",
    "Count",
    "Check",
    "Validate",
    "Export",
    "Render",
    "Cancel",
    "Delete",
    "Stop",
    "End",
    "Archive",
    "Tag",
    "Untag",
    "Deregister",
    "Disassociate",
    "Disable",
    "Revoke",
    "Remove",
];

/// First words of operations that configure something.
const SET_UP: &[&str] = &[
    "Put",
    "Update",
    "Register",
    "Associate",
    "Attach",
    "Enable",
    "Set",
    "Reset",
    "Rotate",
    "Add",
    "Accept",
    "Assume",
    "Copy",
    "Import",
    "Publish",
    "Restore",
    "Subscribe",
    "Synchronize",
];

/// First words of operations that run something.
const RUN: &[&str] = &[
    "Invoke",
    "Converse",
    "Generate",
    "Start",
    "Run",
    "Execute",
    "Chat",
    "Complete",
    "Infer",
    "Predict",
    "Stream",
    "Retrieve",
    "Rerank",
    "Optimize",
    "Evaluate",
    "Embed",
    "Transcribe",
    "Translate",
    "Summarize",
    "Ask",
    "Answer",
    "Respond",
    "Analyze",
    "Classify",
    "Extract",
    "Ingest",
    "Process",
    "Submit",
    "Query",
    "Agentic",
    "Send",
];

/// Last words of names for a model's results: an operation that creates one runs a model.
const RESULTS: &[&str] = &[
    "Inference",
    "Response",
    "Completion",
    "Message",
    "Image",
    "Embedding",
    "Speech",
    "Audio",
    "Video",
    "Transcription",
    "Translation",
    "Generation",
    "Moderation",
    "Invocation",
    "Evaluation",
    "Rerank",
    "Chat",
    "Summary",
    "Answer",
    "Batch",
    "Job",
    "Run",
];

/// Whether an operation with this name, known or not, only reads or ends something.
#[must_use]
pub fn runs_nothing_by_its_name(name: &str) -> bool {
    begins_with_one(name.strip_prefix("Batch").unwrap_or(name), RUN_NOTHING)
}

fn sets_something_up(name: &str) -> bool {
    begins_with_one(name.strip_prefix("Batch").unwrap_or(name), SET_UP)
}

/// Whether the name of an unknown operation suggests that it runs a model.
#[must_use]
pub fn runs_something_by_its_name(name: &str) -> bool {
    let result = name.trim_end_matches("Async").trim_end_matches("Stream");
    let result = result.strip_suffix('s').unwrap_or(result);
    begins_with_one(name.strip_prefix("Batch").unwrap_or(name), RUN)
        || (!sets_something_up(name) && RESULTS.iter().any(|word| result.ends_with(word)))
}

/// Whether a name in `CamelCase` begins with one of these words: `GetInvoke` begins with `Get`, `Getaway` doesn't.
fn begins_with_one(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_lowercase())))
}

/// Models that don't generate text from text, so that the Responses API can't run them.
const WITHOUT_RESPONSES: &[&str] = &[
    "amazon.titan-embed",
    "amazon.titan-image",
    "amazon.nova-canvas",
    "amazon.nova-reel",
    "amazon.nova-sonic",
    "amazon.nova-2-sonic",
    "amazon.nova-2-multimodal-embeddings",
    "amazon.rerank",
    "cohere.embed",
    "cohere.rerank",
    "luma.",
    "stability.",
    "twelvelabs.marengo",
];

/// Whether the Responses API may have run the model. It runs models through cross-Region inference profiles only, never resources that the
/// account created or deployed. Whether its record names the profile or the model behind it is not documented, so both count.
fn may_serve_responses(model_id: &str) -> bool {
    match Model::parse(model_id) {
        Model::Foundation(id) => !WITHOUT_RESPONSES.iter().any(|without| id.starts_with(without)),
        Model::Alias(Alias::ShortName, _) | Model::Unknown => true,
        Model::Alias(Alias::ApplicationInferenceProfile | Alias::PromptRouter | Alias::Prompt, _) | Model::Deployed(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn coverage_of(record: &Value) -> Option<OperationCoverage> {
        OperationCoverage::of(&serde_json::from_str(&record.to_string()).unwrap())
    }

    fn reach(source: &str, name: &str, host: &str, agent: &str) -> Option<OperationCoverage> {
        coverage_of(
            &json!({"eventSource": source, "eventName": name, "userAgent": agent, "tlsDetails": {"clientProvidedHostHeader": host}}),
        )
    }

    const SOURCE: &str = "bedrock.amazonaws.com";
    const RUNTIME: &str = "bedrock-runtime.us-east-1.amazonaws.com";
    const AGENT_RUNTIME: &str = "bedrock-agent-runtime.us-east-1.amazonaws.com";
    const MANTLE: &str = "bedrock-mantle.amazonaws.com";
    const CLAUDE: &str = "aws-external-anthropic.amazonaws.com";
    const CORE: &str = "bedrock-agentcore.amazonaws.com";

    #[test]
    fn roads_to_a_model_are_told_apart() {
        for (source, name, host, agent, expected) in [
            (SOURCE, "Converse", RUNTIME, "Boto3/1", Some(OperationCoverage::Covered)),
            (SOURCE, "Converse", RUNTIME, "curl/8", Some(OperationCoverage::Covered)),
            (SOURCE, "Converse", RUNTIME, "OpenAI/Python 1.50.0", Some(OperationCoverage::Ambiguous)),
            (SOURCE, "InvokeModel", "", "OpenAI/Python 1.50.0", Some(OperationCoverage::Ambiguous)),
            (SOURCE, "InvokeModelWithResponseStream", "", "curl/8", Some(OperationCoverage::Ambiguous)),
            (SOURCE, "InvokeModelWithBidirectionalStream", "", "curl/8", Some(OperationCoverage::Uncovered)),
            (SOURCE, "StartAsyncInvoke", "", "", Some(OperationCoverage::Uncovered)),
            (SOURCE, "StartIngestionJob", "", "", Some(OperationCoverage::Uncovered)),
            (SOURCE, "InvokeDataAutomationAsync", "", "", Some(OperationCoverage::Uncovered)),
            (SOURCE, "StartAutomatedReasoningPolicyBuildWorkflow", "", "", Some(OperationCoverage::Uncovered)),
            (SOURCE, "InvokeAgent", "", "", Some(OperationCoverage::Mediated(Mediator::Agent))),
            (MANTLE, "CreateInference", "", "", Some(OperationCoverage::Unsupported)),
            (MANTLE, "CreateFineTuningJob", "", "", Some(OperationCoverage::Uncovered)),
            (CLAUDE, "CreateInference", "", "", Some(OperationCoverage::Unsupported)),
            (CLAUDE, "CreateBatchInference", "", "", Some(OperationCoverage::Unsupported)),
            (CORE, "InvokeHarness", "", "", Some(OperationCoverage::Mediated(Mediator::AgentCore))),
            (CORE, "InvokeGateway", "", "", Some(OperationCoverage::Mediated(Mediator::AgentCore))),
            (CORE, "Evaluate", "", "", Some(OperationCoverage::Uncovered)),
            ("sagemaker.amazonaws.com", "InvokeEndpoint", "", "", None),
            ("", "InvokeModel", "", "Boto3/1", Some(OperationCoverage::Covered)),
            ("", "PutObject", "", "", None),
            ("", "StartInstances", "", "", None),
        ] {
            assert_eq!(reach(source, name, host, agent), expected, "{source} {name}");
        }
    }

    #[test]
    fn operations_that_nobody_has_heard_of_are_roads_where_they_may_be() {
        let vpc = "vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com";
        let fips = "bedrock-runtime-fips.us-east-1.amazonaws.com";
        for (source, name, host, expected) in [
            (SOURCE, "CreateResponse", RUNTIME, OperationCoverage::Unsupported),
            (SOURCE, "CreateResponseStream", "", OperationCoverage::Unsupported),
            (SOURCE, "SomethingNew", vpc, OperationCoverage::Uncovered),
            (SOURCE, "SomethingNew", fips, OperationCoverage::Uncovered),
            ("", "SomethingNew", RUNTIME, OperationCoverage::Uncovered),
            (SOURCE, "CreateThought", AGENT_RUNTIME, OperationCoverage::Uncovered),
            (SOURCE, "InvokeSwarm", AGENT_RUNTIME, OperationCoverage::Uncovered),
            (SOURCE, "InvokeSwarm", "", OperationCoverage::Uncovered),
            ("bedrock-agent-runtime.amazonaws.com", "CreateThought", "", OperationCoverage::Uncovered),
            ("bedrock-video.amazonaws.com", "GenerateFilm", "", OperationCoverage::Uncovered),
            (SOURCE, "ConverseWithTools", "", OperationCoverage::Uncovered),
            (SOURCE, "CreateChatCompletion", "", OperationCoverage::Uncovered),
            (SOURCE, "GenerateImages", "", OperationCoverage::Uncovered),
            (SOURCE, "StartVideoGeneration", "", OperationCoverage::Uncovered),
            (MANTLE, "CreateResponse", "", OperationCoverage::Unsupported),
            (MANTLE, "CreateEmbedding", "", OperationCoverage::Unsupported),
            (MANTLE, "InvokeSomething", "", OperationCoverage::Unsupported),
            (MANTLE, "CreateThought", "", OperationCoverage::Unsupported),
            (CLAUDE, "CreateStreamInference", "", OperationCoverage::Unsupported),
            (CLAUDE, "InvokeAgent", "", OperationCoverage::Unsupported),
            (CORE, "InvokeOrchestrator", "", OperationCoverage::Mediated(Mediator::AgentCore)),
            (CORE, "StartSimulation", "", OperationCoverage::Mediated(Mediator::AgentCore)),
        ] {
            assert_eq!(reach(source, name, host, "Boto3/1"), Some(expected), "{source} {name} {host}");
        }
        let data = json!({"eventSource": SOURCE, "eventName": "CreateThought", "eventCategory": "Data"});
        assert_eq!(coverage_of(&data), Some(OperationCoverage::Uncovered));
    }

    #[test]
    fn what_reads_ends_or_renders_is_no_inference_wherever_it_is_called() {
        let names = "GetInvoke CancelInvoke DeleteInvoke RenderPrompt ListModels GetResponse DeleteResponse CancelResponse GetAsyncInvoke \
            ListAsyncInvokes CountTokens InvokeGuardrailChecks GetInference ListInferences CancelInference DeleteInference \
            ListBatchInferences GetBatchInference DescribeSomething StopSomething BatchDeleteThings BatchGetThings";
        let mantle = "bedrock-mantle.us-east-1.api.aws";
        for name in names.split_whitespace() {
            for source in [SOURCE, MANTLE, CLAUDE, CORE, "bedrock-runtime.amazonaws.com"] {
                for host in ["", RUNTIME, AGENT_RUNTIME, mantle] {
                    // Only Bedrock itself has this operation; one with the same name in another service would be a different one.
                    if name == "InvokeGuardrailChecks" && source != SOURCE {
                        continue;
                    }
                    assert_eq!(reach(source, name, host, "curl/8"), None, "{source} {name} {host}");
                }
            }
        }
        for (source, name) in [
            (SOURCE, "CreateInvocation"),
            (SOURCE, "PutInvocationStep"),
            (SOURCE, "CreateInferenceProfile"),
            (SOURCE, "CreateSomethingNew"),
            (SOURCE, "UpdateInference"),
            (MANTLE, "CreateProject"),
            (MANTLE, "CreateFile"),
            (CLAUDE, "CreateWorkspace"),
            (CLAUDE, "CreateSomethingNew"),
            ("bedrock-websearch.amazonaws.com", "InvokeSearch"),
            (CORE, "CreateGateway"),
            (CORE, "InvokeCodeInterpreter"),
        ] {
            assert_eq!(reach(source, name, "", "curl/8"), None, "{source} {name}");
        }
    }

    #[test]
    fn only_models_that_the_responses_api_may_serve_are_ambiguous() {
        let of = |model: Value| {
            coverage_of(
                &json!({"eventSource": SOURCE, "eventName": "InvokeModel", "userAgent": "curl/8.5.0", "requestParameters": {"modelId": model}}),
            )
        };
        let arn = |kind: &str, id: &str| format!("arn:aws:bedrock:us-east-1:222233334444:{kind}/{id}");
        for model in [
            "us.anthropic.claude-sonnet-4-20250514-v1:0".to_owned(),
            "anthropic.claude-3-haiku-20240307-v1:0".to_owned(),
            "openai.gpt-oss-120b-1:0".to_owned(),
            arn("inference-profile", "global.amazon.nova-2-lite-v1:0"),
            "newvendor.model-1".to_owned(),
            "gpt-oss-120b".to_owned(),
        ] {
            assert_eq!(of(json!(model)), Some(OperationCoverage::Ambiguous), "{model}");
        }
        assert_eq!(of(Value::Null), Some(OperationCoverage::Ambiguous), "not shown");
        for model in [
            arn("application-inference-profile", "abcdef123456"),
            arn("provisioned-model", "p1"),
            arn("imported-model", "i1"),
            arn("custom-model-deployment", "d1"),
            arn("prompt-router", "r1"),
            "amazon.titan-embed-text-v2:0".to_owned(),
            "us.cohere.embed-v4:0".to_owned(),
            "stability.sd3-5-large-v1:0".to_owned(),
        ] {
            assert_eq!(of(json!(model)), Some(OperationCoverage::Covered), "{model}");
        }
    }

    #[test]
    fn a_record_without_user_agent_says_no_more_than_its_name() {
        let mut record =
            json!({"eventSource": SOURCE, "eventName": "InvokeModel", "requestParameters": {"modelId": "amazon.nova-pro-v1:0"}});
        assert_eq!(coverage_of(&record), Some(OperationCoverage::Covered), "a sample that was cut down");
        record["userAgent"] = json!("");
        assert_eq!(coverage_of(&record), Some(OperationCoverage::Ambiguous), "a client that sent none");
    }

    #[test]
    fn what_only_reads_or_ends_runs_nothing() {
        for (source, name, _) in operations::calls() {
            assert!(!runs_nothing_by_its_name(name), "{name} of {source}");
        }
    }
}
