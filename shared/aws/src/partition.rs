//! Partition keys of the table of observations. A key shows who vouches for the facts in its partition.
//!
//! An account's auditor may write only under keys that begin with its account id and `#` (`dynamodb:LeadingKeys`). What the hub read
//! itself, or took from the organization's trail, lies under `hub#`, where no member may write.

use audit_core::timestamp::Timestamp;

use crate::clock::{hour_of, start_of};

/// An account and Region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountRegion {
    /// The account id; `unknown` if a record has none.
    pub account: String,
    /// The Region's code.
    pub region: String,
}

/// The source that vouches for a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The account's own auditor.
    Account,
    /// The hub.
    Hub,
}

/// A partition of the table of observations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The source that vouches for its facts.
    pub source: Source,
    /// The account and Region that they are about.
    pub account_region: AccountRegion,
    /// The hour in which it happened, counted since 1970; `None` if that isn't known.
    pub hour: Option<i64>,
}

const HUB: &str = "hub#";
const UNDATED: &str = "undated";

impl AccountRegion {
    /// Combines an account and a Region.
    pub fn new(account: impl Into<String>, region: impl Into<String>) -> Self {
        AccountRegion { account: account.into(), region: region.into() }
    }

    /// Account and Region in the ARN of a Lambda function.
    #[must_use]
    pub fn of_function(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':').skip(3);
        let (region, account) = (parts.next()?, parts.next()?);
        (!region.is_empty() && !account.is_empty()).then(|| AccountRegion::new(account, region))
    }

    /// The key `<account>#<region>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}#{}", self.account, self.region)
    }

    /// Parses what [`AccountRegion::key`] writes.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let (account, region) = key.split_once('#')?;
        let plain = |text: &str| !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (plain(account) && plain(region)).then(|| AccountRegion::new(account, region))
    }
}

impl Partition {
    /// The partition key.
    #[must_use]
    pub fn key(&self) -> String {
        let source = if self.source == Source::Hub { HUB } else { "" };
        format!("{source}{}#{}", self.account_region.key(), hour_text(self.hour))
    }

    /// Parses a partition key.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let (source, rest) = key.strip_prefix(HUB).map_or((Source::Account, key), |rest| (Source::Hub, rest));
        let (account_region, hour) = rest.rsplit_once('#')?;
        Some(Partition { source, account_region: AccountRegion::parse(account_region)?, hour: parse_hour(hour)? })
    }
}

/// An hour as keys write it: `2026-11-20T10`, or `undated`.
#[must_use]
pub fn hour_text(hour: Option<i64>) -> String {
    hour.map_or(UNDATED.to_owned(), |hour| start_of(hour).to_string().chars().take(13).collect())
}

/// Parses what [`hour_text`] writes; the inner `None` stands for `undated`.
#[must_use]
pub fn parse_hour(text: &str) -> Option<Option<i64>> {
    if text == UNDATED {
        return Some(None);
    }
    if text.len() != 13 {
        return None;
    }
    let hour = hour_of(Timestamp::parse(&format!("{text}:00:00Z"))?);
    (hour_text(Some(hour)) == text).then_some(Some(hour))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_whose_word_it_is() {
        let hour = Timestamp::parse("2026-11-20T10:59:59Z").map(hour_of);
        for source in [Source::Account, Source::Hub] {
            for hour in [hour, None] {
                let partition = Partition { source, account_region: AccountRegion::new("222233334444", "us-east-1"), hour };
                assert_eq!(Partition::parse(&partition.key()), Some(partition));
            }
        }
        let partition = Partition { source: Source::Account, account_region: AccountRegion::new("222233334444", "us-east-1"), hour };
        assert_eq!(partition.key(), "222233334444#us-east-1#2026-11-20T10");
    }

    #[test]
    fn a_function_says_where_it_runs() {
        let arn = "arn:aws-cn:lambda:cn-north-1:222233334444:function:guardrail-audit-changes";
        assert_eq!(AccountRegion::of_function(arn), Some(AccountRegion::new("222233334444", "cn-north-1")));
        for arn in ["", "guardrail-audit-changes", "arn:aws:lambda:::function:x"] {
            assert_eq!(AccountRegion::of_function(arn), None, "{arn}");
        }
    }

    #[test]
    fn other_keys_are_none() {
        for key in [
            "",
            "a",
            "hub#1#2026-11-20T10",
            "1#us-east-1#2026-11-20",
            "1#us east#2026-11-20T10",
            "1#r#2026-13-20T10",
            "1#a#r#2026-11-20T10",
        ] {
            assert_eq!(Partition::parse(key), None, "{key}");
        }
    }
}
