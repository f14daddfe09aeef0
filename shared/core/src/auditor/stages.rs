//! The stages of an audit, each of which takes the value of the one before it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use hashbrown::HashMap;

use super::{
    account_region::{self, AccountRegionSummary, PlaceOutcome},
    aggregate::{self, CallAggregate, RestoredAggregate, StoredAggregate, StoredAggregates},
    changes::{self, ChangeRules},
    correlation::{self, CallFinding},
    options::{AuditOptions, Counting, Periods},
    relevance::{AccountRegions, Relevance, Watched},
};
use crate::{
    arn::{AccountId, Region},
    change::{Change, ChangeKey, WorldChange},
    change_history::{self, ChangeHistory, Heartbeats, RuleContext, guardrail_keys::GuardrailKeys},
    cloudtrail::wanted::Wanted,
    config::Configuration,
    facts::{self, EvidenceRows, PackedChange, PackedChanges, Rows, RowsByAccountRegion, Strings, Texts},
    finding::Finding,
    join::{AccountRegionContext, Selection},
    missing_evidence::MissingEvidence,
    operations,
    organization::Organization,
    parallel,
    report::{BlindRow, CoverageRow, DayRow, HourRow},
    rule::Traffic,
    rules::{self, RULES},
    timestamp::Timestamp,
    verdict::{self, Call, Evidence, Invocations},
    world::{State, World},
};
/// The operations whose records an audit needs, under the default configuration.
#[must_use]
pub fn wanted() -> Wanted {
    wanted_for(&Configuration::default())
}

/// The operations whose records an audit needs, under a configuration: it names the auditor's own resources, changes of which are findings.
#[must_use]
pub fn wanted_for(configuration: &Configuration) -> Wanted {
    let by_rules = RULES.iter().flat_map(|rule| rule.revealed_by.iter().copied());
    let by_table = operations::all().filter(|(.., role)| role.is_looked_at()).map(|(_, name, _)| name);
    Wanted::new(by_table.chain(by_rules)).only_with(operations::changes_of_auditor(), configuration.auditor.stems())
}

/// The operations whose records an audit of a world needs: where the world names the buckets that keep evidence, also data events on the
/// objects in them.
#[must_use]
pub fn wanted_in(configuration: &Configuration, world: &World) -> Wanted {
    wanted_for(configuration).with_stores(world.log_stores())
}

/// The result of an audit. It depends on the set of records, the world and the [`AuditOptions`] only, not on the order of the records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audit {
    /// The number of calls, evaluations, invocation logs and changes that were used, without copies.
    pub judged: u64,
    /// The number of their copies.
    pub duplicates: u64,
    /// The number of records that [`Selection`] leaves out.
    pub not_selected: u64,
    /// The accounts and Regions that have records, selected or not.
    pub regions_read: BTreeSet<(AccountId, Region)>,
    /// The times of the first and of the last record, selected or not.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The number of calls by verdict.
    pub invocations: Invocations,
    /// The number of calls by account, Region, model, operation, verdict, grade and reason.
    pub coverage: Vec<CoverageRow>,
    /// The number of calls by day, account, Region, verdict and grade.
    pub days: Vec<DayRow>,
    /// The number of calls by hour; empty unless [`audit_after`](super::audit_after) was asked for them.
    pub hours: Vec<HourRow>,
    /// The evidence that is missing, by account and Region.
    pub blind: Vec<BlindRow>,
    /// The id of the organization (`o-…`), where it is known.
    pub organization: Option<String>,
    /// The names of accounts, where the organization is known.
    pub accounts: BTreeMap<AccountId, String>,
    /// The names of the OUs above each account, where the organization is known.
    pub units: BTreeMap<AccountId, Vec<String>>,
    /// The findings, open ones first, and of these the most severe.
    pub findings: Vec<Finding>,
    /// Warnings about the configuration, such as exceptions that ended or that match no finding.
    pub warnings: Vec<String>,
    /// The next time at which a missing heartbeat becomes a finding, if none is recorded until then; `None` if none is expected. The hub
    /// schedules its next fold by it.
    pub silent_at: Option<Timestamp>,
    /// A digest of the names by which changes were selected that rules look at: of identities, keys, buckets, log groups, and the auditor's own resources.
    pub watched: String,
}

/// Audits what was collected, in five stages, each of which takes the value of the one before it.
#[must_use]
pub fn audit(facts: EvidenceRows, world: World, options: &AuditOptions<'_>) -> Audit {
    let ordered = order(facts);
    let resolved = resolve_state(ordered, world);
    let (judged, _) = judge(resolved, Earlier::nothing(), options);
    let checked = check_changes(judged, options);
    conclude(checked, options)
}

/// The collected rows, with their changes in the order of time and without copies.
pub(super) struct Ordered {
    pub(super) facts: EvidenceRows,
    /// The number of copies of changes.
    pub(super) duplicates: u64,
}

/// Sorts the changes by time and drops copies.
fn order(mut facts: EvidenceRows) -> Ordered {
    facts.close();
    let duplicates = facts.changes.put_in_order(facts.texts.strings());
    Ordered { facts, duplicates }
}

/// The rows, with the state at each time.
pub(super) struct Resolved {
    pub(super) ordered: Ordered,
    pub(super) state: State,
}

/// Computes the state at each time from the snapshots of the world and the changes.
fn resolve_state(ordered: Ordered, world: World) -> Resolved {
    let state = resolve(&ordered.facts, world);
    Resolved { ordered, state }
}

/// The results for all accounts and Regions, merged. The rows of calls are freed by now; the changes are not checked yet.
pub(super) struct Judged {
    audit: Audit,
    state: State,
    kept: PackedChanges,
    texts: Texts,
    drafts_requested: BTreeSet<String>,
    horizon: Horizon,
    seen: Vec<AccountRegionSummary>,
    verdicts: Verdicts,
}

/// The findings and counts about calls, of all accounts and Regions.
#[derive(Default)]
struct Verdicts {
    findings: Vec<CallFinding>,
    coverage: Vec<Vec<CoverageRow>>,
    days: Vec<Vec<DayRow>>,
    /// The live exceptions that match one of the findings, by their index in the configuration.
    excepted: BTreeSet<usize>,
}

/// What is known of the calls of earlier audits, of the accounts and Regions that had any.
#[derive(Default)]
pub(super) struct Earlier {
    pub(super) aggregates: BTreeMap<(AccountId, Region), RestoredAggregate>,
    /// Whether the aggregates are kept for later audits, with the calls of this one.
    pub(super) is_kept: bool,
    /// The time of the latest record that this audit adds. In what is kept, requests that are much older wait for no further record, in any
    /// account.
    pub(super) latest: Option<Timestamp>,
    /// The periods by which the calls of this audit are counted.
    pub(super) by: Periods,
}

impl Earlier {
    /// Nothing, and nothing is kept.
    pub(super) fn nothing() -> Self {
        Earlier::default()
    }
}

/// Judges the calls of each account and Region, and applies the rules about calls. The second value are the aggregates to keep.
pub(super) fn judge(resolved: Resolved, earlier: Earlier, options: &AuditOptions<'_>) -> (Judged, StoredAggregates) {
    let Resolved { ordered: Ordered { mut facts, duplicates }, state } = resolved;
    let mut audit = Audit {
        judged: facts.changes.len() as u64,
        duplicates,
        regions_read: facts.regions_read(),
        organization: state.organization().and_then(|organization| organization.id.clone()),
        accounts: account_names(&state),
        units: state.organization().map(Organization::unit_names).unwrap_or_default(),
        warnings: options.configuration.warnings(options.now),
        ..Audit::default()
    };
    let mut drafts_requested = facts.drafts_requested();
    audit.regions_read.extend(earlier.aggregates.keys().cloned());
    drafts_requested.extend(earlier.aggregates.values().flat_map(RestoredAggregate::drafts).cloned());
    let kept = std::mem::take(&mut facts.changes);
    let texts = std::mem::take(&mut facts.texts);
    let mut horizon = Horizon(facts.looked);
    let mut verdicts = Verdicts::default();
    let mut seen: Vec<AccountRegionSummary> = Vec::new();
    let mut aggregates = StoredAggregates::new();
    for (outcome, stored) in judge_accounts_and_regions(facts.account_regions, earlier, &texts, &kept, &state, options) {
        if let Some(stored) = stored {
            aggregates.insert((outcome.seen.account.clone(), outcome.seen.region.clone()), stored);
        }
        horizon.include(outcome.span);
        audit.judged += outcome.counts.judged;
        audit.duplicates += outcome.counts.duplicates;
        audit.not_selected += outcome.counts.not_selected;
        audit.invocations.add_all(&outcome.invocations);
        audit.blind.extend(outcome.blind);
        verdicts.excepted.extend(outcome.excepted);
        verdicts.coverage.push(outcome.coverage);
        verdicts.days.push(outcome.days);
        audit.hours.extend(outcome.hours);
        verdicts.findings.extend(outcome.findings);
        seen.push(outcome.seen);
    }
    kept.iter(texts.strings()).for_each(|listed| horizon.include(Some((listed.time(), listed.time()))));
    audit.span = horizon.0;
    (Judged { audit, state, kept, texts, drafts_requested, horizon, seen, verdicts }, aggregates)
}

/// What the rules reported about changes and states. The changes are freed by now, so that the findings can use their memory.
pub(super) struct Checked {
    audit: Audit,
    state: State,
    verdicts: Verdicts,
    rules: ChangeRules,
    regions: BTreeMap<AccountId, BTreeSet<Region>>,
    /// The accounts and Regions where a changed IAM policy may allow inference, and the account's identities were not read.
    unread_identities: AccountRegions,
}

/// Applies the rules about changes and states.
pub(super) fn check_changes(judged: Judged, options: &AuditOptions<'_>) -> Checked {
    let Judged { mut audit, state, kept, texts, drafts_requested, horizon, seen, verdicts } = judged;
    let is_publication = |listed: &PackedChange<'_>| listed.operation() == ("bedrock", "CreateGuardrailVersion");
    let published = change_history::published(kept.iter(texts.strings()).filter(is_publication).map(PackedChange::to_change));
    let stems: Vec<String> = options.configuration.auditor.stems().collect();
    let (relevance, unread_identities) = Relevance::of(&kept, texts.strings(), &state, &stems);
    let mut regions: BTreeMap<AccountId, BTreeSet<Region>> = BTreeMap::new();
    for summary in &seen {
        regions.entry(summary.account.clone()).or_default().insert(summary.region.clone());
    }
    // Changes of the organization and of trails concern all accounts, so they form one history. The others form a history for each owner of
    // the resources: an account and Region for Bedrock, and an account for IAM and the services that the auditor runs on.
    let mut of_all: Vec<(ChangeKey, Change)> = Vec::new();
    let mut by_owner: BTreeMap<(&str, Option<&str>), Vec<PackedChange<'_>>> = BTreeMap::new();
    for listed in kept.iter(texts.strings()).filter(|listed| relevance.is(listed)) {
        match listed.operation().0 {
            "organizations" | "cloudtrail" => of_all.push(listed.to_change()),
            "bedrock" => by_owner.entry((listed.account(), Some(listed.region()))).or_default().push(listed),
            _ => by_owner.entry((listed.account(), None)).or_default().push(listed),
        }
    }
    let stores = change_history::log_stores(&state, of_all.iter().map(|(_, change)| change));
    let guardrail_keys = GuardrailKeys::of(&state);
    let times = |summary: &AccountRegionSummary| {
        let times: Vec<Timestamp> = summary.heartbeats.iter().map(|(time, _)| *time).collect();
        ((summary.account.clone(), summary.region.clone()), times)
    };
    let heartbeats: Heartbeats = seen.iter().map(times).filter(|(_, times)| !times.is_empty()).collect();
    let context = RuleContext {
        state: &state,
        configuration: options.configuration,
        regions: &regions,
        horizon: horizon.ends(),
        log_stores: &stores,
        guardrail_keys: &guardrail_keys,
        published: &published,
        heartbeats: &heartbeats,
        drafts_requested: &drafts_requested,
        named: &OnceLock::new(),
    };
    let mut rules_of_changes = ChangeRules::default();
    let history = ChangeHistory::new(context, &of_all);
    rules_of_changes.at_changes(&history, options);
    let traffic = traffic(&seen, &state, options.selection);
    rules_of_changes.at_states(&history, &traffic, options);
    let enabled = kept.iter(texts.strings()).filter(|listed| listed.operation() == ("account", "EnableRegion"));
    audit.silent_at = rules::silent_at(&traffic, enabled.map(PackedChange::time), &history);
    let mut by_owner: Vec<_> = by_owner.into_values().collect();
    by_owner.sort_by_key(|listed| Reverse(listed.len()));
    let watched = Watched { log_stores: &stores, guardrail_keys: &guardrail_keys, stems: &stems };
    audit.watched = relevance.watched(watched);
    let look = |listed: Vec<PackedChange<'_>>| {
        let own: Vec<(ChangeKey, Change)> = watched.only(listed, options.selection);
        let mut rules_of_changes = ChangeRules::default();
        rules_of_changes.at_changes(&ChangeHistory::new(context, &own), options);
        rules_of_changes
    };
    let rules = parallel::map(options.threads, by_owner, look).into_iter().fold(rules_of_changes, ChangeRules::and);
    Checked { audit, state, verdicts, rules, regions, unread_identities }
}

/// Builds the findings about changes, correlates all findings, and sorts everything in the order of reports.
pub(super) fn conclude(checked: Checked, options: &AuditOptions<'_>) -> Audit {
    let Checked { mut audit, state, verdicts: Verdicts { findings, coverage, days, mut excepted }, rules, regions, unread_identities } =
        checked;
    let mut changes = rules.conclude(&state, options, &mut excepted);
    let unread_identities =
        unread_identities.into_iter().filter(|(account, region)| options.selection.selects_account_region(account, region));
    changes.blind.extend(unread_identities.map(|(account, region)| (account, region, MissingEvidence::IdentityPolicies)));
    let blind: BTreeSet<BlindRow> = changes.blind.into_iter().map(changes::blind_row).chain(std::mem::take(&mut audit.blind)).collect();
    audit.blind = blind.into_iter().collect();
    audit.findings = correlation::correlate(findings, changes.findings);
    audit.coverage.reserve_exact(coverage.iter().map(Vec::len).sum());
    audit.coverage.extend(coverage.into_iter().flatten());
    audit.coverage.sort_unstable();
    audit.days = days.into_iter().flatten().collect();
    audit.days.sort_unstable();
    audit.findings.sort_by(Finding::order);
    audit.warnings.extend(unmatched(&state, &regions, &excepted, options));
    audit
}

/// Warnings about names in requirements that select nothing, and about live exceptions that match no open finding.
fn unmatched(
    state: &State,
    regions: &BTreeMap<AccountId, BTreeSet<Region>>,
    excepted: &BTreeSet<usize>,
    options: &AuditOptions<'_>,
) -> Vec<String> {
    let has_records = |account: &AccountId| regions.contains_key(account);
    let requirements = options.configuration.requirements.iter().flat_map(|requirement| {
        let unknown = requirement.unknown_names(state.organization(), has_records);
        unknown.into_iter().map(|why| format!("line {}: a name in [[require]] selects nothing: {why}", requirement.line))
    });
    let exceptions = options.configuration.exceptions.iter().enumerate();
    let exceptions = exceptions.filter(|(index, exception)| exception.is_live(options.now) && !excepted.contains(index));
    let exceptions =
        exceptions.map(|(_, exception)| format!("line {}: the exception for {} matches no open finding", exception.line, exception.rule));
    requirements.chain(exceptions).collect()
}

/// The times of the first and of the last record; `None` as long as there is none.
struct Horizon(Option<(Timestamp, Timestamp)>);

impl Horizon {
    fn include(&mut self, span: Option<(Timestamp, Timestamp)>) {
        if let Some((first, last)) = span {
            let (from, until) = self.0.unwrap_or((first, last));
            self.0 = Some((from.min(first), until.max(last)));
        }
    }

    /// Both times; all of time, if there was no record.
    fn ends(&self) -> (Timestamp, Timestamp) {
        self.0.unwrap_or((Timestamp::BEGINNING, Timestamp::END))
    }
}

/// The traffic of each selected account and Region that has calls or, in the world, metrics.
fn traffic<'a>(seen: &'a [AccountRegionSummary], state: &'a State, selection: &Selection) -> Vec<Traffic<'a>> {
    static NONE: BTreeMap<Timestamp, u64> = BTreeMap::new();
    let mut traffic: BTreeMap<(&AccountId, &Region), Traffic<'_>> = BTreeMap::new();
    for (account, region) in state.metered().filter(|(account, region)| selection.selects_account_region(account, region)) {
        traffic.insert((account, region), Traffic { account, region, heartbeats: Vec::new(), counted: &NONE });
    }
    for AccountRegionSummary { account, region, heartbeats, counted } in seen {
        let heartbeats = heartbeats.iter().copied().collect();
        traffic.insert((account, region), Traffic { account, region, heartbeats, counted });
    }
    traffic.into_values().collect()
}

/// Explains the verdict on a call by the state at its time. The call needn't have been made: no record of it is looked up.
#[must_use]
pub fn explain_call(call: &Call, facts: &EvidenceRows, world: World, configuration: &Configuration) -> Vec<String> {
    verdict::explain(call, &Evidence::default(), &resolve(facts, world), &configuration.requirements)
}

/// Explains a finding about calls by the steps of the verdict on the latest call behind it. `None` if no finding about calls has this id.
#[must_use]
pub fn explain_finding(id: &str, facts: EvidenceRows, world: World, options: &AuditOptions<'_>) -> Option<Vec<String>> {
    let state = resolve(&facts, world);
    explain(id, facts, &state, Earlier::nothing(), options)
}

/// The same, of calls some of which are known by earlier audits.
pub(super) fn explain(id: &str, facts: EvidenceRows, state: &State, earlier: Earlier, options: &AuditOptions<'_>) -> Option<Vec<String>> {
    let latest = latest_changes(&facts.changes, facts.texts.strings());
    let groups = groups_in_order(facts.account_regions, earlier, &facts.texts);
    let shared = Shared { texts: &facts.texts, state, options, latest: &latest };
    groups
        .into_iter()
        .find_map(|group| shared.aggregated(group, options.threads, |aggregate, _| account_region::explain(&aggregate, state, id)))
}

/// Explains a finding about changes or states: the rule's condition, the events, what changed, and how its severity came about.
#[must_use]
pub fn explain_change(finding: &Finding, options: &AuditOptions<'_>) -> Vec<String> {
    let Some(rule) = rules::find(&finding.rule) else {
        return Vec::new();
    };
    let mut steps = vec![rule.fires.to_owned()];
    let when = match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if first != last => format!(", first at {first}, last at {last}"),
        (Some(first), _) => format!(", at {first}"),
        _ => String::new(),
    };
    if !finding.events.is_empty() {
        let by = if finding.principals.shown.is_empty() { String::new() } else { format!(" by {}", finding.principals) };
        steps.push(format!("{}{by}{when}: event {}.", finding.apis, finding.events.join(" and ")));
    }
    steps.push(format!("{}.", finding.detail));
    for change in &finding.changes {
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let side = change.side.as_ref().map(|side| format!(" ({side})")).unwrap_or_default();
        let when = if finding.attempted { ["now", "had it not been refused"] } else { ["before", "after"] };
        let [before, after] = when;
        steps.push(format!("{}{side}: {} {before}, {} {after}.", change.control, word(&change.before), word(&change.after)));
    }
    let mut severity = format!(
        "{} by {}",
        rule.severity_in(options.configuration),
        if options.configuration.severities.contains_key(rule.id) { "configuration" } else { "default" }
    );
    let reasons = [
        (finding.expected, "made by an administrator whom the configuration names"),
        (finding.attempted, "it was refused: one step lower, unless it belongs to a burst of five within an hour"),
        (finding.grade == Some(verdict::Grade::None), "its effect could not be verified: one step lower"),
    ];
    for (_, reason) in reasons.iter().filter(|(holds, _)| *holds) {
        severity.push_str("; ");
        severity.push_str(reason);
    }
    steps.push(format!("Severity {}: {severity}. Reach, where it counts, is said above.", finding.severity));
    if let Some(at) = finding.resolved_at {
        steps.push(format!("Resolved at {at}: the state was read, or set, and is right again."));
    }
    steps
}

/// The state at each time: the snapshots of the world, with the changes applied to them.
pub(super) fn resolve(facts: &EvidenceRows, mut world: World) -> State {
    // Changes in other services have no effect on the world.
    let bears = |listed: &PackedChange<'_>| ["bedrock", "organizations", "cloudtrail"].contains(&listed.operation().0);
    for (key, change) in facts.changes.iter(facts.texts.strings()).filter(bears).map(PackedChange::to_change) {
        match &change.effect {
            Some(effect) if !change.is_refused() => world.apply(key.time, &key.event_id, effect),
            Some(WorldChange::Organization(attempt)) => world.attempt(key.time, &key.event_id, attempt),
            _ => {}
        }
    }
    world.resolve()
}

fn judge_accounts_and_regions(
    rows: RowsByAccountRegion,
    earlier: Earlier,
    texts: &Texts,
    kept: &PackedChanges,
    state: &State,
    options: &AuditOptions<'_>,
) -> Vec<(PlaceOutcome, Option<StoredAggregate>)> {
    let latest = latest_changes(kept, texts.strings());
    let shared = Shared { texts, state, options, latest: &latest };
    let audit = |group, threads| shared.aggregated(group, threads, |aggregate, stored| (account_region::audit(aggregate, state), stored));
    // Those that would keep one thread busy while the others have nothing left are audited last, one after the other, each by all threads.
    let mut small = groups_in_order(rows, earlier, texts);
    let all: usize = small.iter().map(|group| group.rows.len()).sum();
    let most = (all / (2 * options.threads.max(1))).max(aggregate::ROWS_A_THREAD);
    let large = small.split_off(small.partition_point(|group| group.rows.len() <= most));
    let mut outcomes = parallel::map(options.threads, small, |group| audit(group, 1));
    outcomes.extend(large.into_iter().map(|group| audit(group, options.threads)));
    outcomes
}

/// The calls of an account and Region.
struct CallGroup {
    account: AccountId,
    region: Region,
    rows: Rows,
    earlier: Option<RestoredAggregate>,
    /// Whether the aggregate is kept for later audits.
    is_kept: bool,
    latest: Option<Timestamp>,
    by: Periods,
}

/// The accounts and Regions, those with the fewest rows first. The rows of each are freed once it is judged, so the largest one, judged
/// last, finds the memory of the others free; another order raises the peak of memory.
fn groups_in_order(rows: RowsByAccountRegion, earlier: Earlier, texts: &Texts) -> Vec<CallGroup> {
    let Earlier { aggregates: mut earlier, is_kept, latest, by } = earlier;
    let rows = rows.into_iter().map(|((account, region), rows)| {
        let (account, region): (AccountId, Region) = (texts.get(account).into(), texts.get(region).into());
        let earlier = earlier.remove(&(account.clone(), region.clone()));
        CallGroup { account, region, rows, earlier, is_kept, latest, by }
    });
    let mut groups: Vec<CallGroup> = rows.collect();
    let only_earlier = earlier.into_iter();
    groups.extend(only_earlier.map(|((account, region), earlier)| CallGroup {
        account,
        region,
        rows: Rows::default(),
        earlier: Some(earlier),
        is_kept,
        latest,
        by,
    }));
    groups.sort_by_cached_key(|group| (group.rows.len(), group.account.clone(), group.region.clone()));
    groups
}

/// What the audits of all accounts and Regions have in common.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) texts: &'a Texts,
    pub(super) state: &'a State,
    pub(super) options: &'a AuditOptions<'a>,
    pub(super) latest: &'a LatestChanges<'a>,
}

impl<'a> Shared<'a> {
    pub(super) fn context(&self, account: &AccountId, region: &Region) -> AccountRegionContext<'a> {
        let latest = self.latest.get(&(account.as_str(), region.as_str())).copied();
        AccountRegionContext::new(account.clone(), region.clone(), self.texts, self.state, latest)
    }

    /// Adds up the calls of an account and Region, and calls a function with the sum and the form of it to keep, if that is new.
    fn aggregated<T>(&self, group: CallGroup, threads: usize, with: impl FnOnce(CallAggregate<'_>, Option<StoredAggregate>) -> T) -> T {
        let CallGroup { account, region, rows, earlier, is_kept, latest, by } = group;
        let context = self.context(&account, &region);
        let counting = Counting { is_metered: self.state.metrics(&account, &region).is_some(), by };
        if earlier.is_none() && !is_kept {
            return with(CallAggregate::of_all(rows, &context, self.options, counting, threads), None);
        }
        let has_new = earlier.is_none() || rows.len() > 0;
        let mut aggregate = match earlier {
            Some(earlier) => earlier.aggregate(&context, self.options, counting),
            None => CallAggregate::new(&context, self.options, counting),
        };
        let waited = aggregate.waiting();
        aggregate.note_drafts(facts::drafts_in(&rows, self.texts, &account, &region));
        aggregate.add(rows);
        if !is_kept {
            return with(aggregate.join(threads), None);
        }
        let mut aggregate = aggregate.conclude(latest, threads);
        let stored = (has_new || aggregate.waiting() < waited).then(|| aggregate.stored());
        with(aggregate.join(threads), stored)
    }
}

/// The time of the latest change in each account and Region.
pub(super) type LatestChanges<'s> = HashMap<(&'s str, &'s str), Timestamp>;

pub(super) fn latest_changes<'s>(kept: &'s PackedChanges, strings: &'s Strings) -> LatestChanges<'s> {
    let mut latest = LatestChanges::new();
    for listed in kept.iter(strings) {
        let latest_here = latest.entry((listed.account(), listed.region())).or_insert(listed.time());
        *latest_here = listed.time().max(*latest_here);
    }
    latest
}

fn account_names(state: &State) -> BTreeMap<AccountId, String> {
    let accounts = state.organization().into_iter().flat_map(|organization| organization.accounts.iter());
    accounts.filter(|(_, account)| !account.name.is_empty()).map(|(id, account)| (id.clone(), account.name.clone())).collect()
}
