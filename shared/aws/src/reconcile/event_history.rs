//! CloudTrail's event history: what accounts report is compared with what the hub reads there itself.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    cloudtrail::EVENT_HISTORY_SECONDS,
    facts::{Collector, EvidenceRows, Taken},
    timestamp::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CrossAccountReader, Reconciler};
use crate::{
    bucket::Bucket,
    clock::{hour_of, start_of},
    error::{self, CallError, ErrorKind},
    fact::{Content, Fact, GapFact, HistoryRead},
    partition::{AccountRegion, Partition, Source},
    queue::Queue,
    trail::facts_in,
};

/// Seconds of event history that are read where none was read before.
const HISTORY_BEGINS: i64 = 6 * 60 * 60;

/// The time up to which event history was read.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) read_until: Timestamp,
}

impl<E: CrossAccountReader, B: Bucket, Q: Queue> Reconciler<E, B, Q> {
    /// Writes what event history holds since it was last read as facts of the hub, and reports what the account didn't. Returns how
    /// much was read; `None` if reading is refused.
    pub(super) async fn history(&self, account_region: &AccountRegion) -> Result<Option<HistoryRead>, CallError> {
        let cursor_key = format!("state/history/{}/{}.json", account_region.account, account_region.region);
        let now = self.clock.now();
        let cursor = self.world.bucket().get(&cursor_key).await?.and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
        let since = cursor.map_or(now.plus_seconds(-HISTORY_BEGINS), |cursor| cursor.read_until);
        let (records, complete) = match self.reader.history(account_region, since).await {
            Ok(read) => read,
            Err(error) if error.kind == ErrorKind::Retryable => return Err(error),
            Err(error) => {
                error::warn("event history can't be read", &error);
                return Ok(None);
            }
        };
        let mut collector = Collector::new(&self.wanted);
        let unreadable = records.iter().filter(|record| matches!(collector.value(record.as_bytes()), Taken::Unreadable(_))).count() as u64;
        let facts = collector.into_facts();
        self.report_gap(account_region, &facts, now).await?;
        for fact in facts_in(&facts) {
            self.observations.put(&fact).await?;
        }
        for heartbeat in records.iter().filter_map(|record| self.heartbeat_in(record, account_region)) {
            self.put_heartbeat(account_region, heartbeat).await?;
        }
        self.metrics.emit(&[
            ("history_records", records.len() as u64),
            ("history_unreadable", unreadable),
            ("history_incomplete", u64::from(!complete)),
        ]);
        // The lag is read again next time, which gives the same items. If there was too much to read, the older events are left to the
        // organization's trail, and a blind spot is reported.
        let cursor = Cursor { read_until: now.plus_seconds(-EVENT_HISTORY_SECONDS) };
        self.world.bucket().put(&cursor_key, json!(cursor).to_string().into_bytes()).await?;
        Ok(Some(if complete { HistoryRead::Complete } else { HistoryRead::Truncated }))
    }

    /// Reports calls and changes that are old enough to have been reported, and weren't.
    async fn report_gap(&self, account_region: &AccountRegion, seen: &EvidenceRows, now: Timestamp) -> Result<(), CallError> {
        let due = now.plus_seconds(-EVENT_HISTORY_SECONDS);
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
            let partition = Partition { source: Source::Account, account_region: account_region.clone(), hour: Some(hour) };
            let mut reported = EvidenceRows::default();
            for read in self.observations.query(&partition, None).await? {
                match read.fact.map(|fact| fact.content) {
                    Ok(Content::Calls(bytes)) => {
                        // Packed calls that can't be parsed report nothing.
                        let _ = reported.unpack(&account_region.account, &account_region.region, Some(hour), &bytes, true);
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
                self.observations.put(&Fact::new(Source::Hub, account_region.clone(), Some(time), Content::Gap(gap))).await?;
            }
        }
        Ok(())
    }
}
