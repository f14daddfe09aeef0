//! `guardrail-audit simulate`

use std::{io::Write as _, path::Path};

use anyhow::Context as _;
use audit_core::{
    arn::looks_like_a_region,
    arn::{AccountId, PolicyId, Region},
    enforcement::Enforcement,
    facts::Facts,
    json::{At as _, without_mark},
    policy::{
        BEDROCK_POLICY,
        lint::{Level, lint},
    },
    simulate::{Effect, Outlook, Row, Simulation, simulate},
    world::{OrganizationChange, World, WorldChange},
};
use audit_local::{scan, store::Store};
use serde_json::{Value, json};

use super::{
    audit::{Run, facts_of, world_of},
    configuration, load_world, now,
};
use crate::{
    args::{PlainFormat, SimulateArgs},
    exit::{Exit, UsageError},
    output::{
        self, table,
        text::{counted, wrapped},
    },
    talk::Talk,
};

/// The id of a policy that doesn't exist yet.
const SUPPOSED_POLICY: &str = "p-supposed";

pub(crate) fn run(args: &SimulateArgs, talk: Talk) -> anyhow::Result<Exit> {
    let configuration = configuration(args.terms.config.as_deref())?;
    let selection = args.selection.selection();
    let now = now(args.terms.now);
    let supposed = supposed(args, talk)?;
    let run = Run { configuration: &configuration, selection: &selection, now, threads: scan::processors(), talk };
    let (facts, world): (Facts, World) = if let Some(path) = &args.store {
        let store = Store::open_existing(path).with_context(|| format!("failed to open the store `{}`", path.display()))?;
        (facts_of(&store)?, world_of(&store, talk)?)
    } else {
        let world = load_world(args.terms.world.as_ref(), talk)?.world;
        (run.read(&args.paths, args.terms.world.as_ref(), None, &world)?.facts, world)
    };
    let simulation = simulate(facts, world, &supposed, &run.terms()).map_err(|error| UsageError(error.to_string()))?;
    let mut out = output::stdout();
    match args.format {
        PlainFormat::Json => {
            let counts = |effect: Effect| json!({"calls": simulation.calls.get(&effect), "accounts": simulation.accounts.get(&effect)});
            let summary: Value = Effect::ALL.iter().map(|effect| (key(*effect), counts(*effect))).collect::<serde_json::Map<_, _>>().into();
            serde_json::to_writer_pretty(&mut out, &json!({"schema_version": 1, "summary": summary, "rows": simulation.rows}))?;
            writeln!(out)?;
        }
        PlainFormat::Table => show(&mut out, &simulation)?,
    }
    Ok(Exit::Clean)
}

fn key(effect: Effect) -> String {
    effect.to_string().replace(' ', "_")
}

/// The changes to suppose, in the order in which one would make them.
fn supposed(args: &SimulateArgs, talk: Talk) -> anyhow::Result<Vec<WorldChange>> {
    use OrganizationChange::{AttachPolicy, CreatePolicy, DetachPolicy, MoveAccount};
    let mut changes = Vec::new();
    let mut organization = |change| changes.push(WorldChange::Organization(change));
    if let Some(path) = &args.policy {
        let content = Some(bedrock_policy(path, talk)?);
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

/// The text of a Bedrock policy, from a document or an answer of DescribePolicy. What looks wrong about it is said.
fn bedrock_policy(path: &Path, talk: Talk) -> anyhow::Result<String> {
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
        talk.warn(format_args!("{}, {}: {} [{}]", path.display(), lint.pointer, lint.message, lint.kind));
    }
    Ok(text)
}

fn show(out: &mut impl std::io::Write, simulation: &Simulation) -> anyhow::Result<()> {
    writeln!(out, "Calls like those that were made, after the change:")?;
    let row = |effect: &Effect| {
        let calls = simulation.calls.get(effect).copied().unwrap_or_default();
        let accounts = simulation.accounts.get(effect).copied().unwrap_or_default();
        vec![
            effect.to_string(),
            counted(usize::try_from(calls).unwrap_or(usize::MAX), "call"),
            format!("in {}", counted(accounts, "account")),
        ]
    };
    table::plain(out, Effect::ALL.iter().map(row))?;
    let changed: Vec<&Row> = simulation.rows.iter().filter(|row| row.effect != Effect::Unchanged || row.why.is_some()).collect();
    if changed.is_empty() {
        return Ok(writeln!(out, "\nNobody gains cover, loses it or starts to fail.")?);
    }
    writeln!(out)?;
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
    let mut reasons: Vec<String> =
        changed.iter().filter_map(|row| Some(format!("{} in {}: {}", row.account, row.region, row.why.as_ref()?))).collect();
    reasons.dedup();
    for reason in reasons {
        writeln!(out, "  {}", wrapped(&reason, 2))?;
    }
    Ok(())
}
