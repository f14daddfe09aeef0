//! `guardrail-audit audit`

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use audit_core::{
    auditor::{self, Audit, Selection, Terms},
    config::Configuration,
    facts::Facts,
    moment::Moment,
    report::{Records, Report, Tool, Unreadable},
    world::World,
};
use audit_local::{
    input,
    scan::{self, Digest, InputSummary, Options, Progress, Scanned},
    store::{self, Store},
    world::LoadedWorld,
};

use super::{configuration, load_world, now};
use crate::{
    args::{AuditArgs, OutputArgs},
    exit::Exit,
    output,
    talk::Talk,
};

/// So many records that can't be read are named in a report.
pub(crate) const NAMED_IN_REPORT: usize = 1000;

pub(crate) fn run(args: &AuditArgs, talk: Talk) -> anyhow::Result<Exit> {
    let configuration = configuration(args.terms.config.as_deref())?;
    let world = load_world(args.terms.world.as_ref(), talk)?;
    let run = Run {
        configuration: &configuration,
        selection: &args.selection.selection(),
        now: now(args.terms.now),
        threads: args.threads.map_or_else(scan::processors, usize::from),
        talk,
    };
    let outcome = match &args.store {
        None => run.once(&args.paths, args.terms.world.as_ref(), world)?,
        Some(path) => run.with_store(&args.paths, args.terms.world.as_ref(), &world, path)?,
    };
    talk.unreadable(&outcome.unreadable, outcome.records.unreadable);
    outcome.audit.warnings.iter().for_each(|warning| talk.warn(format_args!("{}: {warning}", configuration_name(args))));
    conclude(&outcome.into_report(run.now), &args.output)
}

fn configuration_name(args: &AuditArgs) -> String {
    args.terms.config.as_ref().map_or("configuration".to_owned(), |path| path.display().to_string())
}

/// Writes a report, and says how the program ends.
pub(crate) fn conclude(report: &Report, args: &OutputArgs) -> anyhow::Result<Exit> {
    output::write(report, args.format, args.output.as_deref())?;
    let incomplete =
        report.records.unreadable > 0 || !report.unreadable.is_empty() || report.invocations.not_provable > 0 || !report.blind.is_empty();
    Ok(match Exit::for_findings(&report.findings, args.fail_on.0) {
        Exit::Clean if args.strict && incomplete => Exit::Incomplete,
        exit => exit,
    })
}

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) audit: Audit,
    pub(crate) records: Records,
    /// Of the logs, as far as it is kept.
    pub(crate) unreadable: Vec<Unreadable>,
    /// Of the world.
    pub(crate) world_unreadable: Vec<Unreadable>,
}

impl Outcome {
    pub(crate) fn into_report(self, generated_at: Moment) -> Report {
        let Outcome { audit, records, unreadable, world_unreadable } = self;
        Report {
            schema_version: 1,
            tool: tool(),
            generated_at,
            records,
            invocations: audit.invocations,
            coverage: audit.coverage,
            blind: audit.blind,
            findings: audit.findings,
            unreadable: world_unreadable.into_iter().chain(unreadable).take(NAMED_IN_REPORT).collect(),
            accounts: audit.accounts,
        }
    }
}

pub(crate) fn tool() -> Tool {
    Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

/// A run over files.
pub(crate) struct Run<'r> {
    pub(crate) configuration: &'r Configuration,
    pub(crate) selection: &'r Selection,
    pub(crate) now: Moment,
    pub(crate) threads: usize,
    pub(crate) talk: Talk,
}

impl Run<'_> {
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms { configuration: self.configuration, selection: self.selection, now: self.now, threads: self.threads }
    }

    /// Reads the files; those whose digest is known are left out.
    pub(crate) fn read(
        &self,
        paths: &[PathBuf],
        world: Option<&PathBuf>,
        known: Option<&(dyn Fn(&Digest) -> bool + Sync)>,
        state: &World,
    ) -> anyhow::Result<Scanned> {
        let without: Vec<PathBuf> = world.cloned().into_iter().collect();
        let inputs = input::list(paths, &without)?;
        if inputs.is_empty() {
            self.talk.warn("no log files found");
        }
        let progress = Progress::default();
        let options = Options {
            threads: self.threads,
            keep_session_names: self.configuration.keep_session_names,
            progress: Some(&progress),
            known,
            ..Options::default()
        };
        let wanted = auditor::wanted_in(self.configuration, state);
        let bytes = inputs.iter().map(input::Input::bytes).sum();
        Ok(std::thread::scope(|scope| {
            let watch = || self.talk.show_progress(&progress, inputs.len() as u64, bytes);
            let watcher = std::thread::Builder::new().spawn_scoped(scope, watch);
            let scanned = scan::scan(&inputs, &wanted, &options);
            if let Ok(watcher) = watcher {
                watcher.thread().unpark();
            }
            scanned
        }))
    }

    /// Reads and judges, and keeps nothing.
    fn once(&self, paths: &[PathBuf], world_folder: Option<&PathBuf>, world: LoadedWorld) -> anyhow::Result<Outcome> {
        let scanned = self.read(paths, world_folder, None, &world.world)?;
        let world_unreadable = world.unreadable().collect();
        let audit = auditor::audit(scanned.facts, world.world, &self.terms());
        let records = store::records(&scanned.counts, audit.judged, audit.duplicates, audit.not_selected);
        Ok(Outcome { audit, records, unreadable: scanned.problems, world_unreadable })
    }

    /// Adds what is read to a store, and judges all that it holds.
    pub(crate) fn with_store(
        &self,
        paths: &[PathBuf],
        world_folder: Option<&PathBuf>,
        world: &LoadedWorld,
        path: &Path,
    ) -> anyhow::Result<Outcome> {
        let context = || format!("failed to use the store `{}`", path.display());
        let mut store = Store::open(path).with_context(context)?;
        let known = store.known_inputs().with_context(context)?;
        let is_known = |digest: &Digest| known.contains(digest);
        let scanned = self.read(paths, world_folder, Some(&is_known), &world.world)?;
        let new: Vec<_> = scanned.inputs.into_iter().filter(|(digest, _)| !known.contains(digest)).collect();
        for path in store.contradicted_by(&world.files).with_context(context)? {
            self.talk.warn(format_args!(
                "{path}: says something else than the file of that name in the store, and replaces it for all times: give both a time, as in \
                 {}@20261101T000000Z.json",
                path.trim_end_matches(".json")
            ));
        }
        store.add(&scanned.facts, &new, &world.files).with_context(context)?;
        drop(scanned.facts);
        let stored_world = stored_world(&store)?;
        let of_this_run: BTreeSet<&str> = world.files.iter().map(|(path, _)| path.as_str()).collect();
        let of_earlier: Vec<Unreadable> =
            stored_world.unreadable().filter(|problem| !of_this_run.contains(problem.file.as_str())).collect();
        warn_of_stored(of_earlier.iter().cloned(), self.talk);
        let world_unreadable: Vec<Unreadable> = world.unreadable().chain(of_earlier).collect();

        let everything = Selection::default();
        let of_all = auditor::audit(facts_of(&store)?, stored_world.world, &Terms { selection: &everything, ..self.terms() });
        store.conclude(&of_all).with_context(context)?;
        let summary = store.summary().with_context(context)?;
        if self.selection.is_everything() {
            let outcome = Outcome { audit: of_all, records: summary.records, unreadable: summary.unreadable, world_unreadable };
            return Ok(with_unopened(outcome, &scanned.undigested));
        }
        let (counts, unreadable) = store.inputs().with_context(context)?;
        let audit = auditor::audit(facts_of(&store)?, self::stored_world(&store)?.world, &self.terms());
        let duplicates = counts.taken.saturating_sub(audit.judged + audit.not_selected);
        let records = store::records(&counts, audit.judged, duplicates, audit.not_selected);
        Ok(with_unopened(Outcome { audit, records, unreadable, world_unreadable }, &scanned.undigested))
    }
}

/// Adds inputs that could not be opened: they have no digest, and so no place in the store.
fn with_unopened(mut outcome: Outcome, inputs: &[InputSummary]) -> Outcome {
    for input in inputs {
        outcome.records.read += input.counts.read;
        outcome.records.unreadable += input.counts.unreadable;
        outcome.unreadable.extend(input.problems.iter().cloned());
    }
    outcome
}

/// The evidence in a store.
pub(crate) fn facts_of(store: &Store) -> anyhow::Result<Facts> {
    let mut facts = Facts::default();
    store.load_facts(&mut facts)?;
    Ok(facts)
}

/// The world in a store. What of it can't be used is said.
pub(crate) fn world_of(store: &Store, talk: Talk) -> anyhow::Result<World> {
    let loaded = stored_world(store)?;
    warn_of_stored(loaded.unreadable(), talk);
    Ok(loaded.world)
}

/// The world in a store, and what of it can't be used.
pub(crate) fn stored_world(store: &Store) -> anyhow::Result<LoadedWorld> {
    let mut loaded = LoadedWorld::default();
    for (path, json) in store.load_world()? {
        let shown_as = PathBuf::from(&path);
        loaded.take(path, json, &shown_as);
    }
    Ok(loaded)
}

fn warn_of_stored(problems: impl Iterator<Item = Unreadable>, talk: Talk) {
    for Unreadable { file, reason, .. } in problems {
        talk.warn(format_args!("{file} in the store: {reason}; what it is about is not known"));
    }
}
