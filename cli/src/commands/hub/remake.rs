//! `guardrail-audit hub rebuild` and `repair`: has what is derived made again, and waits for it.

use std::{io::Write as _, time::Duration};

use anyhow::bail;
use audit_aws::hub::{pause::Judging, remake::Remade};
use audit_core::json::printable;
use serde_json::json;

use crate::{
    args::{PlainFormat, RemakeArgs, TimeOrAge},
    commands::now,
    console::Console,
    exit::Exit,
    output::{
        self,
        text::{counted, wrapped},
    },
    source::hub::Operated,
};

/// Time between two looks at how far it is.
const LOOK: Duration = Duration::from_secs(2);

pub(super) fn run(args: &RemakeArgs, repair: Option<(TimeOrAge, bool)>, console: Console) -> anyhow::Result<Exit> {
    let hub = Operated::open(&args.address, console)?;
    let (account, everywhere) = (args.account.as_deref(), repair.is_some_and(|(_, everywhere)| everywhere));
    let since = repair.map(|(since, _)| since.before(now(None)));
    let of_all = if since.is_some() { "have facts looked for, and are judged again" } else { "are judged again" };
    if args.dry_run {
        let accounts = hub.wait("asking the hub", hub.hub().accounts_of(account))?;
        match args.output.format {
            PlainFormat::Json => output::json(&mut output::stdout(), &json!({"accounts": accounts, "since": since}))?,
            PlainFormat::Table => {
                let from = since.map(|since| format!("from {since} on, ")).unwrap_or_default();
                writeln!(output::stdout(), "{from}{} would {}", counted(accounts.len(), "account"), of_all.replace("are", "be"))?;
            }
        }
        return Ok(Exit::Clean);
    }
    // Only whoever may look at it learns of a pause. The rest goes on without.
    let paused = hub.wait("asking the hub", hub.hub().judging()).is_ok_and(|judging| judging == Judging::Paused);
    if paused && args.wait {
        bail!("the hub is paused, so there would be no end to wait for: `guardrail-audit hub resume` first");
    }
    let mut asked = match since {
        None => hub.wait("asking the hub", hub.hub().rebuild(account))?,
        Some(since) => hub.wait("asking the hub", hub.hub().repair(since, everywhere, account))?,
    };
    if paused {
        console.warn("the hub is paused: it is done when it is resumed");
    }
    let mut remade = hub.wait("asking the hub", hub.hub().remade(&mut asked))?;
    if args.wait {
        let (spinner, mut noted) = (console.spinner(), 0);
        while !remade.is_done() {
            spinner.set_message(format!("{} of {} accounts are done", remade.done, remade.accounts));
            // Where there is no terminal, each tenth is said.
            let tenth = remade.done * 10 / remade.accounts.max(1);
            if tenth > noted {
                noted = tenth;
                console.note(format_args!("{} of {} accounts are done", remade.done, remade.accounts));
            }
            hub.sleep(LOOK);
            remade = hub.wait_quietly(hub.hub().remade(&mut asked))?;
        }
    }
    match args.output.format {
        PlainFormat::Json => output::json(&mut output::stdout(), &remade)?,
        PlainFormat::Table => write(&remade, args.wait, of_all)?,
    }
    Ok(if args.wait && !remade.quarantined.is_empty() { Exit::Findings } else { Exit::Clean })
}

fn write(remade: &Remade, is_waited_for: bool, of_all: &str) -> std::io::Result<()> {
    let mut out = output::stdout();
    let accounts = counted(remade.accounts, "account");
    if is_waited_for {
        writeln!(out, "{} of {accounts} done", remade.done)?;
    } else {
        let how_far = "`guardrail-audit hub status` says how many aren't yet; nobody has to wait for it, and asking again does no harm";
        writeln!(out, "{}", wrapped(&format!("{accounts} {of_all}: {how_far}"), 0))?;
    }
    for account in &remade.quarantined {
        writeln!(out, "  {}: in quarantine; `guardrail-audit hub status` says why", printable(account))?;
    }
    Ok(())
}
