//! What the evaluations and invocation logs of a call show.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use indexmap::IndexSet;
use serde::{Deserialize, Serialize};

use super::account_region::AccountRegionContext;
use crate::{
    arn::{GuardrailKey, GuardrailVersion, GuardrailVersionArn},
    facts::{Columns, Kind, Texts},
    invocation_log::{BODY_ELSEWHERE, ENFORCED, UNNAMED},
    verdict::{Evaluated, Evidence, Expectation, Requested},
};

/// The evidence of a call, and what its log shows besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct FoundEvidence {
    pub(crate) evidence: Evidence,
    pub(crate) partially_guarded: bool,
    /// Whether an evaluation has the call's request id, which shows that evaluations can be joined here.
    pub(crate) joins: bool,
    /// Whether the account itself reports an evaluation. That proves nothing, but then its absence can't count against the call either.
    pub(crate) said_to_be_evaluated: bool,
}

/// The distinct evidence of calls, by number. Number zero is that of calls without any.
#[derive(Debug)]
pub(crate) struct EvidenceTable {
    found: IndexSet<FoundEvidence>,
    /// The numbers by the evaluations and logs that show it.
    numbers: HashMap<Vec<Columns>, u32>,
}

impl Default for EvidenceTable {
    fn default() -> Self {
        EvidenceTable { found: IndexSet::from([FoundEvidence::default()]), numbers: HashMap::new() }
    }
}

impl EvidenceTable {
    /// The table of this evidence, which begins with number one.
    pub(crate) fn of(found: Vec<FoundEvidence>) -> Self {
        let mut table = EvidenceTable::default();
        table.found.extend(found);
        table
    }

    /// The evidence in the order of its numbers, from zero.
    pub(crate) fn found(&self) -> impl Iterator<Item = &FoundEvidence> {
        self.found.iter()
    }

    /// The number of the evidence in these evaluations and logs.
    pub(super) fn number_of(&mut self, records: Vec<Columns>, context: &AccountRegionContext<'_>) -> u32 {
        if let Some(&number) = self.numbers.get(&records) {
            return number;
        }
        let mut found = FoundEvidence::default();
        for record in &records {
            let form = context.texts.form(record);
            match form.kind {
                Kind::Evaluation | Kind::Log if form.self_reported => {
                    found.said_to_be_evaluated = true;
                    found.partially_guarded |= form.kind == Kind::Log && form.partially_guarded;
                }
                Kind::Evaluation => evaluated_by(record, &mut found, context),
                Kind::Log => traced_in(record, &mut found, context.texts),
                Kind::Call(_) => {}
            }
        }
        let evidence = &mut found.evidence;
        let only_of_answer = found.joins && evidence.evaluated.is_empty() && !evidence.enforced_evaluation;
        evidence.unnamed_evaluation |= only_of_answer;
        let number = u32::try_from(self.found.insert_full(found).0).unwrap_or(0);
        self.numbers.insert(records, number);
        number
    }

    /// The evidence with this number.
    pub(crate) fn get(&self, number: u32) -> &FoundEvidence {
        static NONE: FoundEvidence = FoundEvidence {
            evidence: Evidence {
                evaluated: BTreeSet::new(),
                enforced_evaluation: false,
                unnamed_evaluation: false,
                requested: None,
                expectation: Expectation::None,
            },
            partially_guarded: false,
            joins: false,
            said_to_be_evaluated: false,
        };
        self.found.get_index(number as usize).unwrap_or(&NONE)
    }

    /// Adds the evidence of another table, and returns the new number of each of its numbers.
    pub(super) fn merge(&mut self, other: EvidenceTable) -> Vec<u32> {
        other.found.into_iter().map(|found| u32::try_from(self.found.insert_full(found).0).unwrap_or(0)).collect()
    }
}

/// Adds what an evaluation shows: the guardrails in scope, and which one of them the request named. An evaluation of the response alone
/// doesn't prove that they evaluated the prompt, only that some guardrail ran.
fn evaluated_by(evaluation: &Columns, found: &mut FoundEvidence, context: &AccountRegionContext<'_>) {
    let texts = context.texts;
    let evidence = &mut found.evidence;
    let requested = texts.requested(evaluation);
    let identifier = texts.get(requested.guardrail);
    let of_answer_alone = texts.form(evaluation).is_of_answer_alone();
    evidence.enforced_evaluation |= identifier == ENFORCED && !of_answer_alone;
    let lines = texts.long(evaluation.subject);
    let mut listed: BTreeSet<GuardrailKey> = lines.lines().filter_map(GuardrailVersionArn::split).map(|(key, _)| key).collect();
    let by_identifier = GuardrailKey::from_identifier(identifier, &context.account, &context.region);
    // A bare id may belong to a guardrail of another account.
    let named = listed.iter().find(|key| *key.id == *identifier).cloned().or(by_identifier);
    if lines.is_empty() {
        listed.extend(named.clone());
    }
    found.joins |= identifier == ENFORCED || !listed.is_empty();
    for key in listed.into_iter().filter(|_| !of_answer_alone) {
        // Guardrails in scope besides the requested one were enforced; the requested one may be both. Its version is the request's.
        let is_told = identifier == ENFORCED || named.is_some();
        let enforced = is_told && named.as_ref() != Some(&key);
        evidence.evaluated.insert(Evaluated { id: key.id.to_string(), key: Some(key), version: None, enforced });
    }
    let version = GuardrailVersion::parse(texts.get(requested.version));
    let named = named.map(|key| Requested { guardrail: Some(key), version });
    evidence.requested = std::mem::take(&mut evidence.requested).max(named);
}

/// Adds what an invocation log shows.
fn traced_in(log: &Columns, found: &mut FoundEvidence, texts: &Texts) {
    found.partially_guarded |= texts.form(log).partially_guarded;
    for line in texts.long(log.subject).lines() {
        match line {
            UNNAMED => {
                found.evidence.unnamed_evaluation = true;
                continue;
            }
            BODY_ELSEWHERE => continue,
            _ => {}
        }
        let mut parts = line.split(' ');
        let id = parts.next().unwrap_or_default().to_owned();
        let key = parts.next().and_then(GuardrailVersionArn::split).map(|(key, _)| key);
        let version = parts.next().and_then(GuardrailVersion::parse);
        let enforced = parts.next() == Some(ENFORCED);
        found.evidence.evaluated.insert(Evaluated { id, key, version, enforced });
    }
}
