//! Compact storage of what records show: 47 bytes a call, and each distinct text once.
//!
//! A verdict may depend on a change in a file that is read later, so all calls are kept until everything is read. They are grouped by
//! account and Region, because nothing joins calls across these: each group is sorted in place, judged and freed before the next.

mod changes;
mod collect;
mod distinct;
pub mod packed;
mod rows;
mod stored;
mod strings;

use std::collections::BTreeSet;

use indexmap::IndexMap;

pub(crate) use changes::{PackedChange, PackedChanges};
pub use collect::{Collector, Ignored, Taken};
use distinct::Distinct;
pub(crate) use rows::{Columns, PackedId, RequestRange, Row, Rows};
pub use stored::StoredRecord;
pub(crate) use strings::{Strings, Symbol, Symbol24};

use crate::{
    arn::{AccountId, GuardrailKey, Region},
    change::{Change, ChangeKey},
    operations::{Mediator, OperationCoverage},
    timestamp::Timestamp,
};

/// The kept parts of all records that were read.
#[derive(Clone, Debug, Default)]
pub struct EvidenceRows {
    pub(crate) texts: Texts,
    /// The rows by account and Region.
    pub(crate) account_regions: RowsByAccountRegion,
    last_account_region: usize,
    pub(crate) changes: PackedChanges,
    /// The first and the last time up to which the caller reported to have searched for records, apart from the records' own times.
    pub(crate) looked: Option<(Timestamp, Timestamp)>,
    /// ARNs of guardrails whose DRAFT is requested by calls that are stored elsewhere.
    drafts: BTreeSet<String>,
}

/// Rows by account and Region.
pub(crate) type RowsByAccountRegion = IndexMap<(Symbol, Symbol), Rows, hashbrown::DefaultHashBuilder>;

/// The values behind the numbers in rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    strings: Strings,
    forms: Distinct<Form>,
    requests: Distinct<Requested>,
}

/// The fields of a record that have few values. Two bytes are enough to number their combinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) kind: Kind,
    /// The operation.
    pub(crate) api: Symbol,
    /// The `errorCode`.
    pub(crate) error: Symbol,
    /// For a call: it was made with a Bedrock API key.
    pub(crate) bearer_key: bool,
    /// For a refused call: the error message mentions a guardrail.
    pub(crate) refused_by_guardrail: bool,
    /// For a log: fewer characters were guarded than there were. For an evaluation: only the response was evaluated.
    pub(crate) partially_guarded: bool,
    /// The record has no request id, so its event id identifies it.
    pub(crate) by_event_id: bool,
    /// Only the account concerned reports the record. It may open a finding or raise its severity, but never resolve one or prove coverage.
    pub(crate) self_reported: bool,
}

impl Default for Form {
    /// The value for all forms beyond the number that fits: a call that nothing covers.
    fn default() -> Self {
        Form {
            kind: Kind::Call(OperationCoverage::Uncovered),
            api: Symbol::NONE,
            error: Symbol::NONE,
            bearer_key: false,
            refused_by_guardrail: false,
            partially_guarded: false,
            by_event_id: false,
            self_reported: false,
        }
    }
}

impl Form {
    /// Whether it is an evaluation of the model's response alone, which proves nothing about the prompt.
    pub(crate) fn is_of_answer_alone(self) -> bool {
        self.kind == Kind::Evaluation && self.partially_guarded
    }
}

/// The ARNs of guardrails whose DRAFT the rows of an account and Region request. A bare id belongs to that account and Region.
pub(crate) fn drafts_in(rows: &Rows, texts: &Texts, account: &AccountId, region: &Region) -> BTreeSet<String> {
    let of_drafts = texts.requests_of_drafts();
    if of_drafts.is_empty() {
        return BTreeSet::new();
    }
    let requested: BTreeSet<Symbol24> = rows.iter().map(|row| row.columns.requested).filter(|number| of_drafts.contains(number)).collect();
    let named = requested.into_iter().map(|number| texts.get(texts.requests.get(number.get()).guardrail));
    named.filter_map(|named| GuardrailKey::from_identifier(named, account, region)).map(|key| key.arn()).collect()
}

/// The version of a guardrail's working draft.
const DRAFT: &str = "DRAFT";

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A call that runs a model, and whether enforcement applies to it.
    Call(OperationCoverage),
    /// An evaluation by guardrails.
    Evaluation,
    /// The invocation log of a call.
    Log,
}

impl Kind {
    /// Whether the subject is an agent, a flow or a resource of AgentCore rather than a model.
    pub(crate) fn is_mediated(self) -> bool {
        matches!(self, Kind::Call(OperationCoverage::Mediated(Mediator::Agent | Mediator::Flow | Mediator::AgentCore)))
    }
}

/// The guardrails in a request and in the error that refused it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Requested {
    /// `guardrailIdentifier` as the caller passed it.
    pub(crate) guardrail: Symbol,
    /// `guardrailVersion` as the caller passed it.
    pub(crate) version: Symbol,
    /// The guardrail in `errorMessage`.
    pub(crate) refusing: Symbol,
}

impl Texts {
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        self.strings.intern(text)
    }

    pub(crate) fn get(&self, symbol: Symbol) -> &str {
        self.strings.get(symbol)
    }

    pub(crate) fn strings(&self) -> &Strings {
        &self.strings
    }

    /// The text of a principal, a model, an agent or a list of guardrails.
    pub(crate) fn long(&self, symbol: Symbol24) -> &str {
        self.strings.get(symbol.into())
    }

    pub(crate) fn form(&self, columns: &Columns) -> Form {
        self.forms.get(u32::from(u16::from_be_bytes(columns.form)))
    }

    pub(crate) fn requested(&self, columns: &Columns) -> Requested {
        self.requests.get(columns.requested.get())
    }

    /// The numbers of the requests that name a DRAFT.
    fn requests_of_drafts(&self) -> BTreeSet<Symbol24> {
        let requests = (0..).map(Symbol24::new).zip(self.requests.values());
        let drafts = requests.filter(|(_, requested)| self.get(requested.version) == DRAFT && requested.guardrail != Symbol::NONE);
        drafts.map(|(number, _)| number).collect()
    }

    fn intern_long(&mut self, text: &str) -> Symbol24 {
        self.strings.intern(text).into()
    }

    fn intern_form(&mut self, form: Form) -> [u8; 2] {
        u16::try_from(self.forms.intern(form)).unwrap_or(0).to_be_bytes()
    }

    fn intern_requested(&mut self, requested: Requested) -> Symbol24 {
        Symbol24::new(self.requests.intern(requested))
    }
}

impl EvidenceRows {
    fn push(&mut self, account: &str, region: &str, row: Row) {
        // Consecutive records are mostly of the same account and Region.
        if let Some(((last_account, last_region), rows)) = self.account_regions.get_index_mut(self.last_account_region)
            && self.texts.get(*last_account) == account
            && self.texts.get(*last_region) == region
        {
            return rows.push(row);
        }
        let account_region = (self.texts.intern(account), self.texts.intern(region));
        let entry = self.account_regions.entry(account_region);
        self.last_account_region = entry.index();
        entry.or_default().push(row);
    }

    /// Frees what only adding needs. Texts added later get new numbers even if they exist already.
    pub(crate) fn close(&mut self) {
        self.texts.strings.close();
        self.texts.forms.close();
        self.texts.requests.close();
        self.changes.close();
    }

    /// Appends the facts of another reader.
    pub fn absorb(&mut self, other: EvidenceRows) {
        let symbols = self.texts.strings.absorb(&other.texts.strings);
        let new = |symbol: Symbol| symbols.get(symbol.0 as usize).copied().unwrap_or_default();
        let forms = self.texts.forms.absorb(&other.texts.forms, |form| Form { api: new(form.api), error: new(form.error), ..form });
        let requests = self.texts.requests.absorb(&other.texts.requests, |requested| {
            let Requested { guardrail, version, refusing } = requested;
            Requested { guardrail: new(guardrail), version: new(version), refusing: new(refusing) }
        });
        let new_long = |symbol: Symbol24| Symbol24::from(new(symbol.into()));
        let numbered = |numbers: &[u32], number: u32| numbers.get(number as usize).copied().unwrap_or(0);
        let rename = |columns: Columns| Columns {
            form: u16::try_from(numbered(&forms, u16::from_be_bytes(columns.form).into())).unwrap_or(0).to_be_bytes(),
            principal: new_long(columns.principal),
            subject: new_long(columns.subject),
            requested: Symbol24::new(numbered(&requests, columns.requested.get())),
        };
        for ((account, region), mut rows) in other.account_regions {
            rows.iter_mut().for_each(|row| *row = row.renamed(&symbols, rename));
            self.account_regions.entry((new(account), new(region))).or_default().append(rows);
        }
        self.changes.absorb(other.changes, &symbols);
        self.drafts.extend(other.drafts);
        for time in other.looked.into_iter().flat_map(|(first, last)| [first, last]) {
            self.looked_at(time);
        }
    }

    /// Notes that the caller searched for records up to a time, so that their absence before that time is evidence.
    pub fn looked_at(&mut self, time: Timestamp) {
        let (first, last) = self.looked.unwrap_or((time, time));
        self.looked = Some((first.min(time), last.max(time)));
    }

    /// The ARNs of guardrails whose DRAFT a call requests. A bare id belongs to the caller's own account and Region.
    #[must_use]
    pub fn drafts_requested(&self) -> BTreeSet<String> {
        let mut drafts = self.drafts.clone();
        for ((account, region), rows) in &self.account_regions {
            let (account, region) = (self.texts.get(*account).into(), self.texts.get(*region).into());
            drafts.extend(drafts_in(rows, &self.texts, &account, &region));
        }
        drafts
    }

    /// Records that calls stored elsewhere request the DRAFT of this guardrail, given by ARN.
    pub fn add_draft_request(&mut self, guardrail: &str) {
        self.drafts.insert(guardrail.to_owned());
    }

    /// The accounts and Regions of all records and changes.
    #[must_use]
    pub fn regions_read(&self) -> BTreeSet<(AccountId, Region)> {
        let calls = self.account_regions.keys().map(|(account, region)| (self.texts.get(*account), self.texts.get(*region)));
        let changes = self.changes.iter(self.texts.strings()).map(|listed| (listed.account(), listed.region()));
        // There may be millions of changes, but few accounts and Regions.
        let read: BTreeSet<(&str, &str)> = calls.chain(changes).collect();
        read.into_iter().map(|(account, region)| (account.into(), region.into())).collect()
    }

    /// The time of the latest record, changes left out.
    pub(crate) fn latest_record(&self) -> Option<Timestamp> {
        let strings = self.texts.strings();
        self.account_regions.values().flat_map(Rows::iter).filter_map(|row| row.time(strings)).max()
    }

    /// Drops the records of an account and Region. Changes stay.
    pub fn forget_records(&mut self, account: &AccountId, region: &Region) {
        let texts = &self.texts;
        self.account_regions
            .retain(|(of_account, of_region), _| (texts.get(*of_account), texts.get(*of_region)) != (account.as_str(), region.as_str()));
        self.last_account_region = 0;
    }

    /// Drops the changes. Records stay.
    pub fn forget_changes(&mut self) {
        self.changes = PackedChanges::default();
    }

    /// The accounts and Regions of all records, changes left out.
    #[must_use]
    pub fn accounts_and_regions(&self) -> Vec<(AccountId, Region)> {
        let of = |(account, region): &(Symbol, Symbol)| (self.texts.get(*account).into(), self.texts.get(*region).into());
        self.account_regions.keys().map(of).collect()
    }

    /// Adds a change.
    pub fn add_change(&mut self, key: &ChangeKey, change: &Change) {
        self.changes.push(key, change, &mut self.texts.strings);
    }

    /// The changes ordered by time, each once.
    #[must_use]
    pub fn changes(&self) -> Vec<(ChangeKey, Change)> {
        let mut changes = self.changes.clone();
        changes.put_in_order(&self.texts.strings);
        changes.iter(&self.texts.strings).map(changes::PackedChange::to_change).collect()
    }

    /// The number of records and changes kept, copies included.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let rows: usize = self.account_regions.values().map(Rows::len).sum();
        (rows + self.changes.len()) as u64
    }
}
