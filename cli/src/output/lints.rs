//! Writes lints in the formats of other tools.

use std::{io::Write, path::Path};

use audit_exports::{
    junit,
    lints::{Check, LintedFile, uri_of},
    sarif,
};

use super::text::counted;
use crate::{commands::audit::tool, console::Console};

/// Writes lints as SARIF, and warns if not all have room.
pub(crate) fn sarif(out: &mut dyn Write, check: Check, files: &[LintedFile], console: Console) -> anyhow::Result<()> {
    let (log, left_out) = sarif::log(check, files, &tool());
    super::json(out, &log)?;
    if left_out > 0 {
        console.warn(format_args!("{} left out: a SARIF log holds {}", counted(left_out, "lint"), sarif::MOST_RESULTS));
    }
    Ok(())
}

/// Writes lints as JUnit's XML.
pub(crate) fn junit(out: &mut dyn Write, check: Check, files: &[LintedFile]) -> anyhow::Result<()> {
    Ok(junit::suite(out, check, files)?)
}

/// The URI of a file: relative to the working folder, if it lies there.
pub(crate) fn uri(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    uri_of(&file.strip_prefix(&here).unwrap_or(file).display().to_string())
}
