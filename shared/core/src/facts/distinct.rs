//! Numbers distinct values and stores each once.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Values by number and numbers by value. Number zero is the default value, always.
#[derive(Clone, Debug)]
pub(super) struct Distinct<T> {
    values: Vec<T>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T: Copy + Default + Eq + Hash> Default for Distinct<T> {
    fn default() -> Self {
        let mut distinct = Distinct { values: Vec::new(), numbers: HashTable::new(), hasher: DefaultHashBuilder::default() };
        distinct.intern(T::default());
        distinct
    }
}

impl<T: Copy + Default + Eq + Hash> Distinct<T> {
    /// The number of a value, which is added if it is new.
    pub(super) fn intern(&mut self, value: T) -> u32 {
        let hash = self.hasher.hash_one(value);
        let (values, hasher) = (&self.values, &self.hasher);
        if let Some(&number) = self.numbers.find(hash, |&number| values.get(number as usize) == Some(&value)) {
            return number;
        }
        let number = u32::try_from(values.len()).unwrap_or(0);
        self.numbers.insert_unique(hash, number, |&number| values.get(number as usize).map_or(0, |value| hasher.hash_one(value)));
        self.values.push(value);
        number
    }

    /// The value of a number; the default if the number doesn't exist.
    pub(super) fn get(&self, number: u32) -> T {
        self.values.get(number as usize).copied().unwrap_or_default()
    }

    /// Frees the index from values to numbers.
    pub(super) fn close(&mut self) {
        self.numbers = HashTable::new();
    }

    /// All values, in the order of their numbers.
    pub(super) fn values(&self) -> impl Iterator<Item = T> {
        self.values.iter().copied()
    }

    /// Adds the values of another, converted by `make_over`, and returns the new number of each of its numbers.
    pub(super) fn absorb(&mut self, other: &Distinct<T>, make_over: impl Fn(T) -> T) -> Vec<u32> {
        other.values.iter().map(|value| self.intern(make_over(*value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_number_and_the_default_has_zero() {
        let mut distinct = Distinct::<u8>::default();
        assert_eq!([7, 8, 7, 0].map(|value| distinct.intern(value)), [1, 2, 1, 0]);
        assert_eq!([1, 2, 0, 99].map(|number| distinct.get(number)), [7, 8, 0, 0]);
        let mut other = Distinct::default();
        other.intern(3);
        assert_eq!(distinct.absorb(&other, |value| if value == 3 { 8 } else { value }), [0, 2]);
    }
}
