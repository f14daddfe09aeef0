//! Tests the resolution of findings about calls, which needs positive evidence.

use serde_json::json;

use crate::given::{Given, REQUIRED, Record, call};

const WITHOUT: &str = "invocation-without-guardrail";

/// A policy that names only another Region, then one that names this one, from a time on.
fn covered_from(time: &str) -> Given {
    let demanding = |region: &str| {
        let guardrail = REQUIRED.replace("us-east-1", region);
        json!({"bedrock": {"guardrail_inference": {region: {"config_1": {"identifier": format!("{guardrail}:2")}}}}})
    };
    Given::unconfigured().policy("00:00", Some(&demanding("eu-west-1"))).policy(time, Some(&demanding("us-east-1")))
}

/// There is no policy, and the team requires the guardrail.
fn required() -> Given {
    Given::undemanded().configured(&format!("[[require]]\nguardrail = \"{REQUIRED}\"\n"))
}

fn line(given: &Given, rule: &str) -> String {
    given.line_of(rule).replace(&format!("{rule} HIGH "), "")
}

#[test]
fn a_state_that_covers_such_calls_resolves_from_then_on() {
    assert_eq!(line(&covered_from("12:00").records([call(1, "11:00")]), "region-not-covered"), "RESOLVED ×1 resolved 2026-11-20T12:00:00Z");
    assert_eq!(line(&required().records([call(1, "11:00")]), WITHOUT), "OPEN ×1");
    let lost_again = covered_from("12:00").policy("13:00", None);
    assert_eq!(line(&lost_again.records([call(1, "11:00")]), "region-not-covered"), "OPEN ×1", "it has to last to this day");
}

#[test]
fn what_a_principal_requests_resolves_its_own_calls_only() {
    let requesting = |record: Record| record.requesting(REQUIRED, "2");
    let given = |records: Vec<Record>| line(&required().records(records), WITHOUT);
    for (what, records, expected) in [
        ("before", vec![requesting(call(1, "10:00")), call(2, "11:00")], "OPEN ×1"),
        ("after", vec![call(1, "10:00"), requesting(call(2, "11:00"))], "RESOLVED ×1 resolved 2026-11-20T11:00:00Z"),
        ("at the same time, a violation counts last", vec![call(1, "10:00"), requesting(call(2, "10:00"))], "OPEN ×1"),
        ("by another principal", vec![call(1, "10:00"), requesting(call(2, "11:00").by("other"))], "OPEN ×1"),
        ("of another operation", vec![call(1, "10:00"), requesting(call(2, "11:00").of("InvokeModel"))], "OPEN ×1"),
        ("of another model", vec![call(1, "10:00"), requesting(call(2, "11:00").model("amazon.nova-pro-v1:0"))], "OPEN ×1"),
        ("and again without", vec![call(1, "10:00"), requesting(call(2, "11:00")), call(3, "12:00")], "OPEN ×2 reopened 1"),
        (
            "and again with",
            vec![call(1, "10:00"), requesting(call(2, "11:00")), call(3, "12:00"), requesting(call(4, "13:00"))],
            "RESOLVED ×2 reopened 1 resolved 2026-11-20T13:00:00Z",
        ),
        ("of one of two principals", vec![call(1, "10:00"), call(2, "10:30").by("other"), requesting(call(3, "11:00"))], "OPEN ×2"),
        (
            "of both",
            vec![call(1, "10:00"), call(2, "10:30").by("other"), requesting(call(3, "11:00")), requesting(call(4, "12:00").by("other"))],
            "RESOLVED ×2 resolved 2026-11-20T12:00:00Z",
        ),
    ] {
        assert_eq!(given(records), expected, "{what}");
    }
}

#[test]
fn a_call_without_a_time_is_judged_and_stays_open() {
    let untimed = |record: Record| record.with("eventTime", json!(null));
    let given = required().records([untimed(call(1, "10:00"))]);
    assert_eq!(line(&given, WITHOUT), "OPEN ×1");
    let finding = given.finding(WITHOUT);
    assert_eq!((finding.first_seen, finding.last_seen), (None, None));
    // Whoever leaves the time out of a record may have called after everything that covers such calls.
    let requesting = call(2, "23:00").requesting(REQUIRED, "2");
    let with_cover = |records: Vec<Record>| line(&required().records(records), WITHOUT);
    assert_eq!(with_cover(vec![untimed(call(1, "10:00")), requesting.clone()]), "OPEN ×1");
    assert_eq!(with_cover(vec![call(3, "09:00"), untimed(call(1, "10:00")), requesting]), "OPEN ×2", "beside one with a time");
    assert_eq!(given.verdicts(), [("compliant", 0), ("violation", 1), ("not_provable", 0), ("not_applicable", 0)]);
}
