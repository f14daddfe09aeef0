//! The bounds of what a single account may report. No auditor writes more: the rest isn't read, it is counted, and it is a finding of the
//! account ([`observation-altered`](audit_core::rules)).
//!
//! INVARIANT: the bounds apply only to what an account says about itself ([`Trust::is_self_reported`]). What the hub read itself is never
//! left out.

use audit_core::timestamp::Timestamp;

use crate::{clock::hour_of, findings::Volume, partition::Partition, trust::Trust};

/// The most that a fold reads of one partition; more is a flood. A working auditor writes an item for each event that is delivered directly:
/// a few hundred an hour, and tens of thousands in a burst. From a queue it writes a few hundred, and 14 MB if an account makes ten million calls a
/// day and each is a violation.
pub const READ: Volume = Volume { items: 50_000, bytes: 24 << 20 };

/// The most that is kept of facts of an account that were rewritten or removed, and of notes about that; more is a flood. An auditor never
/// rewrites or removes a fact. A fold reads all that is kept.
pub const KEPT: Volume = Volume { items: 20_000, bytes: 16 << 20 };

/// How many times [`READ`] may be written into a partition before the router ignores what is added. Each delivery of a batch counts, and a
/// batch is delivered at most 21 times, so that no working auditor is cut off.
const FLOODS: u64 = 16;

/// Bytes of facts that a fold reads at most, the hub's own first. Judged, they take several times as much memory, and the function has
/// 1,024 MB.
pub const BYTES_OF_A_FOLD: u64 = 128 << 20;

/// Hours by which an hour may lie ahead of the time at which the stream reports it.
const HOURS_AHEAD: i64 = 1;

/// Regions in which an account may report, whether the hub watches them or not. AWS has about forty.
const REGIONS: i64 = 64;

/// Regions in which an account may report in every hour. With the retention it bounds the partitions that a fold reads.
const BUSY_REGIONS: i64 = 40;

/// The bounds of an installation.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The Regions that the hub watches, under whose names refused facts are counted.
    pub regions: Vec<String>,
    /// Days that facts are kept.
    pub facts_ttl_days: i64,
}

/// Why a fact isn't taken in. The names are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Its partition key isn't that of a fact.
    Malformed,
    /// Its Region can't be one of AWS.
    Region,
    /// Its hour was still to come when it was written.
    Ahead,
    /// Facts of its hour have expired.
    Expired,
    /// The account has more partitions than there are hours in its Regions.
    Partitions,
    /// Its partition holds more than is read.
    Flood,
    /// It was rewritten or removed, and no more of such facts is kept.
    Kept,
    /// The table refused what the hub notes of it.
    Unwritable,
}

impl Refusal {
    /// The name, as the table has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::Malformed => "malformed",
            Refusal::Region => "region",
            Refusal::Ahead => "ahead",
            Refusal::Expired => "expired",
            Refusal::Partitions => "partitions",
            Refusal::Flood => "flood",
            Refusal::Kept => "kept",
            Refusal::Unwritable => "unwritable",
        }
    }

    /// The reason in words, for the finding.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Refusal::Malformed => "no fact belongs under this partition key",
            Refusal::Region => "AWS has no Region of this name",
            Refusal::Ahead => "tells of an hour which was still to come",
            Refusal::Expired => "tells of an hour whose facts have expired",
            Refusal::Partitions => "the account has facts of more hours than its Regions had",
            Refusal::Flood => "the hour has more facts than are read",
            Refusal::Kept => "more facts were rewritten or removed than are kept",
            Refusal::Unwritable => "what the hub notes of it can't be stored",
        }
    }
}

impl Bounds {
    /// Why facts of a partition aren't taken in, which the stream reports at `time`; `None` if they are.
    #[must_use]
    pub fn refuse(&self, partition: &Partition, trust: &Trust, time: Timestamp) -> Option<Refusal> {
        if !trust.is_self_reported(partition) {
            return None;
        }
        let now = hour_of(time);
        match partition.hour {
            _ if !is_region(&partition.account_region.region) => Some(Refusal::Region),
            Some(hour) if hour > now + HOURS_AHEAD => Some(Refusal::Ahead),
            Some(hour) if hour < now - self.facts_ttl_days * 24 - 1 => Some(Refusal::Expired),
            _ => None,
        }
    }

    /// Returns whether an account that has this number of partitions of its own may have another.
    #[must_use]
    pub fn allow_partition(&self, partitions: i64) -> bool {
        partitions < BUSY_REGIONS * (self.facts_ttl_days + 2) * 24
    }

    /// In how many other Regions an account may report, besides this number.
    #[must_use]
    pub fn room_for_account_regions(account_regions: i64) -> usize {
        usize::try_from(REGIONS - account_regions).unwrap_or(0)
    }

    /// The Region under which refused facts are counted. Members choose the Regions in their keys, so that only those that the hub watches
    /// have counts of their own.
    #[must_use]
    pub fn region_of<'r>(&self, region: &'r str) -> &'r str {
        if self.regions.iter().any(|known| known == region) { region } else { "unknown" }
    }
}

/// Returns whether a partition holds more than a fold reads of it.
#[must_use]
pub fn is_flood(volume: Volume) -> bool {
    volume.items > READ.items || volume.bytes > READ.bytes
}

/// Whether more than `FLOODS` times [`READ`] was written into a partition: the router then ignores what is added.
#[must_use]
pub fn is_lasting_flood(volume: Volume) -> bool {
    volume.items > FLOODS * READ.items || volume.bytes > FLOODS * READ.bytes
}

/// Returns whether as much is kept of an account's facts as may be.
#[must_use]
pub fn is_full(kept: Volume) -> bool {
    kept.items >= KEPT.items || kept.bytes >= KEPT.bytes
}

/// Whether a text has the form of a Region's code, such as `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [names @ .., number] = parts.as_slice() else { return false };
    let is_name = |name: &&str| !name.is_empty() && name.len() <= 12 && name.bytes().all(|b| b.is_ascii_lowercase());
    (2..=3).contains(&names.len()) && names.iter().all(is_name) && number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::{AccountRegion, Source};

    fn bounds() -> Bounds {
        Bounds { regions: vec!["us-east-1".to_owned()], facts_ttl_days: 30 }
    }

    fn partition(region: &str, hour: Option<&str>, source: Source) -> Partition {
        let hour = hour.map(|hour| hour_of(Timestamp::parse(hour).unwrap()));
        Partition { source, account_region: AccountRegion::new("222233334444", region), hour }
    }

    #[test]
    fn what_no_auditor_reports_is_refused() {
        let now = Timestamp::parse("2026-11-20T10:30:00Z").unwrap();
        let organization = Trust { organization: true, hub_account: "999988887777".to_owned(), ..Trust::default() };
        for (region, hour, expected) in [
            ("us-east-1", Some("2026-11-20T10:00:00Z"), None),
            ("us-east-1", Some("2026-11-20T11:00:00Z"), None),
            ("us-east-1", Some("2026-10-21T10:00:00Z"), None),
            ("us-gov-west-1", None, None),
            ("us-east-1", Some("2026-11-20T12:00:00Z"), Some(Refusal::Ahead)),
            ("us-east-1", Some("2099-01-01T00:00:00Z"), Some(Refusal::Ahead)),
            ("us-east-1", Some("2026-10-20T10:00:00Z"), Some(Refusal::Expired)),
            ("useast1", Some("2026-11-20T10:00:00Z"), Some(Refusal::Region)),
            ("us-east-11", Some("2026-11-20T10:00:00Z"), Some(Refusal::Region)),
            ("a-b-c-d-1", Some("2026-11-20T10:00:00Z"), Some(Refusal::Region)),
        ] {
            let refused = |source| bounds().refuse(&partition(region, hour, source), &organization, now);
            assert_eq!(refused(Source::Account), expected, "{region} {hour:?}");
            assert_eq!(refused(Source::Hub), None, "the hub's own: {region} {hour:?}");
            assert_eq!(bounds().refuse(&partition(region, hour, Source::Account), &Trust::default(), now), None, "an account alone");
        }
    }

    #[test]
    fn an_account_has_no_more_partitions_than_its_regions_have_hours() {
        let most = 40 * 32 * 24;
        assert!(bounds().allow_partition(most - 1));
        assert!(!bounds().allow_partition(most));
        assert!(bounds().allow_partition(-5), "more were forgotten than counted, of an earlier release");
        assert_eq!([0, 60, 64, 70].map(Bounds::room_for_account_regions), [64, 4, 0, 0]);
    }

    #[test]
    fn refused_facts_are_counted_under_few_names() {
        assert_eq!((bounds().region_of("us-east-1"), bounds().region_of("xx-east-1")), ("us-east-1", "unknown"));
    }
}
