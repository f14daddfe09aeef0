//! Parses the values of arguments. An error is what clap shows behind the argument and its value.

use audit_core::{finding::Status, framework::Framework, nearest::nearest, rules, severity::Severity, timestamp::Timestamp};
use audit_exports::{asff::Importer, ocsf};
use jiff::{Span, SpanRelativeTo};

/// The lowest severity that makes a run exit with 3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailOn(pub(crate) Option<Severity>);

/// A time, or how long ago it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TimeOrAge {
    Time(Timestamp),
    /// Seconds before now.
    Age(i64),
}

impl TimeOrAge {
    /// The time itself. An age is counted back from `now`.
    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            TimeOrAge::Time(time) => time,
            TimeOrAge::Age(seconds) => now.plus_seconds(-seconds),
        }
    }
}

/// The longest age, in seconds: a hundred years. `Timestamp` counts microseconds, so that far longer ones would not fit.
const OLDEST: i64 = 100 * 366 * 24 * 60 * 60;

pub(super) fn time_or_age(text: &str) -> Result<TimeOrAge, String> {
    if let Some(time) = Timestamp::parse(text) {
        return Ok(TimeOrAge::Time(time));
    }
    let seconds = || {
        let span: Span = text.trim().parse().ok()?;
        // A month has no length of its own, so months and years are no ages.
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Some(duration.as_secs()).filter(|seconds| (0..=OLDEST).contains(seconds))
    };
    let message = "neither a time (RFC 3339, such as 2026-11-20T10:00:00Z, or a date) nor an age (7d, 36h, 2w)";
    seconds().map(TimeOrAge::Age).ok_or_else(|| message.to_owned())
}

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
    rules::find(text).map(|rule| rule.id.to_owned()).ok_or_else(|| format!("no rule; {}", rule_meant(text)))
}

/// Says which rule may be meant by a text that is none.
pub(crate) fn rule_meant(text: &str) -> String {
    match nearest(text, rules::RULES.iter().map(|rule| rule.id)).as_slice() {
        [] => "`guardrail-audit rules` lists them".to_owned(),
        near => format!("is {} meant?", near.join(" or ")),
    }
}

pub(super) fn framework(text: &str) -> Result<Framework, String> {
    Framework::parse(text).ok_or_else(|| format!("none of {}", Framework::ALL.map(Framework::as_str).join(", ")))
}

pub(super) fn status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| format!("none of {}", Status::ALL.map(Status::as_str).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_counted_back_from_now() {
        let now = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
        for (given, is) in [
            ("7d", "2026-11-13T10:00:00Z"),
            ("36h", "2026-11-18T22:00:00Z"),
            ("2w", "2026-11-06T10:00:00Z"),
            ("90m", "2026-11-20T08:30:00Z"),
            ("1d 12h", "2026-11-18T22:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
        ] {
            assert_eq!(time_or_age(given).unwrap().before(now).to_string(), is, "{given}");
        }
        for given in ["", "7", "-7d", "7 days ago", "1y", "1mo", "yesterday", "999999999999d", "40000d"] {
            assert!(time_or_age(given).is_err(), "{given}");
        }
    }

    #[test]
    fn a_mistyped_rule_is_suggested() {
        assert!(rule("api-not-covred").unwrap_err().contains("is api-not-covered meant?"));
        assert!(rule("something").unwrap_err().contains("lists them"));
    }
}
