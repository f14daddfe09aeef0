//! `guardrail-audit store`: looks after a store.

use std::path::Path;

use anyhow::Context as _;
use audit_core::{
    auditor::{AuditOptions, Selection},
    config::Configuration,
    timestamp::{Day, Timestamp},
};
use audit_local::{
    scan,
    store::{Compaction, Store},
};
use indicatif::{HumanBytes, HumanCount};

use super::{audit::world_of, configuration, now};
use crate::{args::StoreCommand, console::Console, exit::Exit, output};

pub(crate) fn run(command: &StoreCommand, console: Console) -> anyhow::Result<Exit> {
    let StoreCommand::Compact { store: path, older_than, dry_run, now: given } = command;
    let mut store = Store::open_existing(path).with_context(|| format!("failed to open the store `{}`", path.display()))?;
    let now = now(*given);
    let before = Day::of(now).plus(-i32::from(*older_than));
    let said = if *dry_run {
        let would = store.compactable(before).with_context(|| context(path))?;
        if would.records == 0 { nothing(&would) } else { format!("would drop {}; nothing was changed", dropped(&would)) }
    } else {
        compact(&mut store, path, before, now, console)?
    };
    output::to(None, |out| Ok(writeln!(out, "{said}")?))?;
    Ok(Exit::Clean)
}

/// Compacts a store, and says what that did.
fn compact(store: &mut Store, path: &Path, before: Day, now: Timestamp, console: Console) -> anyhow::Result<String> {
    // The sums are those of the last run only in the state and under the configuration that it had.
    let configuration = match store.configuration()? {
        None => Configuration::default(),
        Some(kept) => Configuration::parse(&kept.text).map_err(|error| configuration::quoted(Path::new(&kept.path), &error))?,
    };
    let world = world_of(store, console)?;
    let selection = Selection::default();
    let options = AuditOptions { configuration: &configuration, selection: &selection, now, threads: scan::processors() };
    let bytes_before = bytes(path)?;
    let compaction =
        console.show_while("compacting the store", || store.compact(before, &world, &options)).with_context(|| context(path))?;
    if compaction.records == 0 {
        return Ok(nothing(&compaction));
    }
    let (before, after) = (HumanBytes(bytes_before), HumanBytes(bytes(path)?));
    Ok(format!("dropped {}; the store takes {after} instead of {before}", dropped(&compaction)))
}

fn context(path: &Path) -> String {
    format!("failed to compact the store `{}`", path.display())
}

fn bytes(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("failed to look at the store `{}`", path.display()))?.len())
}

/// What a compaction drops, in words.
fn dropped(compaction: &Compaction) -> String {
    let Compaction { until, days, records, .. } = compaction;
    let (record, day) = (if *records == 1 { "record" } else { "records" }, if *days == 1 { "day" } else { "days" });
    format!("{} {record} of {days} {day} before {}{}", HumanCount(*records), Day::of(*until), waits(compaction))
}

/// Says that there is nothing to drop.
fn nothing(compaction: &Compaction) -> String {
    format!("nothing to drop: the store has no records of days before {}{}", Day::of(compaction.until), waits(compaction))
}

/// Says why later days are left as they are.
const fn waits(compaction: &Compaction) -> &'static str {
    if compaction.waits { " (later ones are left until a run has read what came after them)" } else { "" }
}
