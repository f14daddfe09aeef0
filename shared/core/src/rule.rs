//! What a rule is: a value, one file each under [`rules`](crate::rules), with everything that people and programs need to know of it.

use std::fmt;

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

/// A rule. `guardrail-audit rules <id>` and `docs/rules/<id>.md` show these very fields.
#[derive(Debug)]
pub struct Rule {
    /// What findings carry; also the name of the rule's file, without underscores.
    pub id: &'static str,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// The default; the configuration can change it.
    pub severity: Severity,
    /// The part of the catalogue that it stands in.
    pub group: Group,
    /// The operations whose records it looks at.
    pub revealed_by: &'static [&'static str],
    /// When exactly it fires.
    pub fires: &'static str,
    /// What must be known for that, and what happens if it isn't.
    pub evidence: &'static str,
    /// Why it matters.
    pub rationale: &'static str,
    /// The way back.
    pub remediation: &'static str,
    /// Where the facts come from.
    pub references: &'static [&'static str],
    /// What resolves its findings.
    pub resolved: Resolved,
    /// Which findings of other rules belong together with its own.
    pub correlation: Correlation,
    /// The entries of frameworks that its findings are evidence about.
    pub controls: &'static [Control],
    /// How it looks. None: only the hub can, because it compares what members report.
    pub checks: &'static [Check],
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Rule {
    /// What is wrong, in one line, of changes that were refused.
    #[must_use]
    pub fn attempt(&self) -> &'static str {
        self.change_checks().next().map_or(self.title, |check| check.attempt)
    }

    /// Whether changes by administrators whom the configuration names are expected.
    #[must_use]
    pub fn is_expected_of_administrators(&self) -> bool {
        self.change_checks().all(|check| check.expected_of_administrators)
    }

    fn change_checks(&self) -> impl Iterator<Item = &ChangeCheck> {
        self.checks.iter().filter_map(|check| if let Check::Change(check) = check { Some(check) } else { None })
    }

    /// The severity of its findings under a configuration, before any steps.
    #[must_use]
    pub fn severity_in(&self, configuration: &Configuration) -> Severity {
        configuration.severities.get(self.id).copied().unwrap_or(self.severity)
    }

    /// An open finding of this rule about what the key names, with all that the rule and the configuration say of it, and nothing seen yet.
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

/// What resolves a finding. Nothing is ever resolved because nothing was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Later calls of the same kind are covered, or the state was read and covers them.
    ByCover,
    /// A later call of the same kind by the same principal is covered.
    ByCoverOfTheSamePrincipal,
    /// An evaluation shows that a later call of the same kind by the same principal is covered.
    ByObservationOfTheSamePrincipal,
    /// The account's effective policy, as it was read, demands a guardrail here.
    ByPolicy,
    /// The state that was changed is as it was before, or stronger.
    ByState,
    /// Only an exception ends it.
    Never,
}

/// Which findings of other rules belong together with those of a rule, so that reports link them. Whatever this says, findings about the
/// same event are linked, and so are changes of the organization with the accounts that [`Correlation::NoGuardrailRequired`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// A change takes a protection, or the evidence of it, away: violations within a day after it are its use.
    RemovesProtection,
    /// No policy requires a guardrail of an account in a Region: violations there follow from this.
    NoGuardrailRequired,
    /// Calls lack a guardrail, which follows from the finding that none is required of the account, if there is one.
    FollowsFromNoneRequired,
    /// None of these.
    Independent,
}

/// The parts of the catalogue.
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

/// How a rule looks for what is wrong.
#[derive(Debug)]
pub enum Check {
    /// At a call that was judged.
    Call(fn(&JudgedCall<'_>) -> Option<Observed>),
    /// At a change, refused or not.
    Change(ChangeCheck),
    /// At the state as it was read.
    State(StateCheck),
    /// At what was seen of an account and Region.
    AccountRegion(PlaceCheck),
}

/// Looks at a change.
pub struct ChangeCheck {
    /// What the rule's title is of a change that was refused: what would have been.
    pub(crate) attempt: &'static str,
    /// Whether a change by an administrator whom the configuration names is expected, and so only informational.
    pub(crate) expected_of_administrators: bool,
    /// Looks at it.
    pub(crate) look: fn(&ChangeInContext<'_>) -> Vec<Outcome>,
}

/// Looks at the state.
pub struct StateCheck(pub(crate) fn(&ChangeHistory<'_>) -> Vec<Outcome>);

/// Looks at an account and Region.
pub struct PlaceCheck(pub(crate) fn(&Traffic<'_>, &ChangeHistory<'_>) -> Vec<Outcome>);

macro_rules! opaque {
    ($($name:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        })*
    };
}
opaque!(ChangeCheck, StateCheck, PlaceCheck);

/// What was seen of an account and Region, besides verdicts.
#[derive(Clone, Debug)]
pub(crate) struct Traffic<'a> {
    pub(crate) account: &'a AccountId,
    pub(crate) region: &'a Region,
    /// When the auditor's own refused calls came through, in order, and whether that is more than the account's own word.
    pub(crate) heartbeats: Vec<(Timestamp, bool)>,
    /// When calls were made that metrics count, in order. Only where there are metrics to compare.
    pub(crate) counted: Vec<Timestamp>,
}

/// A call with its judgement, and what rules look at besides.
#[derive(Debug)]
pub struct JudgedCall<'a> {
    /// The call.
    pub call: &'a Call,
    /// Its verdict.
    pub judgement: &'a Judgement,
    /// A Bedrock API key was used.
    pub bearer_key: bool,
    /// Its invocation log shows fewer guarded characters than there were.
    pub partially_guarded: bool,
    /// How it was refused, if its error speaks of guardrails.
    pub guardrail_refusal: Option<GuardrailRefusal<'a>>,
    /// Whether the account's effective policy demands anything in this Region. False of an account that is not active.
    pub policy_is_silent: InForce<bool>,
    /// The guardrail that the call asked for, if an earlier event shows that it was made in this account.
    pub created_in_account: Option<String>,
    /// Whether the account's trails record evaluations, if that is known.
    pub evaluations_recorded: InForce<bool>,
}

/// A call that was refused because of a guardrail.
#[derive(Clone, Copy, Debug)]
pub struct GuardrailRefusal<'a> {
    /// `errorCode`.
    pub error_code: &'a str,
    /// The ARN that `errorMessage` names, if it names one.
    pub names: Option<&'a str>,
    /// The guardrails that are enforced for the call: `None` if that isn't known.
    pub enforced: Option<&'a [String]>,
}

/// What a rule saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Sets findings of one rule, account and Region apart.
    pub discriminator: String,
    /// What it means here, as the end of a sentence about the calls.
    pub because: String,
    /// The way back, where it is another than the rule's.
    pub remediation: Option<String>,
    /// What is concerned, if it is not the account.
    pub resource: Option<String>,
}

impl JudgedCall<'_> {
    /// For the rule of one reason: what to say if the call is a violation for this reason.
    #[must_use]
    pub fn violates(&self, reason: Reason, because: impl FnOnce(&Judgement) -> String) -> Option<Observed> {
        (self.judgement.reason == Some(reason)).then(|| Observed { because: because(self.judgement), ..Observed::default() })
    }

    /// Whether the call may have run a model.
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
    /// The required guardrail, as the object of a sentence.
    #[must_use]
    pub fn required_guardrail(&self) -> String {
        self.required.as_ref().map_or("an enforced guardrail".to_owned(), crate::arn::GuardrailKey::arn)
    }

    /// What the effective policy names instead, and where that comes from.
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
