//! `guardrail-audit doctor`: checks whether the auditor receives what it needs, and what records show that AWS doesn't document.

use std::io::Write;

use audit_core::{
    doctor::{Answer, Check, Conclusion, Inspection, Status, v1},
    json::printable,
};
use audit_local::{
    input,
    scan::{self, Readable},
};

use crate::{
    args::{DoctorArgs, PlainFormat},
    console::Console,
    exit::Exit,
    output::{
        self, table,
        text::{counted, wrapped},
    },
};

pub(crate) fn run(args: &DoctorArgs, console: Console) -> anyhow::Result<Exit> {
    let mut inspection = Inspection::default();
    let asks_aws = args.paths.is_empty() || args.with_aws;
    // These checks come first, so that a build without the AWS SDK fails at once.
    let checks = if asks_aws { ask(args, &mut inspection, console)? } else { Vec::new() };
    let mut values = 0;
    let unreadable = scan::each_readable(&input::list(&args.paths, &[])?, |readable| {
        values += 1;
        match readable {
            Readable::Value(value) => inspection.value(value),
            Readable::Line(line) => inspection.line(line),
            Readable::Row(row) => inspection.row(row),
        }
    });
    let is_nothing = values == 0 && !args.paths.is_empty();
    if is_nothing {
        console.warn("nothing was read: no record in what was given, so these answers rest on nothing");
    }
    console.unreadable(&unreadable, unreadable.len() as u64);
    let answers = inspection.answers();
    match args.output.format {
        PlainFormat::Json => {
            let (calls, evaluations, left_out) = inspection.counts();
            let records = v1::Records { calls, evaluations, left_out, unreadable: unreadable.len() as u64 };
            output::json(&mut output::stdout(), &v1::Examination::new(&checks, &answers, records))?;
        }
        PlainFormat::Table => write(&checks, &answers, &inspection)?,
    }
    let any = |status: Status| checks.iter().any(|check| check.status == status);
    Ok(if any(Status::Fail) {
        Exit::Findings
    } else if args.strict && (is_nothing || any(Status::Unknown) || !unreadable.is_empty()) {
        Exit::Incomplete
    } else {
        Exit::Clean
    })
}

#[cfg(not(feature = "aws"))]
fn ask(_: &DoctorArgs, _: &mut Inspection, _: Console) -> anyhow::Result<Vec<Check>> {
    Err(super::needs_aws("doctor without PATH"))
}

#[cfg(feature = "aws")]
fn ask(args: &DoctorArgs, inspection: &mut Inspection, console: Console) -> anyhow::Result<Vec<Check>> {
    use anyhow::Context as _;
    use audit_aws::{aws::Aws, clock::Clock, doctor};

    let options = doctor::Options {
        role: args.credentials.role_name.clone(),
        accounts: args.accounts.clone(),
        regions: args.regions.clone(),
        days: i64::from(args.days),
        heartbeat_minutes: i64::from(args.heartbeat_minutes),
        observations_table: args.observations_table.clone(),
    };
    let checks = super::wait_for(async {
        let aws = std::sync::Arc::new(Aws::of_person(args.credentials.profile.as_deref()).await);
        let waiting = async {
            let spinner = console.spinner();
            loop {
                spinner.set_message("asking AWS; event history takes two questions a second".to_owned());
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        tokio::select! {
            checks = doctor::doctor(aws, &options, inspection, Clock::System) => checks,
            () = waiting => Ok(Vec::new()),
        }
    })?;
    checks.context("failed to find out whose credentials these are")
}

fn write(checks: &[Check], answers: &[Answer], inspection: &Inspection) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let mut current = (String::new(), String::new());
    for check in checks {
        let here = (check.account.clone(), check.region.clone());
        if current != here {
            table::heading(&mut out, &format!("{} {}", check.account, check.region))?;
            current = here;
        }
        let style = table::status_style(check.status);
        writeln!(out, "  {style}{:<8}{style:#}{:<26}{}", check.status.as_str(), check.check, wrapped(&printable(&check.saw), 36))?;
        if let Some(remedy) = check.remedy {
            writeln!(out, "{:36}{}", "", wrapped(remedy, 36))?;
        }
    }
    if !checks.is_empty() {
        writeln!(out)?;
    }
    let (calls, evaluations, left_out) = inspection.counts();
    let of = |count: u64, what| counted(usize::try_from(count).unwrap_or(usize::MAX), what);
    let more = if left_out > 0 { format!("; {left_out} more were left out") } else { String::new() };
    table::heading(&mut out, &format!("What {} and {} settle{more}", of(calls, "call"), of(evaluations, "evaluation")))?;
    for answer in answers {
        writeln!(out, "  {:<13}{}", answer.conclusion.as_str(), wrapped(answer.question, 15))?;
        let shown = if answer.conclusion == Conclusion::NotSeen {
            format!("needs {}", answer.needs)
        } else {
            let side = |says: &str, count: u64, example: Option<&String>| {
                example.map(|example| format!("{count} {says}, such as {}", printable(example)))
            };
            let sides = [side("yes", answer.yes, answer.yes_example.as_ref()), side("no", answer.no, answer.no_example.as_ref())];
            sides.into_iter().flatten().chain(answer.detail.clone()).collect::<Vec<_>>().join("; ")
        };
        writeln!(out, "{:15}{}", "", wrapped(&shown, 15))?;
    }
    Ok(())
}
