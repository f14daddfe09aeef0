//! `guardrail-audit hub status`: says how the hub in AWS is doing.

use std::io::{self, Write};

use audit_aws::hub::{pause::Judging, status::Status};
use audit_core::json::printable;

use crate::{
    args::{AddressArgs, PlainFormat},
    console::Console,
    exit::Exit,
    output::{
        self, table,
        text::{counted, wrapped},
    },
    source::hub::Operated,
};

/// Accounts that are behind and that the table names at most. JSON names all.
const NAMED: usize = 10;

pub(super) fn run(address: &AddressArgs, format: PlainFormat, strict: bool, console: Console) -> anyhow::Result<Exit> {
    let hub = Operated::open(address, console)?;
    let status = hub.wait("asking the hub", hub.hub().status())?;
    let mut out = output::stdout();
    match format {
        PlainFormat::Json => output::json(&mut out, &status)?,
        PlainFormat::Table => write(&mut out, &status)?,
    }
    status.unread.iter().for_each(|why| console.warn(format_args!("not known: {why}")));
    Ok(if status.needs_hands() {
        Exit::Findings
    } else if strict && !status.unread.is_empty() {
        Exit::Incomplete
    } else {
        Exit::Clean
    })
}

fn write(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let number = |count: u64| if count == 0 { "-".to_owned() } else { count.to_string() };
    let rows = |is_dead: bool| {
        let of_kind = status.queues.iter().filter(move |depth| depth.is_dead == is_dead);
        of_kind.map(|depth| vec![depth.queue.to_owned(), number(depth.waiting), number(depth.in_flight)])
    };
    table::headed(out, &["QUEUE", "WAITING", "IN FLIGHT"], rows(false))?;
    writeln!(out)?;
    table::headed(out, &["DEAD LETTERS", "WAITING", "IN FLIGHT"], rows(true))?;
    let heard = status.last_heard.map_or("nothing yet".to_owned(), |time| time.to_string());
    let of = format!("{} in {} of account and Region", counted(status.accounts, "account"), counted(status.account_regions, "pair"));
    writeln!(out, "\n{}", wrapped(&format!("{of}; the latest event that was heard of: {heard}"), 0))?;
    match status.judging {
        Some(Judging::Paused) => writeln!(out, "Paused: nothing is judged until `guardrail-audit hub resume`, within 14 days")?,
        Some(Judging::Changes) => writeln!(out, "Judging is being paused or resumed")?,
        Some(Judging::Runs) | None => {}
    }
    writeln!(out, "{} to be judged", counted(status.behind.len(), "account"))?;
    for behind in status.behind.iter().take(NAMED) {
        let attempts = if behind.attempts > 0 { format!("; attempts that did not end well: {}", behind.attempts) } else { String::new() };
        writeln!(out, "  {}: batches of facts since it was judged: {}{attempts}", printable(&behind.account), behind.batches)?;
    }
    if status.behind.len() > NAMED {
        writeln!(out, "  and {} more; `--format json` names them", status.behind.len() - NAMED)?;
    }
    writeln!(out, "{} in quarantine", counted(status.quarantined.len(), "account"))?;
    for quarantined in &status.quarantined {
        let why = format!("since {}: {}; tried again at {}", quarantined.since, quarantined.problem, quarantined.retry_at);
        writeln!(out, "  {}: {}", printable(&quarantined.account), wrapped(&printable(&why), 4))?;
    }
    if !status.blind.is_empty() {
        let kinds: Vec<String> = status.blind.iter().map(|(missing, count)| format!("{missing} in {count}")).collect();
        writeln!(out, "{}", wrapped(&format!("What can't be seen, in so many pairs of account and Region: {}", kinds.join(", ")), 0))?;
    }
    Ok(())
}
