//! `guardrail-audit audit`: reads CloudTrail files and reports what is wrong, with or without a store. `explain` and `simulate` read their
//! files through [`Run`] too.

#[cfg(test)]
mod widths;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use audit_core::{
    arn::AccountId,
    auditor::{self, Audit, AuditOptions, Selection},
    config::Configuration,
    facts::EvidenceRows,
    report::{self, Origin, Records, Report, Tool, UNREADABLE_NAMED, Unreadable},
    timestamp::{Day, Timestamp},
    world::World,
};
use audit_local::{
    input,
    scan::{self, Digest, InputSummary, Options, Progress, Scanned},
    store::{self, CompactedDays, KeptConfiguration, Store},
    world::{Contents, LoadedWorld, Problem},
};

use super::{
    configuration::{self, Configured},
    load_world_with, now, warn_of,
};
use crate::{
    args::{AuditArgs, Format, OutputArgs, filter_of},
    console::Console,
    exit::Exit,
    filter::Choices,
    output::{self, text::counted},
};

pub(crate) fn run(args: &AuditArgs, console: Console) -> anyhow::Result<Exit> {
    args.output.check()?;
    let configured = configuration::of(&args.basis, &args.paths, console)?;
    let others = [("the store", args.store.as_deref()), ("the configuration", configured.path())];
    let inputs = args.paths.iter().map(|path| ("the input", Some(path.as_path())));
    output::refuse_overwriting("--output", args.output.output.as_deref(), others.into_iter().chain(inputs))?;
    let contents = if args.store.is_some() { Contents::Kept } else { Contents::Dropped };
    let world = load_world_with(args.basis.world.as_ref(), contents, console)?;
    let choices = Choices::of_world(&world).and_named(names_in(args.store.as_deref()));
    let now = now(args.basis.now);
    let selection = args.selection.selection(&choices, now, console);
    let run = Run {
        configuration: &configured.configuration,
        selection: &selection,
        now,
        threads: args.threads.map_or_else(scan::processors, usize::from),
        console,
        own_files: [args.store.as_deref(), args.output.output.as_deref()],
    };
    let outcome = match &args.store {
        None => run.once(&args.paths, args.basis.world.as_ref(), world)?,
        Some(path) => run.with_store(&args.paths, args.basis.world.as_ref(), &world, path, configured.to_keep().as_ref())?,
    };
    console.unreadable(&outcome.unreadable, outcome.records.unreadable);
    let choices =
        choices.and_named(outcome.audit.accounts.clone()).and_read(outcome.audit.regions_read.iter().cloned(), outcome.audit.span);
    let mut incomplete = outcome.nothing.clone().into_iter().collect::<Vec<_>>();
    if incomplete.is_empty() {
        incomplete = nothing_of(&selection, &choices, outcome.audit.coverage.is_empty() && outcome.audit.findings.is_empty());
    }
    console.warn_of_each(&incomplete);
    outcome.audit.warnings.iter().for_each(|warning| console.warn(format_args!("{}: {warning}", configured.name())));
    let report = Report {
        incomplete,
        filter: Some(filter_of(&selection)).filter(|filter| !filter.is_everything()),
        origin: args.store.as_ref().map(|path| Origin::Store(path.display().to_string())),
        ..outcome.into_report(run.now, &configured)
    };
    note_filter(&report, args.output.format, console);
    conclude(&report, &args.output)
}

/// Explains why nothing was found for a part of the selection, or for all of it.
pub(crate) fn nothing_of(selection: &Selection, choices: &Choices, is_empty: bool) -> Vec<String> {
    if selection.is_everything() {
        return Vec::new();
    }
    let mut lacks = choices.lacks(selection);
    if lacks.is_empty() && is_empty {
        lacks.push("no call that was read is selected".to_owned());
    }
    lacks
}

/// Notes that findings are filtered, in formats that list findings without the filter.
pub(crate) fn note_filter(report: &Report, format: Format, console: Console) {
    if let (Some(filter), Format::Jsonl | Format::Csv | Format::Ocsf | Format::Asff) = (&report.filter, format) {
        console.note(format_args!("filtered: only {filter}; nothing is said about the rest"));
    }
}

/// Returns the accounts and Regions that occur in a store.
pub(crate) fn choices_in(store: &Store) -> anyhow::Result<Choices> {
    let covered = store.coverage()?.into_iter().map(|row| (row.account, row.region));
    let found = store.findings()?.into_iter().map(|finding| (finding.account, finding.region));
    let blind = store.blind()?.into_iter().map(|row| (row.account, row.region));
    let choices = Choices::of_world(&stored_world(store)?).and_named(store.summary()?.accounts);
    Ok(choices.and_read(covered.chain(found).chain(blind), None))
}

/// Returns the names of the accounts in a store, if it exists and can be read. Errors are reported later, when the store is opened for use.
fn names_in(store: Option<&Path>) -> BTreeMap<AccountId, String> {
    let summary = store.filter(|path| path.exists()).and_then(|path| Store::open_existing(path).ok()?.summary().ok());
    summary.map(|summary| summary.accounts).unwrap_or_default()
}

/// Writes a report and returns the exit code.
pub(crate) fn conclude(report: &Report, args: &OutputArgs) -> anyhow::Result<Exit> {
    output::write(report, args.format, &args.export, &args.view, args.output.as_deref())?;
    Ok(ends(report, args))
}

/// Returns the exit code for a report.
pub(crate) fn ends(report: &Report, args: &OutputArgs) -> Exit {
    let is_whole = report.incomplete.is_empty()
        && report.records.unreadable == 0
        && report.unreadable.is_empty()
        && report.invocations.not_provable == 0
        && report.blind.is_empty();
    match Exit::for_findings(&report.findings, args.fail_on.0) {
        Exit::Clean if args.strict && !is_whole => Exit::Incomplete,
        exit => exit,
    }
}

/// The result of a run.
pub(crate) struct Outcome {
    pub(crate) audit: Audit,
    pub(crate) records: Records,
    /// Records of the logs that could not be read, as far as they are kept.
    pub(crate) unreadable: Vec<Unreadable>,
    /// Files of the world that could not be used.
    pub(crate) world_unreadable: Vec<Unreadable>,
    /// The reason, if nothing was read.
    pub(crate) nothing: Option<String>,
    /// Whether neither the run nor the store has any state.
    pub(crate) is_without_world: bool,
}

/// What was read, or the reason why nothing was.
pub(crate) struct Read {
    pub(crate) scanned: Scanned,
    pub(crate) nothing: Option<String>,
}

impl Outcome {
    pub(crate) fn into_report(self, generated_at: Timestamp, configured: &Configured) -> Report {
        let Outcome { audit, records, unreadable, world_unreadable, nothing: _, is_without_world } = self;
        Report {
            tool: tool(),
            generated_at,
            filter: None,
            incomplete: Vec::new(),
            records,
            invocations: audit.invocations,
            timeline: report::timeline(&audit.days, &report::headline::worst_accounts(&audit.coverage, &audit.findings)),
            coverage: audit.coverage,
            blind: audit.blind,
            findings: audit.findings,
            unreadable: world_unreadable.into_iter().chain(unreadable).take(UNREADABLE_NAMED).collect(),
            organization: audit.organization,
            accounts: audit.accounts,
            units: audit.units,
            is_without_world,
            configuration: configured.file.clone(),
            origin: None,
        }
    }
}

pub(crate) fn tool() -> Tool {
    Tool { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

/// The settings of a run that reads files.
pub(crate) struct Run<'r> {
    pub(crate) configuration: &'r Configuration,
    pub(crate) selection: &'r Selection,
    pub(crate) now: Timestamp,
    pub(crate) threads: usize,
    pub(crate) console: Console,
    /// The store and the report, which the program itself writes. They are never read as logs, even if they lie beside the logs.
    pub(crate) own_files: [Option<&'r Path>; 2],
}

impl Run<'_> {
    pub(crate) fn options(&self) -> AuditOptions<'_> {
        AuditOptions { configuration: self.configuration, selection: self.selection, now: self.now, threads: self.threads }
    }

    /// Reads the files, except those whose digest is `known`.
    pub(crate) fn read(
        &self,
        paths: &[PathBuf],
        world: Option<&PathBuf>,
        known: Option<&(dyn Fn(&Digest) -> bool + Sync)>,
        state: &World,
    ) -> anyhow::Result<Read> {
        let mut without: Vec<PathBuf> = world.cloned().into_iter().collect();
        // The program's own files may lie beside the logs.
        for own in self.own_files.iter().flatten() {
            without.extend(["", "-wal", "-shm", "-journal"].map(|end| PathBuf::from(format!("{}{end}", own.display()))));
        }
        let inputs = input::list(paths, &without)?;
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
        let scanned = std::thread::scope(|scope| {
            let watch = || self.console.show_progress(&progress, inputs.len() as u64, bytes);
            let watcher = std::thread::Builder::new().spawn_scoped(scope, watch);
            let scanned = scan::scan(&inputs, &wanted, &options);
            if let Ok(watcher) = watcher {
                watcher.thread().unpark();
            }
            self.note_left_out(&scanned);
            scanned
        });
        let is_known = |(digest, _): &(Digest, InputSummary)| known.is_some_and(|known| known(digest));
        // A path without records may be mistyped, whether it is the only one or one of several.
        let is_empty = |path: &&PathBuf| match paths {
            [_] => inputs.is_empty(),
            _ => input::list(std::slice::from_ref(*path), &without).is_ok_and(|found| found.is_empty()),
        };
        let empty: Vec<String> = paths.iter().filter(is_empty).map(|path| path.display().to_string()).collect();
        let nothing = if !empty.is_empty() {
            let nothing = if empty.len() == paths.len() { "nothing was read" } else { "nothing was read of a part of what was given" };
            Some(format!("{nothing}: no log files found in {}", empty.join(", ")))
        } else if scanned.inputs.iter().any(is_known) || scanned.counts.read > scanned.counts.unreadable {
            None
        } else if scanned.counts.read == 0 {
            Some(format!("nothing was read: no record in {}", counted(inputs.len(), "input")))
        } else {
            Some(format!("nothing was read: no record of CloudTrail in {}", counted(inputs.len(), "input")))
        };
        Ok(Read { scanned, nothing })
    }

    /// Notes, once for each kind, which files in the folders are no logs.
    fn note_left_out(&self, scanned: &Scanned) {
        let files: u64 = scanned.left_out.values().map(|left_out| left_out.files).sum();
        if files > 0 {
            let kinds: Vec<String> = scanned
                .left_out
                .iter()
                .map(|(kind, left_out)| format!("{} {kind} (such as {})", left_out.files, left_out.example))
                .collect();
            let are = if files == 1 { "file is no log and was" } else { "files are no logs and were" };
            self.console.note(format_args!("{files} {are} left out: {}", kinds.join(", ")));
        }
    }

    fn judge(&self, facts: EvidenceRows, world: World, options: &AuditOptions<'_>) -> Audit {
        self.console.show_while("judging what was read", || auditor::audit(facts, world, options))
    }

    /// Audits the files without a store.
    fn once(&self, paths: &[PathBuf], world_folder: Option<&PathBuf>, world: LoadedWorld) -> anyhow::Result<Outcome> {
        let Read { scanned, nothing } = self.read(paths, world_folder, None, &world.world)?;
        let missing = world.missing_policies();
        warn_of(&missing, self.console);
        let world_unreadable = world.unreadable().chain(missing.iter().map(Unreadable::from)).collect();
        let left_out = left_out(&scanned);
        let is_without_world = world.paths.is_empty();
        let audit = self.judge(scanned.facts, world.world, &self.options());
        let records = Records { left_out, ..store::records(&scanned.counts, audit.judged, audit.duplicates, audit.not_selected) };
        Ok(Outcome { audit, records, unreadable: scanned.problems, world_unreadable, nothing, is_without_world })
    }

    /// Adds the content of the files to a store, and audits all that the store holds.
    pub(crate) fn with_store(
        &self,
        paths: &[PathBuf],
        world_folder: Option<&PathBuf>,
        world: &LoadedWorld,
        path: &Path,
        configuration: Option<&KeptConfiguration>,
    ) -> anyhow::Result<Outcome> {
        let context = || format!("failed to use the store `{}`", path.display());
        let mut store = Store::open(path).with_context(context)?;
        let known = store.known_inputs().with_context(context)?;
        let is_known = |digest: &Digest| known.contains(digest);
        let Read { scanned, nothing } = self.read(paths, world_folder, Some(&is_known), &world.world)?;
        let left_out = left_out(&scanned);
        let new: Vec<_> = scanned.inputs.into_iter().filter(|(digest, _)| !known.contains(digest)).collect();
        for path in store.contradicted_by(&world.files).with_context(context)? {
            self.console.warn(format_args!(
                "{path}: says something else than the file of that name in the store, and replaces it for all times: give both a time, as in \
                 {}@20261101T000000Z.json",
                path.trim_end_matches(".json")
            ));
        }
        let mut added = Some(store.add(scanned.facts, &new, &world.files).with_context(context)?);
        let of_this_run: BTreeSet<&str> = world.paths.iter().map(String::as_str).collect();
        let everything = Selection::default();
        let (of_all, of_earlier, is_without_world) = loop {
            // Another run may add to the store during the audit, and the conclusions must come from everything that the store holds.
            let revision = store.revision().with_context(context)?;
            let stored = stored_world(&store)?;
            let of_earlier = stored.problems.iter().filter(|problem| !of_this_run.contains(&*problem.file.to_string_lossy()));
            let of_earlier: Vec<Problem> = of_earlier.cloned().chain(stored.missing_policies()).collect();
            let is_without_world = stored.paths.is_empty();
            let options = AuditOptions { selection: &everything, ..self.options() };
            let added = added.take();
            let of_all = self.console.show_while("judging what was read", || store.audit(added, stored.world, &options));
            let of_all = of_all.with_context(context)?;
            if store.conclude_unless_changed(&of_all, configuration, revision).with_context(context)? {
                break (of_all.audit, of_earlier, is_without_world);
            }
        };
        warn_of_stored(&of_earlier, self.console);
        let world_unreadable: Vec<Unreadable> = world.unreadable().chain(of_earlier.iter().map(Unreadable::from)).collect();
        let summary = store.summary().with_context(context)?;
        let compacted = store.compacted_days().with_context(context)?;
        if let Some(until) = compacted.until {
            self.console.note(format_args!("{}", of_compacted_days(&compacted, until)));
        }
        if self.selection.is_everything() {
            let records = Records { left_out, ..summary.records };
            let outcome = Outcome { audit: of_all, records, unreadable: summary.unreadable, world_unreadable, nothing, is_without_world };
            return Ok(with_unopened(outcome, &scanned.undigested));
        }
        let (counts, unreadable) = store.inputs().with_context(context)?;
        let mut audit = self.judge(evidence_of(&store)?, stored_world(&store)?.world, &self.options());
        audit.blind.extend(store.blind_without_records(self.selection).with_context(context)?);
        audit.blind.sort_unstable();
        let duplicates = counts.taken.saturating_sub(audit.judged + audit.not_selected);
        let records = Records { left_out, ..store::records(&counts, audit.judged, duplicates, audit.not_selected) };
        Ok(with_unopened(Outcome { audit, records, unreadable, world_unreadable, nothing, is_without_world }, &scanned.undigested))
    }
}

/// Says what a store can't do for days that it has compacted.
fn of_compacted_days(compacted: &CompactedDays, until: Timestamp) -> String {
    let late = match compacted.late {
        0 => String::new(),
        1 => "; 1 record came late and is not judged".to_owned(),
        late => format!("; {late} records came late and are not judged"),
    };
    format!(
        "the store has sums of the days before {}: copies, evaluations and logs of their calls are no longer joined{late}",
        Day::of(until)
    )
}

/// Says that a command that needs the records themselves knows nothing of compacted days.
pub(crate) fn without_records(until: Timestamp) -> String {
    format!("calls of days before {} are left out: the store has compacted them", Day::of(until))
}

/// Counts the files that are no logs, by kind.
fn left_out(scanned: &Scanned) -> BTreeMap<String, u64> {
    scanned.left_out.iter().map(|(kind, left_out)| ((*kind).to_owned(), left_out.files)).collect()
}

/// Counts inputs that could not be opened as unreadable. The store doesn't have them, because they have no digest.
fn with_unopened(mut outcome: Outcome, inputs: &[InputSummary]) -> Outcome {
    for input in inputs {
        outcome.records.read += input.counts.read;
        outcome.records.unreadable += input.counts.unreadable;
        outcome.unreadable.extend(input.problems.iter().cloned());
    }
    outcome
}

/// Loads the evidence of a store.
pub(crate) fn evidence_of(store: &Store) -> anyhow::Result<EvidenceRows> {
    let mut facts = EvidenceRows::default();
    store.load_facts(&mut facts)?;
    Ok(facts)
}

/// Loads the world of a store, and warns of files that can't be used.
pub(crate) fn world_of(store: &Store, console: Console) -> anyhow::Result<World> {
    let loaded = stored_world(store)?;
    warn_of_stored(&loaded.problems, console);
    warn_of_stored(&loaded.missing_policies(), console);
    Ok(loaded.world)
}

/// Loads the world of a store, with the problems of its files.
pub(crate) fn stored_world(store: &Store) -> anyhow::Result<LoadedWorld> {
    let mut loaded = LoadedWorld::default();
    for (path, json) in store.load_world()? {
        let shown_as = PathBuf::from(&path);
        loaded.take(path, json, &shown_as);
    }
    Ok(loaded)
}

fn warn_of_stored(problems: &[Problem], console: Console) {
    let in_store = |problem: &Problem| Problem { file: format!("{} in the store", problem.file.display()).into(), ..problem.clone() };
    warn_of(&problems.iter().map(in_store).collect::<Vec<_>>(), console);
}
