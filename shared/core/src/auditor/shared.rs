//! Interned texts: tens of thousands of rows and changes repeat a few names, and each name is allocated once.

use std::sync::Arc;

use hashbrown::HashSet;

/// A set of distinct texts, each in an allocation that all holders of the text share.
#[derive(Default)]
pub(super) struct SharedTexts(HashSet<Arc<str>>);

impl SharedTexts {
    /// A shared copy of the text, allocated if it is new.
    pub(super) fn share(&mut self, text: &str) -> Arc<str> {
        Arc::clone(self.0.get_or_insert_with(text, |text| Arc::from(text)))
    }
}
