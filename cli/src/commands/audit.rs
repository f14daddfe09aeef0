//! `guardrail-audit audit`

use std::path::{Path, PathBuf};

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
    scan::{self, Digest, Options, Progress, Scanned},
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
const NAMED_IN_REPORT: usize = 1000;

pub(crate) fn run(args: &AuditArgs, talk: Talk) -> anyhow::Result<Exit> {
    let configuration = configuration(args.terms.config.as_deref())?;
    let world = load_world(args.terms.world.as_ref(), talk)?;
    let run = Run {
        configuration: &configuration,
        selection: &args.selection.selection(),
        now: now(args.terms.now),
        threads: args.threads.map(usize::from),
        talk,
    };
    let (audit, records, unreadable) = match &args.store {
        None => run.once(&args.paths, args.terms.world.as_ref(), world)?,
        Some(path) => run.with_store(&args.paths, args.terms.world.as_ref(), &world, path)?,
    };
    talk.unreadable(&unreadable, records.unreadable);
    audit.warnings.iter().for_each(|warning| talk.warn(format_args!("{}: {warning}", configuration_name(args))));
    conclude(&report(audit, records, unreadable, run.now), &args.output)
}

fn configuration_name(args: &AuditArgs) -> String {
    args.terms.config.as_ref().map_or("configuration".to_owned(), |path| path.display().to_string())
}

/// Writes a report, and says how the program ends.
pub(crate) fn conclude(report: &Report, args: &OutputArgs) -> anyhow::Result<Exit> {
    output::write(report, args.format, args.output.as_deref())?;
    let incomplete = report.records.unreadable > 0 || report.invocations.not_provable > 0 || !report.blind.is_empty();
    Ok(match Exit::for_findings(&report.findings, args.fail_on.0) {
        Exit::Clean if args.strict && incomplete => Exit::Incomplete,
        exit => exit,
    })
}

pub(crate) fn report(audit: Audit, records: Records, mut unreadable: Vec<Unreadable>, generated_at: Moment) -> Report {
    unreadable.truncate(NAMED_IN_REPORT);
    Report {
        schema_version: 1,
        tool: tool(),
        generated_at,
        records,
        invocations: audit.invocations,
        coverage: audit.coverage,
        blind: audit.blind,
        findings: audit.findings,
        unreadable,
        accounts: audit.accounts,
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
    pub(crate) threads: Option<usize>,
    pub(crate) talk: Talk,
}

impl Run<'_> {
    fn terms(&self) -> Terms<'_> {
        Terms { configuration: self.configuration, selection: self.selection, now: self.now }
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
        let defaults = Options::default();
        let options = Options {
            threads: self.threads.unwrap_or(defaults.threads),
            keep_session_names: self.configuration.keep_session_names,
            progress: Some(&progress),
            known,
            ..defaults
        };
        let wanted = auditor::wanted_in(self.configuration, state);
        let bytes = inputs.iter().map(input::Input::bytes).sum();
        Ok(std::thread::scope(|scope| {
            let watcher = scope.spawn(|| self.talk.show_progress(&progress, inputs.len() as u64, bytes));
            let scanned = scan::scan(&inputs, &wanted, &options);
            watcher.thread().unpark();
            scanned
        }))
    }

    /// Reads and judges, and keeps nothing.
    fn once(
        &self,
        paths: &[PathBuf],
        world_folder: Option<&PathBuf>,
        world: LoadedWorld,
    ) -> anyhow::Result<(Audit, Records, Vec<Unreadable>)> {
        let scanned = self.read(paths, world_folder, None, &world.world)?;
        let audit = auditor::audit(scanned.facts, world.world, &self.terms());
        let records = store::records(&scanned.counts, audit.judged, audit.duplicates, audit.not_selected);
        Ok((audit, records, scanned.problems))
    }

    /// Adds what is read to a store, and judges all that it holds.
    pub(crate) fn with_store(
        &self,
        paths: &[PathBuf],
        world_folder: Option<&PathBuf>,
        world: &LoadedWorld,
        path: &Path,
    ) -> anyhow::Result<(Audit, Records, Vec<Unreadable>)> {
        let context = || format!("failed to use the store `{}`", path.display());
        let mut store = Store::open(path).with_context(context)?;
        let known = store.known_inputs().with_context(context)?;
        let is_known = |digest: &Digest| known.contains(digest);
        let scanned = self.read(paths, world_folder, Some(&is_known), &world.world)?;
        let new: Vec<_> = scanned.inputs.into_iter().filter(|(digest, _)| !known.contains(digest)).collect();
        store.add(&scanned.facts, &new, &world.files).with_context(context)?;
        drop(scanned.facts);

        let everything = Selection::default();
        let of_all = auditor::audit(facts_of(&store)?, world_of(&store, self.talk)?, &Terms { selection: &everything, ..self.terms() });
        store.conclude(&of_all).with_context(context)?;
        let summary = store.summary().with_context(context)?;
        if self.selection.is_everything() {
            return Ok((of_all, summary.records, summary.unreadable));
        }
        let (counts, unreadable) = store.inputs().with_context(context)?;
        let audit = auditor::audit(facts_of(&store)?, world_of(&store, self.talk)?, &self.terms());
        let duplicates = counts.taken.saturating_sub(audit.judged + audit.not_selected);
        let records = store::records(&counts, audit.judged, duplicates, audit.not_selected);
        Ok((audit, records, unreadable))
    }
}

/// The evidence in a store.
pub(crate) fn facts_of(store: &Store) -> anyhow::Result<Facts> {
    let mut facts = Facts::default();
    store.load_facts(&mut facts)?;
    Ok(facts)
}

/// The world in a store.
pub(crate) fn world_of(store: &Store, talk: Talk) -> anyhow::Result<World> {
    let mut loaded = LoadedWorld::default();
    for (path, json) in store.load_world()? {
        let shown_as = PathBuf::from(&path);
        loaded.take(path, json, &shown_as);
    }
    for (path, problem) in &loaded.problems {
        talk.warn(format_args!("{} in the store: {problem}", path.display()));
    }
    Ok(loaded.world)
}
