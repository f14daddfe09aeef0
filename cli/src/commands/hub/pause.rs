//! `guardrail-audit hub pause` and `resume`: stops judging without losing anything, and goes on.

use anyhow::bail;
use audit_aws::hub::pause::Judging;

use crate::{
    args::AddressArgs,
    console::Console,
    exit::Exit,
    output::{self, text::wrapped},
    source::hub::Operated,
};

pub(super) fn run(address: &AddressArgs, runs: bool, console: Console) -> anyhow::Result<Exit> {
    use std::io::Write as _;
    let hub = Operated::open(address, console)?;
    let doing = if runs { "resuming" } else { "pausing" };
    let said = match hub.wait(doing, hub.hub().set_judging(runs))? {
        Judging::Runs if runs => "Accounts are judged; `guardrail-audit hub status` says how many wait.",
        Judging::Paused if !runs => {
            "Paused: facts keep arriving, and nothing is judged. What waits is kept for 14 days: `guardrail-audit hub resume` before."
        }
        _ => bail!("it is not there yet after two minutes: run the command again"),
    };
    writeln!(output::stdout(), "{}", wrapped(said, 0))?;
    Ok(Exit::Clean)
}
