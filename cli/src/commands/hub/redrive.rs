//! `guardrail-audit hub redrive`: puts dead letters back to where they came from.

use std::io::Write as _;

use audit_aws::hub::{
    queues::{QUEUES, QueueOfHub},
    redrive::Redriven,
};
use audit_core::nearest::nearest;

use crate::{
    args::{PlainFormat, RedriveArgs},
    console::Console,
    exit::{Exit, UsageError},
    output::{self, table},
    source::hub::Operated,
};

/// The beginning of all names of queues, which may be left out.
const PREFIX: &str = "guardrail-audit-";

pub(super) fn run(args: &RedriveArgs, console: Console) -> anyhow::Result<Exit> {
    let queues = named(&args.queues)?;
    let hub = Operated::open(&args.address, console)?;
    let (mut all, mut failed) = (Vec::new(), None);
    for queue in queues {
        let Some(mut redriven) = hub.wait("asking the queues", hub.hub().dead_letters(queue))? else { continue };
        if !args.dry_run && redriven.found > 0 {
            failed = hub.wait(&format!("moving the messages of {}", queue.name), hub.hub().redrive(queue, &mut redriven)).err();
        }
        all.push(redriven);
        if failed.is_some() {
            break;
        }
    }
    let mut out = output::stdout();
    match args.output.format {
        PlainFormat::Json => output::json(&mut out, &all)?,
        PlainFormat::Table => {
            let number = |count: u64| if count == 0 { "-".to_owned() } else { count.to_string() };
            let row = |of: &Redriven| vec![of.queue.to_owned(), number(of.found), number(of.moved), of.back.to_owned()];
            table::headed(&mut out, &["DEAD LETTERS", "FOUND", "MOVED", "TO"], all.iter().map(row))?;
            out.flush()?;
        }
    }
    match failed {
        // The table above already says how many messages were moved before the error.
        Some(error) => Err(error.context("not everything was moved: run the command again, and it goes on")),
        None if !args.dry_run && all.iter().any(|of| of.moved < of.found) => Ok(Exit::Findings),
        None => Ok(Exit::Clean),
    }
}

/// The queues that are named, or all that hold dead letters.
fn named(names: &[String]) -> Result<Vec<&'static QueueOfHub>, UsageError> {
    let dead = || QUEUES.iter().filter(|queue| queue.is_dead());
    if names.is_empty() {
        return Ok(dead().collect());
    }
    let find = |name: &String| {
        let known = dead().find(|queue| queue.name == name || queue.name.strip_prefix(PREFIX) == Some(name));
        known.ok_or_else(|| {
            let meant = nearest(name, dead().map(|queue| queue.name.trim_start_matches(PREFIX)));
            UsageError(format!("no queue of dead letters: `{name}`; perhaps {}", meant.join(", ")))
        })
    };
    names.iter().map(find).collect()
}
