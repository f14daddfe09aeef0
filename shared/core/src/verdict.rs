//! Judges whether the required guardrail applied to a call, and how strong the evidence is (docs/verdicts.md).
//!
//! [`judge()`] is a pure function of the call, the state in force at its time, its evidence and the team's requirements. What isn't known is
//! judged for each possibility: if all lead to the same verdict, that verdict stands; otherwise the call is [`Verdict::NotProvable`], with
//! a list of what is missing.

mod call;
mod counts;
mod explain;
mod judge;

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

pub use call::{Call, Evaluated, Evidence, Expectation, Requested};
pub use counts::Invocations;
pub use explain::explain;
pub use judge::judge;

use crate::{
    arn::GuardrailKey,
    enforcement::Guarding,
    policy::{Origin, Unusable},
    timestamp::Timestamp,
    world::PolicyBasis,
};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $documentation:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $documentation])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The value in JSON, tables and the store.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// The documentation of the variant, as a part of a sentence. Users see it.
            #[must_use]
            pub fn in_words(self) -> String {
                let text = match self {
                    $($name::$variant => concat!($($documentation),+),)+
                };
                let mut characters = text.trim().trim_end_matches('.').chars();
                characters.next().into_iter().flat_map(char::to_lowercase).chain(characters).collect()
            }

            /// All variants, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Whether the required guardrail applied.
    Verdict {
        /// Every required guardrail was in scope of the call, by observation, by enforcement or by request.
        Compliant = "compliant",
        /// Evidence shows that a required guardrail was not.
        Violation = "violation",
        /// The evidence needed is missing.
        NotProvable = "not_provable",
        /// The call failed before inference, or the model is exempt.
        NotApplicable = "not_applicable",
    }
}

words! {
    /// What a verdict rests on, strongest first.
    Grade {
        /// An evaluation with this call's request id, or a response trace in its invocation log.
        Observed = "observed",
        /// A policy or configuration known to be in force covers the call.
        Enforced = "enforced",
        /// The record names the guardrail and version.
        Requested = "requested",
        /// Only a snapshot younger than the call is known.
        Assumed = "assumed",
        /// Nothing.
        None = "none",
    }
}

words! {
    /// Why a call is a violation, in order of precedence.
    Reason {
        /// bedrock-mantle, Responses API.
        EndpointNotCovered = "endpoint_not_covered",
        /// An operation outside the four that AWS names.
        ApiNotCovered = "api_not_covered",
        /// The effective policy names other Regions, not this one.
        RegionNotCovered = "region_not_covered",
        /// Excluded or not included, while a requirement covers the model.
        ModelExcluded = "model_excluded",
        /// DRAFT requested, and nothing enforced satisfies the requirement.
        DraftVersion = "draft_version",
        /// The required guardrail, below the required version.
        WrongVersion = "wrong_version",
        /// Another guardrail is enforced, evaluated or requested, the required one is not.
        WrongGuardrail = "wrong_guardrail",
        /// The requirement is comprehensive, what is in force lets the caller choose.
        SelectiveGuarding = "selective_guarding",
        /// Evaluations are recorded here, enforcement is in force, and this call has none.
        NotObserved = "not_observed",
        /// Nothing was enforced, evaluated or requested.
        NoGuardrail = "no_guardrail",
    }
}

words! {
    /// What would have to be known to decide.
    Missing {
        /// The account's effective Bedrock policy at the time of the call.
        EffectivePolicy = "effective_policy",
        /// The enforced configuration of the account and Region at that time.
        EnforcedConfiguration = "enforced_configuration",
        /// The account's place in the organization, on which a requirement depends.
        Organization = "organization",
        /// The model behind an alias, or the model at all.
        Model = "model",
        /// Whether enforcement covers models of this kind.
        ModelKindCoverage = "model_kind_coverage",
        /// Which of several configurations of one Region is in force.
        SeveralConfigurations = "several_configurations",
        /// What a member of the policy, or of the account's configuration, does that isn't understood.
        UnknownPolicyKeys = "unknown_policy_keys",
        /// The configuration of the agent or flow, or the guardrail of the request.
        MediatedGuardrail = "mediated_guardrail",
        /// What a gateway, harness or runtime of AgentCore called.
        InnerCalls = "inner_calls",
        /// The version of the guardrail that was evaluated or requested.
        GuardrailVersion = "guardrail_version",
        /// The guardrail that the request names, which the record hides.
        RequestedGuardrail = "requested_guardrail",
        /// Whether the client called the Responses API.
        OpenAiInterface = "openai_interface",
        /// An enforced guardrail that enforcement can apply.
        EnforceableGuardrail = "enforceable_guardrail",
        /// Evaluations, in accounts and Regions where others are recorded.
        Evaluations = "evaluations",
        /// The time of the call.
        EventTime = "event_time",
        /// The Region of the call.
        Region = "region",
    }
}

impl Missing {
    /// How to get the missing evidence, as a sentence.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Missing::EffectivePolicy => {
                "read the account's effective policy (DescribeEffectivePolicy with BEDROCK_POLICY) into world/effective-policies/, or the \
                 organization's tree and policies into world/organization.json and world/policies/"
            }
            Missing::EnforcedConfiguration => {
                "read the account's configuration (ListEnforcedGuardrailsConfiguration in this Region) into world/enforced-configurations/"
            }
            Missing::Organization => "read the organization's tree into world/organization.json",
            Missing::Model => "read the profile (GetInferenceProfile) into world/inference-profiles/",
            Missing::ModelKindCoverage => {
                "AWS doesn't document whether \"all models\" means models of this kind: record evaluations (data events of \
                 AWS::Bedrock::Guardrail) to observe it"
            }
            Missing::SeveralConfigurations => {
                "the policy has several configurations for one Region, and AWS doesn't document which applies: leave one, or record evaluations"
            }
            Missing::UnknownPolicyKeys => {
                "the policy or the account's configuration holds something that this version doesn't understand (`guardrail-audit explain` and \
                 `guardrail-audit policy lint` name it): record evaluations, correct it, or update"
            }
            Missing::MediatedGuardrail => "read the agent or flow (GetAgent, GetFlow) into world/agents/ or world/flows/",
            Missing::GuardrailVersion => {
                "the evaluation shows no version: name it in an effective policy, or read that policy into the world"
            }
            Missing::RequestedGuardrail => "the record hides the guardrail that was requested: record evaluations to observe it",
            Missing::EnforceableGuardrail => {
                "the enforced guardrail is FAILED, holds an automated-reasoning policy or doesn't exist, and AWS doesn't document that a call \
                 which passed was guarded: record evaluations to observe it, or mend the guardrail"
            }
            Missing::InnerCalls => {
                "what AgentCore calls of Bedrock has records of its own, by the role of its gateway, harness or runtime; what it sends to \
                 bedrock-mantle or to other providers shows only in its configuration (GetGatewayTarget, GetHarness)"
            }
            Missing::OpenAiInterface => {
                "guardrails don't reach the Responses API, and the record doesn't tell whether this client called it: record evaluations to \
                 observe it, or stop the Responses API with an SCP that denies bedrock:InvokeModel* on arn:aws:bedrock:*:*:project/*"
            }
            Missing::Evaluations => {
                "evaluations are recorded here but can't be joined to calls by request id, and this principal has too few: read its invocation logs"
            }
            Missing::Region => "the record has no awsRegion, so what is in force in its Region can't be looked up",
            Missing::EventTime => "the record has no readable eventTime, so the state at its time can't be looked up",
        }
    }
}

/// The verdict on a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Whether the required guardrail applied.
    pub verdict: Verdict,
    /// The grade of the evidence.
    pub grade: Grade,
    /// The reason, for a violation.
    pub reason: Option<Reason>,
    /// The missing evidence, for a call that is not provable.
    pub missing: BTreeSet<Missing>,
    /// The required guardrail, if a requirement or policy names one.
    pub required: Option<GuardrailKey>,
    /// The content that is evaluated all the same, for a violation by selective guarding.
    pub guarding: Option<Guarding>,
    /// The effective policy that was in force.
    pub policy: Option<PolicyReference>,
}

/// The effective policy that a call was judged against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyReference {
    /// How the policy is known.
    pub basis: PolicyBasis,
    /// When it came into force.
    pub since: Timestamp,
    /// The identifier that it names for the Region; `None` if it names none.
    pub identifier: Option<String>,
    /// Why that identifier can't be enforced; `None` if it can.
    pub unusable: Option<Unusable>,
    /// The attachment that the identifier comes from, if this project computed the policy.
    pub origin: Option<Origin>,
}
