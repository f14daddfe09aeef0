//! A call with the policies, configurations and requirements that apply to it at its time.

use crate::{
    enforcement::Enforcement,
    policy::GuardrailInference,
    requirement::Requirement,
    timestamp::Timestamp,
    verdict::{Call, Evidence},
    world::{AccountPlacement, InForce, PolicyInForce, State},
};

/// A call with all that the verdict depends on at one time.
#[derive(Clone, Copy)]
pub(in crate::verdict) struct Situation<'a> {
    pub(in crate::verdict) call: &'a Call,
    pub(in crate::verdict) evidence: &'a Evidence,
    pub(in crate::verdict) requirements: &'a [Requirement],
    pub(in crate::verdict) state: &'a State,
    pub(in crate::verdict) at: Timestamp,
    pub(in crate::verdict) policy: InForce<&'a PolicyInForce>,
    pub(in crate::verdict) configurations: InForce<&'a [Enforcement]>,
    /// The account's position in the organization, if it is known.
    pub(in crate::verdict) placement: Option<&'a AccountPlacement>,
    /// The index of the configuration that is assumed to apply, if the policy has several for the Region; `None` for all of them.
    pub(super) choice: Option<usize>,
}

impl<'a> Situation<'a> {
    pub(in crate::verdict) fn of(
        call: &'a Call,
        evidence: &'a Evidence,
        state: &'a State,
        requirements: &'a [Requirement],
        at: Timestamp,
    ) -> Self {
        Situation {
            call,
            evidence,
            requirements,
            state,
            at,
            policy: state.policy(&call.account, at),
            configurations: state.configurations(&call.account, &call.region, at),
            placement: state.placement(&call.account, at).state(),
            choice: None,
        }
    }
}

/// What the effective policy demands in the Region of the call.
pub(in crate::verdict) enum PolicyHere<'a> {
    NotKnown,
    /// There is no policy, or it names no Region.
    Nothing,
    OtherRegions,
    Configurations(&'a [GuardrailInference]),
}
