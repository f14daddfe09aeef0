//! The type of a rule: a static value with its check, its texts and the facts that other modules need to know about it.
//!
//! Each rule is one file below [`rules`](crate::rules). What other modules have to know about a rule is a field here, so that
//! they need no lists of ids.

use std::{collections::BTreeMap, fmt};

use crate::{
    arn::{AccountId, Region},
    change_history::{ChangeHistory, ChangeInContext, Outcome},
    config::Configuration,
    finding::{Bounded, Finding, FindingKey, Status},
    framework::Control,
    severity::Severity,
    timestamp::Timestamp,
    verdict::{Call, Judgement, Reason, Verdict},
    world::InForce,
};

/// A rule. The command `guardrail-audit rules <id>` and the page `docs/rules/<id>.md` are made from these fields.
#[derive(Debug)]
pub struct Rule {
    /// The rule's id, such as `api-not-covered`. Findings carry it, and exceptions name it. The rule's file has the same name, with
    /// underscores for hyphens.
    pub id: &'static str,
    /// What is wrong, in one line: the title of its findings.
    pub title: &'static str,
    /// The severity of its findings, unless the configuration sets another one.
    pub severity: Severity,
    /// The part of the catalogue (docs/rules/) that lists the rule.
    pub group: Group,
    /// The API operations whose CloudTrail records the rule needs. A [`Check::Change`] is called only with changes by these operations, and
    /// records of an operation that neither a rule nor the table in [`operations`](crate::operations) needs are dropped unread.
    pub revealed_by: &'static [&'static str],
    /// The condition under which the rule reports a finding.
    pub fires: &'static str,
    /// The evidence that the condition needs, and what is reported if that is missing.
    pub evidence: &'static str,
    /// Why it matters to a security team.
    pub rationale: &'static str,
    /// What to do about a finding.
    pub remediation: &'static str,
    /// URLs of the AWS documentation that the rule rests on.
    pub references: &'static [&'static str],
    /// The evidence that resolves its findings.
    pub resolved: Resolved,
    /// Which findings of other rules its findings are linked to.
    pub correlation: Correlation,
    /// The entries of frameworks that its findings are evidence about.
    pub controls: &'static [Control],
    /// The functions that detect what is wrong. A rule without any is checked by the hub only, which compares what members report.
    pub checks: &'static [Check],
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Rule {
    /// The title of findings about changes that were all refused.
    #[must_use]
    pub fn attempt(&self) -> &'static str {
        self.change_checks().next().map_or(self.title, |check| check.attempt)
    }

    /// Whether changes by administrators whom the configuration names are expected, and so only informational.
    #[must_use]
    pub fn is_expected_of_administrators(&self) -> bool {
        self.change_checks().all(|check| check.expected_of_administrators)
    }

    fn change_checks(&self) -> impl Iterator<Item = &ChangeCheck> {
        self.checks.iter().filter_map(|check| if let Check::Change(check) = check { Some(check) } else { None })
    }

    /// The severity of its findings under a configuration, before it is lowered or raised for attempts and unverified effects.
    #[must_use]
    pub fn severity_in(&self, configuration: &Configuration) -> Severity {
        configuration.severities.get(self.id).copied().unwrap_or(self.severity)
    }

    /// An open finding of this rule with the given key: texts, severity and framework entries are filled, and all fields about calls or
    /// changes are empty. All findings are made from it, so that each has the rule's texts and the configured severity.
    #[must_use]
    pub fn finding(&self, key: FindingKey, configuration: &Configuration) -> Finding {
        Finding {
            id: key.id(),
            rule: self.id.to_owned(),
            severity: self.severity_in(configuration),
            title: self.title.to_owned(),
            detail: String::new(),
            remediation: self.remediation.to_owned(),
            status: Status::Open,
            account: key.account,
            region: key.region,
            resource: key.resource,
            principals: Bounded::default(),
            models: Bounded::default(),
            apis: Bounded::default(),
            verdict: None,
            grade: None,
            reason: None,
            missing: Vec::new(),
            attempted: false,
            expected: false,
            linked: Vec::new(),
            first_seen: None,
            last_seen: None,
            count: 0,
            events: Vec::new(),
            changes: Vec::new(),
            policy: None,
            controls: self.controls.iter().map(ToString::to_string).collect(),
            reopened: 0,
            resolved_at: None,
            suppression: None,
        }
    }
}

/// The evidence that resolves a finding. The absence of further events never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// A later call of the same kind is covered, by the same principal or by what is enforced on everybody; or a state that was read after
    /// the last violation covers such calls.
    ByCover,
    /// A later call of the same kind by the same principal is covered.
    ByCoverOfTheSamePrincipal,
    /// An evaluation shows that a later call of the same kind by the same principal is covered.
    ByObservationOfTheSamePrincipal,
    /// The account's effective policy, read after the last violation, demands a guardrail in the Region.
    ByPolicy,
    /// The changed resource is again as strong as before the change, or stronger.
    ByState,
    /// Nothing does: the event can't be undone. Only an exception of the configuration can suppress the finding.
    Never,
}

/// The findings of other rules that a rule's findings are linked to. Regardless of it, findings about the same event are linked, and
/// changes of the organization are linked to findings of [`Correlation::NoGuardrailRequired`] about the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// A change removes a protection, or the evidence of it: it is linked to violations within a day after it, which may make use of it.
    RemovesProtection,
    /// No policy requires a guardrail of an account in a Region: it is linked to findings of [`Correlation::FollowsFromNoneRequired`]
    /// there.
    NoGuardrailRequired,
    /// Calls lack a guardrail: it is linked to the finding that no policy requires one there, if there is such a finding.
    FollowsFromNoneRequired,
    /// No links besides those that all rules have.
    Independent,
}

/// The parts of the catalogue of rules, in the order of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Calls that run a model.
    Invocation,
    /// Guardrails, and what an account enforces.
    Guardrails,
    /// Agents, flows, profiles and deployments.
    Consumers,
    /// What the organization enforces.
    Organization,
    /// Who may do what, and with which credentials.
    Identity,
    /// What is recorded, and the auditor itself.
    Telemetry,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Group::Invocation => "Invocation",
            Group::Guardrails => "Guardrails and enforcement",
            Group::Consumers => "Consumers",
            Group::Organization => "Organization",
            Group::Identity => "Identity",
            Group::Telemetry => "Telemetry and the auditor itself",
        })
    }
}

/// The function that detects what a rule is about, by what it is called with.
#[derive(Debug)]
pub enum Check {
    /// Called with each class of calls and their verdict.
    Call(fn(&JudgedCall<'_>) -> Option<Observed>),
    /// Called with each change, whether it was refused or not, by an operation of [`Rule::revealed_by`].
    Change(ChangeCheck),
    /// Called once with the state, and with the changes of the organization and of trails.
    State(StateCheck),
    /// Called with the traffic of each account and Region.
    AccountRegion(TrafficCheck),
}

/// A check of a single change.
pub struct ChangeCheck {
    /// The title of a finding about changes that were refused. It must not claim that they were made.
    pub(crate) attempt: &'static str,
    /// Whether a change by an administrator whom the configuration names is expected, and so only informational.
    pub(crate) expected_of_administrators: bool,
    /// The check itself. It returns an empty list if the rule doesn't concern the change.
    pub(crate) look: fn(&ChangeInContext<'_>) -> Vec<Outcome>,
}

/// A check of the state, independent of any single change.
pub struct StateCheck(pub(crate) fn(&ChangeHistory<'_>) -> Vec<Outcome>);

/// A check of the traffic of an account and Region.
pub struct TrafficCheck(pub(crate) fn(&Traffic<'_>, &ChangeHistory<'_>) -> Vec<Outcome>);

macro_rules! opaque {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        })*
    };
}
opaque!(ChangeCheck, StateCheck, TrafficCheck);

/// When calls were made in an account and Region, for rules about gaps in what is recorded.
#[derive(Clone, Debug)]
pub(crate) struct Traffic<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) region: &'a Region,
    /// The times of the auditor's heartbeats (docs/glossary.md#heartbeat), sorted; `true` if the organization's trail recorded it, and not
    /// only the account itself reported it.
    pub(crate) heartbeats: Vec<(Timestamp, bool)>,
    /// The number of calls in each minute, as far as CloudWatch's Bedrock metrics count them. Empty if the world has no metrics of this
    /// account and Region.
    pub(crate) counted: &'a BTreeMap<Timestamp, u64>,
}

/// A call with its verdict, and with the facts beyond the verdict that rules need.
#[derive(Debug)]
pub struct JudgedCall<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its verdict, with grade, reason and missing evidence.
    pub judgement: &'a Judgement,
    /// The call was authenticated by a Bedrock API key (a bearer token) instead of a signature.
    pub bearer_key: bool,
    /// Its invocation log shows that the guardrail evaluated fewer characters than the call had.
    pub partially_guarded: bool,
    /// The refusal, if the call's error is about a guardrail.
    pub guardrail_refusal: Option<GuardrailRefusal<'a>>,
    /// True if the account's effective policy demands no guardrail in this Region. False for an account that is not active.
    pub policy_is_silent: InForce<bool>,
    /// The ARN of the guardrail that the call requests, if an earlier record shows that it was created in the caller's account.
    pub created_in_account: Option<String>,
    /// Whether the account's trails record ApplyGuardrail data events.
    pub evaluations_recorded: InForce<bool>,
}

/// A call that was refused because of a guardrail.
#[derive(Clone, Copy, Debug)]
pub struct GuardrailRefusal<'a> {
    /// The record's `errorCode`.
    pub error_code: &'a str,
    /// The ARN of the guardrail that the record's `errorMessage` names, if any.
    pub names: Option<&'a str>,
    /// The ARNs of the guardrails that are enforced for the call; `None` if that isn't known.
    pub enforced: Option<&'a [String]>,
}

/// What a rule reports about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Separates findings of one rule, account and Region; often empty. Calls with equal discriminators become one finding, so different
    /// resources need different ones.
    pub discriminator: String,
    /// The end of the finding's `detail`, behind the calls and a colon.
    pub because: String,
    /// The remediation, where it differs from the rule's.
    pub remediation: Option<String>,
    /// The ARN or id of the resource that the finding is about, if it is not the account.
    pub resource: Option<String>,
}

impl JudgedCall<'_> {
    /// The report of a rule that stands for one reason of violations: `None`, unless the call is a violation for this reason.
    #[must_use]
    pub fn violates(&self, reason: Reason, because: impl FnOnce(&Judgement) -> String) -> Option<Observed> {
        (self.judgement.reason == Some(reason)).then(|| Observed { because: because(self.judgement), ..Observed::default() })
    }

    /// Whether the call may have run a model: its error, if any, doesn't show that it ended before inference.
    #[must_use]
    pub fn ran(&self) -> bool {
        !self.call.failed
    }

    /// Whether the evidence needed for a verdict is missing.
    #[must_use]
    pub fn is_not_provable(&self) -> bool {
        self.judgement.verdict == Verdict::NotProvable
    }
}

impl Judgement {
    /// The ARN of the required guardrail, or "an enforced guardrail", to be put into the sentence of a finding.
    #[must_use]
    pub fn required_guardrail(&self) -> String {
        self.required.as_ref().map_or("an enforced guardrail".to_owned(), crate::arn::GuardrailKey::arn)
    }

    /// The part of a finding's sentence that names the guardrail of the effective policy and the policy that sets it; empty if it names
    /// none.
    #[must_use]
    pub fn policy_names(&self) -> String {
        match self.policy.as_ref().and_then(|policy| Some((policy, policy.identifier.as_ref()?))) {
            None => String::new(),
            Some((policy, identifier)) => {
                let origin = policy.origin.as_ref().map(|origin| format!(", set by {} attached to {}", origin.policy, origin.attached_to));
                let unusable = policy.unusable.map(|why| format!(" ({why})")).unwrap_or_default();
                format!("; the effective policy names {identifier}{unusable}{}", origin.unwrap_or_default())
            }
        }
    }
}
