//! A model was invoked in a Region that the effective policy doesn't name.

use crate::{
    framework::UNCOVERED_CALL,
    operations,
    rule::{Check, Correlation, Group, JudgedCall, Observed, Resolved, Rule},
    severity::Severity,
    verdict::Reason,
};

pub(super) static RULE: Rule = Rule {
    id: "region-not-covered",
    title: "A model was invoked in a Region that the policy doesn't name",
    severity: Severity::High,
    group: Group::Invocation,
    revealed_by: operations::COVERED,
    fires: "The effective policy names other Regions, not this one, and no configuration of the account covers the call.",
    evidence: "The effective policy of the account and its enforced configuration in the Region, both at the time of the call. If one \
        of them isn't known, the call is not provable.",
    rationale: "Enforcement is per Region: where the policy names none, nothing is enforced, and a caller is free to choose the \
        Region.",
    remediation: "Add the Region to the policy, with a guardrail that lives there, or deny bedrock:InvokeModel* there with an SCP.",
    references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_bedrock_syntax.html"],
    resolved: Resolved::ByCover,
    correlation: Correlation::FollowsFromNoneRequired,
    controls: UNCOVERED_CALL,
    checks: &[Check::Call(check)],
};

fn check(judged: &JudgedCall<'_>) -> Option<Observed> {
    judged.violates(Reason::RegionNotCovered, |judgement| {
        format!("the effective policy names other Regions, not this one; required: {}", judgement.required_guardrail())
    })
}
