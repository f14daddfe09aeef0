//! Errors of calls to AWS, classified by what callers do about them.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action}")]
pub struct CallError {
    /// What the call was to do, such as `read a finding`.
    pub action: String,
    /// The class of the failure.
    pub kind: ErrorKind,
    /// Whether the service answered at all.
    pub answered: bool,
    /// The cause.
    #[source]
    pub source: BoxError,
}

/// The classes of failure that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A later attempt may succeed: throttling, a timeout, an unavailable service.
    Retryable,
    /// The resource doesn't exist.
    NotFound,
    /// The condition of a conditional write doesn't hold.
    Condition,
    /// Permission is missing.
    Denied,
    /// The request is wrong, and would fail again.
    Refused,
}

impl CallError {
    /// An error that no service answered with.
    pub fn new(action: impl Into<String>, kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        CallError { action: action.into(), kind, answered: true, source: source.into() }
    }

    /// Whether the resource doesn't exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Whether the condition of a write doesn't hold.
    #[must_use]
    pub fn is_condition(&self) -> bool {
        self.kind == ErrorKind::Condition
    }
}

/// Wraps an error of the SDK, with what the call was to do.
pub fn failed<E>(action: impl Into<String>) -> impl FnOnce(SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    move |error| {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let kind = if status.is_none() && lacks_credentials(&error) { ErrorKind::Denied } else { kind(error.code(), status) };
        CallError { action: action.into(), kind, answered: status.is_some(), source: Box::new(Shown(error)) }
    }
}

/// Whether no request was sent because the role can't be assumed. The SDK reports it like a broken connection, which would be retried.
fn lacks_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    const REFUSALS: [&str; 3] = ["AccessDenied", "InvalidClientTokenId", "RegionDisabledException"];
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if REFUSALS.iter().any(|refusal| text.contains(refusal)) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn kind(code: Option<&str>, status: Option<u16>) -> ErrorKind {
    let code = code.unwrap_or_default();
    // Some protocols send the code as `namespace#Code`.
    match code.rsplit('#').next().unwrap_or(code) {
        "ConditionalCheckFailedException" => ErrorKind::Condition,
        // Outside of an organization there is neither a tree nor an effective policy.
        "AWSOrganizationsNotInUseException"
        | "ResourceNotFoundException"
        | "EffectivePolicyNotFoundException"
        | "NoSuchKey"
        | "NotFound"
        | "PolicyNotFoundException"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue" => ErrorKind::NotFound,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "UnrecognizedClientException" => ErrorKind::Denied,
        "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "SlowDown"
        | "InternalServerError"
        | "InternalServerException"
        | "ServiceUnavailable"
        | "TransactionConflictException"
        | "ConcurrentModificationException"
        | "PolicyChangesInProgressException" => ErrorKind::Retryable,
        // A key of KMS that is disabled, or can't be reached, may come back.
        code if code.starts_with("KMS") => ErrorKind::Retryable,
        _ => match status {
            Some(404) => ErrorKind::NotFound,
            // Security Hub answers 401 where it isn't enabled.
            Some(401 | 403) => ErrorKind::Denied,
            // No answer, or one with a status of success that can't be parsed.
            None | Some(200..=299 | 408 | 429 | 500..) => ErrorKind::Retryable,
            Some(_) => ErrorKind::Refused,
        },
    }
}

/// Wraps the end of a spawned task that gave no result, because it panicked. With the same input it would again, so this is no failure of a
/// service: what was to be done can't be.
pub fn panicked(action: &'static str) -> impl FnOnce(tokio::task::JoinError) -> CallError {
    move |error| CallError::new(action, ErrorKind::Refused, error)
}

/// Shows the code and message of an SDK error, whose own `Display` names neither.
#[derive(Debug)]
struct Shown<E>(SdkError<E, HttpResponse>);

impl<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static> std::fmt::Display for Shown<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.code(), self.0.message()) {
            (Some(code), Some(message)) => write!(f, "{code}: {message}"),
            (Some(code), None) => f.write_str(code),
            _ => write!(f, "{}", aws_smithy_types::error::display::DisplayErrorContext(&self.0)),
        }
    }
}

impl<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static> std::error::Error for Shown<E> {}

/// Logs an error with its causes as a warning.
pub fn warn(what: &str, error: &(impl std::error::Error + 'static)) {
    tracing::warn!(error = chain(error), "{what}");
}

/// An error and its causes on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_would_panic_again() {
        let ended = tokio::spawn(async { assert!(std::hint::black_box(false), "as it always does") }).await;
        assert_eq!(ended.map_err(panicked("judge")).unwrap_err().kind, ErrorKind::Refused);
    }

    #[test]
    fn failures_are_told_apart_by_what_to_do_about_them() {
        for (code, status, expected) in [
            (Some("ConditionalCheckFailedException"), Some(400), ErrorKind::Condition),
            (Some("com.amazonaws.dynamodb#ThrottlingException"), Some(400), ErrorKind::Retryable),
            (Some("EffectivePolicyNotFoundException"), Some(400), ErrorKind::NotFound),
            (Some("AWSOrganizationsNotInUseException"), Some(400), ErrorKind::NotFound),
            (Some("AccessDeniedException"), Some(400), ErrorKind::Denied),
            (Some("ValidationException"), Some(400), ErrorKind::Refused),
            (Some("InvalidAccessException"), Some(401), ErrorKind::Denied),
            (Some("KMSDisabledException"), Some(400), ErrorKind::Retryable),
            (Some("LimitExceededException"), Some(429), ErrorKind::Retryable),
            (None, Some(503), ErrorKind::Retryable),
            (None, None, ErrorKind::Retryable),
        ] {
            assert_eq!(kind(code, status), expected, "{code:?} {status:?}");
        }
    }
}
