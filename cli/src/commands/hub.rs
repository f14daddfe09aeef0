//! `guardrail-audit hub`: says how the hub in AWS is doing, and runs it.

#[cfg(feature = "aws")]
mod pause;
#[cfg(feature = "aws")]
mod redrive;
#[cfg(feature = "aws")]
mod remake;
#[cfg(feature = "aws")]
mod status;
#[cfg(feature = "aws")]
mod tell_again;
#[cfg(feature = "aws")]
mod world;

use crate::{args::HubCommand, console::Console, exit::Exit};

#[cfg(not(feature = "aws"))]
pub(crate) fn run(_: &HubCommand, _: Console) -> anyhow::Result<Exit> {
    Err(super::needs_aws("hub"))
}

#[cfg(feature = "aws")]
pub(crate) fn run(command: &HubCommand, console: Console) -> anyhow::Result<Exit> {
    match command {
        HubCommand::Status { address, output, strict } => status::run(address, output.format, *strict, console),
        HubCommand::Rebuild { remake } => remake::run(remake, None, console),
        HubCommand::Repair { since, everywhere, remake } => remake::run(remake, Some((*since, *everywhere)), console),
        HubCommand::Redrive(args) => redrive::run(args, console),
        HubCommand::TellAgain(args) => tell_again::run(args, console),
        HubCommand::World(args) => world::run(args, console),
        HubCommand::Pause { address } => pause::run(address, false, console),
        HubCommand::Resume { address } => pause::run(address, true, console),
    }
}
