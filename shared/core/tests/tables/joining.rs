//! Tests which calls, evaluations and invocation logs are joined, and what a missing evaluation means.

use audit_core::auditor::Selection;
use serde_json::json;

use crate::given::{Given, HAIKU, REQUIRED, Record, at, call, evaluation, log, minute};

fn verdicts(given: &Given) -> Vec<String> {
    let short = |row: String| row.replace(&format!("Converse {HAIKU} "), "");
    given.coverage().into_iter().map(short).collect()
}

#[test]
fn evidence_belongs_to_the_call_with_its_request_id() {
    let other =
        |record: Record| record.with("resources", json!([{"type": "AWS::Bedrock::Guardrail", "ARN": REQUIRED.replace("org", "mine")}]));
    for (what, records, expected) in [
        ("none", vec![call(1, "12:00")], "compliant/enforced ×1"),
        ("of this call", vec![call(1, "12:00"), evaluation(1, "12:00")], "compliant/observed ×1"),
        ("of another call", vec![call(1, "12:00"), evaluation(2, "12:00")], "compliant/enforced ×1"),
        ("by another guardrail", vec![call(1, "12:00"), other(evaluation(1, "12:00"))], "violation/observed wrong_guardrail ×1"),
        ("a log that names it", vec![call(1, "12:00"), log(1, "12:00")], "compliant/observed ×1"),
        ("a log of another call", vec![call(1, "12:00"), log(2, "12:00")], "compliant/enforced ×1"),
        ("that failed", vec![call(1, "12:00"), evaluation(1, "12:00").refused()], "compliant/enforced ×1"),
    ] {
        assert_eq!(verdicts(&Given::demanded().records(records)), [expected], "{what}");
    }
}

#[test]
fn each_record_is_counted_once() {
    let second = |record: Record| record.with("eventID", json!("00000000-0000-4000-d000-000000000001"));
    for (what, records, judged, duplicates) in [
        ("a call", vec![call(1, "12:00")], 1, 0),
        ("and its copies", vec![call(1, "12:00"), call(1, "12:00"), call(1, "12:00")], 1, 2),
        ("and its evaluation", vec![call(1, "12:00"), evaluation(1, "12:00")], 2, 0),
        ("and a copy of that", vec![call(1, "12:00"), evaluation(1, "12:00"), evaluation(1, "12:00")], 2, 1),
        ("and a second evaluation", vec![call(1, "12:00"), evaluation(1, "12:00"), second(evaluation(1, "12:00"))], 3, 0),
        ("and its log", vec![call(1, "12:00"), log(1, "12:00"), log(1, "12:00")], 2, 1),
        ("an evaluation alone", vec![evaluation(1, "12:00"), evaluation(1, "12:00")], 1, 1),
    ] {
        let audit = Given::demanded().records(records).audit();
        assert_eq!((audit.judged, audit.duplicates, audit.not_selected), (judged, duplicates, 0), "{what}");
    }
}

#[test]
fn times_select_calls_and_what_belongs_to_them_goes_along() {
    let given = Given::demanded().records([
        call(1, "12:00"),
        evaluation(1, "12:01"),
        call(2, "12:10"),
        evaluation(2, "11:59"),
        log(2, "12:20"),
        evaluation(3, "12:00"),
        log(4, "12:05"),
    ]);
    let counted = |since, until| {
        let audit = given.clone().selecting(Selection { since, until, ..Selection::default() }).audit();
        (audit.judged, audit.not_selected)
    };
    assert_eq!(counted(None, None), (7, 0));
    assert_eq!(counted(Some(at("12:05")), None), (4, 3), "the second call, with its evaluation and its log, and the lone log");
    assert_eq!(counted(None, Some(at("12:05"))), (3, 4), "the first call with its evaluation, and the lone evaluation");
    assert_eq!(counted(Some(at("13:00")), None), (0, 7));
}

#[test]
fn of_copies_that_differ_the_one_that_tells_most_is_kept() {
    let silent = |record: Record| record.asking("modelId", json!(null));
    let named = |record: Record| record.requesting("mine", "1");
    for records in [
        [call(1, "12:00"), silent(call(1, "12:00")), named(call(1, "12:00"))],
        [silent(call(1, "12:00")), named(call(1, "12:00")), call(1, "12:00")],
        [named(call(1, "12:00")), call(1, "12:00"), silent(call(1, "12:00"))],
    ] {
        assert_eq!(verdicts(&Given::undemanded().records(records)), ["violation/enforced wrong_guardrail ×1"]);
    }
    let failed = [call(1, "12:00").refused(), call(1, "12:00")];
    assert_eq!(verdicts(&Given::demanded().records(failed)), ["compliant/enforced ×1"], "one that didn't fail tells more");
}

#[test]
fn calls_that_only_a_log_tells_of_are_a_blind_spot() {
    let rows = |given: Given| -> Vec<String> { given.audit().blind.into_iter().map(|row| row.remedy).collect() };
    let known = Given::demanded().trail(true);
    let of = |given: &Given, start: &str| rows(given.clone()).into_iter().filter(|row| row.starts_with(start)).count();
    let two = known.clone().records([call(1, "12:00"), log(1, "12:00"), log(2, "12:00"), log(3, "12:00"), log(3, "12:00")]);
    assert_eq!(of(&two, "2 calls that only a model invocation log tells of: "), 1, "{:?}", rows(two));
    let none = known.records([call(1, "12:00"), log(1, "12:00")]);
    assert_eq!(rows(none.clone()).iter().filter(|row| row.contains("only a model invocation log")).count(), 0, "{:?}", rows(none));
}

/// Calls by the role `app`, one a minute, from a minute of the day on.
fn calls(count: usize, from: usize) -> Vec<Record> {
    (0..count).map(|number| call(number, &minute(from + number))).collect()
}

/// The last record of the input, by another principal in another hour.
fn last(time: &str) -> Record {
    call(900, time).by("last").of("InvokeModel")
}

#[test]
fn the_lack_of_an_evaluation_counts_once_it_must_have_been_delivered() {
    let given = |last_time: &str| {
        Given::demanded().trail(true).records([call(1, "12:00"), evaluation(1, "12:00"), call(2, "12:05"), last(last_time)])
    };
    let of_converse =
        |given: &Given| -> Vec<String> { verdicts(given).into_iter().filter(|row| !row.starts_with("InvokeModel")).collect() };
    let delivered = of_converse(&given("12:20"));
    assert_eq!(delivered, ["compliant/observed ×1", "violation/enforced not_observed ×1"]);
    let on_its_way = of_converse(&given("12:19:59"));
    assert_eq!(on_its_way, ["compliant/observed ×1", "compliant/enforced ×1"]);
}

#[test]
fn without_a_trail_that_records_them_nothing_is_expected() {
    for (trail, expected) in [
        (Given::demanded(), "compliant/enforced ×1"),
        (Given::demanded().trail(false), "compliant/enforced ×1"),
        (Given::demanded().trail(true), "violation/enforced not_observed ×1"),
    ] {
        let given = trail.records([call(1, "12:00"), evaluation(1, "12:00"), call(2, "12:05"), call(3, "12:06").refused(), last("15:00")]);
        assert!(verdicts(&given).contains(&expected.to_owned()), "{:?}", verdicts(&given));
    }
}

#[test]
fn where_no_evaluation_joins_counts_by_principal_and_hour_decide() {
    // Evaluations with request ids of their own, in the hour of the calls.
    let unjoined = |principal: &str, count: usize| -> Vec<Record> {
        (0..count).map(|number| evaluation(500 + number, &minute(720 + number)).by(principal)).collect()
    };
    for (what, calls, evaluations, expected) in [
        ("nobody has any", calls(20, 720), vec![], "compliant/enforced ×20"),
        ("each call may have its own", calls(3, 720), unjoined("app", 3), "compliant/enforced ×3"),
        ("fewer than calls", calls(3, 720), unjoined("app", 2), "not_provable/none ×3"),
        ("others have some, and the calls are few", calls(19, 720), unjoined("other", 1), "not_provable/none ×19"),
        ("others have some, and the calls are many", calls(20, 720), unjoined("other", 1), "violation/enforced not_observed ×20"),
        ("others have some, in another hour", calls(20, 660), unjoined("other", 1), "not_provable/none ×20"),
    ] {
        let given = Given::demanded().trail(true).records(calls).records(evaluations).records([last("20:00")]);
        let of_converse: Vec<String> = verdicts(&given).into_iter().filter(|row| !row.starts_with("InvokeModel")).collect();
        assert_eq!(of_converse, [expected], "{what}");
    }
}

#[test]
fn an_evaluation_that_names_a_guardrail_is_inside_of_calls_only_if_calls_request_it() {
    let direct = |guardrail: &str| -> Vec<Record> {
        let named = |record: Record| record.asking("guardrailIdentifier", json!(guardrail)).asking("guardrailVersion", json!("1"));
        (0..3).map(|number| named(evaluation(500 + number, &minute(720 + number)))).collect()
    };
    let requesting = |guardrail: &str| -> Vec<Record> { calls(3, 720).into_iter().map(|call| call.requesting(guardrail, "1")).collect() };
    for (what, calls, evaluations, expected) in [
        ("a direct call shows that evaluations are recorded", calls(3, 720), direct("mine"), "not_provable/none ×3"),
        ("one that is requested is inside", requesting("mine"), direct("mine"), "compliant/enforced ×3"),
        ("one of another guardrail isn't", requesting("mine"), direct("other"), "not_provable/none ×3"),
    ] {
        let given = Given::demanded().trail(true).records(calls).records(evaluations).records([last("20:00")]);
        let of_converse: Vec<String> = verdicts(&given).into_iter().filter(|row| !row.starts_with("InvokeModel")).collect();
        assert_eq!(of_converse, [expected], "{what}");
    }
}
