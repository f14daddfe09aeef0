//! Runs other programs.

use std::{
    io::{BufRead as _, BufReader, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// The cargo that started this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // The variables of this task would be taken for those of the build. Build scripts such as that of `ring` read them, and whoever calls
    // cargo without this task would compile it again, with all that depends on it.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST")) {
        command.env_remove(name);
    }
    if std::io::stdout().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command
}

/// Runs a command, shows what it prints line by line, so that commands can run side by side, and keeps what `pick` returns for each line.
pub(crate) fn run(command: &mut Command, mut pick: impl FnMut(&str) -> Option<String>) -> anyhow::Result<Run> {
    let shown = shown(command);
    println!("$ {shown}");
    let (reader, writer) = std::io::pipe()?;
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn().with_context(|| format!("failed to start `{shown}`"))?;
    // The command holds ends of the pipe for further children. The pipe ends with the child only if they are dropped.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut kept = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(std::io::stdout(), "{line}")?;
        kept.extend(pick(line.trim_end()));
    }
    Ok(Run { passed: child.wait()?.success(), kept })
}

/// The outcome of a command.
pub(crate) struct Run {
    pub(crate) passed: bool,
    /// What `pick` kept of the output.
    pub(crate) kept: Vec<String>,
}

/// Runs a command and shows its output only if it fails.
pub(crate) fn must_pass(command: &mut Command) -> anyhow::Result<()> {
    let shown = shown(command);
    println!("$ {shown}");
    match command.status().with_context(|| format!("failed to start `{shown}`"))? {
        status if status.success() => Ok(()),
        status => bail!("`{shown}` failed: {status}"),
    }
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    std::iter::once(program).chain(command.get_args()).map(|part| part.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
