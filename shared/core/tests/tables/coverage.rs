//! Tests the counts of calls, by verdict and by row of coverage.

use audit_core::auditor::Selection;
use serde_json::json;

use crate::given::{ACCOUNT, Given, HAIKU, Record, at, call, minute};

const NOVA: &str = "amazon.nova-pro-v1:0";

fn calls(from: usize, to: usize, change: impl Fn(Record) -> Record) -> Vec<Record> {
    (from..to).map(|number| change(call(number, &minute(600 + number)))).collect()
}

#[test]
fn forms_of_one_model_are_one_row_and_their_counts_add_up() {
    let given = Given::demanded()
        .records(calls(0, 2, |call| call))
        .records(calls(2, 5, |call| call.model(&format!("us.{HAIKU}"))))
        .records(calls(5, 9, |call| call.model(&format!("arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}"))));
    assert_eq!(given.coverage(), [format!("Converse {HAIKU} compliant/enforced ×9")]);
}

#[test]
fn what_differs_in_anything_that_is_said_is_a_row_of_its_own() {
    let given = Given::demanded()
        .records(calls(0, 2, |call| call))
        .records(calls(2, 3, |call| call.model(NOVA)))
        .records(calls(3, 6, |call| call.of("InvokeModel")))
        .records(calls(6, 7, Record::refused))
        .records(calls(7, 9, |call| call.of("InvokeModelWithBidirectionalStream")));
    assert_eq!(
        given.coverage(),
        [
            format!("Converse {NOVA} compliant/enforced ×1"),
            format!("Converse {HAIKU} compliant/enforced ×2"),
            format!("Converse {HAIKU} not_applicable/none ×1"),
            format!("InvokeModel {HAIKU} compliant/enforced ×3"),
            format!("InvokeModelWithBidirectionalStream {HAIKU} violation/enforced api_not_covered ×2"),
        ]
    );
    assert_eq!(given.verdicts(), [("compliant", 6), ("violation", 2), ("not_provable", 0), ("not_applicable", 1)]);
}

#[test]
fn accounts_and_regions_add_up() {
    let given = Given::demanded()
        .records(calls(0, 3, |call| call))
        .records(calls(3, 5, |call| call.in_region("eu-west-1")))
        .records(calls(5, 9, |call| call.with("recipientAccountId", json!("999988887777"))))
        // Copies from another trail.
        .records(calls(1, 3, |call| call))
        .records(calls(4, 5, |call| call.in_region("eu-west-1")));
    let audit = given.audit();
    assert_eq!((audit.judged, audit.duplicates, audit.not_selected), (9, 3, 0));
    assert_eq!(given.verdicts(), [("compliant", 3), ("violation", 2), ("not_provable", 4), ("not_applicable", 0)]);
    assert_eq!(audit.span, Some((at("10:00"), at("10:08"))));
    let met: Vec<String> = audit.regions_read.iter().map(|(account, region)| format!("{account}/{region}")).collect();
    assert_eq!(met, ["222233334444/eu-west-1", "222233334444/us-east-1", "999988887777/us-east-1"]);
}

#[test]
fn what_is_not_selected_is_counted_as_such() {
    let given = Given::demanded()
        .records(calls(0, 4, |call| call))
        .records(calls(4, 6, |call| call.in_region("eu-west-1")))
        .records(calls(6, 9, |call| call.with("recipientAccountId", json!("999988887777"))));
    let counted = |selection: Selection| {
        let audit = given.clone().selecting(selection).audit();
        (audit.judged, audit.not_selected)
    };
    let everything = Selection::default();
    for (what, selection, expected) in [
        ("everything", everything.clone(), (9, 0)),
        ("an account", Selection { accounts: [ACCOUNT.into()].into(), ..everything.clone() }, (6, 3)),
        ("a Region", Selection { regions: ["eu-west-1".into()].into(), ..everything.clone() }, (2, 7)),
        (
            "an account and a Region",
            Selection { accounts: ["999988887777".into()].into(), regions: ["eu-west-1".into()].into(), ..everything.clone() },
            (0, 9),
        ),
        ("from a time on, which is in", Selection { since: Some(at("10:03")), ..everything.clone() }, (6, 3)),
        ("until a time, which is not", Selection { until: Some(at("10:03")), ..everything.clone() }, (3, 6)),
        ("between", Selection { since: Some(at("10:02")), until: Some(at("10:04")), ..everything.clone() }, (2, 7)),
    ] {
        assert_eq!(counted(selection), expected, "{what}");
    }
    assert!(everything.is_everything());
    for selection in [
        Selection { accounts: [ACCOUNT.into()].into(), ..everything.clone() },
        Selection { regions: ["eu-west-1".into()].into(), ..everything.clone() },
        Selection { since: Some(at("10:03")), ..everything.clone() },
        Selection { until: Some(at("10:03")), ..everything },
    ] {
        assert!(!selection.is_everything(), "{selection:?}");
    }
}

#[test]
fn what_mediates_a_call_goes_by_its_model_where_that_is_known() {
    let agent = |call: Record| call.of("InvokeAgent").asking("agentId", json!("AGENT1")).asking("modelId", json!(null));
    let flow = |call: Record| call.of("InvokeFlow").asking("flowIdentifier", json!("FLOW1")).asking("modelId", json!(null));
    let of_runtime = |call: Record| call.of("InvokeAgent").of_service("bedrock-agent-runtime");
    let given = Given::demanded()
        .records(calls(0, 2, |call| of_runtime(agent(call))))
        .records(calls(2, 5, |call| flow(call).of_service("bedrock-agent-runtime")));
    assert_eq!(given.coverage(), ["InvokeAgent agent/AGENT1 not_provable/none ×2", "InvokeFlow flow/FLOW1 not_provable/none ×3"]);
    let answer = json!({"agent": {"agentId": "AGENT1", "foundationModel": HAIKU}});
    let known = given.file(&format!("agents/{ACCOUNT}/us-east-1/AGENT1.json"), answer);
    assert_eq!(
        known.coverage(),
        [format!("InvokeAgent {HAIKU} violation/enforced api_not_covered ×2"), "InvokeFlow flow/FLOW1 not_provable/none ×3".to_owned()]
    );
}

#[test]
fn a_finding_counts_its_calls_and_names_those_who_made_most_of_them_first() {
    let given = Given::undemanded()
        .records(calls(0, 1, |call| call.by("first")))
        .records(calls(1, 4, |call| call.by("most").model(NOVA)))
        .records(calls(4, 6, |call| call.of("InvokeModel")));
    let finding = given.finding("invocation-without-guardrail");
    let role = |role: &str| format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    assert_eq!(finding.count, 6);
    assert_eq!(finding.principals.shown, [role("most"), role("app"), role("first")]);
    assert_eq!(finding.models.shown, [NOVA, HAIKU], "as many calls of each: by name");
    assert_eq!(finding.apis.shown, ["Converse", "InvokeModel"]);
    assert_eq!((finding.first_seen, finding.last_seen), (Some(at("10:00")), Some(at("10:05"))));
    assert_eq!(finding.events, ["00000000-0000-4000-b000-000000000000", "00000000-0000-4000-b000-000000000005"]);
    assert!(finding.detail.starts_with(&format!("6 calls of Converse, InvokeModel with {NOVA}, {HAIKU} by ")), "{}", finding.detail);
    let one = Given::undemanded().records([call(7, "10:00")]).finding("invocation-without-guardrail");
    assert!(one.detail.starts_with(&format!("1 call of Converse with {HAIKU} by ")), "{}", one.detail);
    assert_eq!(one.events, ["00000000-0000-4000-b000-000000000007"]);
}
