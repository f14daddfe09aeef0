//! `guardrail-audit snapshot`: writes the world of an organization, or of one account.

#[cfg(not(feature = "aws"))]
pub(crate) fn run(_: &crate::args::SnapshotArgs, _: crate::console::Console) -> anyhow::Result<crate::exit::Exit> {
    Err(super::needs_aws("snapshot"))
}

#[cfg(feature = "aws")]
pub(crate) use with_aws::run;

#[cfg(feature = "aws")]
mod with_aws {
    use std::{
        io::Write as _,
        sync::{Arc, atomic::Ordering},
        time::Duration,
    };

    use audit_aws::{
        aws::Aws,
        clock::Clock,
        snapshot::{Options, Outcome, Progress, snapshot},
    };
    use audit_core::json::printable;

    use crate::{
        args::{PlainFormat, SnapshotArgs},
        commands::wait_for,
        console::Console,
        exit::Exit,
        output::{
            self, table,
            text::{counted, wrapped},
        },
    };

    /// Reads that failed and that the table names at most. JSON names all.
    const NAMED: usize = 40;

    pub(crate) fn run(args: &SnapshotArgs, console: Console) -> anyhow::Result<Exit> {
        let options = Options {
            folder: args.dir.clone(),
            role: args.aws.credentials.role_name.clone(),
            regions: args.aws.regions.clone(),
            accounts: args.aws.accounts.clone(),
            at_once: usize::from(args.at_once),
        };
        let outcome = wait_for(async {
            let aws = Arc::new(Aws::of_person(args.aws.credentials.profile.as_deref()).await);
            let progress = Arc::new(Progress::default());
            let shown = show(console, Arc::clone(&progress));
            tokio::select! {
                outcome = snapshot(aws, &options, progress, Clock::System) => outcome,
                never = shown => match never {},
            }
        })??;
        write(&outcome, args.format)?;
        if let Some(started) = outcome.resumed {
            console.note(format_args!("went on with the run that began at {started}"));
        }
        outcome.notes.iter().for_each(|note| console.note(note));
        let folder = args.dir.display();
        console.note(format_args!("to audit with it: guardrail-audit audit PATH... --world {folder}"));
        Ok(if args.strict && !outcome.is_complete() { Exit::Incomplete } else { Exit::Clean })
    }

    /// Shows the progress until it is cancelled.
    async fn show(console: Console, progress: Arc<Progress>) -> std::convert::Infallible {
        let bar = console.spinner();
        loop {
            let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            let (done, all) = (read(&progress.account_regions_done), read(&progress.account_regions));
            let where_to =
                if all == 0 { "the organization and its accounts".to_owned() } else { format!("{done} of {all} accounts and Regions") };
            let (pieces, missing) = (read(&progress.pieces), read(&progress.missing));
            bar.set_message(format!("{where_to}, {pieces} snapshots, {missing} could not be read"));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn write(outcome: &Outcome, format: PlainFormat) -> anyhow::Result<()> {
        let mut out = output::stdout();
        if format == PlainFormat::Json {
            output::json(&mut out, outcome)?;
            return Ok(());
        }
        let number = |count: u64| if count == 0 { "-".to_owned() } else { count.to_string() };
        let rows = outcome.read.iter().map(|(kind, count)| {
            let of = [count.written, count.unchanged, count.earlier, count.none, count.denied, count.failed];
            std::iter::once(kind.clone()).chain(of.map(number)).collect()
        });
        let heading = ["WHAT", "NEW", "UNCHANGED", "EARLIER", "OF THESE NONE", "DENIED", "FAILED"];
        table::headed(&mut out, &heading, rows)?;
        if outcome.missing.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nNot known: {}", counted(outcome.missing.len(), "piece"))?;
        for missing in outcome.missing.iter().take(NAMED) {
            writeln!(out, "  {}\n      {}", printable(&missing.what), wrapped(&printable(&missing.reason), 6))?;
        }
        if outcome.missing.len() > NAMED {
            writeln!(out, "  and {} more; `--format json` names them", outcome.missing.len() - NAMED)?;
        }
        Ok(())
    }
}
