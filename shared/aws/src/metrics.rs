//! Counts as CloudWatch metrics: lines of the log in the embedded metric format, which CloudWatch Logs turns into metrics.

use serde_json::{Map, Value, json};

use crate::clock::Clock;

/// The records of a batch: in = judged + ignored + unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Records that arrived.
    pub taken_in: u64,
    /// Records that are evidence.
    pub judged: u64,
    /// Records that no rule needs.
    pub ignored: u64,
    /// Records that can't be parsed.
    pub unreadable: u64,
}

/// The namespace that makes no metrics: counts are only logged. Each metric has a monthly price in every account and Region.
const NO_NAMESPACE: &str = "none";

/// Writes counts to standard output, which is the function's log.
#[derive(Clone, Debug)]
pub struct Metrics {
    namespace: String,
    function: &'static str,
    clock: Clock,
    silent: bool,
}

impl Metrics {
    /// Metrics in this namespace, with the function's name as their dimension. Alarms and dashboards in `template.yaml` name both.
    #[must_use]
    pub fn new(namespace: String, function: &'static str, clock: Clock) -> Self {
        Metrics { namespace, function, clock, silent: false }
    }

    /// Writes nothing, for tests.
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

    /// Writes these counts.
    #[expect(clippy::print_stdout, reason = "a function's standard output is its log, and metrics are lines of it")]
    pub fn emit(&self, counts: &[(&str, u64)]) {
        if !self.silent {
            println!("{}", self.line(counts));
        }
    }

    /// Writes the counts of a batch.
    pub fn flow(&self, flow: Flow) {
        self.emit(&[("in", flow.taken_in), ("judged", flow.judged), ("ignored", flow.ignored), ("unreadable", flow.unreadable)]);
    }
}

#[cfg(test)]
mod tests {
    use audit_core::timestamp::Timestamp;

    use super::*;

    #[test]
    fn without_a_name_space_the_counts_are_written_all_the_same() {
        let metrics = Metrics::new(NO_NAMESPACE.into(), "audit-changes", Clock::At(Timestamp::from_seconds(5)));
        assert_eq!(metrics.line(&[("in", 3)]), r#"{"function":"audit-changes","in":3}"#);
    }

    #[test]
    fn a_line_names_its_metrics_and_holds_their_values() {
        let metrics = Metrics::new("GuardrailAudit".into(), "audit-invocations", Clock::At(Timestamp::from_seconds(5)));
        let line: Value = serde_json::from_str(&metrics.line(&[("in", 3), ("judged", 2)])).unwrap();
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"][0]["Metrics"],
            json!([{"Name": "in", "Unit": "Count"}, {"Name": "judged", "Unit": "Count"}])
        );
        assert_eq!((&line["in"], &line["judged"], &line["_aws"]["Timestamp"]), (&json!(3), &json!(2), &json!(5000)));
    }
}
