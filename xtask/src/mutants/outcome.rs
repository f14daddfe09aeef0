//! What became of mutants.

use std::fmt;

use serde_json::{Value, json};

use super::mutant::Mutant;

/// The mutants of a sample by what became of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Some test failed, or didn't end.
    pub(super) caught: Vec<Mutant>,
    /// All tests passed.
    pub(super) missed: Vec<Mutant>,
    /// It doesn't compile, so it says nothing of the tests.
    pub(super) unviable: Vec<Mutant>,
    /// It is in code that the compiler runs, where nothing can be switched.
    pub(super) constant: Vec<Mutant>,
}

impl Tally {
    /// Caught of a hundred that ran.
    fn percent(&self) -> usize {
        let ran = self.caught.len() + self.missed.len();
        (100 * self.caught.len()).checked_div(ran).unwrap_or(100)
    }

    pub(super) fn to_json(&self, seed: u64, of: usize) -> Value {
        let names = |mutants: &[Mutant]| mutants.iter().map(|mutant| mutant.name.clone()).collect::<Vec<_>>();
        json!({
            "seed": seed,
            "mutants": of,
            "caught": names(&self.caught),
            "missed": names(&self.missed),
            "unviable": names(&self.unviable),
            "constant": names(&self.constant),
            "percent_caught": self.percent(),
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mutant in &self.missed {
            writeln!(f, "missed  {}", mutant.name)?;
        }
        let [caught, missed, unviable, constant] =
            [&self.caught, &self.missed, &self.unviable, &self.constant].map(|mutants: &Vec<Mutant>| mutants.len());
        let percent = self.percent();
        writeln!(f, "{caught} caught, {missed} missed ({percent} % caught), {unviable} unviable, {constant} in constants")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::mutant::Genre, *};

    #[test]
    fn only_what_ran_counts() {
        let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(|line| Mutant::new(Genre::BinaryOperator, (line, 1), "+"));
        let tally = Tally { caught: vec![a, b], missed: vec![c], unviable: vec![d], constant: vec![e] };
        assert_eq!(tally.to_string(), "missed  a.rs:3:1: +\n2 caught, 1 missed (66 % caught), 1 unviable, 1 in constants\n");
    }
}
