//! Searches for earlier and later changes of a resource, and for the time at which what a change took away is right again.

use super::ChangeInContext;
use crate::{change::Change, timestamp::Timestamp};

impl ChangeInContext<'_> {
    /// The first of these later times at which what the change took away is right again. `finding` tells apart the findings that the
    /// change can belong to: changes with equal texts must belong to one finding. For a refused change it is `None`: it took nothing away.
    ///
    /// The time may be a later one if earlier changes of the finding were restored only then.
    pub(crate) fn right_again(
        &self,
        finding: String,
        later: impl IntoIterator<Item = Timestamp>,
        right: impl Fn(Timestamp) -> bool,
    ) -> Option<Timestamp> {
        if self.change.is_refused() {
            return None;
        }
        self.history.restored.first(finding, self.key.time, later, right)
    }

    /// The time of the first later change of a resource by an operation that restores what this change took away; as
    /// [`ChangeInContext::right_again`].
    pub(crate) fn put_back(&self, finding: String, subject: &str, operation: &str, right: impl Fn(&Change) -> bool) -> Option<Timestamp> {
        if self.change.is_refused() {
            return None;
        }
        let later = self.after(subject, operation).iter().copied();
        let change = |index: usize| self.history.changes.get(index).copied();
        let found = self.history.put_back.first(finding, self.index, later, |index| change(index).is_some_and(|(_, change)| right(change)));
        found.and_then(change).map(|(key, _)| key.time)
    }

    /// The latest successful change of the resource before this one that fulfils a condition. The condition is the same for all changes
    /// with equal `condition` texts.
    pub(crate) fn latest(&self, condition: &str, subject: &str, passes: impl Fn(&Change) -> bool) -> Option<&Change> {
        let all = self.history.indexes_of(&self.change.account, &self.change.service, subject);
        let end = all.partition_point(|index| *index < self.index);
        let mut cursors = self.history.cursors.borrow_mut();
        let cursor = cursors.entry(format!("{condition} {} {} {subject}", self.change.account, self.change.service)).or_default();
        for position in cursor.searched..end {
            if self.history.change_at(all, position).is_some_and(&passes) {
                cursor.found = Some(position);
            }
        }
        cursor.searched = cursor.searched.max(end);
        self.history.change_at(all, cursor.found.filter(|found| *found < end)?)
    }

    /// The time of the first successful change of the resource after this one that fulfils a condition; as [`ChangeInContext::latest`].
    pub(crate) fn next(&self, condition: &str, subject: &str, passes: impl Fn(&Change) -> bool) -> Option<Timestamp> {
        let all = self.history.indexes_of(&self.change.account, &self.change.service, subject);
        let start = all.partition_point(|index| *index <= self.index);
        let mut cursors = self.history.cursors.borrow_mut();
        let cursor = cursors.entry(format!("{condition} {} {} {subject}", self.change.account, self.change.service)).or_default();
        if cursor.found.is_none_or(|found| found < start) {
            let from = cursor.searched.max(start);
            cursor.found = (from..all.len()).find(|position| self.history.change_at(all, *position).is_some_and(&passes));
            cursor.searched = cursor.found.map_or(all.len(), |found| found + 1);
        }
        let (key, _) = self.history.changes.get(*all.get(cursor.found?)?)?;
        Some(key.time)
    }

    /// The latest successful change of the resource before this one by one of these operations.
    pub(crate) fn earlier(&self, subject: &str, operations: &[&str]) -> Option<&Change> {
        let latest = operations.iter().filter_map(|operation| self.before_this(subject, operation).last()).max();
        latest.and_then(|index| self.history.changes.get(*index)).map(|(_, change)| *change)
    }

    /// The latest successful change of the resource before this one by an operation whose value, such as an id, is the given one.
    pub(crate) fn earlier_with(&self, operation: &str, subject: &str, value: &str, of: fn(&Change) -> Option<&str>) -> Option<&Change> {
        let change = |index: usize| self.history.changes.get(index).map(|(_, change)| *change);
        let all = self.before_this(subject, operation);
        let mut known = self.history.with_value.borrow_mut();
        let (searched, by_value) = known.entry(format!("{operation} {} {subject}", self.change.account)).or_default();
        for index in all.get(*searched..).unwrap_or_default() {
            if let Some(value) = change(*index).and_then(of) {
                by_value.insert(value.to_owned(), *index);
            }
        }
        *searched = all.len();
        by_value.get(value).copied().and_then(change)
    }

    /// The time of the first successful change of the resource after this one by one of these operations.
    pub(crate) fn later(&self, subject: &str, operations: &[&str]) -> Option<Timestamp> {
        let first = operations.iter().filter_map(|operation| self.after(subject, operation).first()).min();
        first.and_then(|index| self.history.changes.get(*index)).map(|(key, _)| key.time)
    }

    /// The indexes of the successful changes of a resource by an operation before this one.
    fn before_this(&self, subject: &str, operation: &str) -> &[usize] {
        let all = self.history.indexes_by(&self.change.account, &self.change.service, subject, operation);
        all.get(..all.partition_point(|index| *index < self.index)).unwrap_or_default()
    }

    /// The indexes of the successful changes of a resource by an operation after this one.
    fn after(&self, subject: &str, operation: &str) -> &[usize] {
        let all = self.history.indexes_by(&self.change.account, &self.change.service, subject, operation);
        all.get(all.partition_point(|index| *index <= self.index)..).unwrap_or_default()
    }
}
