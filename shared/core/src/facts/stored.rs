//! Facts as a store keeps them: in words, so that people can query them and any version can read them back.

use serde::{Deserialize, Serialize};

use super::{
    Facts,
    rows::{PackedId, Row},
    shape::{CallShape, EvaluationShape, LogShape, Shape},
};
use crate::{
    api::{Mediator, Reach},
    moment::Moment,
};

/// A shape in words. What doesn't belong to its kind is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredShape {
    /// `call`, `evaluation` or `log`.
    pub kind: String,
    /// The account that the record was delivered to.
    pub account: String,
    /// Where.
    pub region: String,
    /// The role or user.
    pub principal: String,
    /// Of a call: the operation.
    pub event_name: String,
    /// Of a call: `modelId` as the caller put it.
    pub model_id: String,
    /// The guardrail that was requested; `ENFORCED` in evaluations where none was.
    pub guardrail_identifier: String,
    /// Its version.
    pub guardrail_version: String,
    /// Of a call: the agent or flow.
    pub mediator: String,
    /// Of a call: `errorCode`.
    pub error_code: String,
    /// Of a refused call: the guardrail that `errorMessage` names.
    pub refusing_guardrail: String,
    /// Of a call: how far enforcement reaches the operation.
    pub reach: String,
    /// Of an evaluation or log: the guardrails, one a line.
    pub guardrails: String,
    /// Of a call: a Bedrock API key was used.
    pub bearer_key: bool,
    /// Of a refused call: the error speaks of a guardrail.
    pub refused_by_guardrail: bool,
    /// Of a call: the record has no request id.
    pub by_event_id: bool,
    /// Of a log: fewer characters were guarded than there were.
    pub partially_guarded: bool,
}

/// A record in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// `requestID`, or what stands for it.
    pub request_id: String,
    /// `eventID`; empty if the record has none.
    pub event_id: String,
    /// `eventTime`; `None` if the record has none.
    pub event_time: Option<Moment>,
    /// The number of its shape in [`Facts::stored_shapes`].
    pub shape: u32,
}

const REACHES: &[(Reach, &str)] = &[
    (Reach::Covered, "covered"),
    (Reach::Ambiguous, "ambiguous"),
    (Reach::Uncovered, "uncovered"),
    (Reach::Unsupported, "unsupported"),
    (Reach::Mediated(Mediator::Agent), "agent"),
    (Reach::Mediated(Mediator::Flow), "flow"),
    (Reach::Mediated(Mediator::Request), "request"),
];

impl Facts {
    /// All shapes, in the order of their numbers.
    pub fn stored_shapes(&self) -> impl Iterator<Item = StoredShape> + '_ {
        let text = |symbol| self.strings.get(symbol).to_owned();
        self.shapes.iter().map(move |shape| {
            let (account, region) = (text(shape.account()), text(shape.region()));
            let stored = StoredShape { account, region, ..StoredShape::default() };
            match shape {
                Shape::Call(call) => StoredShape {
                    kind: "call".to_owned(),
                    principal: text(call.principal),
                    event_name: text(call.api),
                    model_id: text(call.model),
                    guardrail_identifier: text(call.guardrail),
                    guardrail_version: text(call.version),
                    mediator: text(call.mediator),
                    error_code: text(call.error),
                    refusing_guardrail: text(call.refusing_guardrail),
                    reach: REACHES.iter().find(|(reach, _)| *reach == call.reach).map_or("", |(_, word)| word).to_owned(),
                    bearer_key: call.bearer_key,
                    refused_by_guardrail: call.refused_by_guardrail,
                    by_event_id: call.by_event_id,
                    ..stored
                },
                Shape::Evaluation(evaluation) => StoredShape {
                    kind: "evaluation".to_owned(),
                    principal: text(evaluation.principal),
                    guardrails: text(evaluation.guardrails),
                    guardrail_identifier: text(evaluation.requested),
                    guardrail_version: text(evaluation.version),
                    ..stored
                },
                Shape::Log(log) => StoredShape {
                    kind: "log".to_owned(),
                    guardrails: text(log.guardrails),
                    partially_guarded: log.partially_guarded,
                    ..stored
                },
            }
        })
    }

    /// All rows, in the order in which they were collected.
    pub fn stored_rows(&self) -> impl Iterator<Item = StoredRow> + '_ {
        self.rows.iter().map(|row| StoredRow {
            request_id: row.request().text(&self.strings),
            event_id: row.event().text(&self.strings),
            event_time: (row.time() > Moment::BEGINNING).then(|| row.time()),
            shape: row.shape,
        })
    }

    /// Takes a shape back, and says which number it has now.
    pub fn restore_shape(&mut self, stored: &StoredShape) -> u32 {
        let mut intern = |text: &str| self.strings.intern(text);
        let (account, region) = (intern(&stored.account), intern(&stored.region));
        let shape = match stored.kind.as_str() {
            "evaluation" => Shape::Evaluation(EvaluationShape {
                account,
                region,
                principal: intern(&stored.principal),
                guardrails: intern(&stored.guardrails),
                requested: intern(&stored.guardrail_identifier),
                version: intern(&stored.guardrail_version),
            }),
            "log" => Shape::Log(LogShape {
                account,
                region,
                guardrails: intern(&stored.guardrails),
                partially_guarded: stored.partially_guarded,
            }),
            _ => Shape::Call(CallShape {
                account,
                region,
                principal: intern(&stored.principal),
                api: intern(&stored.event_name),
                model: intern(&stored.model_id),
                guardrail: intern(&stored.guardrail_identifier),
                version: intern(&stored.guardrail_version),
                mediator: intern(&stored.mediator),
                error: intern(&stored.error_code),
                refusing_guardrail: intern(&stored.refusing_guardrail),
                // A way that a later version knew and this one doesn't is not covered.
                reach: REACHES.iter().find(|(_, word)| *word == stored.reach).map_or(Reach::Uncovered, |(reach, _)| *reach),
                bearer_key: stored.bearer_key,
                refused_by_guardrail: stored.refused_by_guardrail,
                by_event_id: stored.by_event_id,
            }),
        };
        self.shapes.intern(shape)
    }

    /// Takes a row back; its shape is a number that [`Facts::restore_shape`] gave.
    pub fn restore_row(&mut self, stored: &StoredRow) {
        let request = PackedId::pack(&stored.request_id, &mut self.strings);
        let event = PackedId::pack(&stored.event_id, &mut self.strings);
        self.rows.push(Row::new(request, event, stored.event_time.unwrap_or(Moment::BEGINNING), stored.shape));
    }
}
