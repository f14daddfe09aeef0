//! Points in time, as CloudTrail, log pipelines and AWS API responses write them.

use std::fmt;

use jiff::{civil::DateTime, tz::Offset};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A time before all others. The state in a snapshot without a time holds from here.
    pub const BEGINNING: Timestamp = Timestamp(i64::MIN);
    /// A time after all others.
    pub const END: Timestamp = Timestamp(i64::MAX);

    /// The time this many microseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// The time this many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.saturating_mul(1_000_000))
    }

    /// The number of microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time one microsecond earlier.
    #[must_use]
    pub const fn just_before(self) -> Self {
        Timestamp(self.0.saturating_sub(1))
    }

    /// The number of whole seconds since an earlier time.
    #[must_use]
    pub const fn seconds_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }

    /// The time this many seconds later, or earlier if negative. It stops at [`Timestamp::BEGINNING`] and [`Timestamp::END`].
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Timestamp(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// The beginning of the minute that contains the time.
    #[must_use]
    pub const fn minute(self) -> Self {
        Timestamp(self.0.saturating_sub(self.0.rem_euclid(60_000_000)))
    }

    /// Parses the forms that occur in `eventTime` and in AWS responses: RFC 3339 (`2024-10-17T20:11:24Z`), with an offset instead of `Z`, a
    /// blank instead of `T`, no zone at all (which means UTC) or any number of fraction digits (cut to microseconds), or a bare date.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // jiff parses at most nine fraction digits, and some log pipelines write more.
        let shortened;
        let text = match cut_long_fraction(text) {
            Some(cut) => {
                shortened = cut;
                shortened.as_str()
            }
            None => text,
        };
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Some(Timestamp(timestamp.as_microsecond()));
        }
        let civil = match text.parse::<DateTime>() {
            Ok(civil) => civil,
            // Some log pipelines write "2024-10-17 20:11:24 UTC".
            Err(_) => text.strip_suffix("UTC")?.trim_end().parse::<DateTime>().ok()?,
        };
        Some(Timestamp(Offset::UTC.to_timestamp(civil).ok()?.as_microsecond()))
    }

    /// Parses the basic form of RFC 3339 in the file names of the world, such as `20261101T000000Z`.
    #[must_use]
    pub fn parse_basic(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    /// The basic form of RFC 3339, without punctuation, such as `20261101T000000Z`.
    #[must_use]
    pub fn to_basic(self) -> String {
        self.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect()
    }
}

/// A day in UTC, as the number of days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    const MICROS: i64 = 86_400_000_000;

    /// The day on which a time lies.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Day(i32::try_from(time.0.div_euclid(Self::MICROS)).unwrap_or(if time.0 < 0 { i32::MIN } else { i32::MAX }))
    }

    /// Parses `2026-11-12`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == "2026-11-12".len()).then(|| Timestamp::parse(text).map(Day::of))?
    }

    /// Its first moment.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp(i64::from(self.0).saturating_mul(Self::MICROS))
    }

    /// The day this many days later, or earlier if negative.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Day(self.0.saturating_add(days))
    }

    /// The number of days from an earlier day to this one.
    #[must_use]
    pub fn since(self, earlier: Day) -> i32 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start().to_string();
        f.write_str(start.split('T').next().unwrap_or_default())
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Day::parse(&text).ok_or_else(|| D::Error::custom(format_args!("`{text}` is not a day")))
    }
}

/// The text with its fraction cut to nine digits; `None` if it has no more than that.
fn cut_long_fraction(text: &str) -> Option<String> {
    let (head, tail) = text.split_once('.')?;
    let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 9).then(|| {
        let (fraction, zone) = tail.split_at(digits);
        format!("{head}.{}{zone}", fraction.get(..9).unwrap_or_default())
    })
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => timestamp.fmt(f),
            Err(_) if *self == Timestamp::BEGINNING => f.write_str("the beginning"),
            Err(_) => f.write_str("the end"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| D::Error::custom(format_args!("`{text}` is not an RFC 3339 time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_event_time_mean_the_same_moment() {
        let expected = Timestamp::parse("2025-01-21T17:49:47Z").unwrap();
        for form in [
            "2025-01-21 17:49:47.000000000",
            "2025-01-21 17:49:47",
            "2025-01-21T17:49:47",
            "2025-01-21T17:49:47.0000000000001Z",
            "2025-01-21T18:49:47+01:00",
            "2025-01-21T17:49:47.000Z",
            "2025-01-21t17:49:47z",
            " 2025-01-21T17:49:47Z ",
            "20250121T174947Z",
            "2025-01-21 17:49:47 UTC",
        ] {
            assert_eq!(Timestamp::parse(form), Some(expected), "{form}");
        }
        assert_eq!(Timestamp::parse("2025-01-21"), Timestamp::parse("2025-01-21T00:00:00Z"));
    }

    #[test]
    fn a_day_holds_the_times_of_its_date() {
        let day = |time| Day::of(Timestamp::parse(time).unwrap());
        assert_eq!(day("2026-11-12T23:59:59.999999Z").to_string(), "2026-11-12");
        assert_eq!(day("2026-11-13T00:00:00Z").since(day("2026-11-12T00:00:00Z")), 1);
        assert_eq!(day("1969-12-31T23:00:00Z").to_string(), "1969-12-31");
        assert_eq!(Day::parse("2026-02-28").unwrap().plus(1).to_string(), "2026-03-01");
        assert_eq!(Day::parse("2026-11-12T00:00:00Z"), None);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for form in ["", "yesterday", "2025-13-01T00:00:00Z", "1737481787", "2025-01-21T17:49:47.Z"] {
            assert_eq!(Timestamp::parse(form), None, "{form}");
        }
    }

    #[test]
    fn fractions_are_kept_to_the_microsecond() {
        let time = Timestamp::parse("2025-01-21T17:49:47.123456789012Z").unwrap();
        assert_eq!(time.to_string(), "2025-01-21T17:49:47.123456Z");
        assert_eq!(time.to_basic(), "20250121T174947.123456Z");
        assert_eq!(Timestamp::parse_basic("20261101T000000Z").unwrap().to_basic(), "20261101T000000Z");
    }
}
