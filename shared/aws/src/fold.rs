//! `fold-findings`: judges what was reported again, by the world that the hub read itself, and writes what changed.
//!
//! The findings of an account are a function of the *set* of its facts, of the world and of the configuration: whatever order
//! facts arrive in, how often, and in which batches. Judging is [`audit_core::auditor::audit`]'s; here facts are brought to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use audit_core::{
    arn::Region,
    auditor::{self, Selection, Terms},
    change::Change,
    config::Configuration,
    facts::{ChangeKey, Facts},
    finding::{Bounded, Finding, FindingKey, Status},
    moment::Moment,
    organization::Organization,
    report::Invocations,
    rules,
    severity::Severity,
    verdict::Verdict,
    world::{OrganizationChange, World, WorldChange},
};
use aws_lambda_events::{
    dynamodb::Event,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use serde::{Deserialize, Serialize};

use crate::{
    aws::Aws,
    bucket::{Bucket, S3Bucket},
    clock::{Clock, hour_of, start_of},
    edge::Handler,
    error::{BoxError, CallError, chain},
    fact::{Content, Fact, GapFact, ReadFact},
    findings::{Basis, Findings, Note, Rollup, Stored},
    metrics::{Flow, Metrics},
    observations::{Item, Observations, Read},
    place::{Partition, Place, Source, hour_text},
    queue::{Queue, SqsQueue},
    reconcile::Order,
    settings::Environment,
    stream::{self, StreamRecord},
    world::{File, HubWorld, world_of},
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
    /// Members can't touch their auditors (a policy of the organization sees to that), so that their word is as good as the hub's own.
    pub members_are_believed: bool,
}

/// Folds facts into findings.
#[derive(Debug)]
pub struct Fold<B, Q = SqsQueue> {
    observations: Observations,
    findings: Findings,
    world: HubWorld<B>,
    configuration_key: String,
    trust: Trust,
    /// Where to ask for a look at a place that reports something new.
    reconcile: Option<Q>,
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
    /// Make the findings of an account again from all its facts; without one, of all accounts.
    Rebuild {
        /// Whose.
        account: Option<String>,
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

/// What a fold of an account came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Findings that were written because they are new or changed.
    pub written: u64,
    /// Findings that the facts no longer give.
    pub withdrawn: u64,
    /// Findings that a later fold had written.
    pub overtaken: u64,
}

/// Hours whose rollups are to be made again.
type Hours = BTreeSet<(Place, Option<i64>)>;

/// A packet of calls, and whether it is only the account's own word.
type PacketOf = (Vec<u8>, bool);

/// All that is known of an account.
#[derive(Debug, Default)]
struct Known {
    facts: Facts,
    /// Without the calls.
    changes: Facts,
    /// The calls of each hour, and whether they are only the account's own word.
    packets: BTreeMap<(Place, Option<i64>), Vec<PacketOf>>,
    /// Those whose own auditor judged all their calls as covered.
    said_to_be_covered: Facts,
    changes_of_hub: BTreeSet<ChangeKey>,
    /// The account's own changes: their times and where they lie, by event id.
    own_changes: BTreeMap<String, (Moment, Partition)>,
    /// Other accounts whose changes concern this one.
    concerning: BTreeSet<String>,
    heartbeats: BTreeMap<Place, BTreeSet<Moment>>,
    gaps: BTreeMap<(Place, String), Vec<GapFact>>,
    /// States that are believed, as files of the world.
    states: BTreeMap<String, Vec<u8>>,
    /// Items that are no facts, or too many.
    notes: BTreeSet<Note>,
    basis: Basis,
}

impl Known {
    fn add_change(&mut self, key: &ChangeKey, change: &Change) {
        self.facts.add_change(key, change);
        self.changes.add_change(key, change);
    }
}

impl Trust {
    /// Whether what lies under this key is only the account's own word.
    #[must_use]
    pub fn is_self_reported(&self, partition: &Partition) -> bool {
        partition.source == Source::Account && !self.is_believed(&partition.place.account)
    }

    fn is_believed(&self, account: &str) -> bool {
        !self.organization || self.members_are_believed || account == self.hub_account || self.is_management(account)
    }

    fn is_management(&self, account: &str) -> bool {
        self.management_account.as_deref() == Some(account)
    }

    /// A change as far as it is believed: what an account says of itself may make things worse, never better, and never unknown. What
    /// happens in the organization is the management account's to say, but for an account that leaves.
    fn believed(&self, partition: &Partition, change: Change) -> Change {
        let account = partition.place.account.as_str();
        let believed = |effect: &WorldChange| match effect {
            WorldChange::Organization(OrganizationChange::AccountLeft { account: left }) if left.as_str() == account => true,
            WorldChange::Organization(_) => !self.organization || self.is_management(account) || partition.source == Source::Hub,
            WorldChange::ConfigurationDeleted { .. }
            | WorldChange::AgentChanged { guardrail: None, .. }
            | WorldChange::GuardrailDeleted { .. } => true,
            _ => !self.is_self_reported(partition),
        };
        if change.effect.as_ref().is_none_or(believed) { change } else { Change { effect: None, ..change } }
    }
}

impl Fold<S3Bucket> {
    /// From the environment.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let observations = environment.required("OBSERVATIONS_TABLE")?;
        let findings = environment.required("FINDINGS_TABLE")?;
        let bucket = environment.required("WORLD_BUCKET")?;
        let key = environment.parsed("CONFIGURATION_KEY", "configuration/guardrail-audit.toml".to_owned())?;
        let organization = environment.optional("ORGANIZATION_ID").is_some();
        let trust = Trust {
            organization,
            hub_account: environment.account("HUB_ACCOUNT")?,
            management_account: environment.optional_account("MANAGEMENT_ACCOUNT")?.filter(|_| organization),
            members_are_believed: environment.flag("BELIEVE_MEMBERS")?,
        };
        let ttl_days = environment.facts_ttl_days()?;
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, "fold-findings", Clock::System);
        let hub_region = environment.optional("HUB_REGION");
        let aws = Aws::from_environment().await;
        let aws = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        let bucket = S3Bucket::new(Arc::clone(&aws), bucket);
        let observations = Observations::new(Arc::clone(&aws), observations, ttl_days);
        let reconcile = environment.optional("RECONCILE_QUEUE_URL").map(|url| SqsQueue::new(Arc::clone(&aws), url));
        let findings = Findings::new(aws, findings);
        Ok(Self::new(observations, findings, bucket, key, trust, ttl_days, metrics, Clock::System).asking(reconcile))
    }
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
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
        let world = HubWorld::new(bucket);
        Fold { observations, findings, world, configuration_key, trust, reconcile: None, metrics, clock, facts_ttl_days }
    }

    /// One that asks for a look at a place that reports something new.
    #[must_use]
    pub fn asking(self, reconcile: Option<Q>) -> Self {
        Fold { reconcile, ..self }
    }

    /// Takes a batch of the stream. Answers with where to begin again if something failed.
    pub async fn take(&self, records: &[StreamRecord]) -> Option<String> {
        let mut accounts: BTreeMap<String, Touched<'_>> = BTreeMap::new();
        let mut flow = Flow { taken_in: records.len() as u64, ..Flow::default() };
        for record in records {
            let effect = Effect::of(record, self.clock.now());
            *if effect.malformed { &mut flow.unreadable } else { &mut flow.judged } += 1;
            let first = || Touched { first: &record.sequence, effects: Vec::new() };
            accounts.entry(effect.place.account.clone()).or_insert_with(first).effects.push(effect);
        }
        self.metrics.flow(flow);
        let mut failed: Option<&str> = None;
        for (account, touched) in &accounts {
            if let Err(error) = self.take_account(account, &touched.effects).await {
                tracing::error!(account, error = chain(&error), "an account could not be folded");
                failed = Some(failed.map_or(touched.first, |first| earlier(first, touched.first)));
            }
        }
        failed.map(str::to_owned)
    }

    async fn take_account(&self, account: &str, effects: &[Effect<'_>]) -> Result<(), CallError> {
        let mut hours = Hours::new();
        let mut partitions: BTreeSet<&Partition> = BTreeSet::new();
        for effect in effects {
            if let Some(note) = &effect.note {
                self.findings.note(note).await?;
            }
            let Some(partition) = &effect.partition else { continue };
            if let Some(item) = effect.keep {
                self.findings.keep(partition, item).await?;
            }
            partitions.insert(partition);
            hours.insert((partition.place.clone(), partition.hour));
        }
        self.ask_for_a_look(account, effects).await?;
        for partition in partitions {
            self.findings.note_partition(partition).await?;
        }
        if effects.iter().any(|effect| effect.world_changed) {
            let now = hour_of(self.clock.now());
            let recent = |partition: &Partition| partition.hour.is_some_and(|hour| hour > now - ROLLED_UP_AGAIN_HOURS);
            let partitions = self.findings.partitions(account).await?;
            hours.extend(partitions.into_iter().filter(recent).map(|partition| (partition.place, partition.hour)));
        }
        for (time, event_id) in effects.iter().filter_map(|effect| effect.organization_changed.as_ref()) {
            if !self.trust.organization || self.trust.is_management(account) {
                self.tell_all_accounts(account, *time, event_id).await?;
            }
        }
        let folded = self.fold(account, Some(&hours)).await?;
        self.metrics.emit(&[
            ("findings_written", folded.written),
            ("findings_withdrawn", folded.withdrawn),
            ("overtaken", folded.overtaken),
        ]);
        Ok(())
    }

    /// What an account says of its own state isn't enough: the hub reads it itself, at once. So it does where it never looked.
    async fn ask_for_a_look(&self, account: &str, effects: &[Effect<'_>]) -> Result<(), CallError> {
        let Some(queue) = &self.reconcile else { return Ok(()) };
        let reported = |effect: &&Effect<'_>| effect.partition.as_ref().is_some_and(|partition| partition.source == Source::Account);
        let mut places: BTreeSet<&Place> =
            effects.iter().filter(reported).filter(|effect| effect.world_changed).map(|effect| &effect.place).collect();
        let known: BTreeSet<Place> = self.findings.partitions(account).await?.into_iter().map(|partition| partition.place).collect();
        places.extend(effects.iter().filter(reported).map(|effect| &effect.place).filter(|place| !known.contains(place)));
        let order = |place: &Place| Order::Place { account: place.account.clone(), region: place.region.clone() };
        let orders: Vec<String> = places.into_iter().map(|place| serde_json::json!(order(place)).to_string()).collect();
        queue.send(&orders, 0).await
    }

    /// A change in the organization may concern any account: a fact for each makes the stream fold them, side by side.
    async fn tell_all_accounts(&self, management: &str, time: Moment, event_id: &str) -> Result<(), CallError> {
        let files = self.world.files(&["organization".to_owned()]).await?;
        let mut accounts: BTreeSet<String> = organization_in(&files)
            .into_iter()
            .flat_map(|organization| organization.accounts.into_keys())
            .map(|id| id.to_string())
            .collect();
        accounts.extend(self.findings.places().await?.into_iter().map(|place| place.account));
        accounts.remove(management);
        for account in accounts {
            let read = ReadFact { time, changed: vec![format!("organization, by event {event_id}")] };
            let place = Place::new(account, "us-east-1");
            self.observations.put(&Fact::new(Source::Hub, place, Some(time), Content::Read(read))).await?;
        }
        Ok(())
    }

    /// What an account changes may concern another: whose guardrail it used to enforce, say. The other account's fold takes the change in.
    async fn tell_others(&self, account: &str, found: &[Finding], known: &Known) -> Result<(), CallError> {
        for finding in found.iter().filter(|finding| finding.account.as_str() != account) {
            for (time, partition) in finding.events.iter().filter_map(|event| known.own_changes.get(event)) {
                // The same fact each time: only the first makes the stream fold the other account.
                self.findings.note_concern(&finding.account, partition).await?;
                let read = ReadFact { time: *time, changed: vec![format!("something in {}", partition.key())] };
                let place = Place::new(finding.account.as_str(), finding.region.as_str());
                self.observations.put(&Fact::new(Source::Hub, place, Some(*time), Content::Read(read))).await?;
            }
        }
        Ok(())
    }

    /// Makes the findings of an account again, and the rollups of these hours; `None` means of all.
    pub async fn fold(&self, account: &str, hours: Option<&Hours>) -> Result<Folded, CallError> {
        // Taken before anything is read: a fold that read less than another has a smaller ticket, or is followed by one that reads all.
        let ticket = self.findings.ticket(account).await?;
        let partitions = self.findings.partitions(account).await?;
        let known = self.known(account, &partitions).await?;
        let files = self.world.files_of(account, self.trust.management_account.as_deref(), &known.concerning).await?;
        let read = files.iter().map(|(path, json)| (path.as_str(), &**json));
        let world = world_of(read.chain(known.states.iter().map(|(path, json)| (path.as_str(), json.as_slice()))));
        let configuration = configuration(self.world.bucket(), &self.configuration_key).await?;
        let terms = Terms { configuration: &configuration, selection: &Selection::default(), now: self.clock.now() };

        let audit = auditor::audit(known.facts.clone(), world.clone(), &terms);
        self.tell_others(account, &audit.findings, &known).await?;
        let mut found: Vec<Finding> = audit.findings.into_iter().filter(|finding| finding.account.as_str() == account).collect();
        found.extend(self.own_findings(account, &known, &world, &configuration).await?);
        let units = organization_in(&files).map(|organization| units_of(&organization, account)).unwrap_or_default();
        let folded = self.write(account, found, &units, &known, ticket).await?;

        let all: Hours = partitions.iter().map(|partition| (partition.place.clone(), partition.hour)).collect();
        for (place, hour) in hours.map_or_else(|| all.clone(), |hours| hours & &all) {
            let rollup = self.rollup(&place, &known, &world, &configuration, hour);
            self.findings.put_rollup(&place, &hour_text(hour), &rollup, ticket).await?;
        }
        let blind: Vec<_> = audit.blind.into_iter().filter(|row| row.account.as_str() == account).collect();
        self.findings.put_blind(account, &blind, ticket).await?;
        Ok(folded)
    }

    /// Writes what changed.
    async fn write(&self, account: &str, found: Vec<Finding>, units: &[String], known: &Known, ticket: i64) -> Result<Folded, CallError> {
        let before = self.findings.of_account(account).await?;
        let mut folded = Folded::default();
        let mut present: BTreeSet<String> = BTreeSet::new();
        for finding in found {
            present.insert(finding.id.clone());
            let stored = Stored { ticket, units: units.to_vec(), basis: known.basis, finding };
            let same = before.get(&stored.finding.id).is_some_and(|before| Stored { ticket, ..before.clone() } == stored);
            if !same {
                *if self.findings.put(&stored).await? { &mut folded.written } else { &mut folded.overtaken } += 1;
            }
        }
        // A flood hides facts, and facts grow old: neither makes a finding untrue.
        let oldest = self.clock.now().plus_seconds(-self.facts_ttl_days * 86_400);
        let flooded = known.notes.iter().any(|note| note.kind == "flood");
        for (id, gone) in before {
            let facts_are_there = gone.finding.last_seen.is_none_or(|last_seen| last_seen > oldest) && !flooded;
            if !present.contains(&id) && facts_are_there {
                let withdrawn = self.findings.withdraw(account, &id, ticket).await?;
                *if withdrawn { &mut folded.withdrawn } else { &mut folded.overtaken } += 1;
            }
        }
        Ok(folded)
    }

    /// Everything that was reported about an account.
    async fn known(&self, account: &str, partitions: &BTreeSet<Partition>) -> Result<Known, CallError> {
        let mut known = Known::default();
        let read = self.read_all(partitions).await?;
        let settled = settled(&read);
        let is_replaced = |partition: &Partition| {
            // Settled replaces provisional: what the trail holds of an hour is all there is to it.
            self.trust.is_self_reported(partition) && settled.contains(&(partition.place.clone(), partition.hour))
        };
        let mut all_settled = !partitions.is_empty();
        for (partition, mut facts) in read {
            let partition = &partition;
            let self_reported = self.trust.is_self_reported(partition);
            all_settled &= !self_reported || is_replaced(partition);
            if facts.len() > ITEMS && self_reported {
                known.notes.insert(note_of_partition("flood", partition, partition.key(), format!("more than {ITEMS} facts in an hour")));
                facts.truncate(ITEMS);
            }
            for read in facts {
                self.add(&mut known, partition, read, is_replaced(partition));
            }
        }
        for item in self.findings.kept(account).await? {
            let Some(partition) = item.get("pk").and_then(|value| Partition::parse(value.as_s().ok()?)) else { continue };
            let sort_key = item.get("sk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let replaced = is_replaced(&partition);
            self.add(&mut known, &partition, Read { sort_key, fact: Fact::from_item(&item) }, replaced);
        }
        known.basis = if all_settled { Basis::Settled } else { Basis::Reported };
        self.add_organization(&mut known, account).await?;
        for partition in self.findings.concerns(account).await? {
            known.concerning.insert(partition.place.account.clone());
            for read in self.observations.query(&partition, Some("change#")).await? {
                if let Ok(Fact { content: Content::Change(change), .. }) = read.fact {
                    let key = change.key(&partition.place.account);
                    known.add_change(&key, &self.trust.believed(&partition, change.change));
                }
            }
        }
        Ok(known)
    }

    /// What happened to the organization, as other accounts saw it: the management account, and in an installation of one's own any.
    async fn add_organization(&self, known: &mut Known, account: &str) -> Result<(), CallError> {
        let others: BTreeSet<String> = match &self.trust.management_account {
            Some(management) => BTreeSet::from([management.clone()]),
            None if self.trust.organization => BTreeSet::new(),
            None => self.findings.places().await?.into_iter().map(|place| place.account).collect(),
        };
        for other in others.iter().filter(|other| *other != account) {
            for partition in self.findings.partitions(other).await? {
                for read in self.observations.query(&partition, Some("change#")).await? {
                    if let Ok(Fact { content: Content::Change(change), .. }) = read.fact
                        && is_of_organization(&change.change)
                    {
                        known.add_change(&change.key(other), &change.change);
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&self, known: &mut Known, partition: &Partition, read: Read, replaced: bool) {
        let place = &partition.place;
        let self_reported = self.trust.is_self_reported(partition);
        match read.fact {
            Ok(Fact { content: Content::Calls(bytes), .. }) if !replaced => {
                let unpacked = known.facts.unpack(&place.account, &place.region, partition.hour, &bytes, self_reported);
                let covered = |claimed: Invocations| claimed.compliant > 0 && claimed.violation == 0 && claimed.not_provable == 0;
                if self_reported && unpacked.is_ok_and(|unpacked| covered(unpacked.claimed)) {
                    // What was read a moment ago can be read again.
                    let _ = known.said_to_be_covered.unpack(&place.account, &place.region, partition.hour, &bytes, true);
                }
                known.packets.entry((place.clone(), partition.hour)).or_default().push((bytes, self_reported));
            }
            Ok(Fact { content: Content::Change(change), .. }) => {
                let key = change.key(&place.account);
                if self_reported && known.changes_of_hub.contains(&key) {
                    return;
                }
                if partition.source == Source::Hub {
                    known.changes_of_hub.insert(key);
                }
                known.own_changes.insert(change.event_id.clone(), (change.time, partition.clone()));
                known.add_change(&change.key(&place.account), &self.trust.believed(partition, change.change));
            }
            Ok(Fact { content: Content::State(state), .. }) if !self_reported => {
                let path = state.path.strip_suffix(".json").unwrap_or(&state.path);
                known.states.insert(format!("{path}@{}.json", state.since.to_basic()), state.json.into_bytes());
            }
            Ok(Fact { content: Content::Heartbeat(heartbeat), .. }) => {
                known.heartbeats.entry(place.clone()).or_default().insert(heartbeat.time);
            }
            Ok(Fact { content: Content::Gap(gap), .. }) => {
                known.gaps.entry((place.clone(), gap.missing.clone())).or_default().push(gap);
            }
            Ok(Fact { content: Content::Read(read), .. }) => known.facts.looked_at(read.time),
            Ok(_) => {}
            Err(error) => {
                let item = format!("{} {}", partition.key(), read.sort_key);
                known.notes.insert(note_of_partition("malformed", partition, item, error.to_string()));
            }
        }
    }

    /// The facts of these partitions, the hub's own first: of a change that both report, the hub's word is taken.
    async fn read_all(&self, partitions: &BTreeSet<Partition>) -> Result<Vec<(Partition, Vec<Read>)>, CallError> {
        let mut all = Vec::new();
        for partition in partitions.iter().rev() {
            all.push((partition.clone(), self.observations.query(partition, None).await?));
        }
        all.sort_by_key(|(partition, _)| partition.source == Source::Account);
        Ok(all)
    }

    /// What only the hub can find, because it compares.
    async fn own_findings(
        &self,
        account: &str,
        known: &Known,
        world: &World,
        configuration: &Configuration,
    ) -> Result<Vec<Finding>, CallError> {
        let mut found = Vec::new();
        let mut notes: BTreeMap<Place, BTreeSet<Note>> = BTreeMap::new();
        for note in self.findings.notes(account).await?.into_iter().chain(known.notes.iter().cloned()) {
            notes.entry(Place::new(account, note.region.as_str())).or_default().insert(note);
        }
        for (place, notes) in &notes {
            let Some(first) = notes.iter().min_by_key(|note| (note.time, &note.item)) else { continue };
            let kinds: BTreeSet<&str> = notes.iter().map(|note| note.kind.as_str()).collect();
            let kinds: Vec<&str> = kinds.into_iter().collect();
            let because = format!("{} facts: {}; the first: {} ({})", notes.len(), kinds.join(", "), first.item, first.detail);
            let times: Vec<Moment> = notes.iter().map(|note| note.time).filter(|time| *time > Moment::BEGINNING).collect();
            found.extend(own_finding("observation-altered", place, "", because, notes.len() as u64, &times, configuration));
        }
        for ((place, missing), gaps) in &known.gaps {
            let because = gaps.iter().max_by_key(|gap| gap.time).map(|gap| gap.detail.clone()).unwrap_or_default();
            let count = gaps.iter().map(|gap| gap.count).sum();
            let times: Vec<Moment> = gaps.iter().map(|gap| gap.time).collect();
            let latest = times.iter().max().copied();
            let mut finding = own_finding("telemetry-gap", place, missing, because, count, &times, configuration);
            // A heartbeat that came through after the gap is positive evidence, unless it is the account's own word alone.
            let believed = self.trust.is_believed(account);
            let back = known.heartbeats.get(place).into_iter().flatten().copied().find(|time| Some(*time) > latest);
            if let (Some(finding), Some(back), true, "heartbeat") = (finding.as_mut(), back, believed, missing.as_str()) {
                (finding.status, finding.resolved_at) = (Status::Resolved, Some(back));
            }
            found.extend(finding);
        }
        found.extend(self.differing_verdicts(account, known, world, configuration));
        Ok(found)
    }

    /// Calls that the account's own auditor saw covered, and that are violations by what is in force, whatever the team requires on top.
    fn differing_verdicts(&self, account: &str, known: &Known, world: &World, configuration: &Configuration) -> Vec<Finding> {
        let plain = Configuration::default();
        let terms = Terms { configuration: &plain, selection: &Selection::default(), now: self.clock.now() };
        let audit = auditor::audit(known.said_to_be_covered.clone(), world.clone(), &terms);
        let mut by_region: BTreeMap<Region, Vec<&Finding>> = BTreeMap::new();
        for finding in audit.findings.iter().filter(|finding| finding.verdict == Some(Verdict::Violation)) {
            by_region.entry(finding.region.clone()).or_default().push(finding);
        }
        let differing = by_region.into_iter().filter_map(|(region, violations)| {
            let count = violations.iter().map(|finding| finding.count).sum();
            let times: Vec<Moment> = violations.iter().flat_map(|finding| [finding.first_seen, finding.last_seen]).flatten().collect();
            let rules: BTreeSet<&str> = violations.iter().map(|finding| finding.rule.as_str()).collect();
            let rules: Vec<&str> = rules.into_iter().collect();
            let because = format!("{count} calls that the account's own auditor judged as covered are violations ({})", rules.join(", "));
            own_finding("verdicts-differ", &Place::new(account, region.as_str()), "", because, count, &times, configuration)
        });
        differing.collect()
    }

    fn rollup(&self, place: &Place, known: &Known, world: &World, configuration: &Configuration, hour: Option<i64>) -> Rollup {
        let selection = Selection {
            regions: BTreeSet::from([place.region.as_str().into()]),
            since: hour.map(start_of),
            until: Some(hour.map_or(Moment::BEGINNING, |hour| start_of(hour + 1))),
            ..Selection::default()
        };
        let terms = Terms { configuration, selection: &selection, now: self.clock.now() };
        let mut facts = known.changes.clone();
        // Whether evaluations of the last calls stayed out shows only in the hour after.
        for hour in [hour, hour.map(|hour| hour + 1)].into_iter().collect::<BTreeSet<_>>() {
            for (bytes, self_reported) in known.packets.get(&(place.clone(), hour)).into_iter().flatten() {
                // What was read a moment ago can be read again.
                let _ = facts.unpack(&place.account, &place.region, hour, bytes, *self_reported);
            }
        }
        let audit = auditor::audit(facts, world.clone(), &terms);
        Rollup { invocations: audit.invocations, coverage: audit.coverage }
    }

    /// Makes findings again from all facts.
    pub async fn rebuild(&self, account: Option<&str>) -> Result<Folded, CallError> {
        let mut total = Folded::default();
        let accounts: BTreeSet<String> = self.findings.places().await?.into_iter().map(|place| place.account).collect();
        for of in accounts.iter().filter(|of| account.is_none_or(|account| account == *of)) {
            let folded = self.fold(of, None).await?;
            total.written += folded.written;
            total.withdrawn += folded.withdrawn;
            total.overtaken += folded.overtaken;
        }
        Ok(total)
    }
}

/// Whether a change may concern any account of the organization.
fn is_of_organization(change: &Change) -> bool {
    change.service == "organizations"
}

/// The hours that the organization's trail has settled. Files are delivered some minutes late (facts/05 §2): the files of the hour after
/// must have been read, too.
fn settled(read: &[(Partition, Vec<Read>)]) -> Hours {
    let mut whole: BTreeSet<(Place, i64)> = BTreeSet::new();
    for (partition, facts) in read {
        for fact in facts.iter().filter_map(|read| read.fact.as_ref().ok()) {
            if let Content::Settled(settled) = &fact.content {
                // A digest begins and ends at some minute of the hour.
                whole.extend((hour_of(settled.time)..hour_of(settled.until)).map(|hour| (partition.place.clone(), hour)));
            }
        }
    }
    let followed = whole.iter().filter(|(place, hour)| whole.contains(&(place.clone(), hour + 1)));
    followed.map(|(place, hour)| (place.clone(), Some(*hour))).collect()
}

fn note_of_partition(kind: &str, partition: &Partition, item: String, detail: String) -> Note {
    Note {
        kind: kind.to_owned(),
        account: partition.place.account.clone(),
        region: partition.place.region.clone(),
        time: partition.hour.map_or(Moment::BEGINNING, start_of),
        item,
        detail,
    }
}

/// What the team requires; without the object, the defaults. One that can't be read stops the fold: judging without it would be wrong.
pub async fn configuration<B: Bucket>(bucket: &B, key: &str) -> Result<Configuration, CallError> {
    let Some(bytes) = bucket.get(key).await? else { return Ok(Configuration::default()) };
    let text = String::from_utf8_lossy(&bytes);
    Configuration::parse(&text)
        .map_err(|error| CallError::new(format!("read the configuration {key}"), crate::error::ErrorKind::Refused, error))
}

impl<B: Bucket, Q: Queue> Handler<Input, DynamoDbEventResponse> for Fold<B, Q> {
    async fn handle(&self, input: Input, _: &str) -> Result<DynamoDbEventResponse, BoxError> {
        let mut response = DynamoDbEventResponse::default();
        match input {
            Input::Request(Request::Rebuild { account }) => {
                let folded = self.rebuild(account.as_deref()).await?;
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

/// What happened to an account in a batch.
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
    malformed: bool,
    world_changed: bool,
    organization_changed: Option<(Moment, String)>,
}

impl<'r> Effect<'r> {
    fn of(record: &'r StreamRecord, now: Moment) -> Self {
        let partition = Partition::parse(record.pk());
        let place = partition.as_ref().map_or_else(|| place_of_broken_key(record.pk()), |partition| partition.place.clone());
        let mut effect =
            Effect { place, partition, keep: None, note: None, malformed: false, world_changed: false, organization_changed: None };
        let time = record.time.unwrap_or(now);
        let note = |place: &Place, kind: &str, detail: String| Note {
            kind: kind.to_owned(),
            account: place.account.clone(),
            region: place.region.clone(),
            time,
            item: shorten(&format!("{} {}", record.pk(), record.sk())),
            detail,
        };
        let content = |item: &Item| (item.get("f").cloned(), item.get("j").cloned(), item.get("expires_at").cloned());
        // What was no fact can't be missed, and could have a key or a size that no item of the hub's can hold.
        let fact = |item: &'r Item| Fact::from_item(item).is_ok().then_some(item);
        if record.new.is_empty() {
            let expires = record.old.get("expires_at").and_then(|value| value.as_n().ok()?.parse::<i64>().ok());
            let was_due = expires.is_some_and(|at| Moment::from_seconds(at) <= time);
            if !(record.by_service && was_due) {
                effect.note = Some(note(&effect.place, "removed", "removed before its time".to_owned()));
                effect.keep = fact(&record.old);
            }
            return effect;
        }
        // The time to live of a fact is part of it: one that was cut short would go before its time.
        if !record.old.is_empty() && content(&record.old) != content(&record.new) {
            effect.note = Some(note(&effect.place, "rewritten", "written again with another content".to_owned()));
            effect.keep = fact(&record.old);
        }
        match Fact::from_item(&record.new) {
            Ok(fact) => match fact.content {
                Content::Read(read) => effect.world_changed = !read.changed.is_empty(),
                Content::State(_) => effect.world_changed = true,
                Content::Change(change) => {
                    effect.world_changed = true;
                    if is_of_organization(&change.change) {
                        effect.organization_changed = Some((change.time, change.event_id));
                    }
                }
                _ => {}
            },
            Err(error) => {
                effect.malformed = true;
                // One in its place is found there by every fold.
                if effect.partition.is_none() {
                    effect.note = Some(note(&effect.place, "malformed", error.to_string()));
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

fn organization_in(files: &[File]) -> Option<Organization> {
    let latest = files.iter().filter(|(path, _)| path.starts_with("organization")).max_by(|(a, _), (b, _)| a.cmp(b));
    let (_, json) = latest?;
    Organization::from_json(&serde_json::from_slice(json).ok()?).ok()
}

/// The ids of what is above an account, the root first.
fn units_of(organization: &Organization, account: &str) -> Vec<String> {
    organization.path_to(&account.into()).into_iter().flatten().map(|id| id.to_string()).filter(|id| id != account).collect()
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
