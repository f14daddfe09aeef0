//! Events of EventBridge: one for each change of a finding, on the default event bus of the hub's account, where a team's own rules send
//! them to its tickets and chats.
//!
//! Alerts are for people: they leave out what isn't urgent, and are published once. Events are for programs: every change is one, whatever
//! its severity, and copies are possible, because the stream delivers its records at least once. Copies have the same id.

use std::{sync::Arc, time::Instant};

use audit_core::{finding::Finding, report::v1, timestamp::Timestamp};
use aws_sdk_eventbridge::{primitives::DateTime, types::PutEventsRequestEntry};
use serde_json::{Map, Value, json};

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind, chain, failed},
    findings::stored,
    stream::StreamRecord,
};

/// The `source` of the events. The function's role may put no other.
const SOURCE: &str = "guardrail-audit";

/// The `detail-type` of the events.
const DETAIL_TYPE: &str = "Guardrail Audit Finding";

/// Events in a request at most ([PutEvents](https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html)).
const MOST: usize = 10;

/// Bytes of the details in a request at most. EventBridge takes 256 KB, in which names and times count, too.
const LARGEST: usize = 240_000;

/// The change of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The sequence number of its record in the stream.
    pub sequence: String,
    /// When the finding was changed.
    pub time: Option<Timestamp>,
    /// The `detail` of the event, as JSON: the finding, and what it was before.
    pub detail: String,
}

/// The answer of EventBridge about one event of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// EventBridge has it.
    Accepted,
    /// A later attempt may succeed.
    Failed,
    /// No attempt would succeed.
    Refused,
}

/// Takes events.
pub trait Bus: Send + Sync {
    /// Puts events, at most ten of 240,000 bytes together, and returns what became of each.
    fn put(&self, events: &[Event]) -> impl Future<Output = Result<Vec<Answer>, CallError>> + Send;
}

/// The default event bus of the function's own account.
#[derive(Clone, Debug)]
pub struct EventBridge {
    aws: Arc<Aws>,
}

impl EventBridge {
    /// Puts events with this identity.
    #[must_use]
    pub fn new(aws: Arc<Aws>) -> Self {
        EventBridge { aws }
    }
}

impl Bus for EventBridge {
    async fn put(&self, events: &[Event]) -> Result<Vec<Answer>, CallError> {
        let entries = events.iter().map(|event| {
            let entry = PutEventsRequestEntry::builder().source(SOURCE).detail_type(DETAIL_TYPE).detail(&event.detail);
            entry.set_time(event.time.map(|time| DateTime::from_millis(time.as_micros() / 1000))).build()
        });
        let request = self.aws.eventbridge().put_events().set_entries(Some(entries.collect()));
        let response = request.send().await.map_err(failed("put events"))?;
        let answer = |code: Option<&str>| match code {
            None => Answer::Accepted,
            Some("InternalException" | "InternalFailure" | "ThrottlingException") => Answer::Failed,
            Some(_) => Answer::Refused,
        };
        Ok(response.entries().iter().map(|entry| answer(entry.error_code())).collect())
    }
}

/// Puts an event for each record that changes a finding, as far as that can be begun before it is `enough`. Returns the sequence number of the
/// first record whose event has to be put again.
pub(super) async fn put_all<B: Bus>(bus: &B, records: &[StreamRecord], enough: Instant) -> Option<String> {
    let events: Vec<Event> = records.iter().filter_map(event).collect();
    for (number, request) in requests(&events).into_iter().enumerate() {
        if number > 0 && Instant::now() >= enough {
            tracing::warn!("there is no time left to put all events of findings, and they come again");
            return request.first().map(|event| event.sequence.clone());
        }
        let answers = match bus.put(request).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::error!(error = chain(&error), "events of findings could not be put");
                // A request that is refused or denied would be so again, and must not hold up the alerts behind it. The findings are in the table.
                if matches!(error.kind, ErrorKind::Refused | ErrorKind::Denied) {
                    continue;
                }
                return request.first().map(|event| event.sequence.clone());
            }
        };
        // An event that the answer doesn't mention has not been accepted.
        for (event, answer) in request.iter().zip(answers.into_iter().chain(std::iter::repeat(Answer::Failed))) {
            match answer {
                Answer::Accepted => {}
                Answer::Failed => return Some(event.sequence.clone()),
                Answer::Refused => tracing::error!(sequence = event.sequence, "EventBridge refused the event of a finding"),
            }
        }
    }
    None
}

/// Cuts events into requests of at most [`MOST`] events and [`LARGEST`] bytes.
fn requests(mut events: &[Event]) -> Vec<&[Event]> {
    let mut requests = Vec::new();
    while !events.is_empty() {
        let mut bytes = 0;
        let fits = |event: &&Event| {
            bytes += event.detail.len();
            bytes <= LARGEST
        };
        let count = events.iter().take(MOST).take_while(fits).count().max(1);
        let (request, rest) = events.split_at(count);
        requests.push(request);
        events = rest;
    }
    requests
}

/// The event for a record of the stream; `None` if it changes no finding.
fn event(record: &StreamRecord) -> Option<Event> {
    let finding_in = |item| stored(item).ok().map(|stored| stored.finding);
    if !record.pk().starts_with("FINDINGS#") {
        return None;
    }
    let (before, after) = (finding_in(&record.old), finding_in(&record.new));
    let change = match (&before, &after) {
        (None, Some(_)) => "created",
        (Some(before), Some(after)) if before != after => "updated",
        (Some(_), None) if record.new.is_empty() => "removed",
        _ => return None,
    };
    let finding = after.as_ref().or(before.as_ref())?;
    // The sequence number distinguishes two changes to the same state, and is the same for each delivery of one.
    let id = crate::fact::digest(format!("{}\n{}", finding.id, record.sequence).as_bytes());
    let detail = detail(&id, change, before.as_ref(), finding)?;
    Some(Event { sequence: record.sequence.clone(), time: record.time, detail })
}

fn detail(id: &str, change: &str, before: Option<&Finding>, finding: &Finding) -> Option<String> {
    let before = before.map(|before| json!({"status": before.status.as_str(), "severity": before.severity.as_str()}));
    let Value::Object(mut shown) = serde_json::to_value(v1::findings([finding]).pop()?).ok()? else { return None };
    let mut left_out: Vec<String> = Vec::new();
    loop {
        let detail =
            json!({"schema_version": 1, "id": id, "change": change, "before": before, "finding": shown, "left_out": left_out}).to_string();
        let Some(largest) = largest_field(&shown).filter(|_| detail.len() > LARGEST) else { return Some(detail) };
        shown.remove(&largest);
        left_out.push(largest);
    }
}

/// The field that takes most of a finding.
fn largest_field(finding: &Map<String, Value>) -> Option<String> {
    finding.iter().max_by_key(|(_, value)| value.to_string().len()).map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use audit_core::{
        config::Configuration,
        finding::{FindingKey, Status},
        rules::TELEMETRY_GAP,
    };
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::observations::Item;

    fn finding(status: Status, detail: &str) -> Finding {
        let key = FindingKey {
            rule: TELEMETRY_GAP.id,
            account: "222233334444".into(),
            region: "us-east-1".into(),
            resource: "AWS::::Account:222233334444".to_owned(),
            discriminator: String::new(),
        };
        Finding { status, detail: detail.to_owned(), ..TELEMETRY_GAP.finding(key, &Configuration::default()) }
    }

    fn item(finding: Option<&Finding>) -> Item {
        let Some(finding) = finding else { return Item::new() };
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let json = serde_json::to_string(finding).unwrap();
        Item::from([("pk".to_owned(), text("FINDINGS#222233334444")), ("finding".to_owned(), text(&json))])
    }

    fn record(sequence: &str, old: Option<&Finding>, new: Option<&Finding>) -> StreamRecord {
        StreamRecord { sequence: sequence.to_owned(), old: item(old), new: item(new), ..StreamRecord::default() }
    }

    fn detail_of(record: &StreamRecord) -> Value {
        serde_json::from_str(&event(record).unwrap().detail).unwrap()
    }

    #[test]
    fn each_change_of_a_finding_is_an_event_and_nothing_else_is() {
        let (open, resolved) = (finding(Status::Open, "a"), finding(Status::Resolved, "a"));
        let created = detail_of(&record("1", None, Some(&open)));
        assert_eq!(
            (&created["change"], &created["before"], &created["finding"]["status"]),
            (&json!("created"), &Value::Null, &json!("OPEN"))
        );
        let updated = detail_of(&record("2", Some(&open), Some(&resolved)));
        assert_eq!((&updated["change"], &updated["before"]["status"]), (&json!("updated"), &json!("OPEN")));
        assert_eq!(updated["finding"]["status"], "RESOLVED");
        let removed = detail_of(&record("3", Some(&open), None));
        assert_eq!((&removed["change"], &removed["finding"]["id"]), (&json!("removed"), &json!(open.id)));
        assert_eq!(event(&record("4", Some(&open), Some(&open))), None, "only the item's other attributes were written");
        let mut other = record("5", None, Some(&open));
        other.new.insert("pk".to_owned(), AttributeValue::S("ALERT#1".to_owned()));
        assert_eq!(event(&other), None);
    }

    #[test]
    fn copies_of_an_event_have_one_id_and_two_changes_to_one_state_have_two() {
        let (open, resolved) = (finding(Status::Open, "a"), finding(Status::Resolved, "a"));
        let id = |sequence: &str| detail_of(&record(sequence, Some(&open), Some(&resolved)))["id"].clone();
        assert_eq!(id("7"), id("7"));
        assert_ne!(id("7"), id("8"));
    }

    #[test]
    fn what_is_too_large_for_an_event_is_left_out_and_named() {
        let large = finding(Status::Open, &"x".repeat(300_000));
        let event = event(&record("1", None, Some(&large))).unwrap();
        let detail: Value = serde_json::from_str(&event.detail).unwrap();
        assert!(event.detail.len() <= LARGEST, "{}", event.detail.len());
        assert_eq!((&detail["left_out"], &detail["finding"]["rule"]), (&json!(["detail"]), &json!("telemetry-gap")));
    }

    /// A bus that answers as told, and keeps how many events each request had.
    struct Told {
        answers: Mutex<Vec<Result<Answer, ErrorKind>>>,
        sizes: Mutex<Vec<usize>>,
    }

    impl Bus for Told {
        async fn put(&self, events: &[Event]) -> Result<Vec<Answer>, CallError> {
            self.sizes.lock().unwrap().push(events.len());
            let of_request = self.answers.lock().unwrap().drain(..events.len()).collect::<Result<_, _>>();
            of_request.map_err(|kind| CallError::new("put events", kind, "told so"))
        }
    }

    /// A bus that says nothing of any event.
    struct Silent;

    impl Bus for Silent {
        async fn put(&self, _: &[Event]) -> Result<Vec<Answer>, CallError> {
            Ok(Vec::new())
        }
    }

    fn later() -> Instant {
        Instant::now() + std::time::Duration::from_hours(1)
    }

    #[tokio::test]
    async fn what_there_is_no_time_for_comes_again() {
        let open = finding(Status::Open, "a");
        let records: Vec<StreamRecord> = (0..25).map(|number| record(&number.to_string(), None, Some(&open))).collect();
        let bus = Told { answers: Mutex::new(vec![Ok(Answer::Accepted); 25]), sizes: Mutex::default() };
        assert_eq!(put_all(&bus, &records, Instant::now()).await, Some("10".to_owned()));
        assert_eq!(bus.sizes.into_inner().unwrap(), [10], "the first request is always made");
    }

    async fn put(answers: Vec<Result<Answer, ErrorKind>>) -> (Option<String>, Vec<usize>) {
        let open = finding(Status::Open, "a");
        let records: Vec<StreamRecord> = (0..answers.len()).map(|number| record(&number.to_string(), None, Some(&open))).collect();
        let bus = Told { answers: Mutex::new(answers), sizes: Mutex::default() };
        let failed = put_all(&bus, &records, later()).await;
        (failed, bus.sizes.into_inner().unwrap())
    }

    #[tokio::test]
    async fn the_first_event_that_failed_comes_again_and_one_that_is_refused_does_not() {
        use Answer::{Accepted, Failed, Refused};
        assert_eq!(put(vec![Ok(Accepted); 25]).await, (None, vec![10, 10, 5]));
        let mut answers = vec![Ok(Accepted); 25];
        answers[3] = Ok(Refused);
        assert_eq!(put(answers.clone()).await, (None, vec![10, 10, 5]));
        answers[14] = Ok(Failed);
        assert_eq!(put(answers).await, (Some("14".to_owned()), vec![10, 10]));
        let record = record("5", None, Some(&finding(Status::Open, "a")));
        assert_eq!(put_all(&Silent, &[record], later()).await, Some("5".to_owned()), "no answer");
        assert_eq!(put(vec![Err(ErrorKind::Retryable); 3]).await, (Some("0".to_owned()), vec![3]));
        assert_eq!(put(vec![Err(ErrorKind::Refused); 3]).await, (None, vec![3]), "it would be refused for ever");
        assert_eq!(put(vec![Err(ErrorKind::Denied); 3]).await, (None, vec![3]), "no permission holds up no alert");
    }
}
