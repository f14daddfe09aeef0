//! Outcomes for one requirement and one model, and how several combine.

use std::collections::BTreeSet;

use super::super::{Grade, Judgement, Missing, Reason, Verdict};

/// The outcome for one requirement and one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Compliant(Grade),
    Violation(Reason, Grade),
    NotProvable(BTreeSet<Missing>),
    NotApplicable(Grade),
}

/// Whether one layer put the required guardrail into the call's scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Layer {
    Satisfied(Grade),
    Failed(Reason, Grade),
    Unknown(Missing),
}

impl Outcome {
    pub(super) fn not_provable(missing: impl IntoIterator<Item = Missing>) -> Self {
        Outcome::NotProvable(missing.into_iter().collect())
    }

    /// The outcome if the policy may demand something that can't be understood: enforcement then satisfies nothing, but an evaluation of
    /// the call still shows what happened.
    pub(super) fn if_the_policy_may_demand_more(self) -> Self {
        match self {
            Outcome::Compliant(Grade::Observed) | Outcome::Violation(..) | Outcome::NotProvable(_) => self,
            Outcome::Compliant(_) | Outcome::NotApplicable(_) => Outcome::not_provable([Missing::UnknownPolicyKeys]),
        }
    }
}

impl Layer {
    /// The worse of two layers that must both satisfy.
    pub(super) fn and(self, other: Layer) -> Layer {
        use Layer::{Failed, Satisfied, Unknown};
        match (self, other) {
            (Failed(a, g), Failed(b, h)) => Failed(a.min(b), g.max(h)),
            (failed @ Failed(..), _) | (_, failed @ Failed(..)) => failed,
            (unknown @ Unknown(_), _) | (_, unknown @ Unknown(_)) => unknown,
            (Satisfied(a), Satisfied(b)) => Satisfied(a.max(b)),
        }
    }

    /// The better of two layers of which one must satisfy.
    pub(super) fn or(self, other: Layer) -> Layer {
        use Layer::{Failed, Satisfied, Unknown};
        match (self, other) {
            (Satisfied(a), Satisfied(b)) => Satisfied(a.min(b)),
            (satisfied @ Satisfied(_), _) | (_, satisfied @ Satisfied(_)) => satisfied,
            (unknown @ Unknown(_), _) | (_, unknown @ Unknown(_)) => unknown,
            (Failed(a, g), Failed(b, h)) => Failed(a.min(b), g.max(h)),
        }
    }
}

/// The outcome if every requirement must be satisfied.
pub(super) fn all_of(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    outcomes.reduce(both).unwrap_or(Outcome::NotApplicable(Grade::None))
}

fn both(one: Outcome, other: Outcome) -> Outcome {
    use Outcome::{Compliant, NotApplicable, NotProvable, Violation};
    match (one, other) {
        (Violation(a, g), Violation(b, h)) => {
            if b < a {
                Violation(b, h)
            } else {
                Violation(a, g)
            }
        }
        (violation @ Violation(..), _) | (_, violation @ Violation(..)) => violation,
        (NotProvable(a), NotProvable(b)) => NotProvable(a.into_iter().chain(b).collect()),
        (unknown @ NotProvable(_), _) | (_, unknown @ NotProvable(_)) => unknown,
        (Compliant(a), Compliant(b)) => Compliant(a.max(b)),
        (compliant @ Compliant(_), NotApplicable(_)) | (NotApplicable(_), compliant @ Compliant(_)) => compliant,
        (NotApplicable(a), NotApplicable(b)) => NotApplicable(a.max(b)),
    }
}

/// The outcome if one of several possibilities holds and it isn't known which: the outcome they all lead to, or else not provable.
pub(super) fn over_all_possibilities(outcomes: impl Iterator<Item = Outcome>, unknown: Missing) -> Outcome {
    use Outcome::{Compliant, NotApplicable, NotProvable, Violation};
    let combined = outcomes.reduce(|one, other| match (one, other) {
        (Compliant(a), Compliant(b)) => Compliant(a.max(b)),
        (Violation(a, g), Violation(b, h)) => Violation(a.min(b), g.max(h)),
        (NotApplicable(a), NotApplicable(b)) => NotApplicable(a.max(b)),
        (NotProvable(a), NotProvable(b)) => NotProvable(a.into_iter().chain(b).collect()),
        (NotProvable(a), _) | (_, NotProvable(a)) => NotProvable(a.into_iter().chain([unknown]).collect()),
        _ => Outcome::not_provable([unknown]),
    });
    combined.unwrap_or_else(|| Outcome::not_provable([unknown]))
}

impl Judgement {
    pub(super) fn not_provable(missing: impl IntoIterator<Item = Missing>) -> Self {
        Judgement {
            verdict: Verdict::NotProvable,
            grade: Grade::None,
            reason: None,
            missing: missing.into_iter().collect(),
            required: None,
            guarding: None,
            policy: None,
        }
    }

    pub(super) fn with(self, outcome: Outcome) -> Self {
        let (verdict, grade, reason, missing) = match outcome {
            Outcome::Compliant(grade) => (Verdict::Compliant, grade, None, BTreeSet::new()),
            Outcome::Violation(reason, grade) => (Verdict::Violation, grade, Some(reason), BTreeSet::new()),
            Outcome::NotProvable(missing) => (Verdict::NotProvable, Grade::None, None, missing),
            Outcome::NotApplicable(grade) => (Verdict::NotApplicable, grade, None, BTreeSet::new()),
        };
        Judgement { verdict, grade, reason, missing, ..self }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match (self.verdict, self.reason) {
            (Verdict::Compliant, _) => Outcome::Compliant(self.grade),
            (Verdict::Violation, reason) => Outcome::Violation(reason.unwrap_or(Reason::NoGuardrail), self.grade),
            (Verdict::NotProvable, _) => Outcome::NotProvable(self.missing.clone()),
            (Verdict::NotApplicable, _) => Outcome::NotApplicable(self.grade),
        }
    }
}
