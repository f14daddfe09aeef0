//! Decides whether the guardrails enforced for a call can be applied to it, and which questions about that are open.

use std::collections::BTreeMap;

use crate::{
    arn::{GuardrailKey, GuardrailVersionArn},
    enforcement::{Enforcement, Meant},
    guardrail::sharing::{Sharing, shares_with},
    model::Model,
    operations::OperationCoverage,
    policy::{GuardrailInference, Identifier, Unusable},
    timestamp::Timestamp,
    verdict::Call,
    world::State,
};

/// An open question that may prevent an enforced guardrail from being applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// Whether the version exists, and what it contains.
    Content(GuardrailVersionArn),
    /// The final status of a version that AWS is still changing.
    Status(GuardrailVersionArn),
    /// Whether the guardrail is shared with the account.
    Sharing(GuardrailKey),
    /// Whether its guardrail profile is shared, wherever inference may run.
    ProfileSharing(GuardrailKey),
    /// Whether the policies of the callers let them apply the guardrail.
    Permission(GuardrailKey),
    /// Whether enforcement refuses a model that doesn't generate text.
    Embeddings(Model),
}

/// The result for a call under the enforced guardrails.
#[derive(Debug, Default)]
pub(super) struct Prospect {
    /// Why the call certainly fails, if it does.
    pub(super) fails: Option<String>,
    /// The open questions, each with a sentence.
    pub(super) open: BTreeMap<Question, String>,
}

/// The enforcements to examine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those that apply to the model of the call.
    OfModel,
    /// All of the account and Region: whoever a guardrail is shared with for one model, it is shared with for others.
    OfPlace,
}

/// The enforcements of the effective policy and of the account's configuration for a call, except those that can't be enforced.
pub(super) fn enforced<'s>(state: &'s State, call: &'s Call, at: Timestamp) -> Vec<Enforcement> {
    if call.reach != OperationCoverage::Covered {
        return Vec::new();
    }
    let by_policy = inferences(state, call, at).iter().filter_map(GuardrailInference::enforcement).collect::<Vec<_>>();
    let configured = state.configurations(&call.account, &call.region, at).state().unwrap_or_default().iter().cloned();
    by_policy.into_iter().chain(configured).filter(|enforcement| enforcement.models.means(&call.model) != Meant::No).collect()
}

fn inferences<'s>(state: &'s State, call: &Call, at: Timestamp) -> &'s [GuardrailInference] {
    let policy = state.policy(&call.account, at).state().and_then(|in_force| in_force.policy.as_deref());
    policy.and_then(|policy| policy.regions.get(&call.region)).map_or(&[], Vec::as_slice)
}

/// Decides why a call fails or may fail: because a guardrail that is enforced for it can't be applied. With `permitted`, the callers' own
/// permission and the sharing of guardrail profiles are assumed.
pub(super) fn prospect(state: &State, call: &Call, at: Timestamp, scope: Scope, permitted: bool) -> Prospect {
    let mut prospect = Prospect::default();
    if call.reach != OperationCoverage::Covered {
        return prospect;
    }
    let is_meant = |models: &crate::enforcement::ModelScope| scope == Scope::OfPlace || models.means(&call.model) != Meant::No;
    for inference in inferences(state, call, at).iter().filter(|inference| is_meant(&inference.models)) {
        match &inference.identifier {
            Identifier::Unusable { why: Unusable::Missing, .. } => {
                prospect.fail(format!("the policy's `{}` has no identifier", inference.name));
            }
            Identifier::Unusable { text, why: Unusable::Malformed } => {
                prospect.fail(format!("the policy's identifier is not a guardrail ARN with a version: {text}"));
            }
            Identifier::Unusable { text, why } => prospect.fail(format!("the policy {why}: {text}")),
            Identifier::Guardrail(guardrail) => {
                // A policy can enforce only guardrails of the management account.
                if let Some(management) = state.management_account().filter(|management| **management != guardrail.key.account) {
                    prospect.fail(format!(
                        "{guardrail} belongs to {}, and a policy can enforce only guardrails of the management account {management}",
                        guardrail.key.account
                    ));
                }
                prospect.apply(state, call, guardrail, at, permitted);
            }
        }
    }
    let configured = state.configurations(&call.account, &call.region, at).state().unwrap_or_default();
    for enforcement in configured.iter().filter(|enforcement| is_meant(&enforcement.models)) {
        prospect.apply(state, call, &enforcement.guardrail, at, permitted);
    }
    prospect
}

impl Prospect {
    fn fail(&mut self, why: String) {
        self.fails.get_or_insert(why);
    }

    fn ask(&mut self, question: Question, text: String) {
        self.open.insert(question, text);
    }

    fn apply(&mut self, state: &State, call: &Call, guardrail: &GuardrailVersionArn, at: Timestamp, permitted: bool) {
        if guardrail.key.region != call.region {
            return self.fail(format!("{guardrail} is of another Region"));
        }
        // Models that don't generate text can't be guarded. Whether enforcement for all models makes them fail is not documented.
        if call.model.as_str().contains("embed") {
            let why = format!("{} makes embeddings, and enforcement may refuse it: exclude it", call.model);
            self.ask(Question::Embeddings(call.model.clone()), why);
        }
        let mut profile = None;
        match state.guardrail(guardrail, at).state() {
            Some(None) => return self.fail(format!("{guardrail} doesn't exist")),
            Some(Some(content)) => {
                profile = content.attributes.get("cross-Region profile");
                match (content.why_not_enforceable(), content.why_not_settled()) {
                    (Some(why), _) => return self.fail(format!("{guardrail} {why}")),
                    (None, Some("DELETING")) => return self.fail(format!("{guardrail} is DELETING")),
                    (None, Some(status)) => self.ask(Question::Status(guardrail.clone()), format!("{guardrail} is {status}")),
                    (None, None) => {}
                }
            }
            None => self.ask(
                Question::Content(guardrail.clone()),
                format!("whether {guardrail} exists, and can be enforced, is not known: nobody read it"),
            ),
        }
        if guardrail.key.account != call.account {
            self.reach(state, call, &guardrail.key, profile.map(String::as_str), at, permitted);
        }
    }

    /// Checks that callers of another account may apply a guardrail. Its resource policy and the callers' own policies must both allow it,
    /// and so must the resource policies of its guardrail profile wherever inference may run.
    fn reach(&mut self, state: &State, call: &Call, key: &GuardrailKey, profile: Option<&str>, at: Timestamp, permitted: bool) {
        let sharing = |key: &GuardrailKey| {
            let policy = state.resource_policy(key, at).state()?;
            Some(shares_with(policy, Some(&call.account), state.organization()))
        };
        match sharing(key) {
            None => self.ask(Question::Sharing(key.clone()), format!("whether {} is shared with the account is not known", key.arn())),
            Some(Sharing::CutOff) => self.fail(format!("{} is not shared with the account", key.arn())),
            Some(Sharing::Reaches) => {}
        }
        if let Some(profile) = profile {
            let of_profile = GuardrailKey { id: profile.into(), ..key.clone() };
            if sharing(&of_profile) == Some(Sharing::CutOff) {
                self.fail(format!("its guardrail profile {profile} is not shared with the account in {}", key.region));
            } else if !permitted {
                let why =
                    format!("whether its guardrail profile {profile} is shared with the account in every destination Region is not known");
                self.ask(Question::ProfileSharing(key.clone()), why);
            }
        }
        if !permitted {
            let why = format!("whether the callers' own policies let them bedrock:ApplyGuardrail on {} is not known", key.arn());
            self.ask(Question::Permission(key.clone()), why);
        }
    }
}
