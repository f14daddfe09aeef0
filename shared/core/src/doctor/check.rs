//! Checks each step on an event's way from the call to the auditor: trail, selectors, rule, heartbeat.

use serde_json::Value;

use crate::{
    cloudtrail::EVENT_HISTORY_SECONDS,
    json::At as _,
    operations,
    telemetry::{DATA_RESOURCES, LoggedEvent, Recorded, Telemetry},
    timestamp::Timestamp,
};

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The name of the check.
    pub check: &'static str,
    /// The account that was checked.
    pub account: String,
    /// The Region that was checked.
    pub region: String,
    /// The status.
    pub status: Status,
    /// What was found.
    pub saw: String,
    /// What to do about it.
    pub remedy: Option<&'static str>,
}

/// The status of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nothing is missing.
    Ok,
    /// Some evidence isn't received that could be.
    Warn,
    /// Calls aren't received.
    Fail,
    /// The check couldn't be made.
    Unknown,
}

impl Status {
    /// The status as text in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
            Status::Unknown => "unknown",
        }
    }
}

/// The account and Region that checks are made for.
#[derive(Clone, Copy, Debug)]
pub struct Station<'a> {
    /// The account.
    pub account: &'a str,
    /// The Region.
    pub region: &'a str,
}

impl Station<'_> {
    fn check(self, check: &'static str, status: Status, saw: impl Into<String>, remedy: &'static str) -> Check {
        let remedy = (status != Status::Ok).then_some(remedy);
        Check { check, account: self.account.to_owned(), region: self.region.to_owned(), status, saw: saw.into(), remedy }
    }

    /// The result of a check that couldn't be made.
    #[must_use]
    pub fn unknown(self, check: &'static str, why: impl Into<String>) -> Check {
        self.check(check, Status::Unknown, why, "Grant what deploy/snapshot.policy.json holds, and look again.")
    }

    /// Checks the trails. `described` is DescribeTrails' response, `telemetry` the telemetry file of the world.
    #[must_use]
    pub fn trails(self, described: &Value, telemetry: &Value) -> Vec<Check> {
        let read = Telemetry::from_json(telemetry).unwrap_or_default();
        let records = |event: &LoggedEvent<'_>| read.records(*event) == Recorded::Yes;
        let listed = described.at("/trailList").as_array().map_or(&[][..], Vec::as_slice);
        let running = read.trails.iter().filter(|trail| trail.is_logging == Some(true)).count();
        let mut checks = vec![match (read.trails.len(), running) {
            (0, _) => self.check("trail", Status::Fail, "no trail", MAKE_A_TRAIL),
            (all, 0) => self.check("trail", Status::Fail, format!("{all} trails, none of them is logging"), "aws cloudtrail start-logging"),
            (all, running) => self.check("trail", Status::Ok, format!("{running} of {all} trails are logging"), ""),
        }];
        if !listed.is_empty() {
            let has = |flag: &str| listed.iter().filter(|trail| trail[flag].as_bool() == Some(true)).count();
            let (regions, organization) = (has("IsMultiRegionTrail"), has("IsOrganizationTrail"));
            let status = if regions > 0 { Status::Ok } else { Status::Warn };
            let saw = format!("{regions} of {} record all Regions, {organization} are of an organization", listed.len());
            checks.push(self.check("trail-scope", status, saw, "Let a trail record all Regions: calls in others are not seen."));
        }
        let missing: Vec<&str> = LoggedEvent::INVOCATIONS.iter().filter(|event| !records(event)).map(|event| event.event_name).collect();
        checks.push(if missing.is_empty() {
            self.check("read-events", Status::Ok, "a running trail records read-only management events: calls are among them", "")
        } else {
            let saw = format!("no running trail records {}", missing.join(", "));
            self.check("read-events", Status::Fail, saw, "Select management events of both kinds: calls of models are read-only ones.")
        });
        checks.push(self.selector("selector-guardrail", "evaluations by guardrails", LoggedEvent::EVALUATION, &read));
        checks.extend(DATA_RESOURCES.iter().map(|resource| self.selector(resource.station, resource.calls, resource.event, &read)));
        checks.push(match &read.invocation_logging {
            None => self.unknown("invocation-logging", "the configuration of model invocation logging was not read"),
            Some(logging) if !logging.on => {
                let saw = "model invocation logging is off";
                self.check("invocation-logging", Status::Warn, saw, "Turn it on, with texts, to have traces as evidence.")
            }
            Some(logging) if !logging.text => {
                let saw = "model invocation logging is on and delivers no texts, so no traces";
                self.check("invocation-logging", Status::Warn, saw, "Turn on the delivery of texts.")
            }
            Some(_) => self.check("invocation-logging", Status::Ok, "model invocation logging is on", ""),
        });
        checks
    }

    /// Checks whether the trails select events of this kind.
    fn selector(self, check: &'static str, what: &str, event: LoggedEvent<'_>, read: &Telemetry) -> Check {
        if read.records(event) == Recorded::Yes {
            return self.check(check, Status::Ok, format!("{} is selected", event.resource_type), "");
        }
        self.check(check, Status::Warn, format!("{} is not selected: {what} are not seen", event.resource_type), SELECT)
    }

    /// Checks whether a rule of the default event bus receives all calls.
    #[must_use]
    pub fn rules(self, rules: &[RuleSeen]) -> Vec<Check> {
        let matching: Vec<&RuleSeen> = rules.iter().filter(|rule| CALLS.iter().all(|name| rule.matches(name))).collect();
        let (Some(best), count) = (matching.iter().max_by_key(|rule| (rule.state == ALL_EVENTS, rule.targets)), matching.len()) else {
            let partly: Vec<&str> =
                rules.iter().filter(|rule| CALLS.iter().any(|name| rule.matches(name))).map(|rule| rule.name.as_str()).collect();
            let saw = match partly.as_slice() {
                [] => format!("none of {} rules on the default bus is about calls of models", rules.len()),
                names => format!("no rule matches all of {}; some of them: {}", CALLS.join(", "), names.join(", ")),
            };
            return vec![self.check("rule", Status::Fail, saw, "Deploy member.yaml here, or a rule as in it.")];
        };
        let saw = format!("{} is {}, {count} rules match calls of models", best.name, best.state);
        let mut checks = vec![if best.state == ALL_EVENTS {
            self.check("rule", Status::Ok, saw, "")
        } else {
            self.check("rule", Status::Fail, saw, "Only ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS lets read-only events through.")
        }];
        checks.push(match best.targets {
            None => self.unknown("rule-target", format!("the targets of {} were not read", best.name)),
            Some(0) => self.check(
                "rule-target",
                Status::Fail,
                format!("{} has no target", best.name),
                "Put the target back: deploy the stack again.",
            ),
            Some(targets) => self.check("rule-target", Status::Ok, format!("{} has {targets} targets", best.name), ""),
        });
        checks
    }

    /// Checks whether heartbeats arrive on time.
    #[must_use]
    pub fn heartbeat(self, seen: &Heartbeat<'_>) -> Check {
        let Heartbeat { check, seen_in, last, since, now, minutes } = *seen;
        let remedy = "Are the trail, the rule, the queue and the functions there? The first station that fails above is the cause.";
        match last {
            None => self.check(check, Status::Fail, format!("no heartbeat in {seen_in} since {since}"), remedy),
            Some(last) if now.seconds_since(last) > 2 * minutes * 60 + EVENT_HISTORY_SECONDS => {
                self.check(check, Status::Fail, format!("the last heartbeat in {seen_in} is of {last}"), remedy)
            }
            Some(last) => self.check(check, Status::Ok, format!("a heartbeat in {seen_in} at {last}"), ""),
        }
    }
}

const MAKE_A_TRAIL: &str = "Make a trail of all management events: without one EventBridge gets no calls.";

const SELECT: &str = "Add the selector (docs/operating.md, Data events); data events cost 0.10 USD per 100,000.";

/// The calls that a rule must receive.
const CALLS: &[&str] = operations::COVERED;

/// The only state in which a rule receives read-only management events (docs/aws/eventbridge.md#rule-states).
const ALL_EVENTS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// Where and when heartbeats were received.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat<'a> {
    /// The name of the check.
    pub check: &'static str,
    /// The place that was searched, for the report.
    pub seen_in: &'a str,
    /// The time of the last heartbeat.
    pub last: Option<Timestamp>,
    /// The start of the period that was searched.
    pub since: Timestamp,
    /// The current time.
    pub now: Timestamp,
    /// Minutes between two heartbeats.
    pub minutes: i64,
}

/// A rule of EventBridge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSeen {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Its pattern; null if it has none, or an invalid one.
    pub pattern: Value,
    /// The number of its targets; `None` if they weren't read.
    pub targets: Option<usize>,
}

impl RuleSeen {
    /// Whether the rule receives calls of one of Bedrock's operations, as far as its pattern shows.
    #[must_use]
    pub fn matches(&self, event_name: &str) -> bool {
        self.pattern.is_object()
            && field_matches(self.pattern.get("source"), "aws.bedrock")
            && field_matches(self.pattern.get("detail-type"), "AWS API Call via CloudTrail")
            && field_matches(self.pattern.pointer("/detail/eventSource"), "bedrock.amazonaws.com")
            && field_matches(self.pattern.pointer("/detail/eventName"), event_name)
            && self
                .pattern
                .pointer("/detail/readOnly")
                .is_none_or(|wanted| wanted.as_array().is_some_and(|all| all.contains(&Value::Bool(true))))
    }
}

/// Whether a value matches a field of a pattern. An unknown operator matches nothing.
fn field_matches(wanted: Option<&Value>, value: &str) -> bool {
    let Some(wanted) = wanted else { return true };
    let texts = |value: &Value| -> Vec<String> {
        let of = |value: &Value| value.as_str().map(str::to_owned);
        value.as_array().map_or_else(|| of(value).into_iter().collect(), |all| all.iter().filter_map(of).collect())
    };
    wanted.as_array().into_iter().flatten().any(|alternative| match alternative {
        Value::String(text) => text == value,
        Value::Object(operator) => operator.iter().all(|(name, operand)| match name.as_str() {
            "prefix" => texts(operand).iter().any(|text| value.starts_with(text.as_str())),
            "suffix" => texts(operand).iter().any(|text| value.ends_with(text.as_str())),
            "anything-but" if !operand.is_object() => !texts(operand).iter().any(|text| text == value),
            "exists" => operand.as_bool() == Some(true),
            _ => false,
        }),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const STATION: Station<'_> = Station { account: "222233334444", region: "us-east-1" };

    fn statuses(checks: &[Check]) -> Vec<(&'static str, Status)> {
        checks.iter().map(|check| (check.check, check.status)).collect()
    }

    fn rule(state: &str, pattern: Value) -> RuleSeen {
        RuleSeen { name: "r".to_owned(), state: state.to_owned(), pattern, targets: Some(1) }
    }

    #[test]
    fn without_a_running_trail_nothing_is_seen() {
        let none = STATION.trails(&json!({"trailList": []}), &json!([{"loggingConfig": {}}]));
        assert_eq!(none[0].status, Status::Fail);
        assert!(none.iter().all(|check| check.status != Status::Ok && check.remedy.is_some()), "{none:?}");
        let stopped = STATION.trails(&json!({}), &json!([{"TrailARN": "t", "IsLogging": false}]));
        assert_eq!(stopped[0].saw, "1 trails, none of them is logging");
    }

    #[test]
    fn what_was_seen_of_trails_and_logging_is_said() {
        let trail = |arn: &str, is_logging: bool| json!({"TrailARN": arn, "IsLogging": is_logging});
        let logging = |config: Value| json!([{ "loggingConfig": config }]);
        let scope = |all: bool, organization: bool| json!({"IsMultiRegionTrail": all, "IsOrganizationTrail": organization});
        let bucket = json!({"bucketName": "b"});
        let (none, one, two) =
            (json!({}), json!({"trailList": [scope(false, false)]}), json!({"trailList": [scope(true, true), scope(true, false)]}));
        for (check, described, telemetry, status, saw) in [
            ("trail", &none, logging(json!({})), Status::Fail, "no trail"),
            ("trail", &none, json!([trail("t", true), trail("u", false)]), Status::Ok, "1 of 2 trails are logging"),
            ("trail", &none, json!([trail("t", false), trail("u", false)]), Status::Fail, "2 trails, none of them is logging"),
            ("trail-scope", &one, json!([trail("t", true)]), Status::Warn, "0 of 1 record all Regions, 0 are of an organization"),
            ("trail-scope", &two, json!([trail("t", true)]), Status::Ok, "2 of 2 record all Regions, 1 are of an organization"),
            ("invocation-logging", &none, logging(json!({})), Status::Warn, "model invocation logging is off"),
            ("invocation-logging", &none, logging(json!({"s3Config": bucket})), Status::Ok, "model invocation logging is on"),
            (
                "invocation-logging",
                &none,
                logging(json!({"s3Config": bucket, "textDataDeliveryEnabled": false})),
                Status::Warn,
                "model invocation logging is on and delivers no texts, so no traces",
            ),
            (
                "invocation-logging",
                &none,
                json!([trail("t", true)]),
                Status::Unknown,
                "the configuration of model invocation logging was not read",
            ),
        ] {
            let checks = STATION.trails(described, &telemetry);
            let found = checks.iter().find(|one| one.check == check).map(|one| (one.status, one.saw.as_str()));
            assert_eq!(found, Some((status, saw)), "{check} of {described} and {telemetry}");
        }
    }

    #[test]
    fn each_selector_is_looked_for() {
        let of = |kind: &str| json!({"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": [kind]}]});
        let management = json!({"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]});
        let trail = json!([{"TrailARN": "t", "IsLogging": true, "loggingConfig": {"s3Config": {"bucketName": "b"}},
            "AdvancedEventSelectors": [management, of("AWS::Bedrock::Guardrail"), of("AWS::BedrockMantle::Project")]}]);
        let described = json!({"trailList": [{"IsMultiRegionTrail": true, "IsOrganizationTrail": false}]});
        let checks = STATION.trails(&described, &trail);
        let ok: Vec<_> = checks.iter().filter(|check| check.status == Status::Ok).map(|check| check.check).collect();
        assert_eq!(ok, ["trail", "trail-scope", "read-events", "selector-guardrail", "selector-mantle", "invocation-logging"]);
        let write_only = json!([{"TrailARN": "t", "IsLogging": true, "EventSelectors": [{"ReadWriteType": "WriteOnly"}]}]);
        let checks = STATION.trails(&described, &write_only);
        let read = checks.iter().find(|check| check.check == "read-events").unwrap();
        assert_eq!(read.status, Status::Fail, "calls are read-only events: {}", read.saw);
    }

    #[test]
    fn a_rule_needs_the_state_the_calls_and_a_target() {
        let calls = json!({"source": ["aws.bedrock"], "detail": {"eventName": CALLS}});
        let good = rule(ALL_EVENTS, calls.clone());
        assert_eq!(statuses(&STATION.rules(std::slice::from_ref(&good))), [("rule", Status::Ok), ("rule-target", Status::Ok)]);
        assert_eq!(STATION.rules(&[rule("ENABLED", calls.clone())])[0].status, Status::Fail, "read-only events don't reach it");
        assert_eq!(STATION.rules(&[rule("ENABLED", calls), good.clone()])[0].status, Status::Ok, "one is enough");
        assert_eq!(statuses(&STATION.rules(&[RuleSeen { targets: Some(0), ..good.clone() }]))[1].1, Status::Fail);
        assert_eq!(statuses(&STATION.rules(&[RuleSeen { targets: None, ..good }]))[1].1, Status::Unknown);
        let partly = STATION.rules(&[rule(ALL_EVENTS, json!({"detail": {"eventName": ["Converse"]}}))]);
        assert!(partly[0].status == Status::Fail && partly[0].saw.contains("some of them: r"), "{partly:?}");
        assert_eq!(STATION.rules(&[])[0].status, Status::Fail);
    }

    #[test]
    fn patterns_are_understood_as_far_as_they_go() {
        let matches = |pattern: Value| rule(ALL_EVENTS, pattern).matches("Converse");
        assert!(matches(json!({"source": [{"prefix": "aws."}]})));
        assert!(matches(json!({"detail": {"eventName": [{"anything-but": ["InvokeModel"]}]}})));
        assert!(!matches(json!({"detail": {"eventName": [{"anything-but": "Converse"}]}})));
        assert!(!matches(json!({"detail": {"eventName": [{"wildcard": "Con*"}]}})), "what isn't understood passes nothing");
        assert!(!matches(json!({"detail": {"readOnly": [false]}})));
        assert!(!matches(json!({"source": ["aws.s3"]})));
        assert!(!matches(Value::Null));
    }

    #[test]
    fn a_heartbeat_must_be_recent() {
        let time = |text: &str| Timestamp::parse(text).unwrap();
        let seen = |last: Option<&str>| {
            let now = time("2026-11-20T12:00:00Z");
            let heartbeat = Heartbeat {
                check: "heartbeat",
                seen_in: "event history",
                last: last.map(time),
                since: time("2026-11-19"),
                now,
                minutes: 60,
            };
            STATION.heartbeat(&heartbeat).status
        };
        assert_eq!(seen(Some("2026-11-20T10:30:00Z")), Status::Ok);
        assert_eq!(seen(Some("2026-11-20T09:00:00Z")), Status::Fail);
        assert_eq!(seen(None), Status::Fail);
    }
}
