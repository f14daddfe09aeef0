//! `fold-findings`: judges what was reported again, by the world that the hub read itself, and writes what changed.
//!
//! The findings of an account and Region are a function of the *set* of its facts, of the world and of the configuration: whatever order
//! facts arrive in, how often, and in which batches. Judging is [`audit_core::auditor::audit`]'s; here facts are brought to it.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    auditor::{self, Audit, Selection, Terms},
    config::Configuration,
    facts::Facts,
    finding::{Bounded, Finding, FindingKey, Status},
    moment::Moment,
    organization::Organization,
    report::Invocations,
    rules,
    severity::Severity,
    verdict::Verdict,
    world::{World, WorldChange},
};
use aws_lambda_events::{
    dynamodb::Event,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use serde::{Deserialize, Serialize};

use crate::{
    bucket::Bucket,
    clock::{Clock, hour_of, start_of},
    edge::Handler,
    error::{BoxError, CallError, chain},
    fact::{Content, Fact, GapFact, HeartbeatFact},
    findings::{Basis, Findings, Note, Rollup, Stored},
    metrics::{Flow, Metrics},
    observations::{Item, Observations, Read},
    place::{Partition, Place, Source, hour_text},
    stream::{self, StreamRecord},
    world::{HubWorld, world_of},
};

/// Who the hub takes at their word.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Members report to this hub. Without, the hub is an installation for its own account alone, and its own auditor is believed.
    pub organization: bool,
    /// The hub's own account: whoever could forge its facts could as well change the hub.
    pub hub_account: String,
    /// The management account: the only one that organization facts are taken from.
    pub management_account: Option<String>,
}

/// Folds facts into findings.
#[derive(Debug)]
pub struct Fold<B> {
    observations: Observations,
    findings: Findings,
    world: HubWorld<B>,
    configuration_key: String,
    trust: Trust,
    metrics: Metrics,
    clock: Clock,
    facts_ttl_days: i64,
}

/// So many items of one partition are looked at. An auditor that works writes a few hundred an hour.
const ITEMS: usize = 5_000;

/// So far back the rollups of hours are made again when the world changed.
const ROLLED_UP_AGAIN_HOURS: i64 = 72;

/// What is asked of the function besides the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Make the findings of a place again from all its facts; without one, of all places.
    Rebuild {
        /// Whose.
        account: Option<String>,
        /// Where.
        region: Option<String>,
    },
}

/// What the function is called with.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// A request.
    Request(Request),
    /// A batch of the stream.
    Stream(Event),
}

/// What a fold of a place came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Findings that were written because they are new or changed.
    pub written: u64,
    /// Findings that the facts no longer give.
    pub withdrawn: u64,
    /// Findings that a later fold had written.
    pub overtaken: u64,
}

/// All that is known of a place.
#[derive(Debug, Default)]
struct Known {
    facts: Facts,
    /// Those whose own auditor judged all their calls as covered.
    said_to_be_covered: Facts,
    heartbeats: Vec<HeartbeatFact>,
    gaps: Vec<GapFact>,
    /// Items that are no facts, or too many.
    notes: Vec<Note>,
    basis: Basis,
    items: u64,
}

impl Trust {
    /// Whether what lies under this key is only the account's own word.
    #[must_use]
    pub fn is_self_reported(&self, partition: &Partition) -> bool {
        partition.source == Source::Account && self.organization && partition.place.account != self.hub_account
    }

    fn is_management(&self, account: &str) -> bool {
        !self.organization || self.management_account.as_deref() == Some(account)
    }

    /// A change as far as it is believed: what an account says of itself may make things worse, never better, and never unknown.
    fn believed(&self, partition: &Partition, change: &WorldChange) -> bool {
        match change {
            WorldChange::Organization(_) => self.is_management(&partition.place.account) || partition.source == Source::Hub,
            _ if !self.is_self_reported(partition) => true,
            WorldChange::ConfigurationDeleted { .. } | WorldChange::AgentChanged { guardrail: None, .. } => true,
            _ => false,
        }
    }
}

impl<B: Bucket> Fold<B> {
    /// A fold.
    #[expect(clippy::too_many_arguments, reason = "each is one thing it needs")]
    pub fn new(
        observations: Observations,
        findings: Findings,
        bucket: B,
        configuration_key: String,
        trust: Trust,
        facts_ttl_days: i64,
        metrics: Metrics,
        clock: Clock,
    ) -> Self {
        Fold { observations, findings, world: HubWorld::new(bucket), configuration_key, trust, metrics, clock, facts_ttl_days }
    }

    /// Takes a batch of the stream. Answers with where to begin again if something failed.
    pub async fn take(&self, records: &[StreamRecord]) -> Option<String> {
        let mut places: BTreeMap<Place, Touched<'_>> = BTreeMap::new();
        let mut flow = Flow { taken_in: records.len() as u64, ..Flow::default() };
        for record in records {
            let effect = Effect::of(record, self.clock.now());
            match effect.malformed {
                Some(_) => flow.unreadable += 1,
                None if effect.partition.is_none() => flow.ignored += 1,
                None => flow.judged += 1,
            }
            let touched = places.entry(effect.place.clone()).or_insert_with(|| Touched { first: &record.sequence, effects: Vec::new() });
            touched.effects.push(effect);
        }
        self.metrics.flow(flow);
        let mut failed: Option<&str> = None;
        for (place, touched) in &places {
            if let Err(error) = self.take_place(place, &touched.effects).await {
                tracing::error!(account = place.account, region = place.region, error = chain(&error), "a place could not be folded");
                failed = Some(failed.map_or(touched.first, |first| earlier(first, touched.first)));
            }
        }
        failed.map(str::to_owned)
    }

    async fn take_place(&self, place: &Place, effects: &[Effect<'_>]) -> Result<(), CallError> {
        let mut hours: BTreeSet<Option<i64>> = BTreeSet::new();
        let mut partitions: BTreeSet<&Partition> = BTreeSet::new();
        for effect in effects {
            if let Some(note) = &effect.note {
                self.findings.note(place, note).await?;
            }
            let Some(partition) = &effect.partition else { continue };
            if let Some(item) = effect.keep {
                self.findings.keep(partition, item).await?;
            }
            partitions.insert(partition);
            hours.insert(partition.hour);
            if effect.world_changed {
                let now = hour_of(self.clock.now());
                hours.extend((now - ROLLED_UP_AGAIN_HOURS..=now).map(Some));
            }
        }
        for partition in partitions {
            self.findings.note_partition(partition).await?;
        }
        let folded = self.fold(place, Some(&hours)).await?;
        self.metrics.emit(&[
            ("findings_written", folded.written),
            ("findings_withdrawn", folded.withdrawn),
            ("overtaken", folded.overtaken),
        ]);
        Ok(())
    }

    /// Makes the findings of a place again, and the rollups of these hours; `None` means of all.
    pub async fn fold(&self, place: &Place, hours: Option<&BTreeSet<Option<i64>>>) -> Result<Folded, CallError> {
        // Taken before anything is read: a fold that read less than another has a smaller ticket, or is followed by one that reads all.
        let ticket = self.findings.ticket(place).await?;
        let partitions = self.findings.partitions(place).await?;
        let known = self.known(place, &partitions).await?;
        let files = self.world.files_of(place, self.trust.management_account.as_deref()).await?;
        let world = world_of(files.iter().map(|(path, json)| (path.as_str(), &**json)));
        let organization = organization_in(&files);
        let configuration = self.configuration().await?;
        let terms = Terms { configuration: &configuration, selection: &Selection::default(), now: self.clock.now() };

        let audit = auditor::audit(known.facts.clone(), world.clone(), &terms);
        let is_here = |finding: &Finding| finding.account.as_str() == place.account && finding.region.as_str() == place.region;
        let mut found: Vec<Finding> = audit.findings.iter().filter(|finding| is_here(finding)).cloned().collect();
        found.extend(self.own_findings(place, &known, &world, &configuration).await?);
        let units = organization.as_ref().map(|organization| units_of(organization, place)).unwrap_or_default();
        let folded = self.write(place, found, units, &known, ticket).await?;

        let of_partitions: BTreeSet<Option<i64>> = partitions.iter().map(|partition| partition.hour).collect();
        for hour in hours.map_or(of_partitions.clone(), |hours| hours & &of_partitions) {
            let rollup = if of_partitions.len() == 1 {
                rollup(audit.clone(), place)
            } else {
                self.rollup(place, &known, &world, &configuration, hour)
            };
            self.findings.put_rollup(place, &hour_text(hour), &rollup, ticket).await?;
        }
        self.findings.put_blind(place, &audit.blind, ticket).await?;
        Ok(folded)
    }

    /// Writes what changed.
    async fn write(&self, place: &Place, found: Vec<Finding>, units: Vec<String>, known: &Known, ticket: i64) -> Result<Folded, CallError> {
        let before = self.findings.of_place(place).await?;
        let mut folded = Folded::default();
        let mut present: BTreeSet<String> = BTreeSet::new();
        for finding in found {
            present.insert(finding.id.clone());
            let stored = Stored { ticket, units: units.clone(), basis: known.basis, finding };
            let same = before.get(&stored.finding.id).is_some_and(|before| Stored { ticket, ..before.clone() } == stored);
            if same {
                continue;
            }
            *if self.findings.put(&stored).await? { &mut folded.written } else { &mut folded.overtaken } += 1;
        }
        // A flood hides facts, and facts grow old: neither makes a finding untrue.
        let oldest = self.clock.now().plus_seconds(-self.facts_ttl_days * 86_400);
        let flooded = known.notes.iter().any(|note| note.kind == "flood");
        for (id, gone) in before {
            let facts_are_there = gone.finding.last_seen.is_none_or(|last_seen| last_seen > oldest) && !flooded;
            if !present.contains(&id) && facts_are_there {
                let withdrawn = self.findings.withdraw(place, &id, ticket).await?;
                *if withdrawn { &mut folded.withdrawn } else { &mut folded.overtaken } += 1;
            }
        }
        Ok(folded)
    }

    /// Everything that was reported about a place.
    async fn known(&self, place: &Place, partitions: &BTreeSet<Partition>) -> Result<Known, CallError> {
        let mut known = Known::default();
        let settled: BTreeSet<Option<i64>> = self.settled(place).await?;
        let mut all_settled = !partitions.is_empty();
        for partition in partitions {
            let self_reported = self.trust.is_self_reported(partition);
            // Settled replaces provisional: what the trail holds of an hour is all there is to it.
            let replaced = self_reported && settled.contains(&partition.hour);
            all_settled &= !self_reported || replaced;
            let mut facts = self.observations.query(partition).await?;
            if facts.len() > ITEMS && self_reported {
                known.notes.push(Note {
                    kind: "flood".to_owned(),
                    time: partition.hour.map_or(Moment::BEGINNING, start_of),
                    item: partition.key(),
                    detail: format!("more than {ITEMS} facts in an hour"),
                });
                facts.truncate(ITEMS);
            }
            for read in facts {
                self.add(&mut known, partition, read, replaced);
            }
        }
        for item in self.findings.kept(place).await? {
            let partition = item.get("pk").and_then(|value| Partition::parse(value.as_s().ok()?));
            if let Some(partition) = partition {
                let sort_key = item.get("sk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
                let replaced = self.trust.is_self_reported(&partition) && settled.contains(&partition.hour);
                self.add(&mut known, &partition, Read { sort_key, fact: Fact::from_item(&item) }, replaced);
            }
        }
        known.basis = if all_settled { Basis::Settled } else { Basis::Reported };
        if let Some(management) = self.trust.management_account.as_deref().filter(|management| *management != place.account) {
            let place = Place::new(management, "us-east-1");
            for partition in self.findings.partitions(&place).await? {
                for read in self.observations.query(&partition).await? {
                    if let Ok(Fact { content: Content::Change(change), .. }) = &read.fact
                        && matches!(change.change, WorldChange::Organization(_))
                    {
                        known.facts.add_change(change.key(management), change.change.clone());
                    }
                }
            }
        }
        Ok(known)
    }

    fn add(&self, known: &mut Known, partition: &Partition, read: Read, replaced: bool) {
        known.items += 1;
        let place = &partition.place;
        match read.fact {
            Ok(Fact { content: Content::Calls(bytes), .. }) if !replaced => {
                let self_reported = self.trust.is_self_reported(partition);
                let unpacked = known.facts.unpack(&place.account, &place.region, partition.hour, &bytes, self_reported);
                let covered = |claimed: Invocations| claimed.compliant > 0 && claimed.violation == 0 && claimed.not_provable == 0;
                if self_reported && unpacked.is_ok_and(|unpacked| covered(unpacked.claimed)) {
                    let _ = known.said_to_be_covered.unpack(&place.account, &place.region, partition.hour, &bytes, true);
                }
            }
            Ok(Fact { content: Content::Change(change), .. }) => {
                if self.trust.believed(partition, &change.change) {
                    known.facts.add_change(change.key(&place.account), change.change);
                }
            }
            Ok(Fact { content: Content::Heartbeat(heartbeat), .. }) => known.heartbeats.push(heartbeat),
            Ok(Fact { content: Content::Gap(gap), .. }) => known.gaps.push(gap),
            Ok(_) => {}
            Err(error) => known.notes.push(Note {
                kind: "malformed".to_owned(),
                time: partition.hour.map_or(Moment::BEGINNING, start_of),
                item: format!("{} {}", partition.key(), read.sort_key),
                detail: error.to_string(),
            }),
        }
    }

    /// The hours that the organization's trail has settled.
    async fn settled(&self, place: &Place) -> Result<BTreeSet<Option<i64>>, CallError> {
        let settled: Option<Vec<i64>> = self.findings.document(&format!("settled#{}", place.key())).await?;
        Ok(settled.into_iter().flatten().map(Some).collect())
    }

    /// What only the hub can find, because it compares.
    async fn own_findings(
        &self,
        place: &Place,
        known: &Known,
        world: &World,
        configuration: &Configuration,
    ) -> Result<Vec<Finding>, CallError> {
        let mut found = Vec::new();
        let stored = self.findings.notes(place).await?;
        let notes: BTreeSet<&Note> = stored.iter().map(|(_, note)| note).chain(&known.notes).collect();
        if let Some(first) = notes.iter().min_by_key(|note| (note.time, &note.item)) {
            let kinds: BTreeSet<&str> = notes.iter().map(|note| note.kind.as_str()).collect();
            let because = format!(
                "{} facts were {}; the first: {} ({})",
                notes.len(),
                kinds.into_iter().collect::<Vec<_>>().join(", "),
                first.item,
                first.detail
            );
            let times = notes.iter().map(|note| note.time).filter(|time| *time > Moment::BEGINNING);
            found.extend(own_finding(
                "observation-altered",
                place,
                "",
                because,
                notes.len() as u64,
                &times.collect::<Vec<_>>(),
                configuration,
            ));
        }
        let mut gaps: BTreeMap<&str, Vec<&GapFact>> = BTreeMap::new();
        for gap in &known.gaps {
            gaps.entry(&gap.missing).or_default().push(gap);
        }
        for (missing, gaps) in gaps {
            let latest = gaps.iter().max_by_key(|gap| gap.time);
            let because = latest.map(|gap| gap.detail.clone()).unwrap_or_default();
            let count = gaps.iter().map(|gap| gap.count).sum();
            let times: Vec<Moment> = gaps.iter().map(|gap| gap.time).collect();
            let latest = times.iter().max().copied();
            let mut finding = own_finding("telemetry-gap", place, missing, because, count, &times, configuration);
            // A heartbeat that came through again after the gap is positive evidence, if it isn't the account's own word alone.
            let trusted = !self.trust.is_self_reported(&Partition { source: Source::Account, place: place.clone(), hour: None });
            let back = known.heartbeats.iter().map(|heartbeat| heartbeat.time).filter(|time| Some(*time) > latest).min();
            if let (Some(finding), Some(back), true, "heartbeat") = (finding.as_mut(), back, trusted, missing) {
                (finding.status, finding.resolved_at) = (Status::Resolved, Some(back));
            }
            found.extend(finding);
        }
        found.extend(self.differing_verdicts(place, known, world, configuration));
        Ok(found)
    }

    /// Calls that the account's own auditor saw covered, and that are violations by what is in force, whatever the team requires on top.
    fn differing_verdicts(&self, place: &Place, known: &Known, world: &World, configuration: &Configuration) -> Option<Finding> {
        let plain = Configuration::default();
        let terms = Terms { configuration: &plain, selection: &Selection::default(), now: self.clock.now() };
        let audit = auditor::audit(known.said_to_be_covered.clone(), world.clone(), &terms);
        let violations = audit.invocations.violation;
        if violations == 0 {
            return None;
        }
        let of_violations = audit.findings.iter().filter(|finding| finding.verdict == Some(Verdict::Violation));
        let times: Vec<Moment> = of_violations.clone().flat_map(|finding| [finding.first_seen, finding.last_seen]).flatten().collect();
        let rules: BTreeSet<&str> = of_violations.map(|finding| finding.rule.as_str()).collect();
        let rules: Vec<&str> = rules.into_iter().collect();
        let because = format!("{violations} calls that the account's own auditor judged as covered are violations ({})", rules.join(", "));
        own_finding("verdicts-differ", place, "", because, violations, &times, configuration)
    }

    fn rollup(&self, place: &Place, known: &Known, world: &World, configuration: &Configuration, hour: Option<i64>) -> Rollup {
        let selection = Selection {
            since: hour.map(start_of),
            until: Some(hour.map_or(Moment::BEGINNING, |hour| start_of(hour + 1))),
            ..Selection::default()
        };
        let terms = Terms { configuration, selection: &selection, now: self.clock.now() };
        rollup(auditor::audit(known.facts.clone(), world.clone(), &terms), place)
    }

    async fn configuration(&self) -> Result<Configuration, CallError> {
        configuration(self.world.bucket(), &self.configuration_key).await
    }

    /// Makes findings again from all facts.
    pub async fn rebuild(&self, account: Option<&str>, region: Option<&str>) -> Result<Folded, CallError> {
        let mut total = Folded::default();
        for place in self.findings.places().await? {
            if account.is_none_or(|account| account == place.account) && region.is_none_or(|region| region == place.region) {
                let folded = self.fold(&place, None).await?;
                total.written += folded.written;
                total.withdrawn += folded.withdrawn;
                total.overtaken += folded.overtaken;
            }
        }
        Ok(total)
    }
}

/// What the team requires; without the object, the defaults. One that can't be read stops the fold: judging without it would be wrong.
pub async fn configuration<B: Bucket>(bucket: &B, key: &str) -> Result<Configuration, CallError> {
    let Some(bytes) = bucket.get(key).await? else { return Ok(Configuration::default()) };
    let text = String::from_utf8_lossy(&bytes);
    Configuration::parse(&text)
        .map_err(|error| CallError::new(format!("read the configuration {key}"), crate::error::ErrorKind::Refused, error))
}

impl<B: Bucket> Handler<Input, DynamoDbEventResponse> for Fold<B> {
    async fn handle(&self, input: Input) -> Result<DynamoDbEventResponse, BoxError> {
        let mut response = DynamoDbEventResponse::default();
        match input {
            Input::Request(Request::Rebuild { account, region }) => {
                let folded = self.rebuild(account.as_deref(), region.as_deref()).await?;
                tracing::info!(written = folded.written, withdrawn = folded.withdrawn, "made the findings again");
            }
            Input::Stream(event) => {
                if let Some(sequence) = self.take(&stream::records(event)).await {
                    let mut failure = DynamoDbBatchItemFailure::default();
                    failure.item_identifier = Some(sequence);
                    response.batch_item_failures.push(failure);
                }
            }
        }
        Ok(response)
    }
}

/// What happened to a place in a batch.
struct Touched<'r> {
    first: &'r str,
    effects: Vec<Effect<'r>>,
}

/// What a record of the stream means.
#[derive(Debug)]
struct Effect<'r> {
    place: Place,
    partition: Option<Partition>,
    /// An item that was rewritten or removed, and still counts.
    keep: Option<&'r Item>,
    note: Option<Note>,
    malformed: Option<String>,
    world_changed: bool,
}

impl<'r> Effect<'r> {
    fn of(record: &'r StreamRecord, now: Moment) -> Self {
        let partition = Partition::parse(record.pk());
        let place = partition.as_ref().map_or_else(|| place_of_broken_key(record.pk()), |partition| partition.place.clone());
        let mut effect = Effect { place, partition, keep: None, note: None, malformed: None, world_changed: false };
        let time = record.time.unwrap_or(now);
        let item = format!("{} {}", record.pk(), record.sk());
        let mut note = |kind: &str, detail: String| {
            effect.note = Some(Note { kind: kind.to_owned(), time, item: item.clone(), detail });
        };
        let content = |item: &Item| (item.get("f").cloned(), item.get("j").cloned());
        if record.new.is_empty() {
            let expired = record
                .old
                .get("expires_at")
                .and_then(|value| value.as_n().ok()?.parse::<i64>().ok())
                .is_some_and(|at| Moment::from_seconds(at) <= time);
            if !(record.by_service && expired) {
                note("removed", "removed before its time".to_owned());
                effect.keep = Some(&record.old);
            }
        } else if !record.old.is_empty() {
            // The time to live of a fact is part of it: one that was cut short would go before its time.
            if content(&record.old) != content(&record.new) || record.old.get("expires_at") != record.new.get("expires_at") {
                note("rewritten", "written again with another content".to_owned());
                effect.keep = Some(&record.old);
            }
        }
        if !record.new.is_empty() {
            match Fact::from_item(&record.new) {
                Ok(fact) => {
                    effect.world_changed = match &fact.content {
                        Content::Read(read) => !read.changed.is_empty(),
                        Content::Change(_) | Content::State(_) => true,
                        _ => false,
                    };
                }
                Err(error) => {
                    effect.malformed = Some(error.to_string());
                    if effect.partition.is_none() {
                        effect.note = Some(Note { kind: "malformed".to_owned(), time, item: shorten(&item), detail: error.to_string() });
                    }
                }
            }
        }
        effect
    }
}

/// Of a key that is none of ours, the account that must have written it: members can write only below their own.
fn place_of_broken_key(pk: &str) -> Place {
    let account = pk.split('#').next().filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
    Place::new(account.unwrap_or("unknown"), "unknown")
}

fn shorten(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Sequence numbers are numbers of many digits.
fn earlier<'s>(a: &'s str, b: &'s str) -> &'s str {
    if (a.len(), a) <= (b.len(), b) { a } else { b }
}

fn rollup(audit: Audit, place: &Place) -> Rollup {
    let coverage = audit.coverage.into_iter().filter(|row| row.account.as_str() == place.account && row.region.as_str() == place.region);
    Rollup { invocations: audit.invocations, coverage: coverage.collect() }
}

fn organization_in(files: &[(String, std::sync::Arc<[u8]>)]) -> Option<Organization> {
    let latest = files.iter().filter(|(path, _)| path.starts_with("organization")).max_by(|(a, _), (b, _)| a.cmp(b));
    let (_, json) = latest?;
    Organization::from_json(&serde_json::from_slice(json).ok()?).ok()
}

/// The ids of what is above an account, the root first.
fn units_of(organization: &Organization, place: &Place) -> Vec<String> {
    let account = place.account.as_str().into();
    organization.path_to(&account).into_iter().flatten().map(|id| id.to_string()).filter(|id| *id != place.account).collect()
}

/// Rules whose checks need the hub. The registry of the domain knows them; this is what holds if it doesn't say otherwise.
const OWN_RULES: &[(&str, &str, Severity, &str)] = &[
    (
        "observation-altered",
        "A reported fact was rewritten, removed before its time, or made up",
        Severity::Critical,
        "Find out who holds the credentials of the account's auditor role, and treat what the account reports as false until then.",
    ),
    (
        "telemetry-gap",
        "An account or Region no longer shows what happens in it",
        Severity::Critical,
        "Look for a rule, queue, function or trail that was changed, and deploy the auditor again.",
    ),
    (
        "verdicts-differ",
        "An account's own auditor and the hub judge the same calls differently",
        Severity::High,
        "Compare the state that the account's auditor reads with what the hub reads, and the auditor's code with what was deployed.",
    ),
];

fn own_finding(
    rule: &str,
    place: &Place,
    discriminator: &str,
    because: String,
    count: u64,
    times: &[Moment],
    configuration: &Configuration,
) -> Option<Finding> {
    let (id, title, severity, remediation) = *OWN_RULES.iter().find(|(id, ..)| *id == rule)?;
    let registered = rules::find(rule);
    let key = FindingKey {
        rule: id,
        account: place.account.as_str().into(),
        region: place.region.as_str().into(),
        resource: format!("AWS::::Account:{}", place.account),
        discriminator: discriminator.to_owned(),
    };
    Some(Finding {
        id: key.id(),
        rule: id.to_owned(),
        severity: registered.map_or(severity, |rule| configuration.severity(rule)),
        title: registered.map_or(title, |rule| rule.title).to_owned(),
        detail: because,
        remediation: registered.map_or(remediation, |rule| rule.remediation).to_owned(),
        status: Status::Open,
        account: key.account.clone(),
        region: key.region.clone(),
        resource: key.resource.clone(),
        principals: Bounded::default(),
        models: Bounded::default(),
        apis: Bounded::default(),
        verdict: None,
        grade: None,
        reason: None,
        missing: Vec::new(),
        attempted: false,
        expected: false,
        linked: Vec::new(),
        first_seen: times.iter().min().copied(),
        last_seen: times.iter().max().copied(),
        count,
        events: Vec::new(),
        changes: Vec::new(),
        policy: None,
        controls: Vec::new(),
        reopened: 0,
        resolved_at: None,
        suppression: None,
    })
}
