//! Remembers how far a history was searched, so that the searches for its many changes don't read the same part again and again.
//!
//! A finding about changes is resolved when all of its changes are restored, and stays open if one of them isn't. So of the changes of one
//! finding, in the order of time, two things matter: whether each is restored, and when the last of them was. If an earlier change was
//! never restored, nothing is searched for the later ones; and if the state at the time when the earlier ones were restored is right for a
//! later one as well, that one was restored by then. A search from each change to the end of the history would take n² steps.

use std::cell::RefCell;

use hashbrown::HashMap;

/// The results of the searches for the changes of each finding so far: the latest point at which all of them were restored; `None` if one
/// never was.
pub(super) struct Restorations<M>(RefCell<HashMap<String, Option<M>>>);

impl<M> Default for Restorations<M> {
    fn default() -> Self {
        Restorations(RefCell::default())
    }
}

impl<M: Copy + Ord> Restorations<M> {
    /// The first point that fulfils a condition, or one at which an earlier change of the same finding was restored and that fulfils it.
    pub(super) fn first(&self, finding: String, after: M, later: impl IntoIterator<Item = M>, right: impl Fn(M) -> bool) -> Option<M> {
        let known = self.0.borrow().get(&finding).copied();
        match known {
            Some(None) => return None,
            Some(Some(point)) if point > after && right(point) => return Some(point),
            _ => {}
        }
        let found = later.into_iter().find(|point| right(*point));
        let latest = found.map(|found| known.flatten().map_or(found, |before| before.max(found)));
        self.0.borrow_mut().insert(finding, latest);
        found
    }
}

/// How far the changes of a resource were searched for the latest or the next one that fulfils a condition.
#[derive(Clone, Copy, Default)]
pub(super) struct Cursor {
    /// The changes before this position have been searched.
    pub(super) searched: usize,
    /// The position of the last one of them that fulfils the condition.
    pub(super) found: Option<usize>,
}

/// By resource and operation: how many changes have been searched, and the last of them with each value.
pub(super) type ByValue = HashMap<String, (usize, HashMap<String, usize>)>;
