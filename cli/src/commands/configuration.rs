//! Finds and reads the configuration of a run.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit_core::{config::Configuration, config_file::ConfigurationError, json::printable, report::ConfigurationFile};
use audit_local::{encoding::to_utf8, store::KeptConfiguration};

use crate::{args::BasisArgs, console::Console, exit::QuotedError};

/// The name of a configuration that is used without being given.
const NAME: &str = "guardrail-audit.toml";

/// The configuration of a run, and where it comes from.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    pub(crate) configuration: Configuration,
    /// `None` if nothing is configured.
    pub(crate) file: Option<ConfigurationFile>,
    /// The text of that file; empty if nothing is configured.
    pub(crate) text: String,
}

impl Configured {
    /// The configuration as a store keeps it, beside what was concluded under it.
    pub(crate) fn to_keep(&self) -> Option<KeptConfiguration> {
        let file = self.file.as_ref()?;
        Some(KeptConfiguration { path: file.path.clone(), was_found: file.was_found, text: self.text.clone() })
    }

    /// The name of the configuration in messages.
    pub(crate) fn name(&self) -> &str {
        self.file.as_ref().map_or("configuration", |file| &file.path)
    }

    /// The path of its file.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| Path::new(&file.path))
    }
}

/// Reads the configuration that is given, or else the one in the working folder, and notes it.
///
/// Its exceptions suppress findings, so a file that came with the logs must not be one: whoever wrote those could except himself.
pub(super) fn of(basis: &BasisArgs, inputs: &[PathBuf], console: Console) -> anyhow::Result<Configured> {
    if let Some(path) = &basis.config {
        return given(path);
    }
    let found = Path::new(NAME);
    // A link that leads nowhere, or a folder of this name, is read and fails: without the team's requirements more calls look guarded.
    let is_absent = std::fs::symlink_metadata(found).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    if basis.no_config || is_absent {
        return Ok(Configured::default());
    }
    if inputs.iter().any(|input| holds(input, found)) {
        console.warn(format_args!("{NAME} in this folder isn't used, because it lies among the records; `--config {NAME}` uses it"));
        return Ok(Configured::default());
    }
    let configured = given(found)?;
    console.note(format_args!("{NAME} in this folder is used; `--no-config` leaves it out"));
    Ok(Configured { file: configured.file.map(|file| ConfigurationFile { was_found: true, ..file }), ..configured })
}

/// Whether a path, followed through links, is this file or a folder above it.
fn holds(input: &Path, file: &Path) -> bool {
    input.canonicalize().is_ok_and(|input| file.canonicalize().is_ok_and(|file| file.starts_with(input)))
}

/// Reads the configuration at a path.
pub(super) fn given(path: &Path) -> anyhow::Result<Configured> {
    let text = read(path)?;
    let configuration = Configuration::parse(&text).map_err(|error| quoted(path, &error))?;
    let file = ConfigurationFile::new(path.display().to_string(), false, &configuration);
    Ok(Configured { configuration, file: Some(file), text })
}

/// Reads the text of the configuration at a path.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read(path).with_context(|| format!("failed to read the configuration `{}`", path.display()))?;
    Ok(String::from_utf8_lossy(&to_utf8(&text)).into_owned())
}

/// A mistake in the configuration at a path, as the user is shown it.
pub(super) fn quoted(path: &Path, error: &ConfigurationError) -> QuotedError {
    QuotedError(format!("{}: {error}", printable(&path.display().to_string())))
}
