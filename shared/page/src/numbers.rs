//! Numbers, shares and dates as people read them.

use audit_core::timestamp::{Day, Timestamp};

/// Whole percent, rounded down, so that only everything is 100 %, and what is there but less than 1 % is not 0 %.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    match u128::from(part) * 100 / u128::from(whole) {
        0 if part > 0 => "<1\u{a0}%".to_owned(),
        share => format!("{share}\u{a0}%"),
    }
}

/// A number with its thousands apart: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A sentence with the thousands of its numbers apart, as all other numbers of the page have them.
pub(crate) fn with_thousands(sentence: &str) -> String {
    let mut text = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let (digits, behind) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        text.push_str(before);
        text.push_str(&digits.parse().map_or_else(|_| digits.to_owned(), grouped));
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// A count with its noun: `1 call`, `2,000 calls`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(number)) }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A day as `9 Nov 2026`.
pub(crate) fn day(day: Day) -> String {
    match parts(day) {
        Some((year, month, date)) => format!("{date}\u{a0}{month}\u{a0}{year}"),
        None => day.to_string(),
    }
}

/// A day as `9 Nov`.
pub(crate) fn short_day(day: Day) -> String {
    match parts(day) {
        Some((_, month, date)) => format!("{date}\u{a0}{month}"),
        None => day.to_string(),
    }
}

fn parts(day: Day) -> Option<(String, &'static str, u32)> {
    let text = day.to_string();
    let mut parts = text.split('-');
    let (year, month, date) = (parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    Some((year.to_owned(), month, date.parse().ok()?))
}

/// The day of a time.
pub(crate) fn date(time: Timestamp) -> String {
    day(Day::of(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_never_looks_better_than_it_is() {
        let shares = [(0, 5), (1, 1000), (999, 1000), (5, 5), (2, 3)].map(|(part, whole)| percent(part, whole));
        assert_eq!(shares.map(|share| share.replace('\u{a0}', " ")), ["0 %", "<1 %", "99 %", "100 %", "66 %"]);
        assert_eq!(percent(0, 0), "–");
    }

    #[test]
    fn numbers_and_days_are_read_at_a_glance() {
        assert_eq!([7, 999, 1000, 1_234_567].map(grouped), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!(with_thousands("7% of 12345 calls; 1000 weren't"), "7% of 12,345 calls; 1,000 weren't");
        assert_eq!((counted(1, "call"), counted(0, "call")), ("1 call".to_owned(), "0 calls".to_owned()));
        assert_eq!(day(Day::parse("2026-11-09").unwrap()).replace('\u{a0}', " "), "9 Nov 2026");
    }
}
