//! The known states of one entity over time.

use sha2::{Digest as _, Sha256};

use crate::{timestamp::Timestamp, uuid::uuid};

/// The origin of a state. At the same time an event comes before a snapshot, because the snapshot was read after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// An event, with its id.
    Event(EventId),
    /// An AWS API response.
    Snapshot,
}

/// The identity of an event, ordered by event id. Holds a UUID as its bytes, and a digest of any other id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId([u8; 16]);

impl EventId {
    fn of(id: &str) -> Self {
        let digest = || Sha256::digest(id).first_chunk().copied().unwrap_or_default();
        EventId(uuid(id).map_or_else(digest, u128::to_be_bytes))
    }
}

impl Source {
    /// The source for the event with this id.
    #[must_use]
    pub fn event(id: &str) -> Self {
        Source::Event(EventId::of(id))
    }
}

/// States ordered by time, each in force until the next. `None` is a state that is not known, such as after a change that the event masks.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline<T> {
    entries: Vec<(Timestamp, Source, Option<T>)>,
    /// The times of events that leave different states, in order. A hundred thousand events can have one time, so a look-up doesn't compare
    /// them again.
    contradicted: Vec<Timestamp>,
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Timeline { entries: Vec::new(), contradicted: Vec::new() }
    }
}

/// The state at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce<T> {
    /// Certainly in force.
    Known(T),
    /// Assumed from a later snapshot, with no event in between.
    Assumed(T),
    /// Not known.
    NotKnown,
}

impl<T> InForce<T> {
    /// The state, whether known or assumed.
    pub fn state(self) -> Option<T> {
        match self {
            InForce::Known(state) | InForce::Assumed(state) => Some(state),
            InForce::NotKnown => None,
        }
    }

    /// The same with a reference to the state.
    pub fn as_ref(&self) -> InForce<&T> {
        match self {
            InForce::Known(state) => InForce::Known(state),
            InForce::Assumed(state) => InForce::Assumed(state),
            InForce::NotKnown => InForce::NotKnown,
        }
    }

    /// The same with a value made from the state.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> InForce<U> {
        match self {
            InForce::Known(state) => InForce::Known(make(state)),
            InForce::Assumed(state) => InForce::Assumed(make(state)),
            InForce::NotKnown => InForce::NotKnown,
        }
    }
}

impl<T: PartialEq> Timeline<T> {
    /// Adds a state from a time on. Adding the same state from the same source again changes nothing. If two events of the same time leave
    /// different states, the state is not known, because their order isn't.
    pub fn insert(&mut self, time: Timestamp, source: Source, state: Option<T>) {
        let is_event = matches!(source, Source::Event(_));
        let at = self.entries.partition_point(|(t, s, _)| (t, s) < (&time, &source));
        if self.entries.get(at).is_some_and(|(t, s, known)| *t == time && *s == source && (!is_event || *known == state)) {
            return;
        }
        // Events of one time stand next to each other, so if any two of them differ, so do two neighbours.
        let differs = |(t, s, other): &(Timestamp, Source, Option<T>)| *t == time && *s != Source::Snapshot && *other != state;
        let before = at.checked_sub(1).and_then(|before| self.entries.get(before));
        if is_event
            && before.into_iter().chain(self.entries.get(at)).any(differs)
            && let Err(position) = self.contradicted.binary_search(&time)
        {
            self.contradicted.insert(position, time);
        }
        // Most timelines have few states and some have thousands, so doubling the capacity would waste most of their memory.
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(self.entries.len() / 8 + 1);
        }
        self.entries.insert(at, (time, source, state));
    }

    /// The state at a time.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> InForce<&T> {
        let after = self.entries.partition_point(|(time, _, _)| *time <= moment);
        let current = after.checked_sub(1).and_then(|index| self.entries.get(index));
        if let Some((time, source, state)) = current {
            let contradicted = *source != Source::Snapshot && self.contradicted.binary_search(time).is_ok();
            if let Some(state) = state.as_ref().filter(|_| !contradicted) {
                return InForce::Known(state);
            }
        }
        match self.entries.get(after) {
            Some((_, Source::Snapshot, Some(state))) => InForce::Assumed(state),
            _ => InForce::NotKnown,
        }
    }

    /// The times at which the state may change.
    pub fn boundaries(&self) -> impl Iterator<Item = Timestamp> {
        self.entries.iter().map(|(time, _, _)| *time)
    }

    /// The times at which what a question gets of the state is another than before. A state that is read again, and is what it was, changes nothing.
    pub fn changes<'t, A: PartialEq>(&'t self, ask: impl Fn(InForce<&'t T>) -> A) -> impl Iterator<Item = Timestamp> {
        let differs = move |time: &Timestamp| ask(self.at(*time)) != ask(self.at(time.just_before()));
        self.boundaries().filter(differs)
    }

    /// All states with their times and sources.
    #[must_use]
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (Timestamp, &Source, Option<&T>)> {
        Self::listed(&self.entries)
    }

    /// The states before a time. A history can have a hundred thousand states, so look-ups begin here or at [`Timeline::after`] and not at
    /// the first state.
    #[must_use]
    pub fn before(&self, end: Timestamp) -> impl DoubleEndedIterator<Item = (Timestamp, &Source, Option<&T>)> {
        let count = self.entries.partition_point(|(time, ..)| *time < end);
        Self::listed(self.entries.get(..count).unwrap_or_default())
    }

    /// The states after a time.
    #[must_use]
    pub fn after(&self, start: Timestamp) -> impl DoubleEndedIterator<Item = (Timestamp, &Source, Option<&T>)> {
        let count = self.entries.partition_point(|(time, ..)| *time <= start);
        Self::listed(self.entries.get(count..).unwrap_or_default())
    }

    fn listed(entries: &[(Timestamp, Source, Option<T>)]) -> impl DoubleEndedIterator<Item = (Timestamp, &Source, Option<&T>)> {
        entries.iter().map(|(time, source, state)| (*time, source, state.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn event(id: &str) -> Source {
        Source::event(id)
    }

    #[test]
    fn a_state_holds_until_the_next() {
        let mut timeline = Timeline::default();
        timeline.insert(at(20), event("e"), Some("b"));
        timeline.insert(Timestamp::BEGINNING, Source::Snapshot, Some("a"));
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
    fn a_state_that_is_read_again_is_no_change() {
        let mut timeline = Timeline::default();
        for (time, state) in [(10, "a"), (20, "a"), (30, "b"), (40, "bb"), (50, "a")] {
            timeline.insert(at(time), Source::Snapshot, Some(state));
        }
        timeline.insert(at(45), event("e"), None);
        let changes = |ask: fn(InForce<&&str>) -> InForce<usize>| timeline.changes(ask).collect::<Vec<_>>();
        assert_eq!(
            changes(|state| state.map(|state| state.len())),
            [10, 40, 45, 50].map(at),
            "first it is only assumed, and later not known"
        );
        assert_eq!(timeline.changes(|state| state).collect::<Vec<_>>(), [10, 30, 40, 45, 50].map(at));
        assert_eq!(timeline.changes(|_| ()).count(), 0);
    }

    #[test]
    fn states_are_found_from_any_time_on() {
        let mut timeline = Timeline::default();
        for (time, id) in [(10, "a"), (20, "b"), (30, "d")] {
            timeline.insert(at(time), event(id), Some(id));
        }
        timeline.insert(at(20), Source::Snapshot, Some("c"));
        let after = |time| timeline.after(at(time)).filter_map(|(.., state)| state.copied()).collect::<String>();
        let before = |time| timeline.before(at(time)).filter_map(|(.., state)| state.copied()).collect::<String>();
        assert_eq!([after(9), after(10), after(20), after(30)], ["abcd", "bcd", "d", ""]);
        assert_eq!([before(10), before(11), before(20), before(31)], ["", "a", "a", "abcd"]);
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
