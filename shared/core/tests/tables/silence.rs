//! Tests which silences of the auditor's heartbeat, and which calls that only metrics count, are reported.

use serde_json::json;

use crate::given::{ACCOUNT, Given, Record, at, call, change};

const RULE: &str = "telemetry-gap";

fn heartbeat(number: usize, time: &str) -> Record {
    call(number, time).refused().by("heartbeat")
}

fn heartbeats(times: &[&str]) -> Vec<Record> {
    times.iter().enumerate().map(|(number, time)| heartbeat(number + 1, time)).collect()
}

/// Something else happens, and the input reaches this time.
fn until(time: &str) -> Record {
    change(90, time, "DeleteModelInvocationLoggingConfiguration", json!(null)).refused()
}

fn expecting(minutes: u32) -> Given {
    Given::nothing().configured(&format!("[auditor]\nheartbeat_role = \"arn:aws:iam::*:role/heartbeat\"\nheartbeat_minutes = {minutes}\n"))
}

/// What is said of each silence, and when it ended.
fn silences(given: &Given) -> Vec<String> {
    let short = |text: &str| text.replace("2026-11-20T", "").replace(":00Z", "");
    let findings = given.audit().findings;
    let of_rule = findings.iter().filter(|finding| finding.rule == RULE);
    of_rule
        .map(|finding| {
            let ended = finding.resolved_at.map(|at| format!(", ended {}", short(&at.to_string()))).unwrap_or_default();
            format!("{} {}{ended}", finding.severity, short(&finding.detail))
        })
        .collect()
}

#[test]
fn a_heartbeat_may_be_late_by_fifteen_minutes() {
    let none: &[&str] = &[];
    for (what, minutes, records, expected) in [
        ("in time", 60, heartbeats(&["09:00", "10:00", "11:00"]), none),
        ("late", 60, heartbeats(&["09:00", "10:15"]), none),
        ("too late", 60, heartbeats(&["09:00", "10:15:01"]), &["CRITICAL no heartbeat between 09:00 and 10:15:01Z, ended 10:15:01Z"]),
        ("more often", 15, heartbeats(&["09:00", "09:30"]), none),
        ("more often, too late", 15, heartbeats(&["09:00", "09:31"]), &["CRITICAL no heartbeat between 09:00 and 09:31, ended 09:31"]),
        ("none since", 60, [heartbeats(&["09:00"]), vec![until("10:16")]].concat(), &["CRITICAL no heartbeat since 09:00"]),
        ("none since, not yet late", 60, [heartbeats(&["09:00"]), vec![until("10:15")]].concat(), none),
        (
            "none before",
            60,
            [heartbeats(&["10:16"]), vec![until("09:00")]].concat(),
            &["CRITICAL no heartbeat between 09:00 and 10:16, ended 10:16"],
        ),
        ("none at all", 60, vec![until("09:00"), call(2, "10:16")], &["CRITICAL no heartbeat since 09:00"]),
        ("none at all, not yet late", 60, vec![until("09:00"), call(2, "10:15")], none),
    ] {
        assert_eq!(silences(&expecting(minutes).records(records)), expected, "{what}");
    }
    let unexpected = Given::nothing().records([until("09:00"), call(2, "18:00")]);
    assert_eq!(silences(&unexpected), none, "no role is configured, and no heartbeat was ever seen");
}

#[test]
fn of_several_silences_the_last_decides() {
    let gaps = heartbeats(&["09:00", "11:00", "12:00", "14:00"]);
    let found = expecting(60).records(gaps.clone()).finding(RULE);
    assert_eq!((found.reopened, found.resolved_at), (1, Some(at("14:00"))));
    assert_eq!(found.detail.matches("no heartbeat between ").count(), 2, "{}", found.detail);
    let open = expecting(60).records([gaps, vec![until("18:00")]].concat()).finding(RULE);
    assert_eq!((open.resolved_at, open.detail.ends_with("no heartbeat since 2026-11-20T14:00:00Z")), (None, true), "{}", open.detail);
}

#[test]
fn metrics_count_calls_that_no_event_shows() {
    let counting = |values: &[(&str, f64)]| {
        let (times, values): (Vec<String>, Vec<f64>) =
            values.iter().map(|(time, value)| (format!("2026-11-20T{time}:00Z"), *value)).unzip();
        let result = json!({"Id": "m", "Label": "Invocations", "Timestamps": times, "Values": values, "StatusCode": "Complete"});
        Given::demanded().file(&format!("metrics/{ACCOUNT}/us-east-1.json"), json!({ "MetricDataResults": [result] }))
    };
    let more = |count: u64| vec![format!("CRITICAL Bedrock's metrics count {count} more calls than events show")];
    let calls = || vec![call(1, "10:00"), call(2, "10:59"), call(3, "11:00"), call(4, "12:30")];
    for (what, values, expected) in [
        ("as many", vec![("10:00", 2.0), ("11:00", 1.0), ("12:00", 1.0)], vec![]),
        ("fewer", vec![("10:00", 1.0), ("11:00", 0.0), ("12:00", 0.0)], vec![]),
        ("more in one hour", vec![("10:00", 5.0), ("11:00", 1.0)], more(3)),
        ("more in two hours", vec![("10:00", 5.0), ("11:00", 3.0)], more(5)),
        ("fewer in another hour, which makes up for nothing", vec![("10:00", 1.0), ("11:00", 2.0)], more(1)),
        ("before the first record", vec![("08:00", 9.0), ("09:00", 9.0)], vec![]),
        ("after the last record", vec![("13:00", 9.0), ("14:00", 9.0)], vec![]),
    ] {
        assert_eq!(silences(&counting(&values).records(calls())), expected, "{what}");
    }
}
