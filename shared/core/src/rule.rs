//! What a rule is: a value, one file each under [`rules`](crate::rules), with everything that people and programs need to know of it.

use std::fmt;

use crate::{
    severity::Severity,
    verdict::{Call, Judgement, Reason, Verdict},
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
    /// The check itself.
    pub check: Check,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// What resolves a finding about calls. Nothing is ever resolved because nothing was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Later calls of the same kind are covered, or the state was read and covers them.
    ByCover,
    /// A later call of the same kind by the same principal is covered.
    ByCoverOfTheSamePrincipal,
    /// An evaluation shows that a later call of the same kind by the same principal is covered.
    ByObservationOfTheSamePrincipal,
    /// Only an exception ends it.
    Never,
}

/// The parts of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Calls that run a model.
    Invocation,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Group::Invocation => "Invocation",
        })
    }
}

/// How a rule looks for what is wrong.
#[derive(Debug)]
pub enum Check {
    /// At a call that was judged.
    Call(fn(&JudgedCall<'_>) -> Option<Observed>),
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
