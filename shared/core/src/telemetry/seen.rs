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
    /// Collects the periods of evaluations that were recorded at these times.
    pub(crate) fn new(boundaries: Vec<Timestamp>, evaluations: impl Iterator<Item = Timestamp>) -> Self {
        let mut seen = EvaluationsSeen { boundaries, stretches: BTreeSet::new() };
        for time in evaluations {
            let stretch = seen.stretch_of(time);
            seen.stretches.insert(stretch);
        }
        seen
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
        let seen = EvaluationsSeen::new(vec![at(10), at(20)], [at(12), at(13)].into_iter());
        assert!(seen.around(at(10)) && seen.around(at(19)));
        assert!(!seen.around(at(9)) && !seen.around(at(20)));
    }
}
