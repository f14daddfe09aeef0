//! Tests findings about changes: their severity, principals, resolution and links.

use serde_json::json;

use crate::given::{ACCOUNT, Given, Record, at, call, change, minute};

/// Model invocation logging is switched off.
fn off(number: usize, time: &str) -> Record {
    change(number, time, "DeleteModelInvocationLoggingConfiguration", json!(null))
}

/// Model invocation logging is set to deliver texts to a bucket.
fn on(number: usize, time: &str) -> Record {
    let config = json!({"textDataDeliveryEnabled": true, "s3Config": {"bucketName": "logs"}});
    change(number, time, "PutModelInvocationLoggingConfiguration", json!({ "loggingConfig": config }))
}

/// A principal other than the deployment role disables an EventBridge rule of the auditor.
fn tampering(number: usize, time: &str) -> Record {
    change(number, time, "DisableRule", json!({"name": "guardrail-audit-events"})).of_service("events")
}

const LOGGING: &str = "invocation-logging-disabled";

#[test]
fn a_finding_is_over_when_what_was_changed_last_is_right_again() {
    for (what, records, expected) in [
        ("off", vec![off(2, "09:00")], "HIGH OPEN ×1"),
        ("off and on", vec![off(2, "09:00"), on(3, "10:00")], "HIGH RESOLVED ×1 resolved 2026-11-20T10:00:00Z"),
        ("off, on and off", vec![off(2, "09:00"), on(3, "10:00"), off(4, "11:00")], "HIGH OPEN ×2 reopened 1"),
        (
            "off, on, off and on",
            vec![off(2, "09:00"), on(3, "10:00"), off(4, "11:00"), on(5, "12:00")],
            "HIGH RESOLVED ×2 reopened 1 resolved 2026-11-20T12:00:00Z",
        ),
        ("a refused one, which leaves all as it is", vec![off(2, "09:00").refused()], "MEDIUM OPEN ×1 attempted"),
        ("a refused one, and one that isn't", vec![off(2, "09:00").refused(), off(3, "10:00")], "HIGH OPEN ×2"),
        ("a copy", vec![off(2, "09:00"), off(2, "09:00")], "HIGH OPEN ×1"),
    ] {
        assert_eq!(Given::nothing().logged().records(records).line_of(LOGGING), format!("{LOGGING} {expected}"), "{what}");
    }
}

#[test]
fn five_refusals_within_an_hour_are_a_burst() {
    let refusals = |minutes: &[usize], role: &dyn Fn(usize) -> String| -> Vec<Record> {
        minutes.iter().enumerate().map(|(number, at)| off(number, &minute(600 + at)).refused().by(&role(number))).collect()
    };
    let same = |_: usize| "admin".to_owned();
    let each = |number: usize| format!("admin-{number}");
    for (what, records, expected) in [
        ("five in less than an hour", refusals(&[0, 10, 20, 30, 59], &same), "HIGH"),
        ("five in an hour", refusals(&[0, 10, 20, 30, 60], &same), "MEDIUM"),
        ("four", refusals(&[0, 10, 20, 30], &same), "MEDIUM"),
        ("five of six", refusals(&[0, 61, 62, 63, 64, 65], &same), "HIGH"),
        ("by five principals", refusals(&[0, 10, 20, 30, 59], &each), "MEDIUM"),
    ] {
        let finding = Given::nothing().logged().records(records).finding(LOGGING);
        assert_eq!(finding.severity.to_string(), expected, "{what}");
        assert!(finding.attempted, "{what}");
    }
}

#[test]
fn administrators_may_change_all_but_the_auditor() {
    let administrators = format!("administrators = [\"arn:aws:iam::{ACCOUNT}:role/admin\"]\n");
    let given = Given::nothing().logged().configured(&administrators);
    for (what, records, expected) in [
        ("an administrator", vec![off(1, "09:00")], "invocation-logging-disabled INFORMATIONAL OPEN ×1 expected"),
        ("somebody else", vec![off(1, "09:00").by("app")], "invocation-logging-disabled HIGH OPEN ×1"),
        ("both", vec![off(1, "09:00"), on(2, "09:30"), off(3, "10:00").by("app")], "invocation-logging-disabled HIGH OPEN ×2 reopened 1"),
        ("the auditor", vec![tampering(1, "09:00")], "auditor-tampered CRITICAL OPEN ×1"),
        ("in vain", vec![off(1, "09:00").refused()], "invocation-logging-disabled INFORMATIONAL OPEN ×1 attempted expected"),
    ] {
        assert_eq!(given.clone().records(records).findings(), [expected], "{what}");
    }
}

#[test]
fn the_detail_tells_who_did_what_how_often() {
    let detail = |records: Vec<Record>| Given::nothing().logged().records(records).finding(LOGGING).detail;
    let by = |role: &str| format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    assert_eq!(
        detail(vec![off(1, "09:00")]),
        format!("DeleteModelInvocationLoggingConfiguration by {}: nothing is logged any more", by("admin"))
    );
    assert_eq!(
        detail(vec![off(1, "09:00"), on(2, "09:30"), off(3, "10:00").by("app"), on(4, "10:30"), off(5, "11:00").by("app")]),
        format!("DeleteModelInvocationLoggingConfiguration by {}, {} (3 times): nothing is logged any more", by("app"), by("admin"))
    );
    assert_eq!(
        detail(vec![off(1, "09:00").refused(), off(2, "10:00").refused()]),
        format!("DeleteModelInvocationLoggingConfiguration by {} (2 times), refused: nothing would be logged any more", by("admin"))
    );
}

#[test]
fn an_explanation_tells_all_that_the_severity_rests_on() {
    let given = Given::nothing().logged().records([off(1, "09:00"), on(2, "09:30")]);
    let explained = given.explained(LOGGING);
    assert!(explained[0].starts_with("Model invocation logging") || !explained[0].is_empty());
    assert_eq!(
        explained[1..],
        [
            format!(
                "DeleteModelInvocationLoggingConfiguration by arn:aws:iam::{ACCOUNT}:role/admin, at 2026-11-20T09:00:00Z: event \
                 00000000-0000-4000-b000-000000000001."
            ),
            format!("DeleteModelInvocationLoggingConfiguration by arn:aws:iam::{ACCOUNT}:role/admin: nothing is logged any more."),
            "Severity HIGH: HIGH by default. Reach, where it counts, is said above.".to_owned(),
            "Resolved at 2026-11-20T09:30:00Z: the state was read, or set, and is right again.".to_owned(),
        ]
    );
    let twice = Given::nothing()
        .logged()
        .configured("[rules.invocation-logging-disabled]\nseverity = \"CRITICAL\"\n")
        .records([off(1, "09:00").refused(), off(2, "10:00").refused()])
        .explained(LOGGING);
    assert!(
        twice[1].contains(", first at 2026-11-20T09:00:00Z, last at 2026-11-20T10:00:00Z: event ")
            && twice[1].ends_with("-b000-000000000001 and 00000000-0000-4000-b000-000000000002."),
        "{}",
        twice[1]
    );
    assert_eq!(
        twice[3],
        "Severity HIGH: CRITICAL by configuration; it was refused: one step lower, unless it belongs to a burst of five within an hour. \
         Reach, where it counts, is said above."
    );
    assert_eq!(twice.len(), 4);
}

#[test]
fn exceptions_suppress_what_they_mean_until_they_end() {
    let exception = |until: &str, more: &str| {
        format!("[[exception]]\nrule = \"{LOGGING}\"\nuntil = {until}\nreason = \"known\"\nowner = \"team\"\n{more}\n")
    };
    let role = |role: &str| format!("principals = [\"arn:aws:iam::{ACCOUNT}:role/{role}\"]");
    let other_rule = exception("2027-01-01", "").replace(LOGGING, "trail-stopped");
    let both = vec![off(1, "09:00"), on(2, "09:30"), off(3, "10:00").by("app")];
    for (what, toml, records, expected) in [
        ("none", String::new(), vec![off(1, "09:00")], "HIGH OPEN ×1"),
        ("a live one", exception("2027-01-01", ""), vec![off(1, "09:00")], "HIGH SUPPRESSED ×1"),
        ("one on its last day", exception("2026-11-22", ""), vec![off(1, "09:00")], "HIGH SUPPRESSED ×1"),
        ("one that ended", exception("2026-11-21", ""), vec![off(1, "09:00")], "HIGH OPEN ×1 reopened 1"),
        ("of another rule", other_rule, vec![off(1, "09:00")], "HIGH OPEN ×1"),
        ("for another account", exception("2027-01-01", "accounts = [\"111122223333\"]"), vec![off(1, "09:00")], "HIGH OPEN ×1"),
        ("for this account", exception("2027-01-01", "accounts = [\"222233334444\"]"), vec![off(1, "09:00")], "HIGH SUPPRESSED ×1"),
        ("for another Region", exception("2027-01-01", "regions = [\"eu-west-1\"]"), vec![off(1, "09:00")], "HIGH OPEN ×1"),
        ("for this principal", exception("2027-01-01", &role("admin")), vec![off(1, "09:00")], "HIGH SUPPRESSED ×1"),
        ("for another principal", exception("2027-01-01", &role("app")), vec![off(1, "09:00")], "HIGH OPEN ×1"),
        ("for one of two", exception("2027-01-01", &role("app")), both.clone(), "HIGH OPEN ×2 reopened 1"),
        (
            "for both, each by its own",
            exception("2027-01-01", &role("app")) + &exception("2027-01-01", &role("admin")),
            both.clone(),
            "HIGH SUPPRESSED ×2 reopened 1",
        ),
        (
            "for both, one of which ended",
            exception("2027-01-01", &role("app")) + &exception("2026-11-21", &role("admin")),
            both,
            "HIGH OPEN ×2 reopened 2",
        ),
        (
            "of what is over",
            exception("2027-01-01", ""),
            vec![off(1, "09:00"), on(2, "10:00")],
            "HIGH RESOLVED ×1 resolved 2026-11-20T10:00:00Z",
        ),
    ] {
        assert_eq!(
            Given::nothing().logged().configured(&toml).records(records).line_of(LOGGING),
            format!("{LOGGING} {expected}"),
            "{what}"
        );
    }
    let given = |toml: &str| Given::nothing().logged().configured(toml).records([off(1, "09:00")]);
    let suppressed =
        given(&(exception("2027-03-01", "ticket = \"later\"") + &exception("2027-01-01", "ticket = \"first\""))).finding(LOGGING);
    assert_eq!(suppressed.suppression.unwrap().ticket.as_deref(), Some("first"), "the one that ends first");
    let unmatched = |toml: &str| given(toml).audit().warnings.iter().filter(|warning| warning.contains("matches no open finding")).count();
    for (toml, expected) in [
        (exception("2027-01-01", ""), 0),
        (exception("2027-01-01", &role("app")), 1),
        (exception("2027-01-01", "accounts = [\"111122223333\"]"), 1),
        (exception("2026-11-21", &role("app")), 0),
    ] {
        assert_eq!(unmatched(&toml), expected, "{toml}");
    }
}

#[test]
fn uncovered_calls_within_a_day_of_a_tampering_are_linked_with_it() {
    let linked = |change: Record, call: Record| {
        let given = Given::undemanded().logged().records([change, call]);
        let (change, calls) = (given.finding(LOGGING), given.finding("invocation-without-guardrail"));
        assert_eq!(change.linked.contains(&calls.id), calls.linked.contains(&change.id));
        change.linked.contains(&calls.id)
    };
    let on_day = |day: u8, record: Record, time: &str| record.with("eventTime", json!(format!("2026-11-{day}T{time}Z")));
    for (what, call, expected) in [
        ("at once", call(2, "09:00"), true),
        ("before", call(2, "08:59:59"), false),
        ("later", call(2, "20:00"), true),
        ("a day later", on_day(21, call(2, "09:00"), "09:00:00"), true),
        ("more than a day later", on_day(21, call(2, "09:00"), "09:00:01"), false),
    ] {
        assert_eq!(linked(off(1, "09:00"), call), expected, "{what}");
    }
    assert!(!linked(off(1, "09:00").refused(), call(2, "10:00")), "what was refused took nothing away");
    let elsewhere = |record: Record| record.with("recipientAccountId", json!("999988887777"));
    assert!(!linked(elsewhere(off(1, "09:00")), call(2, "10:00")), "another account, by another principal");
    assert!(linked(elsewhere(off(1, "09:00")).by("app"), call(2, "10:00")), "another account, by the same principal");
}

#[test]
fn what_rules_say_of_one_event_is_linked() {
    let deleted = change(1, "09:00", "DeleteBucket", json!({"bucketName": "aws-cloudtrail-logs-1"})).of_service("s3");
    let own = Given::nothing().configured("[auditor]\nnames = [\"aws-cloudtrail-logs-*\"]\n").records([deleted]);
    let (stop, tamper) = (own.finding("log-store-changed"), own.finding("auditor-tampered"));
    assert_eq!((stop.linked, tamper.linked), (vec![tamper.id], vec![stop.id]));
    let apart = Given::nothing().logged().records([off(1, "09:00"), tampering(2, "09:00")]);
    assert!(apart.audit().findings.iter().all(|finding| finding.linked.is_empty()));
}

#[test]
fn what_a_loss_reaches_decides_how_bad_it_is() {
    let delete = |number, parameters| change(number, "09:00", "DeleteGuardrail", parameters);
    let mine = json!({"guardrailIdentifier": "mine"});
    let named = json!({"guardrailsConfig": [{"guardrailArn": format!("arn:aws:bedrock:us-east-1:{ACCOUNT}:guardrail/mine"), "guardrailVersion": "1"}]});
    let configured = |given: Given| given.file(&format!("enforced-configurations/{ACCOUNT}/us-east-1.json"), named.clone());
    let version = |version: &str| json!({"guardrailIdentifier": "mine", "guardrailVersion": version});
    for (what, given, parameters, expected) in [
        ("not known", Given::nothing(), mine.clone(), "HIGH OPEN ×1"),
        ("nothing", Given::demanded(), mine.clone(), "LOW OPEN ×1"),
        ("an enforced one", configured(Given::nothing().policy("00:00", None)), mine.clone(), "HIGH OPEN ×1"),
        ("its enforced version", configured(Given::nothing().policy("00:00", None)), version("1"), "HIGH OPEN ×1"),
        ("another version of it", configured(Given::nothing().policy("00:00", None)), version("2"), "LOW OPEN ×1"),
        ("not said which", Given::demanded(), json!(null), "MEDIUM OPEN ×1"),
    ] {
        let given = given.records([delete(1, parameters)]);
        assert_eq!(given.line_of("guardrail-deleted"), format!("guardrail-deleted {expected}"), "{what}: {:?}", given.findings());
    }
    let finding = configured(Given::nothing().policy("00:00", None)).records([delete(1, version("1"))]).finding("guardrail-deleted");
    assert!(
        finding.detail.ends_with(
            "version 1 of mine was deleted; it reaches production: the configuration of 222233334444 in us-east-1 enforces version 1"
        ),
        "{}",
        finding.detail
    );
    assert_eq!(finding.first_seen, Some(at("09:00")));
}

#[test]
fn a_trail_that_delivers_elsewhere_than_its_account_s_evidence_was_kept_is_seen() {
    let selectors = json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]);
    let trail = json!({"TrailARN": "arn:aws:cloudtrail:us-east-1:111122223333:trail/o", "Name": "o", "S3BucketName": "evidence", "IsLogging": true, "AdvancedEventSelectors": selectors});
    let of = |account: &str| Given::nothing().file(&format!("telemetry/{account}/us-east-1.json"), trail.clone());
    let redirected = |number, time: &str, bucket: &str| {
        change(number, time, "UpdateTrail", json!({"name": "o", "s3BucketName": bucket})).of_service("cloudtrail")
    };
    for (what, given, records, expected) in [
        ("to the same", of(ACCOUNT), vec![redirected(1, "09:00", "evidence")], ""),
        ("to another", of(ACCOUNT), vec![redirected(1, "09:00", "mine")], "log-store-changed MEDIUM OPEN ×1"),
        ("nothing known of this account", of("999988887777"), vec![redirected(1, "09:00", "evidence")], ""),
        ("as an event set it", Given::nothing(), vec![redirected(1, "09:00", "mine"), redirected(2, "10:00", "mine")], ""),
        (
            "other than an event set it",
            Given::nothing(),
            vec![redirected(1, "09:00", "evidence"), redirected(2, "10:00", "mine")],
            "log-store-changed MEDIUM OPEN ×1",
        ),
    ] {
        assert_eq!(given.records(records).line_of("log-store-changed"), expected, "{what}");
    }
    let blind = |given: Given| given.records([redirected(1, "09:00", "evidence")]).blind().contains(&"log_stores");
    assert!(blind(of("999988887777")) && blind(Given::nothing()) && !blind(of(ACCOUNT)));
}

/// Callers choose the texts in records, so a finding repeats only so much of them.
#[test]
fn long_texts_are_cut() {
    let named = |characters: usize| {
        let name = format!("guardrail-audit-{}", "é".repeat(characters - "guardrail-audit-".len()));
        let record = change(1, "09:00", "DisableRule", json!({ "name": name })).of_service("events");
        Given::nothing().records([record]).finding("auditor-tampered")
    };
    assert_eq!(named(2_000).resource.chars().count(), 2_000);
    let (long, longer) = (named(2_001), named(5_000));
    assert_eq!((long.resource.chars().count(), long.resource.ends_with('…')), (2_001, true));
    assert_eq!((longer.resource.as_str(), longer.id.as_str()), (long.resource.as_str(), long.id.as_str()));
    assert!(longer.detail.chars().count() < 2_200 && longer.detail.ends_with('…'));
}
