//! What many records share.

use indexmap::IndexSet;

use super::strings::Symbol;
use crate::api::Reach;

/// Everything about a record but its ids and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// A call that runs a model.
    Call(CallShape),
    /// An evaluation by guardrails.
    Evaluation(EvaluationShape),
    /// The invocation log of a call.
    Log(LogShape),
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallShape {
    /// The account that the record was delivered to.
    pub(crate) account: Symbol,
    /// Where the call was made.
    pub(crate) region: Symbol,
    /// The role or user.
    pub(crate) principal: Symbol,
    /// The operation.
    pub(crate) api: Symbol,
    /// `modelId` as the caller put it.
    pub(crate) model: Symbol,
    /// `guardrailIdentifier` as the caller put it.
    pub(crate) guardrail: Symbol,
    /// `guardrailVersion` as the caller put it.
    pub(crate) version: Symbol,
    /// The agent or flow.
    pub(crate) mediator: Symbol,
    /// `errorCode`.
    pub(crate) error: Symbol,
    /// The guardrail that `errorMessage` names.
    pub(crate) refusing_guardrail: Symbol,
    /// How far enforcement reaches the operation.
    pub(crate) reach: Reach,
    /// A Bedrock API key was used.
    pub(crate) bearer_key: bool,
    /// `errorMessage` speaks of a guardrail.
    pub(crate) refused_by_guardrail: bool,
    /// The record has no request id: its event id identifies the call.
    pub(crate) by_event_id: bool,
}

/// An evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EvaluationShape {
    /// The account that made the call.
    pub(crate) account: Symbol,
    /// Where.
    pub(crate) region: Symbol,
    /// The role or user.
    pub(crate) principal: Symbol,
    /// The ARNs of the guardrails in scope, in order, one a line.
    pub(crate) guardrails: Symbol,
    /// `guardrailIdentifier` of the request; `ENFORCED` if none was requested.
    pub(crate) requested: Symbol,
    /// `guardrailVersion` of the request.
    pub(crate) version: Symbol,
}

/// An invocation log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LogShape {
    /// The account that made the call.
    pub(crate) account: Symbol,
    /// Where.
    pub(crate) region: Symbol,
    /// The guardrails of the trace, in order, one a line: id, ARN and version, parted by blanks.
    pub(crate) guardrails: Symbol,
    /// Some evaluation guarded fewer characters than there were.
    pub(crate) partially_guarded: bool,
}

impl Shape {
    /// The account.
    #[must_use]
    pub(crate) fn account(&self) -> Symbol {
        match self {
            Shape::Call(CallShape { account, .. }) | Shape::Evaluation(EvaluationShape { account, .. }) | Shape::Log(LogShape { account, .. }) => {
                *account
            }
        }
    }

    /// The Region.
    #[must_use]
    pub(crate) fn region(&self) -> Symbol {
        match self {
            Shape::Call(CallShape { region, .. }) | Shape::Evaluation(EvaluationShape { region, .. }) | Shape::Log(LogShape { region, .. }) => {
                *region
            }
        }
    }

    fn renamed(self, symbols: &[Symbol]) -> Self {
        let new = |symbol: Symbol| symbols.get(symbol.0 as usize).copied().unwrap_or_default();
        match self {
            Shape::Call(call) => Shape::Call(CallShape {
                account: new(call.account),
                region: new(call.region),
                principal: new(call.principal),
                api: new(call.api),
                model: new(call.model),
                guardrail: new(call.guardrail),
                version: new(call.version),
                mediator: new(call.mediator),
                error: new(call.error),
                refusing_guardrail: new(call.refusing_guardrail),
                ..call
            }),
            Shape::Evaluation(evaluation) => Shape::Evaluation(EvaluationShape {
                account: new(evaluation.account),
                region: new(evaluation.region),
                principal: new(evaluation.principal),
                guardrails: new(evaluation.guardrails),
                requested: new(evaluation.requested),
                version: new(evaluation.version),
            }),
            Shape::Log(log) => Shape::Log(LogShape { account: new(log.account), region: new(log.region), guardrails: new(log.guardrails), ..log }),
        }
    }
}

/// Each distinct shape once.
#[derive(Debug, Default)]
pub(crate) struct Shapes(IndexSet<Shape, hashbrown::DefaultHashBuilder>);

impl Shapes {
    pub(super) fn intern(&mut self, shape: Shape) -> u32 {
        u32::try_from(self.0.insert_full(shape).0).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Shape> {
        self.0.get_index(number as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Shape> {
        self.0.iter()
    }

    /// Takes in the shapes of another, and says which number each of its shapes became.
    pub(super) fn absorb(&mut self, other: &Shapes, symbols: &[Symbol]) -> Vec<u32> {
        other.0.iter().map(|shape| self.intern(shape.renamed(symbols))).collect()
    }
}
