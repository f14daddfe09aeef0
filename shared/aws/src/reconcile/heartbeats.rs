//! Heartbeats: whether the call that each auditor makes on a schedule comes through to the hub.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use audit_core::{
    cloudtrail::EVENT_HISTORY_SECONDS,
    facts::{EvidenceRows, StoredRecord},
    timestamp::Timestamp,
};
use serde_json::json;

use super::{CrossAccountReader, Reconciler, event_history::Cursor};
use crate::{
    bucket::Bucket,
    clock::{hour_of, start_of},
    error::{self, CallError, ErrorKind},
    fact::{Content, Fact, GapFact, HeartbeatFact},
    invocations::{HEARTBEAT_MODEL, heartbeat_in},
    partition::{AccountRegion, Partition, Source},
    queue::Queue,
};

/// The most heartbeats that are looked up one by one. Of an honest account, the first one is found; the others are for accounts that forged
/// some.
const LOOKED_FOR: usize = 8;

impl<E: CrossAccountReader, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    /// Reports a gap if heartbeats are due and none came through lately.
    pub(super) async fn heartbeat(&self, account_region: &AccountRegion) -> Result<(), CallError> {
        let minutes = self.settings.heartbeat_minutes;
        if minutes == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let due_since = now.plus_seconds(-2 * minutes * 60 - EVENT_HISTORY_SECONDS);
        let known_key = format!("state/watched/{}/{}.json", account_region.account, account_region.region);
        let watched = self.world.bucket().get(&known_key).await?.and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
        let Some(watched) = watched else {
            // The first read of an account and Region: no heartbeat is due yet.
            return self.world.bucket().put(&known_key, json!(Cursor { read_until: now }).to_string().into_bytes()).await;
        };
        if watched.read_until > due_since {
            return Ok(());
        }
        let reported = self.heartbeats(account_region, Source::Account, due_since, now).await?;
        if self.is_proven(account_region, &reported, due_since, now).await? {
            return Ok(());
        }
        let time = start_of(hour_of(now));
        let detail = if reported.is_empty() {
            format!("no heartbeat came through since {due_since}: what happens here isn't seen")
        } else {
            format!("none of the heartbeats that the account reported since {due_since} is in event history: what happens here isn't seen")
        };
        let gap = GapFact { missing: "heartbeat".to_owned(), time, detail, count: 1 };
        // The metric that the alarm `silent-account` watches.
        self.metrics.emit(&[("silent", 1)]);
        self.observations.put(&Fact::new(Source::Hub, account_region.clone(), Some(time), Content::Gap(gap))).await.map(|_| ())
    }

    /// The times of heartbeats since a time, by event id, from the partitions of the account or of the hub. Those later than now don't
    /// count.
    async fn heartbeats(
        &self,
        account_region: &AccountRegion,
        source: Source,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<BTreeMap<String, Timestamp>, CallError> {
        let mut heartbeats = BTreeMap::new();
        for hour in hour_of(since)..=hour_of(now) {
            let partition = Partition { source, account_region: account_region.clone(), hour: Some(hour) };
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

    /// Whether the hub itself saw the call of one of these heartbeats. The account's own word proves nothing.
    async fn is_proven(
        &self,
        account_region: &AccountRegion,
        reported: &BTreeMap<String, Timestamp>,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        if reported.is_empty() {
            return Ok(false);
        }
        let seen = self.heartbeats(account_region, Source::Hub, since, now).await?;
        if reported.keys().any(|event_id| seen.contains_key(event_id)) || self.is_in_the_trail(account_region, reported).await? {
            return Ok(true);
        }
        // Event history may have been truncated before them. Heartbeats that must be in it by now are looked up first, the latest of them
        // before the others.
        let mut candidates: Vec<(&String, &Timestamp)> = reported.iter().collect();
        candidates.sort_by_key(|(event_id, time)| (**time > now.plus_seconds(-EVENT_HISTORY_SECONDS), Reverse(**time), *event_id));
        for (event_id, _) in candidates.into_iter().take(LOOKED_FOR) {
            let record = match self.reader.event(account_region, event_id).await {
                Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
                Err(error) => {
                    error::warn("a heartbeat can't be looked up in event history", &error);
                    return Ok(false);
                }
                Ok(record) => record,
            };
            if let Some(heartbeat) =
                record.and_then(|record| self.heartbeat_in(&record, account_region)).filter(|found| found.event_id == *event_id)
            {
                self.put_heartbeat(account_region, heartbeat).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the hub read the call of one of these heartbeats in the organization's trail.
    async fn is_in_the_trail(&self, account_region: &AccountRegion, reported: &BTreeMap<String, Timestamp>) -> Result<bool, CallError> {
        for hour in reported.values().map(|time| hour_of(*time)).collect::<BTreeSet<i64>>() {
            let partition = Partition { source: Source::Hub, account_region: account_region.clone(), hour: Some(hour) };
            let mut facts = EvidenceRows::default();
            for read in self.observations.query(&partition, Some("calls#")).await? {
                if let Ok(Fact { content: Content::Calls(bytes), .. }) = read.fact {
                    // Packed calls that can't be parsed prove nothing.
                    let _ = facts.unpack(&account_region.account, &account_region.region, Some(hour), &bytes, false);
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

    /// The heartbeat in a record of event history, if it belongs to this account and Region.
    pub(super) fn heartbeat_in(&self, record: &str, account_region: &AccountRegion) -> Option<HeartbeatFact> {
        let fact = heartbeat_in(record, &self.settings.heartbeat_role).filter(|fact| fact.partition.account_region == *account_region)?;
        if let Content::Heartbeat(heartbeat) = fact.content { Some(heartbeat) } else { None }
    }

    pub(super) async fn put_heartbeat(&self, account_region: &AccountRegion, heartbeat: HeartbeatFact) -> Result<(), CallError> {
        let fact = Fact::new(Source::Hub, account_region.clone(), Some(heartbeat.time), Content::Heartbeat(heartbeat));
        self.observations.put(&fact).await.map(|_| ())
    }
}
