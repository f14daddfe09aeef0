//! Evaluations in the logs prove that something recorded them, even if no known trail does.

use std::collections::BTreeSet;

use crate::timestamp::Timestamp;

/// The periods in which evaluations were recorded. A period lasts until the known state of trails changes.
#[derive(Debug)]
pub(crate) struct EvaluationsSeen {
    /// The times at which the known state of trails changes, ordered.
    boundaries: Vec<Timestamp>,
    stretches: BTreeSet<usize>,
}

impl EvaluationsSeen {
    /// No period yet, of those between these times.
    pub(crate) fn new(boundaries: Vec<Timestamp>) -> Self {
        EvaluationsSeen { boundaries, stretches: BTreeSet::new() }
    }

    /// Adds the period in which an evaluation was recorded.
    pub(crate) fn include(&mut self, time: Timestamp) {
        let stretch = self.stretch_of(time);
        self.stretches.insert(stretch);
    }

    /// The numbers of the periods.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = u32> {
        self.stretches.iter().map(|stretch| u32::try_from(*stretch).unwrap_or(u32::MAX))
    }

    /// Adds periods by their numbers.
    pub(crate) fn extend(&mut self, stretches: impl Iterator<Item = u32>) {
        self.stretches.extend(stretches.map(|stretch| stretch as usize));
    }

    /// Adds the periods of another part of the records, which has the same boundaries.
    pub(crate) fn merge(&mut self, other: &EvaluationsSeen) {
        self.stretches.extend(&other.stretches);
    }

    /// Whether evaluations were recorded in the period that contains a time.
    pub(crate) fn around(&self, time: Timestamp) -> bool {
        self.stretches.contains(&self.stretch_of(time))
    }

    fn stretch_of(&self, time: Timestamp) -> usize {
        self.boundaries.partition_point(|boundary| *boundary <= time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_evaluation_proves_nothing_of_the_time_after_a_change() {
        let at = Timestamp::from_seconds;
        let mut seen = EvaluationsSeen::new(vec![at(10), at(20)]);
        for second in [12, 13] {
            seen.include(at(second));
        }
        assert!(seen.around(at(10)) && seen.around(at(19)));
        assert!(!seen.around(at(9)) && !seen.around(at(20)));
    }
}
