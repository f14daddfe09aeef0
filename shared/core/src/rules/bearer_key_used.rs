//! A model was invoked with a Bedrock API key.

use crate::{
    framework::{ACCESS_TOKEN, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE, UNBOUNDED_CONSUMPTION},
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "bearer-key-used",
    title: "A model was invoked with a Bedrock API key",
    severity: Severity::Medium,
    group: Group::Invocation,
    revealed_by: operations::EVERY_CALL,
    fires: "The record of a call that ran says callWithBearerToken, in additionalEventData (Bedrock) or requestParameters \
        (bedrock-mantle).",
    evidence: "The record itself. CloudTrail leaves additionalEventData out of records that grow too large.",
    rationale: "An API key is a bearer secret: whoever holds it calls as its user, without a signature, from anywhere. Long-term keys \
        may never expire.",
    remediation: "Use roles with temporary credentials. Deny bedrock:CallWithBearerToken, at least for LONG_TERM keys (condition key \
        bedrock:bearerTokenType).",
    references: &[
        "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html",
        "https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html",
    ],
    resolved: Resolved::Never,
    correlation: Correlation::Independent,
    controls: &[UNBOUNDED_CONSUMPTION, ACCESS_TOKEN, ATLAS_CONTROL_ACCESS, LENS_LEAST_PRIVILEGE],
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    (judged.bearer_key && judged.ran())
        .then(|| Observed { because: "a Bedrock API key was used instead of signed credentials".to_owned(), ..Observed::default() })
}
