//! What became of mutants.

use std::{fmt, path::Path};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

/// A change that cargo-mutants can make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Mutant {
    /// `file:line:column: what is replaced by what in which function`.
    pub(super) name: String,
    pub(super) file: String,
}

/// What became of a mutant, as cargo-mutants writes it down.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    scenario: Value,
    summary: String,
}

/// The mutants of a sample by what became of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Some test failed, or didn't end.
    caught: Vec<Mutant>,
    /// It doesn't compile, so it says nothing of the tests.
    unviable: Vec<Mutant>,
    /// All tests passed.
    pub(super) missed: Vec<Mutant>,
}

pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Outcome>> {
    #[derive(Deserialize)]
    struct Outcomes {
        outcomes: Vec<Outcome>,
    }
    let text = std::fs::read(file).with_context(|| format!("cargo-mutants left no {}", file.display()))?;
    Ok(serde_json::from_slice::<Outcomes>(&text)?.outcomes)
}

impl Tally {
    /// Takes those that were caught or don't compile; gives back the others.
    pub(super) fn take(&mut self, mutants: Vec<Mutant>, outcomes: &[Outcome]) -> Vec<Mutant> {
        let mut left = Vec::new();
        for mutant in mutants {
            let is_its = |outcome: &&Outcome| outcome.scenario.pointer("/Mutant/name").and_then(Value::as_str) == Some(&mutant.name);
            match outcomes.iter().find(is_its).map(|outcome| outcome.summary.as_str()) {
                Some("CaughtMutant" | "Timeout") => self.caught.push(mutant),
                Some("Unviable") => self.unviable.push(mutant),
                _ => left.push(mutant),
            }
        }
        left
    }

    /// Caught of a hundred that compile.
    fn percent(&self) -> usize {
        let viable = self.caught.len() + self.missed.len();
        (100 * self.caught.len()).checked_div(viable).unwrap_or(100)
    }

    pub(super) fn to_json(&self, seed: u64, of: usize) -> Value {
        let names = |mutants: &[Mutant]| mutants.iter().map(|mutant| mutant.name.clone()).collect::<Vec<_>>();
        json!({
            "seed": seed,
            "mutants": of,
            "caught": names(&self.caught),
            "missed": names(&self.missed),
            "unviable": names(&self.unviable),
            "percent_caught": self.percent(),
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { caught, unviable, missed } = self;
        for mutant in missed {
            writeln!(f, "missed  {}", mutant.name)?;
        }
        let (caught, missed, unviable) = (caught.len(), missed.len(), unviable.len());
        writeln!(f, "{caught} caught, {missed} missed ({} % caught), {unviable} unviable", self.percent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compiles_and_no_test_notices_is_left() {
        let mutants: Vec<Mutant> =
            ["a", "b", "c", "d"].iter().map(|name| Mutant { name: (*name).to_owned(), file: "a.rs".to_owned() }).collect();
        let outcome = |name: &str, summary: &str| Outcome { scenario: json!({"Mutant": {"name": name}}), summary: summary.to_owned() };
        let outcomes = [
            Outcome { scenario: json!("Baseline"), summary: "Success".to_owned() },
            outcome("a", "CaughtMutant"),
            outcome("b", "MissedMutant"),
            outcome("c", "Unviable"),
            outcome("d", "Timeout"),
        ];
        let mut tally = Tally::default();
        tally.missed = tally.take(mutants, &outcomes);
        assert_eq!(tally.to_string(), "missed  b\n2 caught, 1 missed (66 % caught), 1 unviable\n");
    }
}
