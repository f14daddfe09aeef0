//! `guardrail-audit hub tell-again`: has alerts of open findings sent again.

use std::{collections::BTreeSet, io::Write as _};

use audit_aws::hub::tell_again::BATCH;
use audit_core::{finding::Finding, timestamp::Timestamp};
use serde_json::json;

use crate::{
    args::{PlainFormat, TellAgainArgs},
    commands::now,
    console::Console,
    exit::{Exit, UsageError},
    output::{self, table, text::counted},
    source::hub::Operated,
};

pub(super) fn run(args: &TellAgainArgs, console: Console) -> anyhow::Result<Exit> {
    let at = now(None);
    let (since, until) = (args.since.map(|since| since.before(at)), args.until.map_or(at, |until| until.before(at)));
    if until > at || since.is_some_and(|since| since >= until) {
        return Err(UsageError("--since has to be before --until, and --until no time to come".to_owned()).into());
    }
    let hub = Operated::open(&args.address, console)?;
    let accounts = hub.wait("asking the hub", hub.hub().account_regions())?;
    let accounts: BTreeSet<String> = accounts.into_iter().map(|of| of.account).collect();
    let mut chosen: Vec<Finding> = Vec::new();
    for id in &args.findings {
        let found = hub.wait("reading findings", hub.hub().findings(accounts.clone(), Some(id)))?;
        console.unreadable(&found.unreadable, found.unreadable.len() as u64);
        chosen.push(output::find(&found.read, id)?.clone());
    }
    if since.is_some() {
        let found = hub.wait("reading findings", hub.hub().findings(accounts, None))?;
        console.unreadable(&found.unreadable, found.unreadable.len() as u64);
        chosen.extend(found.read);
    }
    let from = since.unwrap_or(Timestamp::BEGINNING);
    let findings = hub.wait("looking at alerts", hub.hub().alerted_between(chosen, from, until))?;
    if !args.dry_run {
        notify(&hub, &findings, until, console)?;
    }
    let mut out = output::stdout();
    match args.output.format {
        PlainFormat::Json => {
            let ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
            output::json(&mut out, &json!({"findings": ids, "until": until, "is_dry_run": args.dry_run}))?;
        }
        PlainFormat::Table => {
            let row = |finding: &Finding| {
                let id = finding.id.get(..12).unwrap_or(&finding.id).to_owned();
                vec![id, finding.severity.to_string(), finding.rule.clone(), format!("{}/{}", finding.account, finding.region)]
            };
            table::headed(&mut out, &["ID", "SEVERITY", "RULE", "WHERE"], findings.iter().map(row))?;
            let done = if args.dry_run { "would be told again" } else { "told again" };
            writeln!(out, "\n{} {done}", counted(findings.len(), "open finding"))?;
        }
    }
    Ok(Exit::Clean)
}

fn notify(hub: &Operated, findings: &[Finding], until: Timestamp, console: Console) -> anyhow::Result<()> {
    for (number, some) in findings.chunks(BATCH).enumerate() {
        let told = number * BATCH;
        let doing = format!("{told} of {} are told", findings.len());
        hub.wait(&doing, hub.hub().tell_again(some, until)).inspect_err(|_| {
            console.warn(format_args!("{doing}; to go on with the rest and repeat none, run the command again with --until {until}"));
        })?;
    }
    Ok(())
}
