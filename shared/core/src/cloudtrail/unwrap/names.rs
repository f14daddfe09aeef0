//! The names under which records are known to lie, and what shows that a text may hold one.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Members that hold a record as it was made, beside a form of it that somebody else made: the others are left alone.
pub(super) const ORIGINALS: &[&str] =
    &["CloudTrailEvent", "eventJson", "eventjson", "event_json", "_raw", "original", "@message", "raw_data"];

/// Other members that may hold a record.
pub(super) const WRAPPERS: &[&str] = &[
    "detail",
    "Detail",
    "message",
    "Message",
    "awslogs",
    "data",
    "Data",
    "kinesis",
    "Kinesis",
    "Sns",
    "body",
    "Body",
    "MessageBody",
    "_source",
    "source",
    "event",
    "Event",
    "result",
    "hits",
    "record",
    "Record",
    "log",
    "line",
    "msg",
    "raw",
    "json",
    "payload",
    "value",
    "cloudtrail",
    "fields",
    "attributes",
    "jsonPayload",
    "textPayload",
    "values",
];

/// Members of model requests and responses. An object of its own that invocation logging writes for a large body has one of these.
pub(super) const OF_BODIES: &[&str] = &[
    "messages",
    "anthropic_version",
    "inputText",
    "outputText",
    "inputTextTokenCount",
    "textGenerationConfig",
    "prompt",
    "completion",
    "generation",
    "generations",
    "choices",
    "chat_history",
    "stopReason",
    "stop_reason",
    "inferenceConfig",
    "inferenceConfiguration",
    "messageStart",
    "messageStop",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "content_block",
    "embedding",
    "embeddings",
    "images",
    "taskType",
    "amazon-bedrock-guardrailAction",
    "amazon-bedrock-trace",
    "amazon-bedrock-invocationMetrics",
];

/// Substrings without which a text holds nothing that can be read.
static HINTS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let hints = [
        "\"eventName",
        "\"eventname",
        "\"event_name",
        "ModelInvocationLog",
        "digestS3Object",
        "s3ObjectKey",
        "AwsCloudTrailInsight",
        "CWL CONTROL",
    ];
    AhoCorasick::new(hints).ok()
});

pub(super) fn has_hint(bytes: &[u8]) -> bool {
    HINTS.as_ref().is_none_or(|hints| hints.is_match(bytes))
}
