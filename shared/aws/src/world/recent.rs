//! The bundles that an instance has used last, up to a number of bytes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use super::bundle::Bundle;

/// Bytes of bundles that are kept in memory.
const REMEMBERED: usize = 32 << 20;

/// A bundle, and how far the stored one is behind it.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) bundle: Bundle,
    /// Files that the stored bundle lacks or that are gone since, counted until it is written anew.
    pub(super) unstored: usize,
    /// The bytes of these files that were read.
    pub(super) unstored_bytes: usize,
}

/// The bundles that were used last, by the names of their scopes, the latest one at the end.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(String, Arc<Held>)>>);

impl Recent {
    /// The bundle of a scope, as it was when it was used last.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Held>> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|(known, _)| known == name).map(|(_, held)| Arc::clone(held))
    }

    /// Keeps a bundle, and forgets those that were used the longest time ago as far as there is no room for all.
    pub(super) fn put(&self, name: &str, held: &Arc<Held>) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|(known, _)| known != name);
        recent.push_back((name.to_owned(), Arc::clone(held)));
        let mut bytes: usize = recent.iter().map(|(_, held)| held.bundle.bytes()).sum();
        while bytes > REMEMBERED
            && let Some((_, oldest)) = recent.pop_front()
        {
            bytes -= oldest.bundle.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::bundle::Etags;

    fn held(bytes: usize) -> Arc<Held> {
        let read = [("a".to_owned(), (String::new(), vec![b'x'; bytes]))].into();
        Arc::new(Held { bundle: Bundle::default().renewed(&Etags::new(), read), ..Held::default() })
    }

    #[test]
    fn what_was_used_the_longest_time_ago_is_forgotten_first() {
        let (recent, third) = (Recent::default(), held(REMEMBERED / 3));
        for name in ["a", "b", "a", "c"] {
            recent.put(name, &third);
        }
        assert_eq!(["a", "b", "c"].map(|name| recent.get(name).is_some()), [true, false, true]);
        recent.put("larger than all", &held(REMEMBERED + 1));
        assert!(["a", "b", "c", "larger than all"].iter().all(|name| recent.get(name).is_none()));
    }
}
