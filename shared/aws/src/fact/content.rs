//! The kinds of facts, and the content of each. The table holds content as JSON, so a field that is renamed here needs `serde(rename)`, or
//! stored facts can't be read.

use std::collections::BTreeMap;

use audit_core::{
    change::{Change, ChangeKey, WorldChange},
    timestamp::Timestamp,
};
use serde::{Deserialize, Serialize};

/// The kinds of fact. Each is named in the sort key ([`Content::kind`]).
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most facts that are held are changes, and none is held for long")]
pub enum Content {
    /// Calls, evaluations and invocation logs of an hour, packed (`audit_core::facts::packed`).
    Calls(Vec<u8>),
    /// A change in the control plane.
    Change(ChangeFact),
    /// The state of a resource, read after an event.
    State(StateFact),
    /// The heartbeat's refused call came back as an event: the auditor sees what happens.
    Heartbeat(HeartbeatFact),
    /// The hub read an account and Region. The fact makes the stream fold the account.
    Read(ReadFact),
    /// CloudTrail's digests vouch for all log files of a period.
    Verified(VerifiedFact),
    /// Evidence that the hub misses: something happened, or should have, that the account's auditor didn't report.
    Gap(GapFact),
}

/// A change, as a record of CloudTrail reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeFact {
    /// The record's event time.
    pub time: Timestamp,
    /// The record's event id, or a substitute where it has none.
    pub event_id: String,
    /// The change.
    pub change: Change,
}

/// The state of a resource at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateFact {
    /// The path of its snapshot in the world, without a time.
    pub path: String,
    /// The time from which the state holds: the event's time, or `updatedAt`.
    pub since: Timestamp,
    /// The time at which it was read.
    pub read_at: Timestamp,
    /// The answer of AWS, verbatim.
    pub json: String,
    /// The ids of the events after which this state was read. With more than one, the states after the earlier ones are not known.
    pub events: Vec<String>,
}

/// A heartbeat. In a partition of the hub, the hub has read the heartbeat's event itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatFact {
    /// The event time of its call.
    pub time: Timestamp,
    /// The event id of its call.
    pub event_id: String,
    /// The number of messages in each of the account's dead-letter queues that wasn't empty; `None` for a queue that couldn't be read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dead_letters: BTreeMap<String, Option<u64>>,
}

/// The hub read the state of an account and Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFact {
    /// The time of reading.
    pub time: Timestamp,
    /// The paths of snapshots that were written because an answer differs from the one before.
    pub changed: Vec<String>,
    /// Whether everything that the hub asked for could be read.
    #[serde(rename = "whole", default, skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
    /// How much of CloudTrail's event history was read; `None` if it wasn't asked for, or couldn't be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryRead>,
}

/// How much of CloudTrail's event history since the previous read was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HistoryRead {
    /// All events.
    #[serde(rename = "whole")]
    Complete,
    /// The newest events only: there were more than the hub reads at once.
    #[serde(rename = "cut")]
    Truncated,
}

/// The hub read all log files that CloudTrail delivered in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedFact {
    /// The start of the period.
    pub time: Timestamp,
    /// The end of the period.
    pub until: Timestamp,
    /// The number of log files.
    pub files: u64,
    /// The trail and its home Region, as the digest's key names them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trail: String,
    /// Whether its digest is the first of a chain: validation or logging had just been turned on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begins: bool,
}

/// Evidence that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapFact {
    /// What is missing: `heartbeat`, `reports`, `state` or `trail`.
    pub missing: String,
    /// The time at which it was noticed. For all but `state` it is the start of the hour, so that an hour has one such fact at most.
    pub time: Timestamp,
    /// What was found instead, for people.
    pub detail: String,
    /// The number of missing reports or broken files.
    pub count: u64,
}

/// Bytes of packed calls at most. DynamoDB allows items of 400 KB (docs/aws/prices-and-limits.md#dynamodb).
pub(super) const PACKET: usize = 390_000;
/// Bytes of any other fact at most.
pub(super) const CHANGE: usize = 64 * 1024;
/// Bytes of a state at most. A larger one isn't reported; the hub reads it itself.
pub const STATE: usize = 300 * 1024;

impl ChangeFact {
    /// A change that fits into an item: where it doesn't, the largest parameters are left out, and are not known.
    #[must_use]
    pub fn fitting(time: Timestamp, event_id: String, change: Change) -> Self {
        let mut fact = ChangeFact { time, event_id, change };
        while serde_json::to_vec(&fact).is_ok_and(|json| json.len() > CHANGE) && fact.change.leave_out_the_largest() {}
        fact
    }

    /// Whether the change may concern every account of the organization: a change of its tree or policies, or of a trail, which may be the
    /// organization's.
    #[must_use]
    pub fn is_of_organization(&self) -> bool {
        self.change.service == "organizations" || matches!(self.change.effect, Some(WorldChange::TelemetryChanged { .. }))
    }

    /// Identifies the change among those of the account that it was delivered to.
    #[must_use]
    pub fn key(&self, account: &str) -> ChangeKey {
        ChangeKey { time: self.time, event_id: self.event_id.clone(), account: account.to_owned() }
    }
}

impl Content {
    /// The first part of the sort key.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Content::Calls(_) => "calls",
            Content::Change(_) => "change",
            Content::State(_) => "state",
            Content::Heartbeat(_) => "heartbeat",
            Content::Read(_) => "read",
            Content::Gap(_) => "gap",
            Content::Verified(_) => "settled",
        }
    }

    /// The JSON of any fact but calls; `None` for calls.
    pub(crate) fn json(&self) -> Result<Option<String>, serde_json::Error> {
        match self {
            Content::Calls(_) => return Ok(None),
            Content::Change(fact) => serde_json::to_string(fact),
            Content::State(fact) => serde_json::to_string(fact),
            Content::Heartbeat(fact) => serde_json::to_string(fact),
            Content::Read(fact) => serde_json::to_string(fact),
            Content::Gap(fact) => serde_json::to_string(fact),
            Content::Verified(fact) => serde_json::to_string(fact),
        }
        .map(Some)
    }

    /// The fact of a kind in JSON; `None` for calls, and for kinds that this release doesn't know.
    pub(crate) fn of_json(kind: &str, json: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match kind {
            "change" => Content::Change(serde_json::from_slice(json)?),
            "state" => Content::State(serde_json::from_slice(json)?),
            "heartbeat" => Content::Heartbeat(serde_json::from_slice(json)?),
            "read" => Content::Read(serde_json::from_slice(json)?),
            "gap" => Content::Gap(serde_json::from_slice(json)?),
            "settled" => Content::Verified(serde_json::from_slice(json)?),
            _ => return Ok(None),
        }))
    }

    pub(super) fn most(&self) -> usize {
        match self {
            Content::Calls(_) => PACKET,
            Content::State(_) => STATE,
            _ => CHANGE,
        }
    }
}
