//! Numbers distinct texts and stores each once.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of a text in [`Strings`]. Zero is the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol(pub(super) u32);

impl Symbol {
    /// The empty text, which stands for "none".
    pub(crate) const NONE: Symbol = Symbol(0);

    /// The symbol, unless it is the empty text.
    pub(crate) fn some(self) -> Option<Symbol> {
        (self != Symbol::NONE).then_some(self)
    }
}

/// A number in three bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol24([u8; 3]);

impl Symbol24 {
    /// The largest number that fits. All values beyond it share it, so that nothing can be proved about them.
    pub(crate) const MOST: u32 = (1 << 24) - 1;

    pub(crate) fn new(number: u32) -> Self {
        let [_, high, middle, low] = number.min(Self::MOST).to_be_bytes();
        Symbol24([high, middle, low])
    }

    pub(crate) fn get(self) -> u32 {
        let [high, middle, low] = self.0;
        u32::from_be_bytes([0, high, middle, low])
    }
}

impl From<Symbol> for Symbol24 {
    /// Text numbers above the limit become the largest number.
    fn from(symbol: Symbol) -> Self {
        Symbol24::new(symbol.0)
    }
}

impl From<Symbol24> for Symbol {
    fn from(symbol: Symbol24) -> Self {
        Symbol(symbol.get())
    }
}

/// Texts by number and numbers by text, in one allocation.
#[derive(Clone, Debug)]
pub(crate) struct Strings {
    text: String,
    /// The end of each text, which is the start of the next.
    ends: Vec<u32>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Default for Strings {
    fn default() -> Self {
        Strings { text: String::new(), ends: vec![0], numbers: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

/// The text that stands for all others when there are too many. It names nothing, so that nothing can be proved about them.
const ONE_OF_TOO_MANY: &str = "(one of too many to tell apart)";

impl Strings {
    /// The symbol of a text, which is added if it is new.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if text.is_empty() {
            return Symbol::NONE;
        }
        let hash = self.hasher.hash_one(text);
        let found = self.numbers.find(hash, |&number| at(&self.text, &self.ends, number) == text);
        if let Some(&number) = found {
            return Symbol(number);
        }
        let number = u32::try_from(self.ends.len()).ok().filter(|&number| number < Symbol24::MOST);
        let end = u32::try_from(self.text.len() + text.len()).ok();
        let Some((number, end)) = number.zip(end) else {
            return self.one_of_too_many();
        };
        self.text.push_str(text);
        self.ends.push(end);
        let (all, ends, hasher) = (&self.text, &self.ends, &self.hasher);
        self.numbers.insert_unique(hash, number, |&number| hasher.hash_one(at(all, ends, number)));
        Symbol(number)
    }

    /// Returns the last symbol, which all further texts share.
    fn one_of_too_many(&mut self) -> Symbol {
        let last = self.ends.len() - 1;
        if at(&self.text, &self.ends, u32::try_from(last).unwrap_or(0)) != ONE_OF_TOO_MANY
            && let Ok(end) = u32::try_from(self.text.len() + ONE_OF_TOO_MANY.len())
        {
            self.text.push_str(ONE_OF_TOO_MANY);
            self.ends.push(end);
            return Symbol(u32::try_from(last + 1).unwrap_or(0));
        }
        Symbol(u32::try_from(last).unwrap_or(0))
    }

    /// The text of a symbol.
    pub(crate) fn get(&self, symbol: Symbol) -> &str {
        at(&self.text, &self.ends, symbol.0)
    }

    /// Frees the index from texts to symbols.
    pub(super) fn close(&mut self) {
        self.numbers = HashTable::new();
    }

    /// Adds the texts of another, and returns the new symbol of each of its symbols.
    pub(super) fn absorb(&mut self, other: &Strings) -> Vec<Symbol> {
        (0..other.ends.len()).map(|number| self.intern(at(&other.text, &other.ends, u32::try_from(number).unwrap_or(0)))).collect()
    }
}

fn at<'t>(text: &'t str, ends: &[u32], number: u32) -> &'t str {
    let number = number as usize;
    let end = ends.get(number).copied().unwrap_or(0) as usize;
    let start = number.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0) as usize;
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_symbol() {
        let mut strings = Strings::default();
        let [a, b, again] = ["a", "bb", "a"].map(|text| strings.intern(text));
        assert_eq!((a, strings.intern("")), (again, Symbol::NONE));
        assert_eq!((strings.get(a), strings.get(b), strings.get(Symbol::NONE)), ("a", "bb", ""));
        let mut other = Strings::default();
        let bb = other.intern("bb");
        let became = strings.absorb(&other);
        assert_eq!(became[bb.0 as usize], b);
    }

    #[test]
    fn a_number_fits_into_three_bytes_or_is_the_last() {
        assert_eq!(Symbol24::new(0x0012_3456).get(), 0x0012_3456);
        assert_eq!(Symbol24::new(u32::MAX).get(), Symbol24::MOST);
    }
}
