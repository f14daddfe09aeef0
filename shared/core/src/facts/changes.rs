//! Compact storage of changes: 40 bytes each, and each distinct text once.
//!
//! Deployments change thousands of roles and functions a day that no rule concerns. A change stays as numbers of texts until it is needed.
//! Its parameters and its response are separate texts, and so is the name that a deployment generates, because many changes share the rest.
//! The effect is stored only if it can't be derived from these.

use std::cmp::Ordering;

use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap as _};
use serde_json::Value;

use super::{
    distinct::Distinct,
    rows::PackedId,
    strings::Symbol24,
    strings::{Strings, Symbol},
};
use crate::{
    arn::AccountId,
    change::{Change, ChangeKey, OrganizationChange, WorldChange},
    timestamp::Timestamp,
};

/// The stored form of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChangeRow {
    /// The time in microseconds since 1970.
    time: [u8; 8],
    event: [u8; 16],
    /// The number of its [`Action`].
    action: u32,
    /// The value of the parameter [`NAME`].
    name: Symbol24,
    /// The other parameters as JSON; empty for null. The response likewise.
    parameters: Symbol24,
    response: Symbol24,
    /// The effect; empty if it can be derived from the rest.
    effect: Symbol24,
}

/// What was done, where and by whom: the fields of a change that have few distinct combinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Action {
    account: Symbol,
    /// The service and the operation, with a blank between them.
    operation: Symbol,
    region: Symbol,
    principal: Symbol,
    invoked_by: Symbol,
    error: Symbol,
}

/// The parameter whose value differs in nearly every change.
const NAME: &str = "policyName";

/// All changes that were read, copies included.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackedChanges {
    actions: Distinct<Action>,
    changes: Vec<ChangeRow>,
}

impl PackedChanges {
    pub(super) fn push(&mut self, key: &ChangeKey, change: &Change, strings: &mut Strings) {
        let action = Action {
            account: strings.intern(&key.account),
            operation: strings.intern(&format!("{} {}", change.service, change.operation)),
            region: strings.intern(&change.region),
            principal: strings.intern(&change.principal),
            invoked_by: strings.intern(change.invoked_by.as_deref().unwrap_or_default()),
            error: strings.intern(change.error.as_deref().unwrap_or_default()),
        };
        self.changes.push(ChangeRow {
            time: key.time.as_micros().to_be_bytes(),
            event: PackedId::pack(&key.event_id, strings).to_bytes(),
            action: self.actions.intern(action),
            name: strings.intern(change.text(NAME).unwrap_or_default()).into(),
            parameters: intern_json(&Nameless(&change.parameters), strings).into(),
            response: intern_json(&change.response, strings).into(),
            effect: if change.effect == WorldChange::implied_by(change) {
                Symbol24::default()
            } else {
                strings.intern(&json(&change.effect)).into()
            },
        });
    }

    pub(super) fn absorb(&mut self, other: PackedChanges, symbols: &[Symbol]) {
        let new = |symbol: Symbol| symbols.get(symbol.0 as usize).copied().unwrap_or_default();
        let new24 = |symbol: Symbol24| Symbol24::from(new(symbol.into()));
        let actions = self.actions.absorb(&other.actions, |action| Action {
            account: new(action.account),
            operation: new(action.operation),
            region: new(action.region),
            principal: new(action.principal),
            invoked_by: new(action.invoked_by),
            error: new(action.error),
        });
        self.changes.extend(other.changes.into_iter().map(|kept| ChangeRow {
            time: kept.time,
            event: PackedId::from_bytes(kept.event).renamed(symbols).to_bytes(),
            action: actions.get(kept.action as usize).copied().unwrap_or(0),
            name: new24(kept.name),
            parameters: new24(kept.parameters),
            response: new24(kept.response),
            effect: new24(kept.effect),
        }));
    }

    pub(super) fn close(&mut self) {
        self.actions.close();
    }

    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Orders the changes by time, event id and account, removes copies and returns their number. Two different records with the same id
    /// are both kept, in an order that doesn't depend on the order of reading.
    pub(crate) fn put_in_order(&mut self, strings: &Strings) -> u64 {
        let actions = &self.actions;
        let rest = |kept: &ChangeRow| {
            let Action { account, operation, region, principal, invoked_by, error } = actions.get(kept.action);
            let ChangeRow { name, parameters, response, effect, .. } = *kept;
            let [name, parameters, response, effect] = [name, parameters, response, effect].map(Symbol::from);
            [account, operation, region, principal, invoked_by, error, name, parameters, response, effect]
        };
        let order = |a: &ChangeRow, b: &ChangeRow| {
            let ids = || PackedId::from_bytes(a.event).compare(PackedId::from_bytes(b.event), strings);
            let texts = || {
                rest(a)
                    .iter()
                    .zip(rest(b))
                    .map(|(a, b)| strings.get(*a).cmp(strings.get(b)))
                    .find(|order| order.is_ne())
                    .unwrap_or(Ordering::Equal)
            };
            a.time().cmp(&b.time()).then_with(ids).then_with(texts)
        };
        let before = self.changes.len();
        self.changes.sort_unstable_by(order);
        self.changes.dedup();
        (before - self.changes.len()) as u64
    }

    /// All changes in their stored form.
    pub(crate) fn iter<'s>(&'s self, strings: &'s Strings) -> impl Iterator<Item = PackedChange<'s>> {
        self.changes.iter().map(move |kept| PackedChange { kept, actions: &self.actions, strings })
    }
}

impl ChangeRow {
    fn time(&self) -> Timestamp {
        Timestamp::from_micros(i64::from_be_bytes(self.time))
    }
}

fn intern_json(value: &impl Serialize, strings: &mut Strings) -> Symbol {
    let json = json(value);
    strings.intern(if json == "null" { "" } else { &json })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Serialises parameters without [`NAME`].
struct Nameless<'p>(&'p Value);

impl Serialize for Nameless<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(members) = self.0 else {
            return self.0.serialize(serializer);
        };
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in members.iter().filter(|(key, value)| *key != NAME || !is_name(value)) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Whether [`Change::text`] would return the value.
fn is_name(value: &Value) -> bool {
    value.as_str().is_some_and(|name| !name.is_empty())
}

/// A change in its stored form, with what is needed to restore it.
#[derive(Clone, Copy)]
pub(crate) struct PackedChange<'s> {
    kept: &'s ChangeRow,
    actions: &'s Distinct<Action>,
    strings: &'s Strings,
}

impl<'s> PackedChange<'s> {
    fn action(self) -> Action {
        self.actions.get(self.kept.action)
    }

    pub(crate) fn time(self) -> Timestamp {
        self.kept.time()
    }

    pub(crate) fn account(self) -> &'s str {
        self.strings.get(self.action().account)
    }

    pub(crate) fn region(self) -> &'s str {
        self.strings.get(self.action().region)
    }

    /// The service and the operation.
    pub(crate) fn operation(self) -> (&'s str, &'s str) {
        self.strings.get(self.action().operation).split_once(' ').unwrap_or_default()
    }

    /// Whether its parameters or response, as JSON, contain a text.
    pub(crate) fn mentions(self, text: &str) -> bool {
        let ChangeRow { name, parameters, response, effect, .. } = *self.kept;
        [name, parameters, response, effect].into_iter().any(|symbol| self.strings.get(symbol.into()).contains(text))
    }

    pub(crate) fn to_change(self) -> (ChangeKey, Change) {
        let text = |symbol: Symbol| self.strings.get(symbol);
        let some = |symbol: Symbol| symbol.some().map(|symbol| text(symbol).to_owned());
        let (service, operation) = self.operation();
        // A text that can't be parsed was stored when there were too many to distinguish. The change's effect is not known then, nor the
        // state after it.
        let ChangeRow { name, parameters, response, effect, .. } = *self.kept;
        let [name, parameters, response, effect] = [name, parameters, response, effect].map(Symbol::from);
        let known = self.json(parameters).zip(self.json(response));
        let is_known = known.is_some();
        let (mut parameters, response): (Value, Value) = known.unwrap_or_default();
        if let (Some(name), Value::Object(members)) = (some(name), &mut parameters) {
            members.insert(NAME.to_owned(), Value::String(name));
            members.sort_keys();
        }
        let key = ChangeKey {
            time: self.time(),
            event_id: PackedId::from_bytes(self.kept.event).text(self.strings),
            account: self.account().to_owned(),
        };
        let mut change = Change {
            service: service.to_owned(),
            operation: operation.to_owned(),
            account: self.account().into(),
            region: self.region().into(),
            principal: text(self.action().principal).to_owned(),
            invoked_by: some(self.action().invoked_by),
            error: some(self.action().error),
            parameters,
            response,
            effect: None,
        };
        change.effect = match effect.some() {
            None if is_known => WorldChange::implied_by(&change),
            Some(effect) if is_known => serde_json::from_str(text(effect)).unwrap_or_else(|_| self.unread_effect()),
            _ => self.unread_effect(),
        };
        (key, change)
    }

    fn json<T: DeserializeOwned>(self, symbol: Symbol) -> Option<T> {
        serde_json::from_str(symbol.some().map_or("null", |symbol| self.strings.get(symbol))).ok()
    }

    /// The effect of a change whose texts are lost, as far as the operation shows it.
    fn unread_effect(self) -> Option<WorldChange> {
        let (service, operation) = self.operation();
        let account = AccountId::from(self.account());
        match service {
            "bedrock" => Some(WorldChange::ConfigurationPut { account, region: self.region().into(), enforcement: None }),
            "organizations" => Some(WorldChange::Organization(OrganizationChange::NotReadable { event_name: operation.to_owned() })),
            "cloudtrail" => Some(WorldChange::TelemetryChanged { account, trail: None }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn::Region;

    #[test]
    fn a_change_is_40_bytes() {
        assert_eq!(size_of::<ChangeRow>(), 40);
    }

    #[test]
    fn a_change_whose_text_is_lost_leaves_nothing_known() {
        let mut strings = Strings::default();
        let mut kept = PackedChanges::default();
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
            let key = ChangeKey { time: Timestamp::from_seconds(0), event_id: operation.to_owned(), account: account.to_string() };
            kept.push(&key, &change, &mut strings);
        }
        let lost = strings.intern("(one of too many to tell apart)").into();
        kept.changes.iter_mut().for_each(|kept| kept.parameters = lost);
        let effects: Vec<_> = kept.iter(&strings).map(|listed| listed.to_change().1.effect).collect();
        assert_eq!(effects[0], Some(WorldChange::ConfigurationPut { account, region, enforcement: None }));
        assert!(matches!(&effects[1], Some(WorldChange::Organization(OrganizationChange::NotReadable { .. }))));
        assert_eq!(effects[2], None);
    }
}
