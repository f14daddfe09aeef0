//! What can go wrong with a call to AWS, told apart only as far as anybody acts on it.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action}")]
pub struct CallError {
    /// What was being done.
    pub action: String,
    /// What sort of failure it is.
    pub kind: ErrorKind,
    /// Whether the service answered at all.
    pub answered: bool,
    /// Why it failed.
    #[source]
    pub source: BoxError,
}

/// The sorts of failure that are treated differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Later it may work: throttling, a timeout, a service that is down.
    Retryable,
    /// There is no such thing.
    NotFound,
    /// A condition on a write doesn't hold.
    Condition,
    /// Not allowed.
    Denied,
    /// Not this way.
    Refused,
}

impl CallError {
    /// A failure that isn't the service's.
    pub fn new(action: impl Into<String>, kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        CallError { action: action.into(), kind, answered: true, source: source.into() }
    }

    /// Whether there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Whether a condition didn't hold.
    #[must_use]
    pub fn is_condition(&self) -> bool {
        self.kind == ErrorKind::Condition
    }
}

/// Says what was being done when a call to AWS failed.
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

/// Whether the call was never made because the role to make it as doesn't let us in. It looks like a network that is down, and isn't.
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
    // The part behind a `#` is what some protocols send.
    match code.rsplit('#').next().unwrap_or(code) {
        "ConditionalCheckFailedException" => ErrorKind::Condition,
        // An account outside of organizations has no effective policy, and no tree.
        "AWSOrganizationsNotInUseException"
        | "ResourceNotFoundException"
        | "EffectivePolicyNotFoundException"
        | "NoSuchKey"
        | "NotFound"
        | "PolicyNotFoundException" => ErrorKind::NotFound,
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
        _ => match status {
            Some(404) => ErrorKind::NotFound,
            Some(403) => ErrorKind::Denied,
            // No answer at all: the network, or a timeout; or one that says that all is well and can't be read.
            None | Some(200..=299 | 408 | 429 | 500..) => ErrorKind::Retryable,
            Some(_) => ErrorKind::Refused,
        },
    }
}

/// The SDK's errors say nothing about their cause by themselves.
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

/// Logs an error with all its causes.
pub fn warn(what: &str, error: &(impl std::error::Error + 'static)) {
    tracing::warn!(error = chain(error), "{what}");
}

/// An error with all its causes, in one line.
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

    #[test]
    fn failures_are_told_apart_by_what_to_do_about_them() {
        for (code, status, expected) in [
            (Some("ConditionalCheckFailedException"), Some(400), ErrorKind::Condition),
            (Some("com.amazonaws.dynamodb#ThrottlingException"), Some(400), ErrorKind::Retryable),
            (Some("EffectivePolicyNotFoundException"), Some(400), ErrorKind::NotFound),
            (Some("AWSOrganizationsNotInUseException"), Some(400), ErrorKind::NotFound),
            (Some("AccessDeniedException"), Some(400), ErrorKind::Denied),
            (Some("ValidationException"), Some(400), ErrorKind::Refused),
            (None, Some(503), ErrorKind::Retryable),
            (None, None, ErrorKind::Retryable),
        ] {
            assert_eq!(kind(code, status), expected, "{code:?} {status:?}");
        }
    }
}
