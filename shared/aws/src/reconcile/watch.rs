//! What accounts report, held against what the hub sees for itself: CloudTrail's event history, and heartbeats that stay out.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    facts::{Collector, Facts, Taken},
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
    fact::{Content, Fact, GapFact},
    place::{Partition, Place, Source},
    queue::Queue,
    trail::facts_in,
};

/// Event history lags behind by up to so many seconds (facts/05 §1).
const HISTORY_LAG: i64 = 20 * 60;

/// Without anything known before, history is read from so many seconds ago.
const HISTORY_BEGINS: i64 = 6 * 60 * 60;

/// How far something was read.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cursor {
    read_until: Moment,
}

impl<E: Eyes, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    /// What CloudTrail's event history holds since it was last read, as the hub's own facts; and what of it the account never reported.
    pub(super) async fn history(&self, place: &Place) -> Result<(), CallError> {
        let cursor_key = format!("state/history/{}/{}.json", place.account, place.region);
        let now = self.clock.now();
        let cursor = self.world.bucket().get(&cursor_key).await?.and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
        let since = cursor.map_or(now.plus_seconds(-HISTORY_BEGINS), |cursor| cursor.read_until);
        let (records, complete) = match self.eyes.history(place, since).await {
            Ok(read) => read,
            Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
            Err(error) => {
                edge::warn("event history can't be read", &error);
                return Ok(());
            }
        };
        let mut collector = Collector::new(&self.wanted);
        let unreadable = records.iter().filter(|record| matches!(collector.value(record.as_bytes()), Taken::Unreadable(_))).count() as u64;
        let facts = collector.into_facts();
        self.report_gap(place, &facts, now).await?;
        for fact in facts_in(&facts) {
            self.observations.put(&fact).await?;
        }
        self.metrics.emit(&[
            ("history_records", records.len() as u64),
            ("history_unreadable", unreadable),
            ("history_incomplete", u64::from(!complete)),
        ]);
        // What lags behind is read again next time: the same facts are the same items. Of too much, the newest was read; the rest is
        // the trail's to tell.
        let cursor = Cursor { read_until: now.plus_seconds(-HISTORY_LAG) };
        self.world.bucket().put(&cursor_key, json!(cursor).to_string().into_bytes()).await
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
        for hour in hour_of(due_since)..=hour_of(now) {
            let partition = Partition { source: Source::Account, place: place.clone(), hour: Some(hour) };
            let heartbeats = self.observations.query(&partition, Some("heartbeat#")).await?;
            let recent = |content: Content| matches!(content, Content::Heartbeat(heartbeat) if heartbeat.time >= due_since);
            if heartbeats.into_iter().filter_map(|read| read.fact.ok()).any(|fact| recent(fact.content)) {
                return Ok(());
            }
        }
        let time = start_of(hour_of(now));
        let detail = format!("no heartbeat came through since {due_since}: what happens here isn't seen");
        let gap = GapFact { missing: "heartbeat".to_owned(), time, detail, count: 1 };
        // What the alarm about silent accounts looks at.
        self.metrics.emit(&[("silent", 1)]);
        self.observations.put(&Fact::new(Source::Hub, place.clone(), Some(time), Content::Gap(gap))).await.map(|_| ())
    }
}
