//! `guardrail-audit hub`: says how the hub in AWS is doing.

#[cfg(not(feature = "aws"))]
pub(crate) fn run(_: &crate::args::HubCommand, _: crate::console::Console) -> anyhow::Result<crate::exit::Exit> {
    Err(super::needs_aws("hub"))
}

#[cfg(feature = "aws")]
pub(crate) use with_aws::run;

#[cfg(feature = "aws")]
mod with_aws {
    use std::io::{self, Write};

    use audit_aws::hub::status::Status;
    use audit_core::json::printable;

    use crate::{
        args::{HubCommand, PlainFormat},
        console::Console,
        exit::Exit,
        output::{
            self, table,
            text::{counted, wrapped},
        },
        source::hub,
    };

    /// Accounts that are behind and that the table names at most. JSON names all.
    const NAMED: usize = 10;

    pub(crate) fn run(command: &HubCommand, console: Console) -> anyhow::Result<Exit> {
        let HubCommand::Status { address, format, strict } = command;
        let status = hub::status(address, console)?;
        let mut out = output::stdout();
        match format {
            PlainFormat::Json => output::json(&mut out, &status)?,
            PlainFormat::Table => write(&mut out, &status)?,
        }
        status.unread.iter().for_each(|why| console.warn(format_args!("not known: {why}")));
        Ok(if status.needs_hands() {
            Exit::Findings
        } else if *strict && !status.unread.is_empty() {
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
        writeln!(out, "{} to be judged", counted(status.behind.len(), "account"))?;
        for behind in status.behind.iter().take(NAMED) {
            let attempts =
                if behind.attempts > 0 { format!("; attempts that did not end well: {}", behind.attempts) } else { String::new() };
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
}
