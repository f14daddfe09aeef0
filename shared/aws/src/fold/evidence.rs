//! The evidence about one account: all facts that were reported about it, each as far as the hub believes it.

mod of_others;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use audit_core::{
    auditor::StoredAggregate,
    change::{Change, ChangeKey},
    facts::EvidenceRows,
    timestamp::Timestamp,
    verdict::Invocations,
};

use super::{
    Fold, Hours,
    partition_cache::FactsRead,
    sealed::{KnownHours, Past},
    verified_hours::{broken_chains, verified_hours},
};
use crate::{
    bounds::{self, Refusal, is_flood},
    bucket::Bucket,
    clock::{hour_of, start_of},
    dead_letters::DeadLetters,
    error::CallError,
    fact::{Content, Fact, GapFact, HistoryRead},
    findings::{Basis, Note, Quarantine, Refused, Volume},
    observations::Read,
    partition::{AccountRegion, Partition, Source},
    queue::Queue,
};

/// Partitions of expired hours for which a fold has no room and of which it finds out whether anything is left in them, at most.
const EXPIRED_AT_ONCE: usize = 64;

/// What a fold judges an account by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All that is known of it, as far as there is room.
    Everything,
    /// The same, for whoever asks: nothing is written or sent.
    ToExplain,
    /// What the hub read itself, or took from the organization's trail, and what is sealed.
    OfHub,
    /// Only the hours before this one, in order to seal them.
    Sealing(i64),
}

/// A change that an account reports, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnChange {
    pub(super) time: Timestamp,
    pub(super) partition: Partition,
    pub(super) operation: String,
}

/// The evidence about an account.
#[derive(Debug, Default)]
pub(super) struct AccountEvidence {
    pub(super) facts: EvidenceRows,
    /// All facts but calls, if they are to be sealed.
    pub(super) to_seal: Vec<(Partition, Content)>,
    /// The calls of packets that the account's own auditor judged as covered altogether.
    pub(super) claimed_covered: EvidenceRows,
    pub(super) changes_of_hub: BTreeSet<ChangeKey>,
    /// The account's own changes by event id.
    pub(super) own_changes: BTreeMap<String, OwnChange>,
    /// The guardrails whose DRAFTs the account's own calls request.
    pub(super) drafts_requested: BTreeSet<String>,
    /// The latest moment at which anything happened in any account.
    pub(super) latest: Option<Timestamp>,
    /// Other accounts whose changes concern this account.
    pub(super) concerning: BTreeSet<String>,
    /// The heartbeats that the hub read itself or believes.
    pub(super) heartbeats: BTreeMap<AccountRegion, BTreeSet<Timestamp>>,
    /// The dead-letter counts of all heartbeats, believed or not: a count can only make things worse.
    pub(super) dead_letters: BTreeMap<AccountRegion, BTreeMap<Timestamp, DeadLetters>>,
    /// The latest read of event history, and how much of it was read.
    pub(super) histories: BTreeMap<AccountRegion, (Timestamp, HistoryRead)>,
    /// The times at which the hub could read everything that it asked for.
    pub(super) complete_reads: BTreeMap<AccountRegion, BTreeSet<Timestamp>>,
    pub(super) gaps: BTreeMap<(AccountRegion, String), Vec<GapFact>>,
    /// The states that are believed, as files of the world.
    pub(super) states: BTreeMap<String, Vec<u8>>,
    /// Notes about facts that were tampered with.
    pub(super) notes: BTreeSet<Note>,
    /// Notes about items that aren't valid facts, and about floods.
    pub(super) notes_of_partitions: BTreeSet<Note>,
    /// Facts that were not taken in, of such times as facts are kept for.
    pub(super) refused: Vec<Refused>,
    /// Whether the account couldn't be judged for some time.
    pub(super) quarantine: Option<Quarantine>,
    /// The names of items that claimed a later time than that at which they were written.
    ahead: BTreeSet<String>,
    /// Partitions without facts.
    pub(super) empty: Vec<Partition>,
    /// Partitions that were not read.
    pub(super) left_out: BTreeSet<Partition>,
    /// True if there was no room for some partitions of facts that the hub read itself, or took from the organization's trail.
    is_hub_left_out: bool,
    /// The hours that the organization's trail vouches for.
    verified: Hours,
    /// The hours in which the account reported more than is read.
    flooded: Hours,
    /// True if the account rewrote or removed more facts than the hub keeps, or if there is no room for the changes that are set aside.
    is_rewritten: bool,
    /// Whether there are hours, not sealed with these, of which nothing is believed.
    pub(super) is_distrusted: bool,
    /// Whether the organization's trail vouches for all hours of which the account itself reported.
    pub(super) all_verified: bool,
    pub(super) basis: Basis,
}

impl AccountEvidence {
    /// Whether what the account reports about itself is only partly known. What it hides could make verdicts worse, and what was found before
    /// may rest on it.
    pub(super) fn is_partial(&self) -> bool {
        !self.left_out.is_empty() || self.is_rewritten
    }

    /// Whether it can be proved that calls of an hour were covered: the trail vouches for it, or all is known that was reported.
    pub(super) fn is_provable(&self, account_region: &AccountRegion, hour: Option<i64>) -> bool {
        // Other accounts' facts that were left out don't count here: their administrators decide how many there are.
        let lacks_own =
            self.is_rewritten || self.left_out.iter().any(|partition| partition.account_region.account == account_region.account);
        let hour = (account_region.clone(), hour);
        !self.is_hub_left_out && self.verified.contains(&hour) || !(lacks_own || self.is_distrusted || self.flooded.contains(&hour))
    }

    /// Whether calls of an hour are left out, and the trail doesn't have them instead.
    pub(super) fn lacks_calls(&self, account_region: &AccountRegion, hour: Option<i64>) -> bool {
        let of_source = |source| Partition { source, account_region: account_region.clone(), hour };
        self.left_out.contains(&of_source(Source::Hub))
            || self.left_out.contains(&of_source(Source::Account)) && !self.verified.contains(&(account_region.clone(), hour))
    }

    fn add_change(&mut self, key: &ChangeKey, change: &Change) {
        self.facts.add_change(key, change);
    }

    /// All notes.
    pub(super) fn notes(&self) -> impl Iterator<Item = &Note> {
        self.notes.union(&self.notes_of_partitions)
    }
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// Reads the facts about an account: first what the hub vouches for, then as much of what the account reports about itself as there is
    /// room for.
    pub(super) async fn evidence(&self, account: &str, known: &KnownHours, scope: Scope) -> Result<AccountEvidence, CallError> {
        let (notes, are_notes_cut) = self.findings.notes(account).await?;
        let mut evidence = AccountEvidence { notes, is_rewritten: are_notes_cut, ..AccountEvidence::default() };
        evidence.ahead = evidence.notes.iter().filter(|note| note.kind == Note::AHEAD).map(|note| note.item.clone()).collect();
        evidence.refused = self.findings.refused(account).await?.into_iter().filter(|refused| refused.last > self.oldest()).collect();
        evidence.is_rewritten |= evidence.refused.iter().any(|refused| refused.reason == Refusal::Kept.as_str());
        evidence.quarantine = self.findings.quarantine(account).await?;
        let (read, later) = self.read_facts(known, scope, &mut evidence).await?;
        let past = known.past.as_ref();
        let sealed = || past.into_iter().flat_map(Past::facts);
        let open = || read.iter().flat_map(|(partition, facts)| facts.iter().map(move |read| (partition, read)));
        let of_later = || later.iter().flat_map(|(partition, facts)| facts.iter().map(move |read| (partition, read)));
        let digests = || open().chain(of_later()).chain(sealed().map(|(partition, read)| (partition, read)));
        let mut verified = verified_hours(digests());
        // Nothing vouches for an hour of which the hub's own facts aren't read.
        verified.retain(|(account_region, hour)| {
            !evidence.left_out.contains(&Partition { source: Source::Hub, account_region: account_region.clone(), hour: *hour })
        });
        for (account_region, gap) in broken_chains(digests()) {
            evidence.gaps.entry((account_region, gap.missing.clone())).or_default().push(gap);
        }
        let is_replaced = |partition: &Partition| {
            // In a verified hour, the organization's trail replaces what the account reported of its calls.
            self.trust.is_self_reported(partition) && verified.contains(&(partition.account_region.clone(), partition.hour))
        };
        let mut all_verified = !(known.partitions.is_empty() && past.is_none()) && evidence.left_out.iter().all(is_replaced);
        all_verified &= past.is_none_or(|past| past.facts.all_verified);
        let collects = matches!(scope, Scope::Sealing(_));
        for (partition, read) in sealed() {
            self.add(&mut evidence, partition, read, false, collects);
        }
        if let Some(past) = past {
            evidence.notes_of_partitions.extend(past.facts.notes.iter().cloned());
            evidence.drafts_requested.extend(past.calls.calls.values().flat_map(StoredAggregate::drafts).map(str::to_owned));
        }
        for (partition, facts) in &read {
            let self_reported = self.trust.is_self_reported(partition);
            all_verified &= !self_reported || is_replaced(partition);
            if facts.is_empty() {
                evidence.empty.push(partition.clone());
            }
            if self_reported && is_flood(facts.volume) {
                let most = bounds::READ;
                let detail = format!("more than {} facts or {} MB in an hour", most.items, most.bytes >> 20);
                evidence.notes_of_partitions.insert(note_of_partition("flood", partition, partition.key(), detail));
                evidence.flooded.insert((partition.account_region.clone(), partition.hour));
            }
            let most = if self_reported { bounds::READ } else { Volume::UNLIMITED };
            let counted = usize::try_from(most.items).unwrap_or(usize::MAX);
            for read in facts.iter().take(counted) {
                self.add(&mut evidence, partition, read, is_replaced(partition), collects);
            }
        }
        for (partition, read) in of_later().filter(|(_, read)| changes_state(read)) {
            self.add(&mut evidence, partition, read, false, false);
        }
        evidence.is_rewritten |= known.is_kept_cut || known.is_aside_left_out;
        for item in known.kept.iter() {
            let Some(partition) = item.get("pk").and_then(|value| Partition::parse(value.as_s().ok()?)) else { continue };
            let sort_key = item.get("sk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let read = Read { sort_key, fact: Fact::from_item(item) };
            let is_to_seal = matches!(scope, Scope::Sealing(until) if partition.hour.is_some_and(|hour| hour < until));
            let is_in_scope = match scope {
                Scope::Everything | Scope::ToExplain => true,
                Scope::OfHub => !self.trust.is_self_reported(&partition),
                Scope::Sealing(_) => is_to_seal || changes_state(&read),
            };
            // What was kept of sealed hours was sealed with them.
            if is_in_scope && past.is_none_or(|past| !past.holds(&partition)) {
                self.add(&mut evidence, &partition, &read, is_replaced(&partition), is_to_seal);
            }
        }
        evidence.verified = verified;
        evidence.drafts_requested.extend(evidence.facts.drafts_requested());
        evidence.all_verified = all_verified;
        evidence.basis = if all_verified { Basis::Verified } else { Basis::Reported };
        self.add_organization(&mut evidence, account, scope).await?;
        self.findings.drafts(account).await?.iter().for_each(|guardrail| evidence.facts.add_draft_request(guardrail));
        evidence.latest = self.findings.latest_time().await?;
        evidence.latest.into_iter().for_each(|latest| evidence.facts.looked_at(latest));
        self.add_concerns(&mut evidence, account).await?;
        Ok(evidence)
    }

    /// The facts of the partitions that are to be read, as far as there is room: those of the hub first, and of later hours if hours are sealed. Which ones
    /// are left out is noted with the evidence.
    async fn read_facts(
        &self,
        known: &KnownHours,
        scope: Scope,
        evidence: &mut AccountEvidence,
    ) -> Result<(FactsRead, FactsRead), CallError> {
        let (own, of_hub): (BTreeMap<_, _>, BTreeMap<_, _>) = known
            .partitions
            .iter()
            .map(|(partition, state)| (partition.clone(), *state))
            .partition(|(partition, _)| self.trust.is_self_reported(partition));
        let (mut read, of_hub_left_out) = self.cache.read_latest(&of_hub, self.room.saturating_sub(known.bytes_of_past())).await?;
        let bytes_of = |read: &FactsRead| read.iter().map(|(_, facts)| facts.volume.bytes).sum::<u64>();
        let room_beside = |read: &FactsRead| self.room.saturating_sub(bytes_of(read)).saturating_sub(known.bytes_of_past());
        if scope == Scope::OfHub {
            evidence.left_out = own.into_keys().collect();
        } else {
            let (distrusted, own): (BTreeMap<_, _>, BTreeMap<_, _>) = own.into_iter().partition(|(_, state)| state.is_ahead);
            let (own, left_out) = self.cache.read_what_fits(&own, room_beside(&read)).await?;
            read.extend(own);
            evidence.left_out = left_out.into_iter().chain(distrusted.into_keys()).collect();
        }
        evidence.is_hub_left_out = !of_hub_left_out.is_empty();
        evidence.left_out.extend(of_hub_left_out);
        let oldest = hour_of(self.oldest());
        let sealed_without = known.past.iter().flat_map(|past| &past.facts.left_out).filter(|partition| partition.hour >= Some(oldest));
        evidence.left_out.extend(known.deferred.iter().chain(sealed_without).cloned());
        if scope != Scope::OfHub {
            self.forget_what_expired(evidence).await?;
        }
        // Where some of them are left out, what is sealed may not fit the state that a fold finds, which then opens it again.
        let (mut later, _) = self.cache.read_what_fits(&known.later, room_beside(&read)).await?;
        later.sort_by(hub_first);
        // The hub's facts come first: of a change that both report, the hub's version is taken.
        read.sort_by(hub_first);
        Ok((read, later))
    }

    /// Takes partitions from those that are left out whose facts have all expired. They would never be read, and so never be forgotten.
    async fn forget_what_expired(&self, evidence: &mut AccountEvidence) -> Result<(), CallError> {
        let oldest = hour_of(self.oldest());
        let expired = evidence.left_out.iter().filter(|partition| partition.hour.is_some_and(|hour| hour < oldest));
        for partition in expired.take(EXPIRED_AT_ONCE).cloned().collect::<Vec<_>>() {
            if !self.observations.holds_facts(&partition).await? {
                evidence.left_out.remove(&partition);
                evidence.empty.push(partition);
            }
        }
        Ok(())
    }

    fn add(&self, evidence: &mut AccountEvidence, partition: &Partition, read: &Read, replaced: bool, collects: bool) {
        let account_region = &partition.account_region;
        let self_reported = self.trust.is_self_reported(partition);
        if !evidence.ahead.is_empty() && evidence.ahead.contains(&Note::item_name(&partition.key(), &read.sort_key)) {
            return;
        }
        if collects
            && let Ok(Fact { content, .. }) = &read.fact
            && content.kind() != "calls"
        {
            evidence.to_seal.push((partition.clone(), content.clone()));
        }
        match &read.fact {
            Ok(Fact { content: Content::Calls(bytes), .. }) if !replaced => {
                let covered = |claimed: Invocations| claimed.compliant > 0 && claimed.violation == 0 && claimed.not_provable == 0;
                match evidence.facts.unpack(&account_region.account, &account_region.region, partition.hour, bytes, self_reported) {
                    Ok(unpacked) if self_reported && covered(unpacked.claimed) => {
                        // The same bytes were unpacked a moment ago.
                        let _ =
                            evidence.claimed_covered.unpack(&account_region.account, &account_region.region, partition.hour, bytes, true);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let item = format!("{} {}", partition.key(), read.sort_key);
                        evidence.notes_of_partitions.insert(note_of_partition("malformed", partition, item, error.to_string()));
                    }
                }
            }
            Ok(Fact { content: Content::Change(change), .. }) => {
                let key = change.key(&account_region.account);
                if self_reported && evidence.changes_of_hub.contains(&key) {
                    return;
                }
                if partition.source == Source::Hub {
                    evidence.changes_of_hub.insert(key);
                }
                let own = OwnChange { time: change.time, partition: partition.clone(), operation: change.change.operation.clone() };
                evidence.own_changes.insert(change.event_id.clone(), own);
                evidence.add_change(&change.key(&account_region.account), &self.trust.believed(partition, change.change.clone()));
            }
            Ok(Fact { content: Content::State(state), .. }) if !self_reported => {
                let path = state.path.strip_suffix(".json").unwrap_or(&state.path);
                evidence.states.insert(format!("{path}@{}.json", state.since.to_basic()), state.json.clone().into_bytes());
            }
            Ok(Fact { content: Content::Heartbeat(heartbeat), .. }) => {
                if !self_reported {
                    evidence.heartbeats.entry(account_region.clone()).or_default().insert(heartbeat.time);
                }
                if !heartbeat.dead_letters.is_empty() {
                    let of_account_region = evidence.dead_letters.entry(account_region.clone()).or_default();
                    of_account_region.entry(heartbeat.time).or_default().extend(heartbeat.dead_letters.clone());
                }
            }
            Ok(Fact { content: Content::Gap(gap), .. }) => {
                evidence.gaps.entry((account_region.clone(), gap.missing.clone())).or_default().push(gap.clone());
            }
            Ok(Fact { content: Content::Read(read), .. }) => {
                evidence.facts.looked_at(read.time);
                if read.complete {
                    evidence.complete_reads.entry(account_region.clone()).or_default().insert(read.time);
                }
                if let Some(history) = read.history {
                    let latest = evidence.histories.entry(account_region.clone()).or_insert((read.time, history));
                    *latest = (*latest).max((read.time, history));
                }
            }
            Ok(_) => {}
            Err(error) => {
                let item = format!("{} {}", partition.key(), read.sort_key);
                evidence.notes_of_partitions.insert(note_of_partition("malformed", partition, item, error.to_string()));
            }
        }
    }
}

/// The order in which facts are added: the hub's first, and then the latest.
fn hub_first<T>((a, _): &(Partition, T), (b, _): &(Partition, T)) -> Ordering {
    (a.source == Source::Account).cmp(&(b.source == Source::Account)).then(b.cmp(a))
}

/// A fact of these kinds may change the state by which calls are judged, those of other hours as well.
fn changes_state(read: &Read) -> bool {
    matches!(&read.fact, Ok(Fact { content: Content::Change(_) | Content::State(_), .. }))
}

fn note_of_partition(kind: &str, partition: &Partition, item: String, detail: String) -> Note {
    Note {
        kind: kind.to_owned(),
        account: partition.account_region.account.clone(),
        region: partition.account_region.region.clone(),
        time: partition.hour.map_or(Timestamp::BEGINNING, start_of),
        item,
        detail,
    }
}
