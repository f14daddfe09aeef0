//! `guardrail-audit simulate`: shows what a change of enforcement would do to the calls that were made.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::Path,
};

use anyhow::Context as _;
use audit_core::{
    arn::{AccountId, PolicyId, Region, looks_like_a_region},
    auditor::Selection,
    change::{OrganizationChange, WorldChange},
    enforcement::Enforcement,
    facts::EvidenceRows,
    json::{At as _, without_mark},
    policy::{
        BEDROCK_POLICY,
        lint::{Level, lint},
    },
    report::{
        Filter,
        csv::{self, LineEnding},
    },
    severity::Severity,
    simulate::{Effect, Outlook, Row, Simulation, simulate, v1},
    world::World,
};
use audit_local::{scan, store::Store};
use serde_json::Value;

use super::{
    audit::{Read, Run, choices_in, evidence_of, nothing_of, without_records, world_of},
    configuration, load_world, now,
};
use crate::{
    args::{CallFormat, SimulateArgs, filter_of},
    console::Console,
    exit::{Exit, UsageError},
    filter::Choices,
    output::{
        self, table,
        text::{counted, fitted, wrapped},
    },
};

/// The id of the policy in `--policy`, which doesn't exist in AWS yet.
const SUPPOSED_POLICY: &str = "p-supposed";

pub(crate) fn run(args: &SimulateArgs, console: Console) -> anyhow::Result<Exit> {
    let configured = configuration::of(&args.basis, &args.paths, console)?;
    let others = [("the store", args.store.as_deref()), ("the policy", args.policy.as_deref()), ("the configuration", configured.path())];
    let inputs = args.paths.iter().map(|path| ("the input", Some(path.as_path())));
    output::refuse_overwriting("--output", args.output.as_deref(), others.into_iter().chain(inputs))?;
    let now = now(args.basis.now);
    let supposed = supposed(args, console)?;
    let everything = Selection::default();
    let run = Run {
        configuration: &configured.configuration,
        selection: &everything,
        now,
        threads: scan::processors(),
        console,
        own_files: [None, None],
    };
    let mut is_incomplete = false;
    let (facts, world, choices, nothing): (EvidenceRows, World, Choices, Option<String>) = if let Some(path) = &args.store {
        let store = Store::open_existing(path).with_context(|| format!("failed to open the store `{}`", path.display()))?;
        let compacted = store.compacted_days()?.until.map(without_records);
        (evidence_of(&store)?, world_of(&store, console)?, choices_in(&store)?, compacted)
    } else {
        let world = load_world(args.basis.world.as_ref(), console)?;
        let Read { scanned, nothing } = run.read(&args.paths, args.basis.world.as_ref(), None, &world.world)?;
        is_incomplete = !world.problems.is_empty() || !scanned.problems.is_empty();
        let choices = Choices::of_world(&world).and_read(scanned.facts.regions_read(), None);
        (scanned.facts, world.world, choices, nothing)
    };
    let selection = args.selection.selection(&choices, now, console);
    let run = Run { selection: &selection, ..run };
    let simulation =
        simulate(facts, world, &supposed, args.assume_permissions, &run.options()).map_err(|error| UsageError(error.to_string()))?;
    let mut incomplete = nothing.map_or_else(|| nothing_of(&selection, &choices, simulation.rows.is_empty()), |nothing| vec![nothing]);
    if incomplete.is_empty() && simulation.rows.is_empty() {
        incomplete.push("no call was read, so nothing is said of any".to_owned());
    }
    console.warn_of_each(&incomplete);
    let limits = Limits { filter: Some(filter_of(&selection)).filter(|filter| !filter.is_everything()), incomplete };
    output::to(args.output.as_deref(), |out| write(out, &simulation, &limits, args.format))?;
    let is_bad = |least: Severity| simulation.rows.iter().any(|row| row.effect.severity() >= least);
    let is_told = !simulation.rows.is_empty() && simulation.rows.iter().all(|row| row.effect != Effect::NotKnown);
    Ok(match args.fail_on.0 {
        Some(least) if is_bad(least) => Exit::Findings,
        _ if args.strict && (is_incomplete || !is_told || !limits.incomplete.is_empty()) => Exit::Incomplete,
        _ => Exit::Clean,
    })
}

/// The filter of a simulation, and the reasons why its result is incomplete.
struct Limits {
    filter: Option<Filter>,
    incomplete: Vec<String>,
}

fn write(mut out: &mut dyn Write, simulation: &Simulation, limits: &Limits, format: CallFormat) -> anyhow::Result<()> {
    match format {
        CallFormat::Table => {
            output::report::limits(out, limits.filter.as_ref(), &limits.incomplete)?;
            show(&mut out, simulation)?;
        }
        CallFormat::Json => output::json(out, &v1::Simulation::new(simulation, limits.filter.as_ref(), &limits.incomplete))?,
        CallFormat::Jsonl => output::jsonl(out, &v1::rows(&simulation.rows))?,
        CallFormat::Csv => csv(out, &simulation.rows)?,
    }
    Ok(out.flush()?)
}

/// Writes one row of calls as one row of CSV.
fn csv(out: &mut dyn Write, rows: &[Row]) -> anyhow::Result<()> {
    let heading = [
        "effect",
        "account",
        "region",
        "model",
        "operation",
        "calls",
        "before",
        "before_grade",
        "before_reason",
        "after",
        "after_grade",
        "after_reason",
        "why",
    ];
    let mut table = csv::Writer::new(out, LineEnding::Lf, heading)?;
    for row in rows {
        let calls = row.calls.to_string();
        let reason = |outlook: &Outlook| outlook.reason.map_or("", |reason| reason.as_str());
        let columns: [&str; 13] = [
            row.effect.as_str(),
            row.account.as_str(),
            row.region.as_str(),
            &row.model,
            &row.api,
            &calls,
            row.before.verdict.as_str(),
            row.before.grade.as_str(),
            reason(&row.before),
            row.after.verdict.as_str(),
            row.after.grade.as_str(),
            reason(&row.after),
            row.why.as_deref().unwrap_or_default(),
        ];
        table.row(columns)?;
    }
    Ok(table.finish()?)
}

/// Returns the changes to simulate, in the order in which an operator would make them.
fn supposed(args: &SimulateArgs, console: Console) -> anyhow::Result<Vec<WorldChange>> {
    use OrganizationChange::{AttachPolicy, CreatePolicy, DetachPolicy, MoveAccount};
    let mut changes = Vec::new();
    let mut organization = |change| changes.push(WorldChange::Organization(change));
    if let Some(path) = &args.policy {
        let content = Some(bedrock_policy(path, console)?);
        organization(CreatePolicy {
            policy: SUPPOSED_POLICY.into(),
            policy_type: BEDROCK_POLICY.to_owned(),
            name: "supposed".to_owned(),
            content,
        });
    }
    for target in &args.attach {
        let (policy, target) = match target.split_once(':') {
            Some((policy, target)) => (PolicyId::from(policy), target),
            None if args.policy.is_some() => (SUPPOSED_POLICY.into(), target.as_str()),
            None => return Err(UsageError(format!("--attach {target}: which policy? Give --policy FILE, or POLICY:TARGET")).into()),
        };
        organization(AttachPolicy { policy, target: target.into() });
    }
    for detach in &args.detach {
        let (policy, target) = pair("--detach", detach, "POLICY:TARGET")?;
        organization(DetachPolicy { policy: policy.into(), target: target.into() });
    }
    for moved in &args.move_account {
        let (account, destination) = pair("--move-account", moved, "ACCOUNT:PARENT")?;
        organization(MoveAccount { account: account.into(), destination: destination.into() });
    }
    for put in &args.put_enforced {
        let (account, rest) = pair("--put-enforced", put, "ACCOUNT:REGION:FILE")?;
        let (region, file) = pair("--put-enforced", rest, "ACCOUNT:REGION:FILE")?;
        if !looks_like_a_region(region) {
            return Err(UsageError(format!("--put-enforced {put}: `{region}` doesn't look like the code of a Region")).into());
        }
        let (account, region) = (AccountId::from(account), Region::from(region));
        let json: Value = read_json(Path::new(file))?;
        let configuration = json.get("guardrailInferenceConfig").unwrap_or(&json);
        let enforcement = Enforcement::from_configuration(configuration, &account, &region);
        let enforcement = enforcement.ok_or_else(|| UsageError(format!("{file}: names no guardrailIdentifier and guardrailVersion")))?;
        changes.push(WorldChange::ConfigurationPut { account, region, enforcement: Some(enforcement) });
    }
    Ok(changes)
}

fn pair<'t>(option: &str, text: &'t str, form: &str) -> anyhow::Result<(&'t str, &'t str)> {
    text.split_once(':').ok_or_else(|| UsageError(format!("{option} {text}: expected {form}")).into())
}

fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    serde_json::from_slice(without_mark(&text)).map_err(|error| UsageError(format!("{}: {error}", path.display())).into())
}

/// Reads the text of a Bedrock policy from a document or an answer of DescribePolicy, and warns of what looks wrong about it.
fn bedrock_policy(path: &Path, console: Console) -> anyhow::Result<String> {
    let json = read_json(path)?;
    let problem = |problem: String| UsageError(format!("{}: {problem}", path.display()));
    if let Some(policy_type) = json.at("/Policy/PolicySummary/Type").as_str().filter(|policy_type| *policy_type != BEDROCK_POLICY) {
        return Err(problem(format!("a policy of type {policy_type}, not of {BEDROCK_POLICY}")).into());
    }
    let text = json.at("/Policy/Content").as_str().map_or_else(|| json.to_string(), str::to_owned);
    let document: Value = serde_json::from_str(&text).map_err(|error| problem(format!("`Policy.Content` is no JSON: {error}")))?;
    if !document.at("/bedrock/guardrail_inference").is_object() {
        return Err(problem("not a Bedrock policy: no `bedrock.guardrail_inference`".to_owned()).into());
    }
    let lints = lint(&text, None).map_err(|error| problem(error.to_string()))?;
    for lint in lints.iter().filter(|lint| lint.level == Level::Error) {
        console.warn(format_args!("{}, {}: {} [{}]", path.display(), lint.pointer, lint.message, lint.kind));
    }
    Ok(text)
}

fn show(out: &mut impl Write, simulation: &Simulation) -> anyhow::Result<()> {
    let count = |effect: &Effect| simulation.calls.get(effect).copied().unwrap_or_default();
    let all: u64 = Effect::ALL.iter().map(count).sum();
    let counts: Vec<String> = Effect::IN_REPORTS.iter().map(|effect| format!("{effect} {}", count(effect))).collect();
    let all = counted(usize::try_from(all).unwrap_or(usize::MAX), "call");
    writeln!(out, "{}", fitted(&format!("After the change, of {all} like those that were made: {}", counts.join(", ")), 0))?;
    by_account(out, simulation)?;
    let changed: Vec<&Row> = simulation.rows.iter().filter(|row| row.effect != Effect::Unchanged).collect();
    if !changed.is_empty() {
        headed(out, "Calls that change")?;
        let outlook = |outlook: &Outlook| outlook.reason.map_or(outlook.verdict.as_str(), |reason| reason.as_str()).to_owned();
        let cells = |row: &&Row| {
            vec![
                row.effect.to_string(),
                row.account.to_string(),
                row.region.to_string(),
                row.model.clone(),
                row.api.clone(),
                row.calls.to_string(),
                format!("{} -> {}", outlook(&row.before), outlook(&row.after)),
            ]
        };
        table::headed(out, &["EFFECT", "ACCOUNT", "REGION", "MODEL", "OPERATION", "CALLS", "BEFORE -> AFTER"], changed.iter().map(cells))?;
    }
    let reasons = changed.iter().flat_map(|row| {
        let what = row.changes.iter().map(ToString::to_string).map(|change| (row.effect, change));
        let fails = (row.effect == Effect::StartsToFail).then(|| (row.effect, row.why.clone().unwrap_or_default()));
        let not_known = row.not_known.iter().map(|text| (Effect::NotKnown, text.clone()));
        fails.into_iter().chain(what).chain(not_known).map(|reason| (reason, format!("{} in {}", row.account, row.region)))
    });
    notes(out, "Why", reasons)?;
    let elsewhere = simulation.elsewhere.iter().flat_map(|account_region| {
        let what = account_region.changes.iter().map(ToString::to_string).map(|change| (Effect::Weaker, change));
        let not_known = account_region.not_known.iter().map(|text| (Effect::NotKnown, text.clone()));
        what.chain(not_known).map(|reason| (reason, format!("{} in {}", account_region.account, account_region.region)))
    });
    notes(out, "Demanded less where no call was made", elsewhere)
}

fn headed(out: &mut impl Write, heading: &str) -> anyhow::Result<()> {
    writeln!(out)?;
    Ok(table::heading(out, heading)?)
}

/// Writes a row for each account.
fn by_account(out: &mut impl Write, simulation: &Simulation) -> anyhow::Result<()> {
    if simulation.by_account.is_empty() {
        return Ok(());
    }
    headed(out, "By account")?;
    let rows = simulation.by_account.iter().map(|(account, effects)| {
        let count = |effect: &Effect| effects.get(effect).map_or_else(|| "-".to_owned(), u64::to_string);
        std::iter::once(account.to_string()).chain(Effect::IN_REPORTS.iter().map(count)).collect()
    });
    let titles = Effect::IN_REPORTS.map(|effect| effect.to_string().to_uppercase());
    let heading: Vec<&str> = std::iter::once("ACCOUNT").chain(titles.iter().map(String::as_str)).collect();
    Ok(table::headed(out, &heading, rows)?)
}

/// Accounts and Regions that are named with a note at most.
const ACCOUNT_REGIONS_NAMED: usize = 5;

/// Writes notes under a heading, each note once, with the accounts and Regions that it concerns.
fn notes(out: &mut impl Write, heading: &str, notes: impl Iterator<Item = ((Effect, String), String)>) -> anyhow::Result<()> {
    let mut account_regions: BTreeMap<(Effect, String), BTreeSet<String>> = BTreeMap::new();
    for (note, account_region) in notes {
        account_regions.entry(note).or_default().insert(account_region);
    }
    if account_regions.is_empty() {
        return Ok(());
    }
    headed(out, heading)?;
    for ((effect, note), account_regions) in account_regions {
        let named: Vec<&str> = account_regions.iter().take(ACCOUNT_REGIONS_NAMED).map(String::as_str).collect();
        let more = account_regions.len().saturating_sub(ACCOUNT_REGIONS_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(out, "  {}", wrapped(&format!("{effect}: {note} ({}{more})", named.join(", ")), 4))?;
    }
    Ok(())
}
