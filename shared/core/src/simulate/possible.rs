//! Decides which changes can be simulated.

use crate::{
    arn::{AccountId, GuardrailVersion, GuardrailVersionArn, PolicyId, TargetId},
    change::{OrganizationChange, WorldChange},
    enforcement::Enforcement,
    organization::Organization,
    policy::BEDROCK_POLICY,
    timestamp::Timestamp,
    world::State,
};

/// Why a change can't be simulated: a result would be about another change than the user meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// The organization that the change is about isn't known.
    #[error("the organization isn't known: the world needs organization.json")]
    NoOrganization,
    /// The target is not in the organization.
    #[error("`{0}` is no root, OU or account of the organization")]
    NoTarget(TargetId),
    /// The parent is no root or OU of the organization.
    #[error("`{0}` is no root or OU of the organization")]
    NoParent(TargetId),
    /// The account is neither in the organization nor in the logs.
    #[error("the account `{0}` is neither in the organization nor in the logs")]
    NoAccount(AccountId),
    /// The policy was not read.
    #[error("the policy `{0}` isn't in the world")]
    NoPolicy(PolicyId),
    /// The policy is of another type.
    #[error("the policy `{policy}` is of type {policy_type}: only BEDROCK_POLICY changes who is covered")]
    OtherType {
        /// The policy.
        policy: PolicyId,
        /// Its type.
        policy_type: String,
    },
    /// The policy can't be detached because it isn't attached.
    #[error("the policy `{policy}` is not attached to `{target}`")]
    NotAttached {
        /// The policy.
        policy: PolicyId,
        /// The target.
        target: TargetId,
    },
    /// The guardrail version is DRAFT, which AWS refuses to enforce.
    #[error("{0}: only a numbered version can be enforced")]
    Draft(GuardrailVersionArn),
}

/// Checks that a change can be made to the world after the changes supposed before it.
pub(super) fn is_possible(
    change: &WorldChange,
    state: &State,
    at: Timestamp,
    has_calls: impl Fn(&AccountId) -> bool,
) -> Result<(), Impossible> {
    let organization = || state.organization().ok_or(Impossible::NoOrganization);
    let is_parent = |organization: &Organization, target: &TargetId| {
        organization.policy_types.contains_key(target) || organization.units.contains_key(target)
    };
    match change {
        WorldChange::Organization(OrganizationChange::AttachPolicy { policy, target }) => {
            let organization = organization()?;
            if !is_parent(organization, target) && !organization.accounts.contains_key(target.as_str()) {
                return Err(Impossible::NoTarget(target.clone()));
            }
            match state.organization_policy(policy, at).state() {
                None => Err(Impossible::NoPolicy(policy.clone())),
                Some(version) if version.policy_type != BEDROCK_POLICY => {
                    Err(Impossible::OtherType { policy: policy.clone(), policy_type: version.policy_type.clone() })
                }
                Some(_) => Ok(()),
            }
        }
        WorldChange::Organization(OrganizationChange::DetachPolicy { policy, target }) => {
            if organization()?.targets_of(policy).any(|attached_to| attached_to == target) {
                Ok(())
            } else {
                Err(Impossible::NotAttached { policy: policy.clone(), target: target.clone() })
            }
        }
        WorldChange::Organization(OrganizationChange::MoveAccount { account, destination }) => {
            let organization = organization()?;
            if !organization.accounts.contains_key(account) {
                return Err(Impossible::NoAccount(account.clone()));
            }
            if is_parent(organization, destination) { Ok(()) } else { Err(Impossible::NoParent(destination.clone())) }
        }
        WorldChange::ConfigurationPut { account, enforcement, .. } => {
            let is_known = state.organization().is_some_and(|organization| organization.accounts.contains_key(account))
                || state.accounts().any(|known| known == account)
                || has_calls(account);
            match enforcement {
                _ if !is_known => Err(Impossible::NoAccount(account.clone())),
                Some(Enforcement { guardrail, .. }) if guardrail.version == GuardrailVersion::Draft => {
                    Err(Impossible::Draft(guardrail.clone()))
                }
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
