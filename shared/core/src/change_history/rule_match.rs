//! What a rule about changes or states returns: a match with what is wrong, or the evidence that is missing.

use crate::{
    arn::{AccountId, Region},
    control_change::ControlChange,
    missing_evidence::MissingEvidence,
    timestamp::Timestamp,
};

/// The answer of a rule about a change or a state.
pub(crate) enum Outcome {
    /// The rule matches: this is or becomes a finding.
    Fires(Box<RuleMatch>),
    /// The rule can't decide, because this evidence is missing for the account and Region.
    MissingEvidence(AccountId, Region, MissingEvidence),
}

/// A match of a rule: what is wrong with which resource. Matches with one [`FindingKey`](crate::finding::FindingKey) become one finding.
#[derive(Clone, Debug)]
pub(crate) struct RuleMatch {
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    pub(crate) resource: String,
    pub(crate) discriminator: String,
    /// A sentence about what is wrong, without its full stop.
    pub(crate) because: String,
    pub(crate) changes: Vec<ControlChange>,
    /// The number of steps by which the severity differs from the rule's; negative if it is lower.
    pub(crate) steps: i8,
    /// Whether the effect could not be read. The severity is one step lower, and the finding mentions it.
    pub(crate) unverified: bool,
    /// The time, for a match that is about the state.
    pub(crate) time: Option<Timestamp>,
    /// The time from which evidence shows that it is restored.
    pub(crate) restored_at: Option<Timestamp>,
    /// Whether it isn't known that the principal of the change is the cause, since others may be.
    pub(crate) anonymous: bool,
    pub(crate) models: Vec<String>,
    /// The remediation, where it differs from the rule's.
    pub(crate) remediation: Option<String>,
}

/// Whether a guardrail that is changed is in use, which decides the severity (docs/evidence.md#severity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Something enforces or references it. Holds a phrase that names it.
    Production(String),
    /// Nothing does, by the state that was read.
    Nothing,
    /// Too little of the state was read to decide.
    Unknown,
}

impl RuleMatch {
    pub(crate) fn new(account: &AccountId, region: &Region, resource: impl Into<String>, because: impl Into<String>) -> Self {
        RuleMatch {
            account: account.clone(),
            region: region.clone(),
            resource: resource.into(),
            discriminator: String::new(),
            because: because.into(),
            changes: Vec::new(),
            steps: 0,
            unverified: false,
            time: None,
            restored_at: None,
            anonymous: false,
            models: Vec::new(),
            remediation: None,
        }
    }

    pub(crate) fn severity_steps(mut self, steps: i8) -> Self {
        self.steps += steps;
        self
    }

    pub(crate) fn changing(mut self, changes: Vec<ControlChange>) -> Self {
        self.changes = changes;
        self
    }

    /// Sets whether the effect could not be read.
    pub(crate) fn unverified(mut self, unverified: bool) -> Self {
        self.unverified = unverified;
        self
    }

    pub(crate) fn restored_at(mut self, at: Option<Timestamp>) -> Self {
        self.restored_at = at;
        self
    }

    /// Sets whether it isn't known that the principal of the change is the cause.
    pub(crate) fn anonymous(mut self, anonymous: bool) -> Self {
        self.anonymous = anonymous;
        self
    }

    pub(crate) fn at(mut self, time: Timestamp) -> Self {
        self.time = Some(time);
        self
    }

    pub(crate) fn discriminator(mut self, discriminator: impl Into<String>) -> Self {
        self.discriminator = discriminator.into();
        self
    }

    pub(crate) fn of_models(mut self, models: Vec<String>) -> Self {
        self.models = models;
        self
    }

    pub(crate) fn fires(self) -> Outcome {
        Outcome::Fires(Box::new(self))
    }
}

impl Exposure {
    /// The steps by which the severity differs from the rule's, and a phrase about the use. For changes that have no effect on users of the
    /// guardrail by themselves: `would_reach` is a phrase about what would make them have one.
    pub(crate) fn steps(&self, would_reach: &str) -> (i8, String) {
        match self {
            Exposure::Production(how) => (0, format!("it reaches production: {how}")),
            Exposure::Nothing => (-2, format!("nothing that was read enforces or references it; {would_reach}")),
            Exposure::Unknown => (-1, "whether something enforces or references it is not known".to_owned()),
        }
    }

    /// The steps and the phrase for changes that affect every user of the guardrail at once: the severity isn't lowered if the users aren't
    /// known.
    pub(crate) fn steps_of_loss(&self, would_reach: &str) -> (i8, String) {
        match self {
            Exposure::Unknown => (0, "whether something enforces or references it is not known, so it may reach production".to_owned()),
            _ => self.steps(would_reach),
        }
    }
}
