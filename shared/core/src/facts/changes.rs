//! Changes, kept small: 40 bytes each, and each distinct text once.
//!
//! Deployments write thousands of roles and functions a day that turn out not to matter. What was kept of a change is text until it is
//! asked for. Parameters and response are texts of their own, and so is the name that a deployment makes up: what many changes share is
//! there once. An effect is kept only where it doesn't follow from these.

use std::cmp::Ordering;

use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap as _};
use serde_json::Value;

use super::{
    distinct::Distinct,
    rows::{PackedId, Symbol24},
    strings::{Strings, Symbol},
};
use crate::{
    arn::AccountId,
    change::{Change, ChangeKey, OrganizationChange, WorldChange},
    moment::Moment,
};

/// What is kept of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeptChange {
    /// Microseconds since 1970.
    time: [u8; 8],
    event: [u8; 16],
    /// The number of its [`Deed`].
    deed: u32,
    /// The parameter [`NAME`].
    name: Symbol24,
    /// The other parameters, as JSON; nothing for null, as with the response.
    parameters: Symbol24,
    response: Symbol24,
    /// The effect; nothing if it is the one that follows from the rest.
    effect: Symbol24,
}

/// Who did what where: few are distinct.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Deed {
    account: Symbol,
    /// The service and the operation, with a blank between.
    operation: Symbol,
    region: Symbol,
    principal: Symbol,
    invoked_by: Symbol,
    error: Symbol,
}

/// The parameter that nearly every change has another value of.
const NAME: &str = "policyName";

/// All changes that were read, copies included.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptChanges {
    deeds: Distinct<Deed>,
    changes: Vec<KeptChange>,
}

impl KeptChanges {
    pub(super) fn push(&mut self, key: &ChangeKey, change: &Change, strings: &mut Strings) {
        let deed = Deed {
            account: strings.intern(&key.account),
            operation: strings.intern(&format!("{} {}", change.service, change.operation)),
            region: strings.intern(&change.region),
            principal: strings.intern(&change.principal),
            invoked_by: strings.intern(change.invoked_by.as_deref().unwrap_or_default()),
            error: strings.intern(change.error.as_deref().unwrap_or_default()),
        };
        self.changes.push(KeptChange {
            time: key.time.as_micros().to_be_bytes(),
            event: PackedId::pack(&key.event_id, strings).to_bytes(),
            deed: self.deeds.intern(deed),
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

    pub(super) fn absorb(&mut self, other: KeptChanges, symbols: &[Symbol]) {
        let new = |symbol: Symbol| symbols.get(symbol.0 as usize).copied().unwrap_or_default();
        let new24 = |symbol: Symbol24| Symbol24::from(new(symbol.into()));
        let deeds = self.deeds.absorb(&other.deeds, |deed| Deed {
            account: new(deed.account),
            operation: new(deed.operation),
            region: new(deed.region),
            principal: new(deed.principal),
            invoked_by: new(deed.invoked_by),
            error: new(deed.error),
        });
        self.changes.extend(other.changes.into_iter().map(|kept| KeptChange {
            time: kept.time,
            event: PackedId::from_bytes(kept.event).renamed(symbols).to_bytes(),
            deed: deeds.get(kept.deed as usize).copied().unwrap_or(0),
            name: new24(kept.name),
            parameters: new24(kept.parameters),
            response: new24(kept.response),
            effect: new24(kept.effect),
        }));
    }

    pub(super) fn close(&mut self) {
        self.deeds.close();
    }

    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Puts them in the order of time, event id and account, and drops copies: how many there were. Two records that share an id and
    /// differ are both kept, in an order of their own that reading doesn't change.
    pub(crate) fn put_in_order(&mut self, strings: &Strings) -> u64 {
        let deeds = &self.deeds;
        let rest = |kept: &KeptChange| {
            let Deed { account, operation, region, principal, invoked_by, error } = deeds.get(kept.deed);
            let KeptChange { name, parameters, response, effect, .. } = *kept;
            let [name, parameters, response, effect] = [name, parameters, response, effect].map(Symbol::from);
            [account, operation, region, principal, invoked_by, error, name, parameters, response, effect]
        };
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
            a.time().cmp(&b.time()).then_with(ids).then_with(texts)
        };
        let before = self.changes.len();
        self.changes.sort_unstable_by(order);
        self.changes.dedup();
        (before - self.changes.len()) as u64
    }

    /// Each of them, put together again.
    pub(crate) fn iter<'s>(&'s self, strings: &'s Strings) -> impl Iterator<Item = Listed<'s>> {
        self.changes.iter().map(move |kept| Listed { kept, deeds: &self.deeds, strings })
    }
}

impl KeptChange {
    fn time(&self) -> Moment {
        Moment::from_micros(i64::from_be_bytes(self.time))
    }
}

fn intern_json(value: &impl Serialize, strings: &mut Strings) -> Symbol {
    let json = json(value);
    strings.intern(if json == "null" { "" } else { &json })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Parameters without the [`NAME`].
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

/// Whether [`Change::text`] gives it back.
fn is_name(value: &Value) -> bool {
    value.as_str().is_some_and(|name| !name.is_empty())
}

/// A change that was kept, not yet put together.
#[derive(Clone, Copy)]
pub(crate) struct Listed<'s> {
    kept: &'s KeptChange,
    deeds: &'s Distinct<Deed>,
    strings: &'s Strings,
}

impl<'s> Listed<'s> {
    fn deed(self) -> Deed {
        self.deeds.get(self.kept.deed)
    }

    pub(crate) fn time(self) -> Moment {
        self.kept.time()
    }

    pub(crate) fn account(self) -> &'s str {
        self.strings.get(self.deed().account)
    }

    pub(crate) fn region(self) -> &'s str {
        self.strings.get(self.deed().region)
    }

    /// The service and the operation.
    pub(crate) fn operation(self) -> (&'s str, &'s str) {
        self.strings.get(self.deed().operation).split_once(' ').unwrap_or_default()
    }

    /// Whether its parameters or response hold a text, as JSON has it.
    pub(crate) fn mentions(self, text: &str) -> bool {
        let KeptChange { name, parameters, response, effect, .. } = *self.kept;
        [name, parameters, response, effect].into_iter().any(|symbol| self.strings.get(symbol.into()).contains(text))
    }

    pub(crate) fn to_change(self) -> (ChangeKey, Change) {
        let text = |symbol: Symbol| self.strings.get(symbol);
        let some = |symbol: Symbol| symbol.some().map(|symbol| text(symbol).to_owned());
        let (service, operation) = self.operation();
        // What can't be read back was one of too many texts to tell apart: what it did is not known, and neither is what it left.
        let KeptChange { name, parameters, response, effect, .. } = *self.kept;
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
            principal: text(self.deed().principal).to_owned(),
            invoked_by: some(self.deed().invoked_by),
            error: some(self.deed().error),
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

    /// The least that can be said of a change whose text is lost.
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
        assert_eq!(size_of::<KeptChange>(), 40);
    }

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
        let lost = strings.intern("(one of too many to tell apart)").into();
        kept.changes.iter_mut().for_each(|kept| kept.parameters = lost);
        let effects: Vec<_> = kept.iter(&strings).map(|listed| listed.to_change().1.effect).collect();
        assert_eq!(effects[0], Some(WorldChange::ConfigurationPut { account, region, enforcement: None }));
        assert!(matches!(&effects[1], Some(WorldChange::Organization(OrganizationChange::NotReadable { .. }))));
        assert_eq!(effects[2], None);
    }
}
