//! `guardrail-audit exceptions`: checks the exceptions of a configuration.

use std::path::Path;

use anyhow::Context as _;
use audit_core::{
    config::Exception,
    finding::{Finding, Status},
    timestamp::Timestamp,
};
use audit_local::store::Store;

use super::{configuration, now};
use crate::{
    args::ExceptionsCommand,
    console::Console,
    exit::Exit,
    output::{self, table, text::counted},
};

/// Seconds before its end from which an exception is shown as ending soon.
const SOON_SECONDS: i64 = 30 * 24 * 60 * 60;

pub(crate) fn run(command: &ExceptionsCommand, console: Console) -> anyhow::Result<Exit> {
    let ExceptionsCommand::Check { config, store, now: given } = command;
    let configuration = configuration::given(config)?.configuration;
    let findings = store.as_deref().map(findings_in).transpose()?;
    let now = now(*given);
    let rows: Vec<Vec<String>> = configuration.exceptions.iter().map(|exception| row(exception, findings.as_deref(), now)).collect();
    let attention = rows.iter().filter(|row| row.first().is_some_and(|state| state != "in force")).count();
    table::headed(
        &mut output::stdout(),
        &["STATE", "LINE", "RULE", "ACCOUNTS", "UNTIL", "OWNER", "REASON", "SUPPRESSES"],
        rows.into_iter(),
    )?;
    console.note(format_args!("{}, {attention} of them to look at", counted(configuration.exceptions.len(), "exception")));
    Ok(Exit::Clean)
}

fn findings_in(path: &Path) -> anyhow::Result<Vec<Finding>> {
    Ok(Store::open_existing(path).with_context(|| format!("failed to open the store `{}`", path.display()))?.findings()?)
}

fn row(exception: &Exception, findings: Option<&[Finding]>, now: Timestamp) -> Vec<String> {
    let suppressed = findings.map(|findings| findings.iter().filter(|finding| is_suppressed_by(finding, exception)).count());
    let state = if !exception.is_live(now) {
        "ended"
    } else if exception.until.is_over(now.plus_seconds(SOON_SECONDS)) {
        "ends soon"
    } else if suppressed == Some(0) {
        "matches nothing"
    } else {
        "in force"
    };
    vec![
        state.to_owned(),
        exception.line.to_string(),
        exception.rule.clone(),
        exception.accounts.names().collect::<Vec<_>>().join(" "),
        exception.until.to_string(),
        exception.owner.clone(),
        exception.reason.clone(),
        suppressed.map_or("-".to_owned(), |count| counted(count, "finding")),
    ]
}

/// Whether this exception suppresses the finding. It is compared by its content, because a store keeps no line numbers.
fn is_suppressed_by(finding: &Finding, exception: &Exception) -> bool {
    finding.status == Status::Suppressed
        && finding.rule == exception.rule
        && finding.suppression.as_ref().is_some_and(|carried| {
            (&carried.until, &carried.reason, &carried.owner) == (&exception.until.to_string(), &exception.reason, &exception.owner)
        })
}
