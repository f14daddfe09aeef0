//! Notes over time for many accounts, most of which get the same notes: a chain of notes is stored once for all accounts that share it.

use crate::timestamp::Timestamp;

/// The end of a chain of notes, which identifies the whole chain; the default is an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Chain(Option<usize>);

/// All chains: each note with the chain before it.
#[derive(Debug)]
pub(super) struct Logs<T> {
    notes: Vec<(Chain, Timestamp, T)>,
}

impl<T> Default for Logs<T> {
    fn default() -> Self {
        Logs { notes: Vec::new() }
    }
}

impl<T: Clone> Logs<T> {
    /// The chain with one more note.
    pub(super) fn push(&mut self, before: Chain, time: Timestamp, note: T) -> Chain {
        self.notes.push((before, time, note));
        Chain(self.notes.len().checked_sub(1))
    }

    /// The latest note of a chain.
    pub(super) fn last(&self, chain: Chain) -> Option<&T> {
        self.get(chain).map(|(.., note)| note)
    }

    /// The chain without its latest notes, if they are of this time.
    pub(super) fn without(&self, mut chain: Chain, time: Timestamp) -> Chain {
        while let Some((before, _, _)) = self.get(chain).filter(|(_, at, _)| *at == time) {
            chain = *before;
        }
        chain
    }

    /// The notes of a chain in the order of time.
    pub(super) fn list(&self, mut chain: Chain) -> Vec<(Timestamp, T)> {
        let mut list = Vec::new();
        while let Some((before, time, note)) = self.get(chain) {
            list.push((*time, note.clone()));
            chain = *before;
        }
        list.reverse();
        list.shrink_to_fit();
        list
    }

    fn get(&self, chain: Chain) -> Option<&(Chain, Timestamp, T)> {
        self.notes.get(chain.0?)
    }
}
