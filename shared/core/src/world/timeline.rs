//! What was known of one thing, and from when to when.

use sha2::{Digest as _, Sha256};

use crate::{facts::uuid, moment::Moment};

/// Where a state came from. At the same moment an event comes before a snapshot, which was read after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An event.
    Event(EventId),
    /// An AWS API response.
    Snapshot,
}

/// An event, told from others and in the order of ids: a UUID as it is, of any other id a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId([u8; 16]);

impl EventId {
    fn of(id: &str) -> Self {
        let digest = || Sha256::digest(id).first_chunk().copied().unwrap_or_default();
        EventId(uuid(id).map_or_else(digest, u128::to_be_bytes))
    }
}

impl Source {
    /// The event of this id.
    #[must_use]
    pub fn event(id: &str) -> Self {
        Source::Event(EventId::of(id))
    }
}

/// States in the order of time, each in force until the next. `None` is a state that is not known, such as the content of a change
/// that the event hides.
#[derive(Clone, Debug)]
pub struct Timeline<T> {
    entries: Vec<(Moment, Source, Option<T>)>,
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Timeline { entries: Vec::new() }
    }
}

/// The state at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce<T> {
    /// Known to be in force.
    Known(T),
    /// Taken from a snapshot younger than the moment, with no event between them.
    Assumed(T),
    /// Not known.
    NotKnown,
}

impl<T> InForce<T> {
    /// The state, known or assumed.
    pub fn state(self) -> Option<T> {
        match self {
            InForce::Known(state) | InForce::Assumed(state) => Some(state),
            InForce::NotKnown => None,
        }
    }

    /// The same, by reference.
    pub fn as_ref(&self) -> InForce<&T> {
        match self {
            InForce::Known(state) => InForce::Known(state),
            InForce::Assumed(state) => InForce::Assumed(state),
            InForce::NotKnown => InForce::NotKnown,
        }
    }

    /// The same for something made from the state.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> InForce<U> {
        match self {
            InForce::Known(state) => InForce::Known(make(state)),
            InForce::Assumed(state) => InForce::Assumed(make(state)),
            InForce::NotKnown => InForce::NotKnown,
        }
    }
}

impl<T: PartialEq> Timeline<T> {
    /// Takes a state from a moment on. The same state from the same source twice is one.
    ///
    /// Of two events in the same instant nobody can say which was last: if they leave different states, the state is not known.
    pub fn insert(&mut self, time: Moment, source: Source, state: Option<T>) {
        let is_event = matches!(source, Source::Event(_));
        let at = self.entries.partition_point(|(t, s, _)| (t, s) < (&time, &source));
        if self.entries.get(at).is_some_and(|(t, s, known)| *t == time && *s == source && (!is_event || *known == state)) {
            return;
        }
        // Many things have few states, and some have thousands: room for twice as many would be most of what timelines take.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(self.entries.len() / 8 + 1);
        }
        self.entries.insert(at, (time, source, state));
    }

    /// The state at a moment.
    #[must_use]
    pub fn at(&self, moment: Moment) -> InForce<&T> {
        let after = self.entries.partition_point(|(time, _, _)| *time <= moment);
        let current = after.checked_sub(1).and_then(|index| self.entries.get(index));
        if let Some((time, source, state)) = current {
            let mut of_the_same_instant = self.entries.iter().take(after).rev().take_while(|(t, s, _)| t == time && s != &Source::Snapshot);
            let contradicted = *source != Source::Snapshot && of_the_same_instant.any(|(_, _, other)| other != state);
            if let Some(state) = state.as_ref().filter(|_| !contradicted) {
                return InForce::Known(state);
            }
        }
        match self.entries.get(after) {
            Some((_, Source::Snapshot, Some(state))) => InForce::Assumed(state),
            _ => InForce::NotKnown,
        }
    }

    /// The moments at which the state may change.
    pub fn boundaries(&self) -> impl Iterator<Item = Moment> {
        self.entries.iter().map(|(time, _, _)| *time)
    }

    /// All states with their moments and sources.
    pub fn entries(&self) -> impl Iterator<Item = (Moment, &Source, Option<&T>)> {
        self.entries.iter().map(|(time, source, state)| (*time, source, state.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::from_seconds(seconds)
    }

    fn event(id: &str) -> Source {
        Source::event(id)
    }

    #[test]
    fn a_state_holds_until_the_next() {
        let mut timeline = Timeline::default();
        timeline.insert(at(20), event("e"), Some("b"));
        timeline.insert(Moment::BEGINNING, Source::Snapshot, Some("a"));
        timeline.insert(at(30), event("f"), None);
        assert_eq!(timeline.at(at(19)), InForce::Known(&"a"));
        assert_eq!(timeline.at(at(20)), InForce::Known(&"b"), "from the very moment");
        assert_eq!(timeline.at(at(99)), InForce::NotKnown, "the event hides what it left");
    }

    #[test]
    fn a_younger_snapshot_is_assumed_unless_an_event_lies_between() {
        let mut timeline = Timeline::default();
        timeline.insert(at(20), Source::Snapshot, Some("a"));
        assert_eq!(timeline.at(at(10)), InForce::Assumed(&"a"));
        timeline.insert(at(15), event("e"), None);
        assert_eq!(timeline.at(at(10)), InForce::NotKnown);
        assert_eq!(timeline.at(at(16)), InForce::Assumed(&"a"), "what the event hid, the next snapshot shows");
        assert_eq!(timeline.at(at(20)), InForce::Known(&"a"));
    }

    #[test]
    fn events_of_one_instant_that_disagree_leave_nothing_known() {
        let mut timeline = Timeline::default();
        timeline.insert(at(10), event("f"), Some("b"));
        timeline.insert(at(10), event("e"), Some("a"));
        assert_eq!(timeline.at(at(10)), InForce::NotKnown);
        timeline.insert(at(10), Source::Snapshot, Some("a"));
        assert_eq!(timeline.at(at(10)), InForce::Known(&"a"), "the snapshot was read after both");
    }
}
