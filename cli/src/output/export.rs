//! Writes findings in the formats of other tools, one document after the other.

use std::io::Write;

use audit_core::finding::Finding;
use audit_exports::{
    Export,
    asff::{self, Importer},
    ocsf,
};

use super::clean;
use crate::args::{ExportArgs, Format};

/// Writes findings as JSON lines in one of these formats.
pub(crate) fn findings(
    out: &mut dyn Write,
    findings: &[Finding],
    of: &Export<'_>,
    format: Format,
    args: &ExportArgs,
) -> anyhow::Result<()> {
    match format {
        Format::Ocsf => {
            let version = args.ocsf_version.unwrap_or_default();
            for finding in findings {
                serde_json::to_writer(clean::Escaped(&mut *out), &ocsf::event(finding, of, version))?;
                writeln!(out)?;
            }
        }
        Format::Asff => {
            let importer = args.asff_account.clone().unwrap_or(Importer::Member);
            for request in asff::requests(findings, of, &importer) {
                clean::Escaped(&mut *out).write_all(request?.as_bytes())?;
                writeln!(out)?;
            }
        }
        // Any other is refused with a hint.
        _ => args.check(format)?,
    }
    Ok(())
}
