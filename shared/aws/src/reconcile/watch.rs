//! What accounts report, held against what the hub sees for itself: CloudTrail's event history, and heartbeats that stay out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use audit_core::{
    facts::{Collector, Facts, StoredRecord, Taken},
    moment::Moment,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Eyes, Reconciler};
use crate::{
    bucket::Bucket,
    clock::{hour_of, start_of},
    edge,
    error::{CallError, ErrorKind},
    fact::{Content, Fact, GapFact, HeartbeatFact, HistoryRead},
    invocations::{HEARTBEAT_MODEL, heartbeat_in},
    place::{Partition, Place, Source},
    queue::Queue,
    trail::facts_in,
};

/// Seconds that an event takes at most to show in event history (docs/aws/delivery.md#lookupevents).
const HISTORY_LAG: i64 = 20 * 60;

/// Without anything known before, history is read from so many seconds ago.
const HISTORY_BEGINS: i64 = 6 * 60 * 60;

/// So many heartbeats are looked for in event history, one by one. Of an account that reports none but its own, the first is there.
const LOOKED_FOR: usize = 8;

/// How far something was read.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cursor {
    read_until: Moment,
}

impl<E: Eyes, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    /// What CloudTrail's event history holds since it was last read, as the hub's own facts; and what of it the account never reported.
    /// Answers with how much was read; `None` if it may not be.
    pub(super) async fn history(&self, place: &Place) -> Result<Option<HistoryRead>, CallError> {
        let cursor_key = format!("state/history/{}/{}.json", place.account, place.region);
        let now = self.clock.now();
        let cursor = self.world.bucket().get(&cursor_key).await?.and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
        let since = cursor.map_or(now.plus_seconds(-HISTORY_BEGINS), |cursor| cursor.read_until);
        let (records, complete) = match self.eyes.history(place, since).await {
            Ok(read) => read,
            Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
            Err(error) => {
                edge::warn("event history can't be read", &error);
                return Ok(None);
            }
        };
        let mut collector = Collector::new(&self.wanted);
        let unreadable = records.iter().filter(|record| matches!(collector.value(record.as_bytes()), Taken::Unreadable(_))).count() as u64;
        let facts = collector.into_facts();
        self.report_gap(place, &facts, now).await?;
        for fact in facts_in(&facts) {
            self.observations.put(&fact).await?;
        }
        for heartbeat in records.iter().filter_map(|record| self.heartbeat_in(record, place)) {
            self.put_heartbeat(place, heartbeat).await?;
        }
        self.metrics.emit(&[
            ("history_records", records.len() as u64),
            ("history_unreadable", unreadable),
            ("history_incomplete", u64::from(!complete)),
        ]);
        // What lags behind is read again next time: the same facts are the same items. Of too much, the newest was read; the rest is
        // the trail's to tell, and is said not to be seen.
        let cursor = Cursor { read_until: now.plus_seconds(-HISTORY_LAG) };
        self.world.bucket().put(&cursor_key, json!(cursor).to_string().into_bytes()).await?;
        Ok(Some(if complete { HistoryRead::Whole } else { HistoryRead::Cut }))
    }

    /// Calls and changes that happened long enough ago, and that the account's own auditor never reported.
    async fn report_gap(&self, place: &Place, seen: &Facts, now: Moment) -> Result<(), CallError> {
        let due = now.plus_seconds(-HISTORY_LAG);
        let mut missing: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for record in seen.stored_records().filter(|record| record.kind == "call") {
            if let Some(time) = record.event_time.filter(|time| *time < due) {
                missing.entry(hour_of(time)).or_default().insert(format!("call {}", record.request_id));
            }
        }
        for (key, change) in seen.changes() {
            if key.time < due {
                missing.entry(hour_of(key.time)).or_default().insert(format!("{} {}", change.operation, key.event_id));
            }
        }
        for (hour, mut missing) in missing {
            let partition = Partition { source: Source::Account, place: place.clone(), hour: Some(hour) };
            let mut reported = Facts::default();
            for read in self.observations.query(&partition, None).await? {
                match read.fact.map(|fact| fact.content) {
                    Ok(Content::Calls(bytes)) => {
                        // One that can't be read reports nothing.
                        let _ = reported.unpack(&place.account, &place.region, Some(hour), &bytes, true);
                    }
                    Ok(Content::Change(change)) => {
                        missing.remove(&format!("{} {}", change.change.operation, change.event_id));
                    }
                    _ => {}
                }
            }
            for record in reported.stored_records() {
                missing.remove(&format!("call {}", record.request_id));
            }
            if let Some(first) = missing.first() {
                let count = missing.len() as u64;
                let detail = format!(
                    "CloudTrail's event history shows {count} calls and changes that the account's auditor never reported; the first: {first}"
                );
                let time = start_of(hour);
                let gap = GapFact { missing: "reports".to_owned(), time, detail, count };
                self.observations.put(&Fact::new(Source::Hub, place.clone(), Some(time), Content::Gap(gap))).await?;
            }
        }
        Ok(())
    }

    /// Whether the heartbeat came through lately, where one is due.
    pub(super) async fn heartbeat(&self, place: &Place) -> Result<(), CallError> {
        let minutes = self.settings.heartbeat_minutes;
        if minutes == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let due_since = now.plus_seconds(-2 * minutes * 60 - HISTORY_LAG);
        let known_key = format!("state/watched/{}/{}.json", place.account, place.region);
        let watched = self.world.bucket().get(&known_key).await?.and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
        let Some(watched) = watched else {
            // None is due yet from what is watched only from now on.
            return self.world.bucket().put(&known_key, json!(Cursor { read_until: now }).to_string().into_bytes()).await;
        };
        if watched.read_until > due_since {
            return Ok(());
        }
        let reported = self.heartbeats(place, Source::Account, due_since, now).await?;
        if self.is_proven(place, &reported, due_since, now).await? {
            return Ok(());
        }
        let time = start_of(hour_of(now));
        let detail = if reported.is_empty() {
            format!("no heartbeat came through since {due_since}: what happens here isn't seen")
        } else {
            format!("none of the heartbeats that the account reported since {due_since} is in event history: what happens here isn't seen")
        };
        let gap = GapFact { missing: "heartbeat".to_owned(), time, detail, count: 1 };
        // What the alarm about silent accounts looks at.
        self.metrics.emit(&[("silent", 1)]);
        self.observations.put(&Fact::new(Source::Hub, place.clone(), Some(time), Content::Gap(gap))).await.map(|_| ())
    }

    /// The heartbeats that are known from the account, or that the hub read itself: their times by their events. None is later than now:
    /// what is still to come proves nothing.
    async fn heartbeats(&self, place: &Place, source: Source, since: Moment, now: Moment) -> Result<BTreeMap<String, Moment>, CallError> {
        let mut heartbeats = BTreeMap::new();
        for hour in hour_of(since)..=hour_of(now) {
            let partition = Partition { source, place: place.clone(), hour: Some(hour) };
            for read in self.observations.query(&partition, Some("heartbeat#")).await? {
                if let Ok(Fact { content: Content::Heartbeat(heartbeat), .. }) = read.fact
                    && (since..=now).contains(&heartbeat.time)
                {
                    heartbeats.insert(heartbeat.event_id, heartbeat.time);
                }
            }
        }
        Ok(heartbeats)
    }

    /// Whether the hub itself saw the call behind one of these heartbeats: what only the account says of its own life proves nothing.
    async fn is_proven(&self, place: &Place, reported: &BTreeMap<String, Moment>, since: Moment, now: Moment) -> Result<bool, CallError> {
        if reported.is_empty() {
            return Ok(false);
        }
        let seen = self.heartbeats(place, Source::Hub, since, now).await?;
        if reported.keys().any(|event_id| seen.contains_key(event_id)) || self.is_in_the_trail(place, reported).await? {
            return Ok(true);
        }
        // Event history may have been cut before them. Those that it must show by now are asked for first, the latest before the others.
        let mut candidates: Vec<(&String, &Moment)> = reported.iter().collect();
        candidates.sort_by_key(|(event_id, time)| (**time > now.plus_seconds(-HISTORY_LAG), Reverse(**time), *event_id));
        for (event_id, _) in candidates.into_iter().take(LOOKED_FOR) {
            let record = match self.eyes.event(place, event_id).await {
                Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
                Err(error) => {
                    edge::warn("event history can't be asked for a heartbeat", &error);
                    return Ok(false);
                }
                Ok(record) => record,
            };
            if let Some(heartbeat) = record.and_then(|record| self.heartbeat_in(&record, place)).filter(|found| found.event_id == *event_id)
            {
                self.put_heartbeat(place, heartbeat).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the organization's trail, as the hub read it, holds the call behind one of these heartbeats.
    async fn is_in_the_trail(&self, place: &Place, reported: &BTreeMap<String, Moment>) -> Result<bool, CallError> {
        for hour in reported.values().map(|time| hour_of(*time)).collect::<BTreeSet<i64>>() {
            let partition = Partition { source: Source::Hub, place: place.clone(), hour: Some(hour) };
            let mut facts = Facts::default();
            for read in self.observations.query(&partition, Some("calls#")).await? {
                if let Ok(Fact { content: Content::Calls(bytes), .. }) = read.fact {
                    // One that can't be read proves nothing.
                    let _ = facts.unpack(&place.account, &place.region, Some(hour), &bytes, false);
                }
            }
            let is_heartbeat = |record: &StoredRecord<'_>| {
                let role = record.principal.split(' ').next().and_then(|principal| principal.rsplit('/').next());
                role == Some(self.settings.heartbeat_role.as_str()) && record.subject == HEARTBEAT_MODEL && !record.error_code.is_empty()
            };
            if facts.stored_records().any(|record| is_heartbeat(&record) && reported.contains_key(&record.event_id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The heartbeat of a place that a record of event history is, if it is one.
    fn heartbeat_in(&self, record: &str, place: &Place) -> Option<HeartbeatFact> {
        let fact = heartbeat_in(record, &self.settings.heartbeat_role).filter(|fact| fact.partition.place == *place)?;
        if let Content::Heartbeat(heartbeat) = fact.content { Some(heartbeat) } else { None }
    }

    async fn put_heartbeat(&self, place: &Place, heartbeat: HeartbeatFact) -> Result<(), CallError> {
        let fact = Fact::new(Source::Hub, place.clone(), Some(heartbeat.time), Content::Heartbeat(heartbeat));
        self.observations.put(&fact).await.map(|_| ())
    }
}
