//! Conditions of statements: an operator, a key, and the values that the key is compared with.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{cmp::Ordering, collections::BTreeSet};

use serde_json::Value;

use super::pattern::{self, arn_matches, equals, matches};
use crate::json::printable;

/// One key under one operator. Two conditions that are written differently and mean the same are equal, as far as normalising shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition {
    /// The prefix of the operator for keys with several values.
    pub quantifier: Option<Quantifier>,
    /// The comparison.
    pub test: Test,
    /// Whether the operator is negated, as `StringNotEquals` is.
    pub negated: bool,
    /// Whether the operator ends with `IfExists`, so that the condition holds for a request without the key.
    pub if_exists: bool,
    /// The key in lower case, because keys have no case.
    pub key: String,
    /// The values as texts. IAM compares numbers and booleans as texts too, and a single value is a list of one.
    pub values: BTreeSet<String>,
}

/// How many of a key's values must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantifier {
    /// Every value; holds if there are none.
    ForAllValues,
    /// At least one value; doesn't hold if there are none.
    ForAnyValue,
}

/// The families of operators, without negation (docs/aws/iam.md#conditions).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// `StringEquals`.
    Equals,
    /// `StringEqualsIgnoreCase`.
    EqualsIgnoreCase,
    /// `StringLike`.
    Like,
    /// `ArnEquals` and `ArnLike`, which both accept wildcards.
    Arn,
    /// `Numeric…`. The key's value must be less than, equal to or greater than the policy's, as `Orders` allows.
    Numeric(Orders),
    /// `Date…`, likewise.
    Date(Orders),
    /// `Bool`.
    Bool,
    /// `BinaryEquals`.
    Binary,
    /// `IpAddress`.
    Address,
    /// `Null`.
    Null,
    /// An operator that this crate doesn't know, in lower case.
    Unknown(String),
}

/// The orders of two values that satisfy a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Orders {
    less: bool,
    equal: bool,
    greater: bool,
}

impl Orders {
    /// Parses `(Not)Equals`, `LessThan(Equals)` or `GreaterThan(Equals)`, in lower case.
    fn parse(name: &str) -> Option<Self> {
        let (less, equal, greater) = match name {
            "equals" => (false, true, false),
            "lessthan" => (true, false, false),
            "lessthanequals" => (true, true, false),
            "greaterthan" => (false, false, true),
            "greaterthanequals" => (false, true, true),
            _ => return None,
        };
        Some(Orders { less, equal, greater })
    }

    fn pass(self, order: Ordering) -> bool {
        match order {
            Ordering::Less => self.less,
            Ordering::Equal => self.equal,
            Ordering::Greater => self.greater,
        }
    }
}

impl Condition {
    /// Parses the `Condition` member of a statement.
    pub(super) fn parse_all(conditions: &Value) -> Vec<Condition> {
        let operators = conditions.as_object().into_iter().flatten();
        let all = operators.flat_map(|(operator, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, values)| Self::parse(operator, key, values))
        });
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Parses one key under one operator.
    #[must_use]
    pub fn parse(operator: &str, key: &str, values: &Value) -> Self {
        let operator = printable(operator).to_ascii_lowercase();
        let (quantifier, rest) = match operator.split_once(':') {
            Some(("foranyvalue", rest)) => (Some(Quantifier::ForAnyValue), rest),
            Some(("forallvalues", rest)) => (Some(Quantifier::ForAllValues), rest),
            _ => (None, operator.as_str()),
        };
        let (rest, if_exists) = rest.strip_suffix("ifexists").map_or((rest, false), |rest| (rest, true));
        let (test, negated) = Test::parse(rest).unwrap_or_else(|| (Test::Unknown(rest.to_owned()), false));
        let is_literal = matches!(test, Test::Null | Test::Bool);
        let written = |value: &Value| match value {
            Value::String(word) if is_literal => word.to_ascii_lowercase(),
            Value::String(word) => printable(word).into_owned(),
            other => other.to_string(),
        };
        let values: BTreeSet<String> = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice).iter().map(written).collect();
        Condition { quantifier, test, negated, if_exists, key: printable(key).to_ascii_lowercase(), values }.simplest()
    }

    /// Normalises the condition: `…Like` without a wildcard becomes `…Equals`, and `IfExists` is dropped from a negated operator, which
    /// holds for an absent key anyway.
    fn simplest(mut self) -> Self {
        if self.test == Test::Like && !self.values.iter().any(|value| value.contains(['*', '?'])) {
            self.test = Test::Equals;
        }
        if self.test == Test::Null {
            (self.quantifier, self.if_exists) = (None, false);
        }
        if self.quantifier == Some(Quantifier::ForAllValues) || self.quantifier.is_none() && self.negated {
            self.if_exists = false;
        }
        self
    }

    /// Whether the condition holds for a key's values; none if the request lacks the key. `None` if it can't be decided, because the
    /// operator or its behaviour isn't known. `variable` returns the value of a policy variable.
    pub fn holds(&self, actual: &[String], variable: &dyn Fn(&str) -> Option<String>) -> Option<bool> {
        if let Test::Unknown(_) = self.test {
            return None;
        }
        if self.test == Test::Null {
            return Some(self.values.contains(if actual.is_empty() { "true" } else { "false" }));
        }
        if actual.is_empty() {
            return self.holds_if_absent();
        }
        // A value with a policy variable that the request lacks matches nothing.
        let values: Vec<String> = self.values.iter().filter_map(|value| filled(value, variable)).collect();
        let passes = |one: &String| values.iter().any(|value| self.test.passes(value, one)) != self.negated;
        Some(match self.quantifier {
            Some(Quantifier::ForAnyValue) => actual.iter().any(passes),
            Some(Quantifier::ForAllValues) => actual.iter().all(passes),
            // Without a quantifier, a key with several values matches nothing.
            None => actual.len() == 1 && actual.iter().all(passes),
        })
    }

    /// Whether the condition holds for a request without the key. With `…IfExists` it does, with `ForAnyValue` it doesn't; with both, IAM's
    /// result isn't documented.
    fn holds_if_absent(&self) -> Option<bool> {
        match self.quantifier {
            Some(Quantifier::ForAllValues) => Some(true),
            Some(Quantifier::ForAnyValue) => (!self.if_exists).then_some(false),
            None => Some(self.if_exists || self.negated),
        }
    }
}

impl Test {
    /// Parses an operator in lower case to its family and whether it is negated.
    fn parse(operator: &str) -> Option<(Self, bool)> {
        Some(match operator {
            "stringequals" => (Test::Equals, false),
            "stringnotequals" => (Test::Equals, true),
            "stringequalsignorecase" => (Test::EqualsIgnoreCase, false),
            "stringnotequalsignorecase" => (Test::EqualsIgnoreCase, true),
            "stringlike" => (Test::Like, false),
            "stringnotlike" => (Test::Like, true),
            "arnequals" | "arnlike" => (Test::Arn, false),
            "arnnotequals" | "arnnotlike" => (Test::Arn, true),
            "bool" => (Test::Bool, false),
            "binaryequals" => (Test::Binary, false),
            "ipaddress" => (Test::Address, false),
            "notipaddress" => (Test::Address, true),
            "null" => (Test::Null, false),
            "numericnotequals" => (Test::Numeric(Orders::parse("equals")?), true),
            "datenotequals" => (Test::Date(Orders::parse("equals")?), true),
            other => match other.strip_prefix("numeric") {
                Some(order) => (Test::Numeric(Orders::parse(order)?), false),
                None => (Test::Date(Orders::parse(other.strip_prefix("date")?)?), false),
            },
        })
    }

    /// Whether one value of a request matches one value of the policy.
    fn passes(&self, value: &str, actual: &str) -> bool {
        match self {
            Test::Equals | Test::Binary => equals(value, actual),
            Test::EqualsIgnoreCase => pattern::literal(value).to_lowercase() == actual.to_lowercase(),
            Test::Like => matches(value, actual),
            Test::Arn => arn_matches(value, actual),
            Test::Bool => is_boolean(value) && value.eq_ignore_ascii_case(actual),
            Test::Numeric(orders) => {
                let order = number(actual).zip(number(value)).and_then(|(actual, value)| actual.partial_cmp(&value));
                order.is_some_and(|order| orders.pass(order))
            }
            Test::Date(orders) => date(actual).zip(date(value)).is_some_and(|(actual, value)| orders.pass(actual.cmp(&value))),
            Test::Address => Network::parse(value).zip(Network::parse(actual)).is_some_and(|(network, address)| network.contains(&address)),
            Test::Null | Test::Unknown(_) => false,
        }
    }
}

fn is_boolean(text: &str) -> bool {
    ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Parses a date to milliseconds since 1970. Accepts ISO 8601 with or without a time, and seconds since 1970.
fn date(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000);
    }
    let time = text.parse::<jiff::Timestamp>().ok();
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|day| day.timestamp());
    time.or_else(day).map(jiff::Timestamp::as_millisecond)
}

/// A range of IP addresses (RFC 4632).
struct Network {
    address: u128,
    /// The length of the prefix in bits, of 128.
    prefix: u32,
    is_v4: bool,
}

impl Network {
    /// Parses an address, or an address with the length of its prefix (RFC 4632).
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.trim().parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Some(bits), |length| length.trim().parse().ok().filter(|length| *length <= bits))?;
        let number = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        };
        Some(Network { address: number & Self::mask(length), prefix: length, is_v4: address.is_ipv4() })
    }

    fn mask(prefix: u32) -> u128 {
        u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
    }

    fn contains(&self, other: &Network) -> bool {
        self.is_v4 == other.is_v4 && self.prefix <= other.prefix && other.address & Self::mask(self.prefix) == self.address
    }

    /// The first and the last address.
    fn ends(&self) -> [IpAddr; 2] {
        let address = |number: u128| {
            if self.is_v4 {
                IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number >> 96).unwrap_or(0)))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(number))
            }
        };
        [address(self.address), address(self.address | !Self::mask(self.prefix))]
    }
}

/// The first and the last address of a range, given as an address or as an address with the length of its prefix.
pub(crate) fn network_ends(text: &str) -> Option<[IpAddr; 2]> {
    Network::parse(text).map(|network| network.ends())
}

/// A date in seconds since 1970, between the seconds before and after it.
pub(crate) fn seconds_around(text: &str) -> Option<[i64; 3]> {
    let second = date(text)?.div_euclid(1000);
    Some([second.checked_sub(1)?, second, second.checked_add(1)?])
}

/// Replaces the policy variables of a text by their values; `None` if one has no value. A wildcard in a value is taken literally.
pub(crate) fn filled(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if !text.contains("${") {
        return Some(text.to_owned());
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            // Without a closing brace it is no variable.
            out.push_str("${$}{");
            rest = after;
            continue;
        };
        rest = behind;
        if pattern::is_escape(name) {
            out.extend(["${", name, "}"]);
            continue;
        }
        let (name, default) = name.split_once(',').map_or((name, None), |(name, default)| (name, Some(default.trim().trim_matches('\''))));
        let value = variable(name.trim()).or_else(|| default.map(str::to_owned))?;
        out.push_str(&pattern::escaped(&value));
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(operator: &str, values: &Value, actual: &[&str]) -> Option<bool> {
        let actual: Vec<String> = actual.iter().map(|value| (*value).to_owned()).collect();
        Condition::parse(operator, "aws:Key", values).holds(&actual, &|name| (name == "aws:username").then(|| "a*n".to_owned()))
    }

    #[test]
    fn each_family_holds_as_documented() {
        for (operator, values, actual, expected) in [
            ("StringEquals", json!("a"), "a", true),
            ("StringEquals", json!("a*"), "ab", false),
            ("StringEquals", json!("A"), "a", false),
            ("stringequalsignorecase", json!("A"), "a", true),
            ("StringNotEqualsIgnoreCase", json!(["b", "A"]), "a", false),
            ("StringLike", json!(["x", "a?c*"]), "abcd", true),
            ("StringNotLike", json!(["x", "a?c*"]), "abcd", false),
            ("StringLike", json!("${aws:username}x"), "a*nx", true),
            ("StringLike", json!("${aws:username}x"), "annx", false),
            ("StringLike", json!("${aws:other}"), "", false),
            ("StringNotLike", json!("${aws:other}"), "x", true),
            ("StringLike", json!("${aws:other, 'd'}*"), "dx", true),
            ("NumericEquals", json!("5.0"), "5", true),
            ("NumericNotEquals", json!(5), "6", true),
            ("NumericLessThan", json!("5"), "4.5", true),
            ("NumericLessThanEquals", json!("5"), "5", true),
            ("NumericGreaterThan", json!("5"), "5", false),
            ("NumericGreaterThanEquals", json!(["9", "5"]), "5", true),
            ("NumericEquals", json!("five"), "5", false),
            ("DateLessThan", json!("2026-01-01T00:00:00Z"), "2025-12-31T23:59:59Z", true),
            ("DateGreaterThan", json!("2026-01-01"), "2026-01-01T00:00:01Z", true),
            ("DateEquals", json!("0"), "1970-01-01T00:00:00Z", true),
            ("DateNotEquals", json!("0"), "1970-01-01T00:00:00Z", false),
            ("Bool", json!(true), "True", true),
            ("Bool", json!("false"), "true", false),
            ("BinaryEquals", json!("QQ=="), "QQ==", true),
            ("IpAddress", json!("10.0.0.0/8"), "10.255.0.1", true),
            ("IpAddress", json!("10.0.0.1"), "10.0.0.2", false),
            ("NotIpAddress", json!(["2001:db8::/32"]), "2001:db8:1::1", false),
            ("NotIpAddress", json!("0.0.0.0/0"), "2001:db8::1", true),
            ("ArnEquals", json!("arn:aws:iam::*:role/a*"), "arn:aws:iam::111122223333:role/ab", true),
            ("ArnNotLike", json!("arn:aws:iam::*:role/a*"), "arn:aws:iam::111122223333:role/b", true),
            ("Null", json!("false"), "x", true),
            ("Null", json!(["True"]), "x", false),
        ] {
            assert_eq!(holds(operator, &values, &[actual]), Some(expected), "{operator} {values} {actual}");
        }
        assert_eq!(holds("StringResembles", &json!("a"), &["a"]), None);
        assert_eq!(holds("ForAnyValue:StringEqualsIfExists", &json!("a"), &[]), None);
        assert_eq!(holds("ForAnyValue:StringEqualsIfExists", &json!("a"), &["a"]), Some(true));
    }

    #[test]
    fn what_is_absent_and_what_is_many() {
        for (operator, absent, both) in [
            ("StringEquals", false, false),
            ("StringNotEquals", true, false),
            ("StringEqualsIfExists", true, false),
            ("StringNotEqualsIfExists", true, false),
            ("ForAnyValue:StringEquals", false, true),
            ("ForAnyValue:StringNotEquals", false, true),
            ("ForAllValues:StringEquals", true, false),
            ("ForAllValues:StringNotEquals", true, false),
            ("ForAllValues:StringEqualsIfExists", true, false),
        ] {
            assert_eq!(holds(operator, &json!("a"), &[]), Some(absent), "{operator}");
            assert_eq!(holds(operator, &json!("a"), &["a", "b"]), Some(both), "{operator}");
        }
        for (values, absent) in [(json!("true"), true), (json!(true), true), (json!(["TRUE"]), true), (json!(false), false)] {
            assert_eq!(holds("Null", &values, &[]), Some(absent), "{values}");
            assert_eq!(holds("ForAllValues:Null", &values, &[]), Some(absent), "{values}");
        }
    }
}
