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
use crate::{
    arn::AccountId,
    change::Change,
    moment::Moment,
    world::{OrganizationChange, WorldChange},
};

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
        // What can't be read back was one of too many texts to tell apart: what it did is not known, and neither is what it left.
        let read = serde_json::from_str::<(Value, Value, Option<WorldChange>)>(self.body());
        let (parameters, response, effect) = read.unwrap_or_else(|_| (Value::Null, Value::Null, self.unread_effect()));
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

    /// The least that can be said of a change whose text is lost.
    fn unread_effect(self) -> Option<WorldChange> {
        let (service, operation) = self.operation();
        let account = AccountId::from(self.account());
        match service {
            "bedrock" => Some(WorldChange::ConfigurationPut { account, region: self.region().into(), enforcement: None }),
            "organizations" => Some(WorldChange::Organization(OrganizationChange::NotReadable { event_name: operation.to_owned() })),
            "cloudtrail" => Some(WorldChange::TelemetryChanged { account }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn::Region;

    #[test]
    fn a_change_whose_text_is_lost_leaves_nothing_known() {
        let mut strings = Strings::default();
        let mut kept = KeptChanges::default();
        let (account, region) = (AccountId::from("222233334444"), Region::from("us-east-1"));
        for (service, operation) in
            [("bedrock", "DeleteEnforcedGuardrailConfiguration"), ("organizations", "DetachPolicy"), ("lambda", "DeleteFunction")]
        {
            let change = Change {
                service: service.to_owned(),
                operation: operation.to_owned(),
                account: account.clone(),
                region: region.clone(),
                principal: String::new(),
                invoked_by: None,
                error: None,
                parameters: Value::Null,
                response: Value::Null,
                effect: None,
            };
            let key = ChangeKey { time: Moment::from_seconds(0), event_id: operation.to_owned(), account: account.to_string() };
            kept.push(&key, &change, &mut strings);
        }
        let lost = strings.intern("(one of too many to tell apart)");
        kept.0.iter_mut().for_each(|kept| kept.body = lost);
        let effects: Vec<_> = kept.iter(&strings).map(|listed| listed.to_change().1.effect).collect();
        assert_eq!(effects[0], Some(WorldChange::ConfigurationPut { account, region, enforcement: None }));
        assert!(matches!(&effects[1], Some(WorldChange::Organization(OrganizationChange::NotReadable { .. }))));
        assert_eq!(effects[2], None);
    }
}
