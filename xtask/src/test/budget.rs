//! The time that each step and each suite may take, on two cores that others use too.
//!
//! The whole command must end within [`WHOLE`] on a fresh machine, where everything is compiled first. The summary names a suite that
//! exceeds its budget, so that it shows where the time went; only the whole fails for it, because a busy machine may slow down any one
//! suite.

use std::time::Duration;

/// The time that something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Budget(Duration);

/// The budget of all steps together, compilation included.
pub(crate) const WHOLE: Budget = Budget::minutes(45);

/// The budgets of steps, with what they compile and install on a fresh machine. The last two run side by side.
const STEPS: &[(&str, Budget)] = &[
    ("format", Budget::seconds(15)),
    ("dependencies", Budget::minutes(2)),
    ("lints", Budget::minutes(8)),
    ("documentation", Budget::minutes(3)),
    ("compile", Budget::minutes(12)),
    ("tests", Budget::minutes(18)),
    ("end-to-end", Budget::minutes(14)),
];

/// The budgets of suites that need more than [`SUITE`], without their compilation. Suites of the deployed product start in the order of these,
/// so whichever comes first installs the programs that several use.
const SUITES: &[(&str, Budget)] = &[
    // Runs every case through the command line's binary, and through the hub's functions on a DynamoDB engine.
    ("cases", Budget::minutes(3)),
    ("cli", Budget::seconds(90)),
    // Runs histories against DynamoDB engines, and rounds with a failure at each call.
    ("hub", Budget::minutes(4)),
    // Compares generated documents and requests with an evaluator that others maintain.
    ("simulator", Budget::seconds(90)),
    // Builds the stack, deploys it to a local engine and uses it.
    ("stack", Budget::minutes(10)),
    // Publishes to a local engine by the AWS command line, which takes a second for each of its many calls.
    ("publish", Budget::minutes(4)),
    // Installs and runs the linters of templates.
    ("templates", Budget::minutes(3)),
    // Asks a local engine thousands of questions about patterns.
    ("patterns", Budget::minutes(2)),
    // Installs the parser of the AWS command line.
    ("documents", Budget::seconds(90)),
    // Installs the service models and compares them with the table of operations.
    ("service_models", Budget::seconds(90)),
];

/// The budget of a suite that is in no list.
const SUITE: Budget = Budget::minutes(1);

/// Returns the budget of a step. A step that is in no list has the budget of a suite.
pub(crate) fn of_step(name: &str) -> Budget {
    find(STEPS, name)
}

/// Returns the budget of a suite: a test binary, by its name.
pub(crate) fn of_suite(name: &str) -> Budget {
    find(SUITES, name)
}

fn find(budgets: &[(&str, Budget)], name: &str) -> Budget {
    budgets.iter().find(|(listed, _)| *listed == name).map_or(SUITE, |(_, budget)| *budget)
}

impl Budget {
    const fn seconds(seconds: u64) -> Self {
        Budget(Duration::from_secs(seconds))
    }

    const fn minutes(minutes: u64) -> Self {
        Budget::seconds(minutes * 60)
    }

    /// Whether this time is within the budget.
    pub(crate) fn holds(self, took: Duration) -> bool {
        took <= self.0
    }

    /// Describes how long something took, and how long it may take.
    pub(crate) fn sentence(self, what: &str, took: Duration) -> String {
        format!("{what} ({} of {} s){}", took.as_secs(), self.0.as_secs(), self.exceeded_by(took).unwrap_or_default())
    }

    /// Describes by how much a time exceeds the budget.
    pub(crate) fn exceeded_by(self, took: Duration) -> Option<String> {
        (!self.holds(took)).then(|| format!(", OVER ITS BUDGET of {} s", self.0.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_over_the_budget_is_said_and_one_within_is_not() {
        let budget = Budget::seconds(50);
        assert_eq!(budget.sentence("hub", Duration::from_secs(50)), "hub (50 of 50 s)");
        assert_eq!(budget.sentence("hub", Duration::from_secs(51)), "hub (51 of 50 s), OVER ITS BUDGET of 50 s");
    }

    #[test]
    fn the_steps_together_fit_into_the_whole() {
        let sum = |steps: &[&str]| steps.iter().map(|step| of_step(step).0).sum::<Duration>();
        let longest = ["tests", "end-to-end"].into_iter().map(|step| of_step(step).0).max().unwrap_or_default();
        let whole = sum(&["format", "dependencies", "lints", "documentation", "compile"]) + longest;
        assert!(WHOLE.holds(whole), "{whole:?}");
    }
}
