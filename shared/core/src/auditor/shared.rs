//! Texts that many things of an audit carry, in memory that they share.

use std::sync::Arc;

use hashbrown::HashSet;

/// Each distinct text once, for as long as somebody carries it.
#[derive(Default)]
pub(super) struct SharedTexts(HashSet<Arc<str>>);

impl SharedTexts {
    /// The text, to be carried.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        Arc::clone(self.0.get_or_insert_with(text, |text| Arc::from(text)))
    }
}
