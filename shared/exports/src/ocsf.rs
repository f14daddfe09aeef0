//! Findings as Compliance Findings (class 2003) of the Open Cybersecurity Schema Framework: one event for each finding.
//!
//! Consumers refuse fields that the schema doesn't have at a place, so everything that OCSF has no field for stands in `unmapped`. Security
//! Hub and data lakes identify a finding by `cloud.account.uid`, `finding_info.uid` and `metadata.product.uid`: another value in one of
//! them makes every finding a new one.

mod event;

use audit_core::finding::Finding;
use event::Event;
use serde::Serialize;

use crate::Export;

/// A version of the schema. Attributes come and go between versions, and consumers take only the ones that they know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.3.0, which custom sources of Security Lake can have.
    V1_3,
    /// 1.5.0.
    V1_5,
    /// 1.6.0, which Security Hub speaks.
    #[default]
    V1_6,
    /// 1.8.0.
    V1_8,
}

impl Version {
    /// All versions, the oldest first.
    pub const ALL: [Version; 4] = [Version::V1_3, Version::V1_5, Version::V1_6, Version::V1_8];

    /// Its name, as events carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::V1_3 => "1.3.0",
            Version::V1_5 => "1.5.0",
            Version::V1_6 => "1.6.0",
            Version::V1_8 => "1.8.0",
        }
    }

    /// Parses a name of [`Version::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }
}

/// A finding as an event of OCSF.
#[must_use]
pub fn event<'f>(finding: &'f Finding, export: &Export<'f>, version: Version) -> impl Serialize + 'f {
    Event::of(finding, export, version)
}
