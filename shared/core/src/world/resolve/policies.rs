//! Combines described and computed effective policies.

use std::sync::Arc;

use crate::{
    policy::EffectivePolicy,
    timestamp::Timestamp,
    world::{InForce, Timeline},
};

/// An effective policy in force, or the fact that there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInForce {
    /// The policy; `None` if the account had none.
    pub policy: Option<Arc<EffectivePolicy>>,
    /// How it is known.
    pub basis: PolicyBasis,
    /// When it came into force.
    pub since: Timestamp,
}

/// How an effective policy is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyBasis {
    /// From DescribeEffectivePolicy's response.
    Described,
    /// Computed from the organization's tree, attachments and policies.
    Computed,
    /// The effective policy was invalid, so the last valid one stayed in force (docs/aws/bedrock-policies.md#invalid-policies).
    LastValid,
}

/// The effective policy computed from the replayed organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Computed {
    Policy { policy: Option<Arc<EffectivePolicy>>, assumed: bool },
    NotKnown,
}

impl Computed {
    /// Equal for equal policies of one replay, in which each policy is one allocation.
    pub(super) fn address(&self) -> Option<(usize, bool)> {
        match self {
            Computed::Policy { policy, assumed } => Some((policy.as_ref().map_or(0, |policy| Arc::as_ptr(policy).addr()), *assumed)),
            Computed::NotKnown => None,
        }
    }

    pub(super) fn in_force(&self) -> InForce<Option<Arc<EffectivePolicy>>> {
        match self {
            Computed::Policy { policy, assumed: false } => InForce::Known(policy.clone()),
            Computed::Policy { policy, assumed: true } => InForce::Assumed(policy.clone()),
            Computed::NotKnown => InForce::NotKnown,
        }
    }
}

/// What the replay shows about one account. Accounts that every change concerned alike share the lists.
#[derive(Clone, Debug, Default)]
pub(super) struct AccountHistory {
    /// The computed policies, in the order of time.
    pub(super) computed: Arc<Vec<(Timestamp, Computed)>>,
    /// The times of events that concern it, in order.
    pub(super) touched: Arc<Vec<Timestamp>>,
    /// When its effective policy became invalid (false) or valid again (true), in order.
    pub(super) validity: Vec<(Timestamp, bool)>,
    /// When it became valid, in order.
    pub(super) valid: Vec<Timestamp>,
}

/// The effective policy of an account over time.
pub(super) type PolicyHistory = Vec<(Timestamp, InForce<PolicyInForce>)>;

impl AccountHistory {
    /// The computed policy at a time.
    pub(super) fn computed_at(&self, at: Timestamp) -> Option<&(Timestamp, Computed)> {
        latest(&self.computed, at, |(time, _)| *time)
    }
}

/// The last entry at or before a time, of entries in the order of time.
fn latest<T>(entries: &[T], at: Timestamp, time: impl Fn(&T) -> Timestamp) -> Option<&T> {
    entries.partition_point(|entry| time(entry) <= at).checked_sub(1).and_then(|index| entries.get(index))
}

/// The policy in force at a time.
pub(super) fn at(history: &PolicyHistory, at: Timestamp) -> InForce<&PolicyInForce> {
    latest(history, at, |(time, _)| *time).map_or(InForce::NotKnown, |(_, policy)| policy.as_ref())
}

/// Combines described and computed policies into what was in force at each time.
pub(super) fn in_force(described: &Timeline<Option<Arc<EffectivePolicy>>>, history: &AccountHistory) -> PolicyHistory {
    let snapshots: Vec<(Timestamp, Option<&Option<Arc<EffectivePolicy>>>)> =
        described.entries().map(|(time, _, policy)| (time, policy)).collect();
    let mut boundaries: Vec<Timestamp> = vec![Timestamp::BEGINNING];
    boundaries.extend(snapshots.iter().map(|(time, _)| *time));
    boundaries.extend(history.computed.iter().map(|(time, _)| *time));
    boundaries.extend(history.touched.iter());
    boundaries.extend(history.validity.iter().map(|(time, _)| *time));
    boundaries.sort_unstable();
    boundaries.dedup();

    let touched_within =
        |after: Timestamp, until: Timestamp| latest(&history.touched, until, |touch| *touch).is_some_and(|touch| *touch > after);
    let mut states = PolicyHistory::new();
    for now in boundaries {
        let past = snapshots.partition_point(|(time, _)| *time <= now);
        let last = past.checked_sub(1).and_then(|index| snapshots.get(index)).filter(|(time, _)| !touched_within(*time, now));
        let next = snapshots.get(past).filter(|(time, _)| !touched_within(now, *time)).and_then(|(time, policy)| Some((*time, (*policy)?)));
        let computed = history.computed_at(now);
        let became_invalid = latest(&history.validity, now, |(time, _)| *time).filter(|(_, valid)| !valid).map(|(time, _)| *time);

        let describe = |(since, policy): (Timestamp, &Option<Arc<EffectivePolicy>>)| PolicyInForce {
            policy: policy.clone(),
            basis: PolicyBasis::Described,
            since,
        };
        let state = if let Some((since, described)) = last {
            match (described, next) {
                (Some(policy), _) => InForce::Known(describe((*since, policy))),
                // There is a description, but it can't be read.
                (None, Some(snapshot)) => InForce::Assumed(describe(snapshot)),
                (None, None) => InForce::NotKnown,
            }
        } else if let Some(invalid_since) = became_invalid {
            last_valid(&states, &history.touched, invalid_since)
        } else if let Some((since, Computed::Policy { policy, assumed: false })) = computed {
            InForce::Known(PolicyInForce { policy: policy.clone(), basis: PolicyBasis::Computed, since: *since })
        } else if let Some(snapshot) = next {
            InForce::Assumed(describe(snapshot))
        } else if let Some((since, Computed::Policy { policy, assumed: true })) = computed {
            InForce::Assumed(PolicyInForce { policy: policy.clone(), basis: PolicyBasis::Computed, since: *since })
        } else {
            InForce::NotKnown
        };
        if states.last().is_none_or(|(_, before)| *before != state) {
            states.push((now, state));
        }
    }
    states.shrink_to_fit();
    states
}

/// The policy in force before the change that made the policy invalid. AWS doesn't name that change; the last one before is assumed.
fn last_valid(states: &PolicyHistory, touched: &[Timestamp], invalid_since: Timestamp) -> InForce<PolicyInForce> {
    let changed = latest(touched, invalid_since, |touch| *touch).copied().unwrap_or(invalid_since);
    let before = states.partition_point(|(time, _)| *time < changed).checked_sub(1).and_then(|index| states.get(index));
    match before {
        Some((_, InForce::Known(policy) | InForce::Assumed(policy))) => {
            InForce::Assumed(PolicyInForce { basis: PolicyBasis::LastValid, ..policy.clone() })
        }
        Some((_, InForce::NotKnown)) | None => InForce::NotKnown,
    }
}
