//! `guardrail-audit help`, `man` and `completions`: what the program says of itself.

use std::io::Write as _;

use audit_core::{nearest::nearest, rules};
use clap::CommandFactory as _;

use crate::{
    args::Cli,
    exit::{Exit, UsageError},
    output::{self, rule_page},
};

/// Writes the help of the program or of a command, or the page of a rule.
pub(super) fn help(words: &[String]) -> anyhow::Result<Exit> {
    let mut out = output::stdout();
    let rule = words.first().filter(|_| words.len() == 1).and_then(|word| rules::find(word));
    match rule {
        Some(rule) => write!(out, "{}", rule_page::text(rule))?,
        None => write!(out, "{}", command_named(words)?.render_long_help().ansi())?,
    }
    Ok(Exit::Clean)
}

/// Writes the man page of the program, or of a command.
pub(super) fn man(words: &[String]) -> anyhow::Result<Exit> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command_named(words)?).render(&mut page)?;
    output::stdout().write_all(&page)?;
    Ok(Exit::Clean)
}

/// Writes the completions for a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    // The script is written to memory first, because the generator panics where it can't write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "guardrail-audit", &mut script);
    output::stdout().write_all(&script)?;
    Ok(Exit::Clean)
}

/// Returns the definition of the program, or of the subcommand with these names.
fn command_named(words: &[String]) -> anyhow::Result<clap::Command> {
    let mut command = Cli::command();
    command.build();
    for word in words {
        let Some(found) = command.find_subcommand(word).cloned() else {
            let rules = rules::RULES.iter().map(|rule| rule.id).filter(|_| words.len() == 1);
            let near = nearest(word, command.get_subcommands().map(clap::Command::get_name).chain(rules));
            let meant = if near.is_empty() { String::new() } else { format!("; is {} meant?", near.join(" or ")) };
            return Err(UsageError(format!("there is no command `{}`{meant}", words.join(" "))).into());
        };
        command = found;
    }
    Ok(command)
}
