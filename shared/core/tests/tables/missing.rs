//! Tests the blind spots of an audit: which evidence is reported as missing, with which remedy.

use serde_json::json;

use crate::given::{ACCOUNT, Given, call};

#[test]
fn each_thing_that_is_not_known_is_a_blind_spot() {
    let policy_only = Given::nothing().policy("00:00", None);
    for (what, given, expected) in [
        ("nothing is known", Given::nothing(), vec!["telemetry", "effective_policy", "enforced_configuration"]),
        ("the policy alone", policy_only, vec!["telemetry", "enforced_configuration"]),
        ("policy and configuration", Given::demanded(), vec!["telemetry"]),
        ("and a trail without evaluations", Given::demanded().trail(false), vec!["evaluations_not_recorded", "data_events_not_recorded"]),
        ("and with them", Given::demanded().trail(true), vec!["data_events_not_recorded"]),
    ] {
        assert_eq!(given.records([call(1, "12:00")]).blind(), expected, "{what}");
    }
}

#[test]
fn every_blind_spot_says_how_to_see_it() {
    let audit = Given::nothing().records([call(1, "12:00")]).audit();
    assert!(!audit.blind.is_empty() && audit.blind.iter().all(|row| row.remedy.len() > 20), "{:?}", audit.blind);
    assert!(audit.blind.iter().all(|row| &*row.account == ACCOUNT && &*row.region == "us-east-1"));
    let nothing = Given::nothing().audit();
    assert_eq!((nothing.judged, nothing.blind.len(), nothing.findings.len(), nothing.span), (0, 0, 0, None));
}

#[test]
fn names_of_accounts_come_from_the_organization() {
    let organization = json!({
        "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
        "Accounts": [{"Id": ACCOUNT, "Name": "support", "ParentId": "r-ab12"}, {"Id": "111122223333", "Name": "", "ParentId": "r-ab12"}],
    });
    let audit = Given::nothing().file("organization.json", organization).audit();
    let names: Vec<(&str, &str)> = audit.accounts.iter().map(|(id, name)| (&**id, name.as_str())).collect();
    assert_eq!(names, [(ACCOUNT, "support")]);
}
