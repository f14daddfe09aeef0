//! Tests what is kept of records before they are judged: how many, of which accounts and Regions, and that it doesn't matter how many
//! readers shared the work.

use audit_core::{
    auditor,
    facts::{Collector, EvidenceRows},
};
use serde_json::json;

use crate::given::{ACCOUNT, Given, REQUIRED, Record, call, change, evaluation, log};

fn read<T>(records: Vec<Record>, of: impl FnOnce(&EvidenceRows) -> T) -> T {
    Given::demanded().records(records).with_terms(|facts, _, _| of(&facts))
}

fn deletion(number: usize, time: &str) -> Record {
    change(number, time, "DeleteModelInvocationLoggingConfiguration", json!(null))
}

#[test]
fn all_that_is_kept_is_counted_copies_included() {
    let unwanted = || call(9, "12:00").of("ListFoundationModels");
    for (what, records, taken) in [
        ("nothing", vec![], 0),
        ("a call", vec![call(1, "12:00")], 1),
        ("a call and a copy", vec![call(1, "12:00"), call(1, "12:00")], 2),
        ("a call and what belongs to it", vec![call(1, "12:00"), evaluation(1, "12:00"), log(1, "12:00")], 3),
        ("a change", vec![deletion(1, "12:00")], 1),
        (
            "calls and changes",
            vec![call(1, "12:00"), deletion(2, "12:00"), call(3, "12:00").in_region("eu-west-1"), deletion(4, "13:00")],
            4,
        ),
        ("what no rule wants", vec![unwanted(), call(1, "12:00")], 1),
    ] {
        assert_eq!(read(records, EvidenceRows::taken), taken, "{what}");
    }
}

#[test]
fn accounts_and_regions_of_calls_and_of_changes_are_known() {
    let elsewhere = |record: Record| record.in_region("eu-west-1").with("recipientAccountId", json!("333344445555"));
    let regions = |records: Vec<Record>| -> Vec<String> {
        read(records, |facts| facts.regions_read().into_iter().map(|(account, region)| format!("{account} {region}")).collect())
    };
    let (here, there) = (format!("{ACCOUNT} us-east-1"), "333344445555 eu-west-1".to_owned());
    assert_eq!(regions(vec![call(1, "12:00"), call(2, "12:00")]), [here.as_str()]);
    assert_eq!(regions(vec![call(1, "12:00"), elsewhere(call(2, "12:00")), call(3, "12:00")]), [here.clone(), there.clone()]);
    assert_eq!(regions(vec![call(1, "12:00"), elsewhere(deletion(2, "12:00"))]), [here, there]);
}

#[test]
fn requested_drafts_are_known_by_their_arn() {
    let drafts = |record: Record| -> Vec<String> { read(vec![record], |facts| facts.drafts_requested().into_iter().collect()) };
    let own = |region: &str| format!("arn:aws:bedrock:{region}:{ACCOUNT}:guardrail/mine");
    assert_eq!(drafts(call(1, "12:00").requesting("mine", "DRAFT")), [own("us-east-1")]);
    assert_eq!(drafts(call(1, "12:00").in_region("eu-west-1").requesting("mine", "DRAFT")), [own("eu-west-1")]);
    assert_eq!(drafts(call(1, "12:00").requesting(REQUIRED, "DRAFT")), [REQUIRED]);
    assert_eq!(drafts(call(1, "12:00").requesting("mine", "1")), [] as [&str; 0]);
    assert_eq!(drafts(call(1, "12:00")), [] as [&str; 0]);
    let more = Given::demanded().records([call(1, "12:00").requesting("mine", "DRAFT"), call(2, "12:00").requesting("mine", "1")]);
    let known = more.with_terms(|mut facts, _, _| {
        facts.add_draft_request(REQUIRED);
        facts.drafts_requested().into_iter().collect::<Vec<_>>()
    });
    assert_eq!(known, [REQUIRED.to_owned(), own("us-east-1")], "those of calls that are stored elsewhere come on top");
}

/// One reader for each half of the records finds what one reader of all finds.
#[test]
fn readers_that_share_the_work_find_the_same() {
    let records = [
        call(1, "12:00").requesting("mine", "DRAFT"),
        call(2, "12:01").refused().by("batch"),
        evaluation(1, "12:00"),
        deletion(3, "12:02"),
        call(4, "12:03").in_region("eu-west-1").model("amazon.nova-pro-v1:0"),
        log(5, "12:04"),
        call(5, "12:04"),
        deletion(6, "12:05").by("other"),
    ];
    let of = |records: &[Record]| Given::demanded().trail(true).records(records.to_vec());
    let whole = of(&records);
    let result = |given: &Given, more: &[Record]| {
        given.with_terms(|mut facts, world, options| {
            let wanted = auditor::wanted_in(options.configuration, &world);
            let mut other = Collector::new(&wanted);
            for record in more {
                _ = other.value(record.json().to_string().as_bytes());
            }
            facts.absorb(other.into_facts());
            let counted = (facts.taken(), facts.regions_read(), facts.drafts_requested());
            let audit = auditor::audit(facts, world, options);
            (counted, serde_json::to_value((&audit.findings, &audit.coverage, &audit.blind)).unwrap())
        })
    };
    let expected = result(&whole, &[]);
    assert!(expected.1.to_string().contains("invocation-logging-disabled"), "{}", expected.1);
    for middle in 0..records.len() {
        let (first, second) = records.split_at(middle);
        assert_eq!(result(&of(first), second), expected, "{middle} by one reader, and the others by another");
    }
}
