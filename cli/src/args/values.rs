//! Parses the values of arguments. An error is what clap shows behind the argument and its value.

use audit_core::{finding::Status, framework::Framework, severity::Severity, timestamp::Timestamp};
use audit_exports::{asff::Importer, ocsf};

/// The lowest severity that makes a run exit with 3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailOn(pub(crate) Option<Severity>);

pub(super) fn timestamp(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "not a time (RFC 3339, such as 2026-11-20T10:00:00Z, or a date)".to_owned())
}

pub(super) fn account(text: &str) -> Result<String, String> {
    if audit_core::arn::is_account_id(text) { Ok(text.to_owned()) } else { Err("not an account id of twelve digits".to_owned()) }
}

pub(super) fn importer(text: &str) -> Result<Importer, String> {
    if text.eq_ignore_ascii_case("member") {
        return Ok(Importer::Member);
    }
    account(text).map(Importer::Account).map_err(|_| "neither an account id of twelve digits nor `member`".to_owned())
}

pub(super) fn ocsf_version(text: &str) -> Result<ocsf::Version, String> {
    ocsf::Version::parse(text).ok_or_else(|| format!("none of {}", ocsf::Version::ALL.map(ocsf::Version::as_str).join(", ")))
}

pub(super) fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| format!("none of {}", Severity::ALL.map(Severity::as_str).join(", ")))
}

pub(super) fn fail_on(text: &str) -> Result<FailOn, String> {
    if text.eq_ignore_ascii_case("never") { Ok(FailOn(None)) } else { severity(text).map(|least| FailOn(Some(least))) }
}

pub(super) fn rule(text: &str) -> Result<String, String> {
    audit_core::rules::find(text).map(|rule| rule.id.to_owned()).ok_or_else(|| "no rule; `guardrail-audit rules` lists them".to_owned())
}

pub(super) fn framework(text: &str) -> Result<Framework, String> {
    Framework::parse(text).ok_or_else(|| format!("none of {}", Framework::ALL.map(Framework::as_str).join(", ")))
}

pub(super) fn status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| format!("none of {}", Status::ALL.map(Status::as_str).join(", ")))
}
