//! Metrics, as CloudWatch reads them out of the log (embedded metric format), and the counts that they carry.

use serde_json::{Map, Value, json};

use crate::clock::Clock;

/// What became of what came in: in = judged + ignored + unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Records that came in.
    pub taken_in: u64,
    /// Those that are judged.
    pub judged: u64,
    /// Those that nobody wants.
    pub ignored: u64,
    /// Those that can't be read.
    pub unreadable: u64,
}

/// The name space of no metrics: the counts are only written to the log. Each metric costs something a month, in every account and Region.
const NO_NAMESPACE: &str = "none";

/// Writes a line that CloudWatch turns into metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    namespace: String,
    function: &'static str,
    clock: Clock,
    silent: bool,
}

impl Metrics {
    /// Under this name space, by function.
    #[must_use]
    pub fn new(namespace: String, function: &'static str, clock: Clock) -> Self {
        Metrics { namespace, function, clock, silent: false }
    }

    /// Writes nothing.
    #[must_use]
    pub fn silent(self) -> Self {
        Metrics { silent: true, ..self }
    }

    /// The line for these counts.
    #[must_use]
    pub fn line(&self, counts: &[(&str, u64)]) -> String {
        let metrics: Vec<Value> = counts.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
        let mut line = Map::new();
        if self.namespace != NO_NAMESPACE {
            line.insert(
                "_aws".to_owned(),
                json!({"Timestamp": self.clock.now().as_micros().div_euclid(1000),
                "CloudWatchMetrics": [{"Namespace": self.namespace, "Dimensions": [["function"]], "Metrics": metrics}]}),
            );
        }
        line.insert("function".to_owned(), json!(self.function));
        line.extend(counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))));
        Value::Object(line).to_string()
    }

    /// Writes these counts out.
    #[expect(clippy::print_stdout, reason = "a function's standard output is its log, and metrics are lines of it")]
    pub fn emit(&self, counts: &[(&str, u64)]) {
        if !self.silent {
            println!("{}", self.line(counts));
        }
    }

    /// Writes out what became of what came in.
    pub fn flow(&self, flow: Flow) {
        self.emit(&[("in", flow.taken_in), ("judged", flow.judged), ("ignored", flow.ignored), ("unreadable", flow.unreadable)]);
    }
}

#[cfg(test)]
mod tests {
    use audit_core::moment::Moment;

    use super::*;

    #[test]
    fn without_a_name_space_the_counts_are_written_all_the_same() {
        let metrics = Metrics::new(NO_NAMESPACE.into(), "audit-changes", Clock::At(Moment::from_seconds(5)));
        assert_eq!(metrics.line(&[("in", 3)]), r#"{"function":"audit-changes","in":3}"#);
    }

    #[test]
    fn a_line_names_its_metrics_and_holds_their_values() {
        let metrics = Metrics::new("GuardrailAudit".into(), "audit-invocations", Clock::At(Moment::from_seconds(5)));
        let line: Value = serde_json::from_str(&metrics.line(&[("in", 3), ("judged", 2)])).unwrap();
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"][0]["Metrics"],
            json!([{"Name": "in", "Unit": "Count"}, {"Name": "judged", "Unit": "Count"}])
        );
        assert_eq!((&line["in"], &line["judged"], &line["_aws"]["Timestamp"]), (&json!(3), &json!(2), &json!(5000)));
    }
}
