//! Changes, kept small: 56 bytes each, and each distinct text once.
//!
//! Deployments write thousands of roles and functions a day that turn out not to matter. What was kept of a change is text until it is
//! asked for.

use std::cmp::Ordering;

use serde_json::Value;

use super::{
    ChangeKey,
    rows::PackedId,
    strings::{Strings, Symbol},
};
use crate::{change::Change, moment::Moment, world::WorldChange};

/// What is kept of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct KeptChange {
    time: Moment,
    event: [u8; 16],
    account: Symbol,
    /// The service and the operation, with a blank between.
    operation: Symbol,
    region: Symbol,
    principal: Symbol,
    invoked_by: Symbol,
    error: Symbol,
    /// Parameters, response and effect, as JSON.
    body: Symbol,
}

/// All changes that were read, copies included.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptChanges(Vec<KeptChange>);

impl KeptChanges {
    pub(super) fn push(&mut self, key: &ChangeKey, change: &Change, strings: &mut Strings) {
        let body = serde_json::to_string(&(&change.parameters, &change.response, &change.effect)).unwrap_or_default();
        self.0.push(KeptChange {
            time: key.time,
            event: PackedId::pack(&key.event_id, strings).to_bytes(),
            account: strings.intern(&key.account),
            operation: strings.intern(&format!("{} {}", change.service, change.operation)),
            region: strings.intern(&change.region),
            principal: strings.intern(&change.principal),
            invoked_by: strings.intern(change.invoked_by.as_deref().unwrap_or_default()),
            error: strings.intern(change.error.as_deref().unwrap_or_default()),
            body: strings.intern(&body),
        });
    }

    pub(super) fn absorb(&mut self, other: KeptChanges, symbols: &[Symbol]) {
        let new = |symbol: Symbol| symbols.get(symbol.0 as usize).copied().unwrap_or_default();
        self.0.extend(other.0.into_iter().map(|kept| KeptChange {
            time: kept.time,
            event: PackedId::from_bytes(kept.event).renamed(symbols).to_bytes(),
            account: new(kept.account),
            operation: new(kept.operation),
            region: new(kept.region),
            principal: new(kept.principal),
            invoked_by: new(kept.invoked_by),
            error: new(kept.error),
            body: new(kept.body),
        }));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts them in the order of time, event id and account, and drops copies: how many there were. Two records that share an id and
    /// differ are both kept, in an order of their own that reading doesn't change.
    pub(crate) fn put_in_order(&mut self, strings: &Strings) -> u64 {
        let rest = |kept: &KeptChange| [kept.account, kept.operation, kept.region, kept.principal, kept.invoked_by, kept.error, kept.body];
        let order = |a: &KeptChange, b: &KeptChange| {
            let ids = || PackedId::from_bytes(a.event).compare(PackedId::from_bytes(b.event), strings);
            let texts = || {
                rest(a)
                    .iter()
                    .zip(rest(b))
                    .map(|(a, b)| strings.get(*a).cmp(strings.get(b)))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            };
            a.time.cmp(&b.time).then_with(ids).then_with(texts)
        };
        let before = self.0.len();
        self.0.sort_by(order);
        self.0.dedup();
        (before - self.0.len()) as u64
    }

    /// Each of them, put together again.
    pub(crate) fn iter<'s>(&'s self, strings: &'s Strings) -> impl Iterator<Item = Listed<'s>> {
        self.0.iter().map(move |kept| Listed { kept, strings })
    }
}

/// A change that was kept, not yet put together.
#[derive(Clone, Copy)]
pub(crate) struct Listed<'s> {
    kept: &'s KeptChange,
    strings: &'s Strings,
}

impl<'s> Listed<'s> {
    pub(crate) fn time(self) -> Moment {
        self.kept.time
    }

    pub(crate) fn account(self) -> &'s str {
        self.strings.get(self.kept.account)
    }

    pub(crate) fn region(self) -> &'s str {
        self.strings.get(self.kept.region)
    }

    /// The service and the operation.
    pub(crate) fn operation(self) -> (&'s str, &'s str) {
        self.strings.get(self.kept.operation).split_once(' ').unwrap_or_default()
    }

    /// Its parameters and response, as JSON.
    pub(crate) fn body(self) -> &'s str {
        self.strings.get(self.kept.body)
    }

    pub(crate) fn to_change(self) -> (ChangeKey, Change) {
        let text = |symbol: Symbol| self.strings.get(symbol);
        let some = |symbol: Symbol| symbol.some().map(|symbol| text(symbol).to_owned());
        let (service, operation) = self.operation();
        // What can't be read back was one of too many texts to tell apart: its parameters are not known.
        let (parameters, response, effect) = serde_json::from_str::<(Value, Value, Option<WorldChange>)>(self.body()).unwrap_or_default();
        let key = ChangeKey {
            time: self.kept.time,
            event_id: PackedId::from_bytes(self.kept.event).text(self.strings),
            account: self.account().to_owned(),
        };
        let change = Change {
            service: service.to_owned(),
            operation: operation.to_owned(),
            account: self.account().into(),
            region: text(self.kept.region).into(),
            principal: text(self.kept.principal).to_owned(),
            invoked_by: some(self.kept.invoked_by),
            error: some(self.kept.error),
            parameters,
            response,
            effect,
        };
        (key, change)
    }
}
