//! `guardrail-audit rules`: the list of rules, and the page of one.

use audit_core::rules::RULES;

use super::runner::{assert_shown, run};

#[test]
fn a_rule_is_a_page() {
    assert_shown!("rules_api_not_covered", run(&["rules", "api-not-covered"]).shown());
}

#[test]
fn the_list_has_every_rule_in_the_order_of_reports() {
    let list = run(&["rules"]);
    assert_eq!(list.code, 0);
    let mut lines = list.stdout.lines();
    assert_eq!(lines.next().unwrap().split_whitespace().take(3).collect::<Vec<_>>(), ["RULE", "SEVERITY", "GROUP"]);
    for (line, rule) in lines.by_ref().zip(RULES) {
        assert_eq!(line.split_whitespace().next(), Some(rule.id));
        assert!(line.contains(rule.severity.as_str()) && line.ends_with(rule.title), "{line}");
    }
    assert_eq!(list.stdout.lines().count(), RULES.len() + 1);
}

#[test]
fn json_has_all_that_a_page_has() {
    let json = run(&["rules", "--format", "json"]).json();
    let ids: Vec<&str> = json.as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, RULES.iter().map(|rule| rule.id).collect::<Vec<_>>());
    for rule in json.as_array().unwrap() {
        for field in ["title", "severity", "group", "revealed_by", "fires", "evidence", "rationale", "remediation", "references"] {
            assert!(!rule[field].is_null(), "{field} of {}", rule["id"]);
        }
    }
    assert_eq!(run(&["rules", "api-not-covered", "--format", "json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn a_rule_that_is_not_there_is_usage() {
    let ran = run(&["rules", "no-such-rule"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`guardrail-audit rules` lists them"), "{}", ran.stderr);
}
