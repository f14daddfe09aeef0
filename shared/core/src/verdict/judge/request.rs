//! The layer of the request: the guardrail that it names, or that the called agent or flow names.

use super::{
    outcome::Layer,
    requirement::{Need, number},
    situation::Situation,
};
use crate::{
    arn::{GuardrailKey, GuardrailVersion},
    operations::{Mediator, OperationCoverage},
    verdict::{Grade, Missing, Reason, Requested},
    world::{InForce, MediatedGuardrail, MediatorKind, PartGuardrail},
};

impl<'a> Situation<'a> {
    /// The guardrail in the request, from the call's record or else from an evaluation of the call.
    pub(super) fn requested(&self) -> Option<&'a Requested> {
        let by_record = self.call.requested.as_ref();
        by_record.filter(|requested| requested.guardrail.is_some()).or(self.evidence.requested.as_ref()).or(by_record)
    }

    /// Whether the request's guardrail satisfies the need. It does so only if a policy or requirement names that guardrail.
    pub(super) fn by_request(&self, need: &Need) -> Layer {
        let Some(requested) = self.requested() else {
            return Layer::Failed(Reason::NoGuardrail, Grade::Enforced);
        };
        satisfied_by(requested.guardrail.as_ref(), requested.version, need, Grade::Requested)
    }

    pub(super) fn mediated(&self, need: &Need) -> Layer {
        let OperationCoverage::Mediated(mediator) = self.call.reach else {
            return Layer::Failed(Reason::ApiNotCovered, self.policy_grade());
        };
        if mediator == Mediator::Request {
            return match self.requested() {
                Some(Requested { guardrail: Some(guardrail), version }) => satisfied_by(Some(guardrail), *version, need, Grade::Requested),
                // The record may omit or mask the guardrail (docs/aws/cloudtrail-records.md#invocations).
                _ => Layer::Unknown(Missing::MediatedGuardrail),
            };
        }
        if mediator == Mediator::AgentCore {
            return Layer::Unknown(Missing::InnerCalls);
        }
        match self.mediated_by() {
            None | Some(InForce::NotKnown) => Layer::Unknown(Missing::MediatedGuardrail),
            Some(found) => {
                let assumed = matches!(found, InForce::Assumed(_));
                let parts = found.state().map_or(&[][..], |mediated| &mediated.parts);
                let grade = |known| if assumed { Grade::Assumed } else { known };
                let layers = parts.iter().map(|part| match part {
                    PartGuardrail::Named(named) => satisfied_by(Some(&named.key), Some(named.version), need, grade(Grade::Requested)),
                    PartGuardrail::None => Layer::Failed(Reason::ApiNotCovered, grade(self.policy_grade())),
                    PartGuardrail::NotKnown => Layer::Unknown(Missing::MediatedGuardrail),
                });
                // Every part must be guarded. If no part generates text it isn't known what ran: an alias may stand for another version
                // than the one read.
                layers.reduce(Layer::and).unwrap_or(Layer::Unknown(Missing::MediatedGuardrail))
            }
        }
    }

    pub(super) fn mediated_by(&self) -> Option<InForce<&'a MediatedGuardrail>> {
        let kind = match self.call.reach {
            OperationCoverage::Mediated(Mediator::Agent) => MediatorKind::Agent,
            OperationCoverage::Mediated(Mediator::Flow) => MediatorKind::Flow,
            _ => return None,
        };
        Some(self.state.mediated(kind, &self.call.account, &self.call.region, self.call.mediator.as_deref()?, self.at))
    }
}

/// Whether this guardrail and version satisfy the need.
pub(super) fn satisfied_by(guardrail: Option<&GuardrailKey>, version: Option<GuardrailVersion>, need: &Need, grade: Grade) -> Layer {
    // A guardrail in a request is certainly another one, however little else is known.
    let failed = |reason| Layer::Failed(reason, if grade == Grade::Requested { Grade::Enforced } else { grade });
    match (&need.guardrail, guardrail) {
        _ if version == Some(GuardrailVersion::Draft) => failed(Reason::DraftVersion),
        (Some(_), None) => Layer::Unknown(Missing::RequestedGuardrail),
        // Whichever guardrail it is, it doesn't satisfy a need for an enforced one.
        (None, None) => failed(Reason::NoGuardrail),
        (Some(required), Some(found)) if required == found => match (version.and_then(number), need.minimum_version) {
            (None, _) => Layer::Unknown(Missing::GuardrailVersion),
            (Some(version), Some(minimum)) if version < minimum => failed(Reason::WrongVersion),
            (Some(_), _) => Layer::Satisfied(grade),
        },
        (_, Some(_)) => failed(Reason::WrongGuardrail),
    }
}
