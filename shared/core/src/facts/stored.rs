//! The form in which a store keeps facts: texts that people can query, and that any version can read back.

use super::{
    EvidenceRows, Form, Kind, Requested, Texts,
    rows::{Columns, PackedId, PackedTime, RequestRange, Row},
};
use crate::{
    operations::{Mediator, OperationCoverage},
    timestamp::Timestamp,
};

/// A call, an evaluation or an invocation log. Fields that its kind lacks are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredRecord<'s> {
    /// `call`, `evaluation` or `log`.
    pub kind: &'s str,
    /// For a call: whether enforcement applies to the operation.
    pub reach: &'s str,
    /// `requestID`, or the id in its place.
    pub request_id: String,
    /// `eventID`.
    pub event_id: String,
    /// `eventTime`, to the millisecond.
    pub event_time: Option<Timestamp>,
    /// The account that received the record.
    pub account: &'s str,
    /// The Region.
    pub region: &'s str,
    /// The role or user.
    pub principal: &'s str,
    /// For a call: the operation.
    pub event_name: &'s str,
    /// For a call: `modelId` as the caller passed it, or the agent or flow. Otherwise the guardrails, one a line.
    pub subject: &'s str,
    /// The requested guardrail; `ENFORCED` in evaluations that no client requested.
    pub guardrail_identifier: &'s str,
    /// Its version.
    pub guardrail_version: &'s str,
    /// For a refused call: the guardrail in `errorMessage`.
    pub refusing_guardrail: &'s str,
    /// For a call: `errorCode`.
    pub error_code: &'s str,
    /// For a call: it was made with a Bedrock API key.
    pub bearer_key: bool,
    /// For a refused call: the error message mentions a guardrail.
    pub refused_by_guardrail: bool,
    /// For a log: fewer characters were guarded than there were. For an evaluation: only the response was evaluated.
    pub partially_guarded: bool,
    /// The record has no request id.
    pub by_event_id: bool,
    /// Only the account concerned reports the record. It may open a finding or raise its severity, but never resolve one or prove coverage.
    pub self_reported: bool,
}

/// How many rows are put in order at once, about.
const ROWS_AT_ONCE: usize = 1 << 14;

const BEARER_KEY: u8 = 1;
const REFUSED_BY_GUARDRAIL: u8 = 2;
const PARTIALLY_GUARDED: u8 = 4;
const BY_EVENT_ID: u8 = 8;
const SELF_REPORTED: u8 = 16;

impl StoredRecord<'_> {
    /// The fields that are true or false in one number, as a store keeps them.
    #[must_use]
    pub fn flags(&self) -> u8 {
        [
            (self.bearer_key, BEARER_KEY),
            (self.refused_by_guardrail, REFUSED_BY_GUARDRAIL),
            (self.partially_guarded, PARTIALLY_GUARDED),
            (self.by_event_id, BY_EVENT_ID),
            (self.self_reported, SELF_REPORTED),
        ]
        .into_iter()
        .map(|(is_set, flag)| if is_set { flag } else { 0 })
        .sum()
    }

    /// The record with the fields that such a number stands for.
    #[must_use]
    pub fn with_flags(self, flags: u8) -> Self {
        let is_set = |flag: u8| flags & flag != 0;
        StoredRecord {
            bearer_key: is_set(BEARER_KEY),
            refused_by_guardrail: is_set(REFUSED_BY_GUARDRAIL),
            partially_guarded: is_set(PARTIALLY_GUARDED),
            by_event_id: is_set(BY_EVENT_ID),
            self_reported: is_set(SELF_REPORTED),
            ..self
        }
    }
}

const REACHES: &[(OperationCoverage, &str)] = &[
    (OperationCoverage::Covered, "covered"),
    (OperationCoverage::Ambiguous, "ambiguous"),
    (OperationCoverage::Uncovered, "uncovered"),
    (OperationCoverage::Unsupported, "unsupported"),
    (OperationCoverage::Mediated(Mediator::Agent), "agent"),
    (OperationCoverage::Mediated(Mediator::Flow), "flow"),
    (OperationCoverage::Mediated(Mediator::Request), "request"),
    (OperationCoverage::Mediated(Mediator::AgentCore), "agentcore"),
];

impl Texts {
    /// The fields of a row as texts.
    pub(crate) fn stored<'s>(&'s self, row: &Row, account: &'s str, region: &'s str) -> StoredRecord<'s> {
        StoredRecord {
            request_id: row.request().text(&self.strings),
            event_id: row.event().text(&self.strings),
            event_time: row.time(&self.strings),
            account,
            region,
            ..self.stored_columns(&row.columns)
        }
    }

    /// The fields that many rows share as texts; those that tell rows apart are empty.
    pub(crate) fn stored_columns(&self, columns: &Columns) -> StoredRecord<'_> {
        let (form, requested) = (self.form(columns), self.requested(columns));
        let (kind, reach) = match form.kind {
            Kind::Call(reach) => ("call", REACHES.iter().find(|(known, _)| *known == reach).map_or("", |(_, word)| word)),
            Kind::Evaluation => ("evaluation", ""),
            Kind::Log => ("log", ""),
        };
        StoredRecord {
            kind,
            reach,
            principal: self.long(columns.principal),
            event_name: self.get(form.api),
            subject: self.long(columns.subject),
            guardrail_identifier: self.get(requested.guardrail),
            guardrail_version: self.get(requested.version),
            refusing_guardrail: self.get(requested.refusing),
            error_code: self.get(form.error),
            bearer_key: form.bearer_key,
            refused_by_guardrail: form.refused_by_guardrail,
            partially_guarded: form.partially_guarded,
            by_event_id: form.by_event_id,
            self_reported: form.self_reported,
            ..StoredRecord::default()
        }
    }

    /// The row of a stored record.
    pub(crate) fn restored(&mut self, stored: &StoredRecord<'_>) -> Row {
        let columns = self.restored_columns(stored);
        let (request, event) = (self.restored_id(&stored.request_id), self.restored_id(&stored.event_id));
        let time = PackedTime::pack(stored.event_time, &mut self.strings);
        Row::new(request, columns, time, event)
    }

    /// The fields of a stored record that many rows share.
    pub(crate) fn restored_columns(&mut self, stored: &StoredRecord<'_>) -> Columns {
        let kind = match stored.kind {
            "evaluation" => Kind::Evaluation,
            "log" => Kind::Log,
            // A value that a later version wrote and this one doesn't know counts as not covered.
            _ => {
                Kind::Call(REACHES.iter().find(|(_, word)| *word == stored.reach).map_or(OperationCoverage::Uncovered, |(reach, _)| *reach))
            }
        };
        let requested = Requested {
            guardrail: self.intern(stored.guardrail_identifier),
            version: self.intern(stored.guardrail_version),
            refusing: self.intern(stored.refusing_guardrail),
        };
        let form = Form {
            kind,
            api: self.intern(stored.event_name),
            error: self.intern(stored.error_code),
            bearer_key: stored.bearer_key,
            refused_by_guardrail: stored.refused_by_guardrail,
            partially_guarded: stored.partially_guarded,
            by_event_id: stored.by_event_id,
            self_reported: stored.self_reported,
        };
        Columns {
            form: self.intern_form(form),
            principal: self.intern_long(stored.principal),
            subject: self.intern_long(stored.subject),
            requested: self.intern_requested(requested),
        }
    }

    /// A stored request id or event id, packed.
    pub(crate) fn restored_id(&mut self, text: &str) -> PackedId {
        PackedId::pack(text, &mut self.strings)
    }

    /// The id that is the UUID of these bits.
    pub(crate) fn restored_uuid(&mut self, bits: u128) -> PackedId {
        PackedId::of_uuid(bits, &mut self.strings)
    }
}

impl EvidenceRows {
    /// All calls, evaluations and logs.
    pub fn stored_records(&self) -> impl Iterator<Item = StoredRecord<'_>> {
        let texts = &self.texts;
        self.account_regions.iter().flat_map(move |((account, region), rows)| {
            let (account, region) = (texts.get(*account), texts.get(*region));
            rows.iter().map(move |row| texts.stored(row, account, region))
        })
    }

    /// Adds a stored call, evaluation or log.
    pub fn restore(&mut self, stored: &StoredRecord<'_>) {
        let row = self.texts.restored(stored);
        self.push(stored.account, stored.region, row);
    }

    /// Keeps the records for which a function returns true. Changes stay.
    ///
    /// The function gets the records in the order of their request ids, in which a store keeps them: so it fills one page of the store after
    /// the other.
    pub fn retain_records<E>(&mut self, mut keep: impl FnMut(&StoredRecord<'_>) -> Result<bool, E>) -> Result<(), E> {
        self.account_regions.values_mut().for_each(|rows| rows.sort(1));
        let mut kept: Vec<Vec<bool>> = self.account_regions.values().map(|rows| vec![true; rows.len()]).collect();
        let all: usize = kept.iter().map(Vec::len).sum();
        for requests in RequestRange::split(all / ROWS_AT_ONCE + 1) {
            let groups = self.account_regions.values().enumerate();
            let rows = groups.flat_map(|(group, rows)| rows.in_range(requests).map(move |(index, row)| (row, group, index)));
            let mut rows: Vec<(&Row, usize, usize)> = rows.collect();
            rows.sort_unstable_by(|(one, ..), (other, ..)| one.order(other));
            for (row, group, index) in rows {
                let Some(((account, region), _)) = self.account_regions.get_index(group) else { continue };
                let record = self.texts.stored(row, self.texts.get(*account), self.texts.get(*region));
                if !keep(&record)?
                    && let Some(kept) = kept.get_mut(group).and_then(|kept| kept.get_mut(index))
                {
                    *kept = false;
                }
            }
        }
        for (rows, kept) in self.account_regions.values_mut().zip(kept) {
            rows.retain(|index| kept.get(index).is_none_or(|kept| *kept));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_by_themselves_and_offered_in_the_order_of_their_requests() {
        let mut facts = EvidenceRows::default();
        for number in 0..20_000_u64 {
            // Each number once, in an order of no use, in three accounts.
            let number = number * 7919 % 20_000;
            let request_id = crate::uuid::uuid_text(u128::from(number) << 112);
            let account = ["1", "2", "3"][usize::try_from(number % 3).unwrap()];
            facts.restore(&StoredRecord { kind: "call", account, region: "r", request_id, ..StoredRecord::default() });
        }
        let is_even = |record: &StoredRecord<'_>| record.request_id.as_bytes()[3].is_ascii_digit();
        let mut offered = Vec::new();
        let keep = |record: &StoredRecord<'_>| {
            offered.push(record.request_id.clone());
            Ok::<_, ()>(is_even(record))
        };
        facts.retain_records(keep).unwrap();
        assert!(offered.len() == 20_000 && offered.is_sorted());
        let mut kept: Vec<String> = facts.stored_records().map(|record| record.request_id).collect();
        kept.sort_unstable();
        offered.retain(|request_id| request_id.as_bytes()[3].is_ascii_digit());
        assert_eq!(kept, offered);
    }

    #[test]
    fn what_is_stored_comes_back_as_it_was() {
        let mut facts = EvidenceRows::default();
        let record = StoredRecord {
            kind: "call",
            reach: "covered",
            request_id: "r-1".into(),
            event_id: "a8beb2cf-33a5-4c22-a0ed-f3ca6b134b7d".into(),
            event_time: Timestamp::parse("2026-11-20T10:00:00Z"),
            account: "222233334444",
            region: "us-east-1",
            principal: "arn:aws:iam::222233334444:role/app",
            event_name: "Converse",
            subject: "a.one",
            guardrail_identifier: "abc",
            guardrail_version: "1",
            error_code: "ThrottlingException",
            bearer_key: true,
            ..StoredRecord::default()
        };
        facts.restore(&record);
        facts.restore(&StoredRecord {
            kind: "log",
            subject: "abc  ",
            partially_guarded: true,
            ..StoredRecord { request_id: "r-2".into(), ..StoredRecord::default() }
        });
        assert_eq!(facts.stored_records().next(), Some(record.clone()));
        let mut other = EvidenceRows::default();
        other.restore(&StoredRecord { account: "9", ..record.clone() });
        other.absorb(facts);
        assert!(other.stored_records().any(|stored| stored == record), "numbers are renamed when facts are put together");
        assert_eq!(other.taken(), 3);
    }
}
