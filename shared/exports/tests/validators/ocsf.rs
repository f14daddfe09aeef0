//! OCSF: the schema of each version, and what no schema says.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    finding::{Finding, Status},
    report::Report,
    severity::Severity,
    verdict::Verdict,
};
use audit_exports::{
    Export,
    ocsf::{Version, event},
};
use serde_json::{Value, json};

use super::{Fault, audits, planted, python};

fn events(report: &Report, version: Version) -> Vec<Value> {
    let export = Export::from(report);
    report.findings.iter().map(|finding| serde_json::to_value(event(finding, &export, version)).unwrap()).collect()
}

const FAULTS: &[Fault] = &[
    ("a field that the class doesn't have", |event| event["actor"] = json!({"user": {"uid": "x"}})),
    ("a severity that doesn't exist", |event| event["severity_id"] = 7.into()),
    ("another class's type", |event| event["type_uid"] = 200_401.into()),
    ("a time that is text", |event| event["time"] = "2026-11-16T00:00:00Z".into()),
    ("a finding without an id", |event| drop(event["finding_info"].as_object_mut().unwrap().remove("uid"))),
    ("no product", |event| drop(event["metadata"].as_object_mut().unwrap().remove("product"))),
    ("no cloud, which the profile requires", |event| drop(event.as_object_mut().unwrap().remove("cloud"))),
    ("a resource without id and name", |event| event["resources"] = json!([{"type": "AWS::Account"}])),
    ("an outcome that doesn't exist", |event| event["compliance"]["status_id"] = 4.into()),
    ("an attack without tactic and technique", |event| event["finding_info"]["attacks"] = json!([{"version": "1"}])),
    ("a remediation without a text", |event| event["remediation"] = json!({"references": []})),
];

#[test]
fn every_finding_is_valid_in_every_version_and_every_fault_is_refused() {
    let mut files = BTreeMap::new();
    for version in Version::ALL {
        let all: Vec<Value> = audits::all().iter().flat_map(|report| events(report, version)).collect();
        files.insert(format!("ocsf-{}-faults", version.as_str()), planted(&all[0], FAULTS));
        files.insert(format!("ocsf-{}", version.as_str()), all);
    }
    let printed = python::validate(&files);
    for version in Version::ALL {
        let name = format!("ocsf-{}", version.as_str());
        printed[&name].assert_sound(&name);
        printed[&format!("{name}-faults")].assert_each_is_refused(&name, FAULTS);
    }
}

/// The names beside numbers, the numbers that are made of others, and units: validators look at none of them.
#[test]
fn what_stands_twice_agrees_and_times_are_milliseconds() {
    let names: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("activity", &["Unknown", "Create", "Update", "Close"][..]),
        ("severity", &["Unknown", "Informational", "Low", "Medium", "High", "Critical"]),
        ("status", &["Unknown", "New", "In Progress", "Suppressed", "Resolved"]),
        ("compliance", &["Unknown", "Pass", "Warning", "Fail"]),
    ]);
    let name_of = |what: &str, id: &Value| names[what][usize::try_from(id.as_u64().unwrap()).unwrap()];
    // From 2000 to 2100.
    let range = 946_684_800_000..4_102_444_800_000_i64;
    let mut seen = BTreeSet::new();
    for report in audits::all() {
        for (event, finding) in events(report, Version::default()).iter().zip(&report.findings) {
            assert_eq!(event["type_uid"], 200_300 + event["activity_id"].as_u64().unwrap());
            assert_eq!(event["activity_name"], name_of("activity", &event["activity_id"]));
            assert_eq!(event["type_name"], format!("Compliance Finding: {}", event["activity_name"].as_str().unwrap()));
            assert_eq!(event["severity"], name_of("severity", &event["severity_id"]));
            assert_eq!(event["status"], name_of("status", &event["status_id"]));
            assert_eq!(event["compliance"]["status"], name_of("compliance", &event["compliance"]["status_id"]));
            let info = &event["finding_info"];
            for time in [&event["time"], &event["metadata"]["logged_time"]]
                .into_iter()
                .chain(["first_seen_time", "last_seen_time", "created_time", "modified_time"].iter().filter_map(|key| info.get(key)))
            {
                assert!(range.contains(&time.as_i64().unwrap()), "{time} of {}", finding.rule);
            }
            assert_eq!((&info["uid"], &event["count"]), (&json!(finding.id), &json!(finding.count)));
            seen.insert((event["status_id"].as_u64(), event["compliance"]["status_id"].as_u64()));
        }
    }
    for pair in [(1, 2), (1, 3), (3, 3), (4, 1)] {
        assert!(seen.contains(&(Some(pair.0), Some(pair.1))), "no case has {pair:?}: {seen:?}");
    }
}

#[test]
fn equal_records_give_equal_events_whatever_their_order_and_the_time_of_the_export() {
    let first = audits::demo(|_| {});
    let mut later = audits::demo(|files| files.reverse());
    later.generated_at = later.generated_at.plus_seconds(3600);
    for version in Version::ALL {
        let of = |report: &Report| {
            let mut events = events(report, version);
            for event in &mut events {
                let logged = event["metadata"].as_object_mut().unwrap().remove("logged_time").unwrap();
                assert_eq!(logged, report.generated_at.as_micros() / 1000);
            }
            serde_json::to_string(&events).unwrap()
        };
        assert_eq!(of(&first), of(&later), "{}", version.as_str());
    }
}

#[test]
fn a_suppressed_finding_says_who_accepts_it_until_when_and_why() {
    let report = audits::demo(|_| {});
    let suppressed = events(&report, Version::default()).into_iter().find(|event| event["status_id"] == 3).unwrap();
    let detail = suppressed["status_detail"].as_str().unwrap();
    let suppression = &suppressed["unmapped"]["suppression"];
    for field in ["until", "owner", "reason"] {
        assert!(detail.contains(suppression[field].as_str().unwrap()), "{field}: {detail}");
    }
}

#[test]
fn an_event_is_a_copy_only_if_nothing_of_the_finding_differs() {
    let mut report = audits::demo(|_| {});
    report.findings.truncate(1);
    let uid = |change: fn(&mut Finding)| {
        let mut report = report.clone();
        report.findings.iter_mut().for_each(change);
        events(&report, Version::default())[0]["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    let open = uid(|_| {});
    assert_eq!(open, uid(|_| {}));
    let others: [fn(&mut Finding); 4] = [
        |finding| finding.status = Status::Suppressed,
        |finding| finding.reopened += 1,
        |finding| finding.verdict = Some(Verdict::NotProvable),
        |finding| finding.severity = Severity::Informational,
    ];
    for (number, change) in others.into_iter().enumerate() {
        assert_ne!(open, uid(change), "change {number}");
    }
}
