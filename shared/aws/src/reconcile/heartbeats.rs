//! Heartbeats: whether the call that each auditor makes on a schedule comes through to the hub.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use audit_core::{
    facts::{Facts, StoredRecord},
    moment::Moment,
};
use serde_json::json;

use super::{
    CrossAccountReader, Reconciler,
    event_history::{Cursor, HISTORY_LAG},
};
use crate::{
    bucket::Bucket,
    clock::{hour_of, start_of},
    error::{self, CallError, ErrorKind},
    fact::{Content, Fact, GapFact, HeartbeatFact},
    invocations::{HEARTBEAT_MODEL, heartbeat_in},
    place::{Partition, Place, Source},
    queue::Queue,
};

/// So many heartbeats are looked for in event history, one by one. Of an account that reports none but its own, the first is there.
const LOOKED_FOR: usize = 8;

impl<E: CrossAccountReader, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
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
            let record = match self.reader.event(place, event_id).await {
                Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
                Err(error) => {
                    error::warn("event history can't be asked for a heartbeat", &error);
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
    pub(super) fn heartbeat_in(&self, record: &str, place: &Place) -> Option<HeartbeatFact> {
        let fact = heartbeat_in(record, &self.settings.heartbeat_role).filter(|fact| fact.partition.place == *place)?;
        if let Content::Heartbeat(heartbeat) = fact.content { Some(heartbeat) } else { None }
    }

    pub(super) async fn put_heartbeat(&self, place: &Place, heartbeat: HeartbeatFact) -> Result<(), CallError> {
        let fact = Fact::new(Source::Hub, place.clone(), Some(heartbeat.time), Content::Heartbeat(heartbeat));
        self.observations.put(&fact).await.map(|_| ())
    }
}
