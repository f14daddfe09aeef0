//! `guardrail-audit explain`: explains step by step why a call or a finding was judged as it was.

#[cfg(feature = "aws")]
mod hub;

use std::io::Write as _;

use anyhow::Context as _;
use audit_core::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, Region},
    auditor::{self, Selection},
    facts::EvidenceRows,
    model::Model,
    operations::OperationCoverage,
    timestamp::{Day, Timestamp},
    verdict::{Call, Requested},
};
use audit_local::{scan, store::Store};

#[cfg(feature = "aws")]
use self::hub::run as explain_from_hub;
use super::{
    audit::{Run, choices_in, evidence_of, without_records, world_of},
    configuration, load_world, now,
};
use crate::{
    args::ExplainArgs,
    console::Console,
    exit::{Exit, UsageError},
    filter::Choices,
    output::{self, text::wrapped},
};

pub(crate) fn run(args: &ExplainArgs, console: Console) -> anyhow::Result<Exit> {
    if args.hub.hub {
        return explain_from_hub(args, console);
    }
    match &args.finding {
        Some(id) => explain_finding(id, args, console),
        None => explain_call(args, console),
    }
}

#[cfg(not(feature = "aws"))]
fn explain_from_hub(_: &ExplainArgs, _: Console) -> anyhow::Result<Exit> {
    Err(super::needs_aws("--hub"))
}

fn explain_finding(id: &str, args: &ExplainArgs, console: Console) -> anyhow::Result<Exit> {
    let configured = configuration::of(&args.basis, &args.input, console)?;
    let now = now(args.basis.now);
    let selection = Selection::default();
    let run = Run {
        configuration: &configured.configuration,
        selection: &selection,
        now,
        threads: scan::processors(),
        console,
        own_files: [None, None],
    };
    let options = run.options();
    // The evidence is loaded twice: to find the finding, and to explain the call behind it.
    let evidence = || -> anyhow::Result<(EvidenceRows, audit_core::world::World)> {
        if let Some(path) = &args.store {
            let store = Store::open_existing(path).with_context(|| format!("failed to open the store `{}`", path.display()))?;
            return Ok((evidence_of(&store)?, world_of(&store, console)?));
        }
        let world = load_world(args.basis.world.as_ref(), console)?.world;
        let read = run.read(&args.input, args.basis.world.as_ref(), None, &world)?;
        read.nothing.iter().for_each(|why| console.warn(why));
        Ok((read.scanned.facts, world))
    };
    if args.store.is_none() && args.input.is_empty() {
        return Err(
            UsageError("a finding needs the --store or the --hub that holds it, or the --input that it came from".to_owned()).into()
        );
    }
    let compacted = compacted_until(args)?;
    if let Some(until) = compacted {
        console.warn(without_records(until));
    }
    let (facts, world) = evidence()?;
    let findings = auditor::audit(facts, world, &options).findings;
    let finding = match output::find(&findings, id) {
        Err(_) if is_stored(id, args)? => {
            let why = if let Some(until) = compacted {
                format!("the calls of days before {} are compacted: `findings show` shows it", Day::of(until))
            } else {
                let under = if configured.file.is_some() { "this configuration" } else { "no configuration" };
                format!("under {under} there is none: give the --config that the store was made with")
            };
            return Err(UsageError(format!("the store holds a finding `{id}`, but {why}")).into());
        }
        found => found?,
    };
    let (facts, world) = evidence()?;
    let steps = auditor::explain_finding(&finding.id, facts, world, &options);
    let mut out = output::stdout();
    output::finding::details(&mut out, finding)?;
    let (heading, steps) = match steps {
        Some(steps) => ("The latest call, step by step:", steps),
        None => ("Step by step:", auditor::explain_change(finding, &options)),
    };
    writeln!(out, "\n{heading}")?;
    write_steps(&mut out, &steps)?;
    Ok(Exit::Clean)
}

/// Whether the store holds a finding with this id from its last run, which may have used another configuration.
fn is_stored(id: &str, args: &ExplainArgs) -> anyhow::Result<bool> {
    let Some(path) = &args.store else { return Ok(false) };
    Ok(output::find(&Store::open_existing(path)?.findings()?, id).is_ok())
}

/// The end of the days that the store has compacted.
fn compacted_until(args: &ExplainArgs) -> anyhow::Result<Option<Timestamp>> {
    let Some(path) = &args.store else { return Ok(None) };
    let store = Store::open_existing(path).with_context(|| format!("failed to open the store `{}`", path.display()))?;
    Ok(store.compacted_days()?.until)
}

fn explain_call(args: &ExplainArgs, console: Console) -> anyhow::Result<Exit> {
    let given = CallArgs::of(args)?;
    let configured = configuration::of(&args.basis, &args.input, console)?;
    let (facts, world, choices) = if let Some(path) = &args.store {
        let store = Store::open_existing(path).with_context(|| format!("failed to open the store `{}`", path.display()))?;
        (evidence_of(&store)?, world_of(&store, console)?, choices_in(&store)?)
    } else {
        let loaded = load_world(args.basis.world.as_ref(), console)?;
        let choices = Choices::of_world(&loaded);
        (EvidenceRows::default(), loaded.world, choices)
    };
    let call = call_of(&given, args, &choices, console)?;
    let steps = auditor::explain_call(&call, &facts, world, &configured.configuration);
    write_steps(&mut output::stdout(), &steps)?;
    Ok(Exit::Clean)
}

/// The arguments that name a call.
struct CallArgs<'a> {
    account: &'a str,
    region: &'a str,
    model: &'a str,
}

impl<'a> CallArgs<'a> {
    fn of(args: &'a ExplainArgs) -> anyhow::Result<Self> {
        let (Some(account), Some(region), Some(model)) = (&args.account, &args.region, &args.model) else {
            return Err(UsageError("--account, --region and --model are needed".to_owned()).into());
        };
        Ok(CallArgs { account, region, model })
    }
}

/// The call that the arguments describe.
fn call_of(given: &CallArgs<'_>, args: &ExplainArgs, choices: &Choices, console: Console) -> anyhow::Result<Call> {
    let (account, region) = (choices.resolve_account(given.account, console), Region::from(given.region.trim().to_lowercase()));
    console.warn_of_each(&choices.doubts(&account, &region));
    let requested = args.guardrail.as_deref().map(|named| requested(named, &account, &region)).transpose()?;
    Ok(Call {
        time: Some(args.at.unwrap_or_else(|| now(args.basis.now))),
        reach: OperationCoverage::of_operation(&args.api)
            .ok_or_else(|| UsageError(format!("`{}` is no operation that runs a model", args.api)))?,
        api: args.api.clone(),
        model: Model::parse(given.model),
        requested,
        mediator: None,
        failed: false,
        account,
        region,
    })
}

/// Parses `abcd1234efgh:3` or `arn:…:guardrail/abcd1234efgh:3`.
fn requested(named: &str, account: &AccountId, region: &Region) -> anyhow::Result<Requested> {
    if let Some((key, version)) = GuardrailVersionArn::split(named) {
        return Ok(Requested { guardrail: Some(key), version: version.or(Some(GuardrailVersion::Draft)) });
    }
    let (id, version) = named.split_once(':').unwrap_or((named, "DRAFT"));
    match (GuardrailKey::from_identifier(id, account, region), GuardrailVersion::parse(version)) {
        (Some(key), Some(version)) => Ok(Requested { guardrail: Some(key), version: Some(version) }),
        _ => Err(UsageError(format!("`{named}` is no guardrail id or ARN with a version")).into()),
    }
}

fn write_steps(out: &mut impl std::io::Write, steps: &[String]) -> std::io::Result<()> {
    steps.iter().enumerate().try_for_each(|(number, step)| writeln!(out, "{:>2}. {}", number + 1, wrapped(step, 4)))
}
