//! The `detail` of a finding about changes: the sentences of the rule's matches, in the order of time.

use std::fmt::Write as _;

use crate::{control_change::ControlChange, finding::Bounded, timestamp::Timestamp};

/// The sentence of a rule's match in a change or in the state, with what is shown beside it.
#[derive(Clone, Debug)]
pub(super) struct MatchText {
    pub(super) time: Option<Timestamp>,
    pub(super) event_id: Box<str>,
    /// The sentence, without its full stop.
    pub(super) because: String,
    pub(super) changes: Vec<ControlChange>,
    pub(super) remediation: Option<String>,
    /// The effect of the change could not be read from its record or from snapshots.
    pub(super) unverified: bool,
}

/// The distinct sentences of a finding's matches: of equal ones the latest, and of these the latest [`Bounded::MOST`], because a finding
/// can have thousands of matches. The result doesn't depend on the order in which matches are added.
#[derive(Clone, Debug, Default)]
pub(super) struct MatchTexts {
    texts: Vec<MatchText>,
    left_out: bool,
}

impl MatchText {
    fn order(&self) -> (Option<Timestamp>, &str, &str) {
        (self.time, &self.event_id, &self.because)
    }

    fn says_the_same_as(&self, other: &MatchText) -> bool {
        self.because == other.because && self.changes == other.changes
    }

    /// The sentence. If the change was refused, it never claims that the change was made, even where the rule's words do.
    fn sentence(&self, attempted: bool) -> String {
        let would = if attempted && !self.because.contains("would") { "had it not been refused, it would mean: " } else { "" };
        let unverified = if self.unverified { "; effect not verified" } else { "" };
        format!("{would}{}{unverified}", self.because)
    }
}

impl MatchTexts {
    pub(super) fn add(&mut self, new: MatchText) {
        match self.texts.iter_mut().find(|text| text.says_the_same_as(&new)) {
            Some(same) if same.order() < new.order() => *same = new,
            Some(_) => {}
            None => {
                let at = self.texts.partition_point(|text| text.order() < new.order());
                self.texts.insert(at, new);
            }
        }
        self.texts.sort_by(|a, b| a.order().cmp(&b.order()));
        if self.texts.len() > Bounded::MOST {
            self.texts.remove(0);
            self.left_out = true;
        }
    }

    pub(super) fn and(&mut self, other: MatchTexts) {
        self.left_out |= other.left_out;
        other.texts.into_iter().for_each(|text| self.add(text));
    }

    pub(super) fn latest(&self) -> Option<&MatchText> {
        self.texts.last()
    }

    /// The changed controls without duplicates, the first `most` of them.
    pub(super) fn changes(&self, most: usize) -> Vec<ControlChange> {
        let mut changes: Vec<ControlChange> = Vec::new();
        for change in self.texts.iter().flat_map(|text| &text.changes) {
            if changes.len() < most && !changes.contains(change) {
                changes.push(change.clone());
            }
        }
        changes
    }

    /// All sentences, joined by "; then". Neighbours that differ only in their controls become one.
    pub(super) fn sentence(&self, attempted: bool) -> String {
        let mut sentences: Vec<(String, Vec<&ControlChange>)> = Vec::new();
        for text in &self.texts {
            let sentence = text.sentence(attempted);
            match sentences.last_mut() {
                Some((before, changes)) if *before == sentence => changes.extend(&text.changes),
                _ => sentences.push((sentence, text.changes.iter().collect())),
            }
        }
        let sentences: Vec<String> = sentences.into_iter().map(|(sentence, changes)| sentence + &listed(&changes)).collect();
        let before = if self.left_out { "others before; then " } else { "" };
        format!("{before}{}", sentences.join("; then "))
    }
}

/// The list of controls that follows a sentence, the first [`Bounded::MOST`] of them.
fn listed(changes: &[&ControlChange]) -> String {
    let shown: Vec<String> = changes.iter().take(Bounded::MOST).map(ToString::to_string).collect();
    let mut listed = if shown.is_empty() { String::new() } else { format!(": {}", shown.join("; ")) };
    if changes.len() > Bounded::MOST {
        // Writing to a String can't fail.
        let _ = write!(listed, "; and {} more", changes.len() - Bounded::MOST);
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(second: i64, because: &str, control: Option<&str>) -> MatchText {
        let change =
            |control: &str| ControlChange { control: control.to_owned(), side: None, before: Some("HIGH".to_owned()), after: None };
        MatchText {
            time: Some(Timestamp::from_seconds(second)),
            event_id: "e".into(),
            because: because.to_owned(),
            changes: control.map(change).into_iter().collect(),
            remediation: None,
            unverified: false,
        }
    }

    fn texts(all: impl IntoIterator<Item = MatchText>) -> MatchTexts {
        let mut texts = MatchTexts::default();
        all.into_iter().for_each(|text| texts.add(text));
        texts
    }

    #[test]
    fn each_different_thing_is_said_once_in_the_order_of_time() {
        let all = [text(3, "it got a password", None), text(1, "it got a key", None), text(2, "it got a key", None)];
        assert_eq!(texts(all).sentence(false), "it got a key; then it got a password");
        let all = [text(1, "it was weakened", Some("hate")), text(2, "it was weakened", Some("insults"))];
        assert_eq!(texts(all).sentence(false), "it was weakened: hate from HIGH to nothing; insults from HIGH to nothing");
    }

    #[test]
    fn a_refused_change_never_claims_the_deed() {
        let would = texts([text(1, "it would have got a key", None)]).sentence(true);
        assert_eq!(would, "it would have got a key");
        assert_eq!(texts([text(1, "it got a key", None)]).sentence(true), "had it not been refused, it would mean: it got a key");
    }

    #[test]
    fn the_latest_are_said_whatever_order_they_come_in() {
        let all: Vec<MatchText> = (0..30).map(|second| text(second, &format!("thing {}", second % 15), None)).collect();
        let expected = texts(all.clone());
        let mut apart = texts(all.iter().skip(11).rev().cloned());
        apart.and(texts(all.iter().take(11).cloned()));
        assert_eq!(apart.sentence(false), expected.sentence(false));
        assert!(expected.sentence(false).starts_with("others before; then thing 5; then thing 6;"), "{}", expected.sentence(false));
    }

    #[test]
    fn ten_controls_are_listed_and_the_others_counted() {
        let with = |count: usize| {
            let of = |number: usize| text(1, "it was weakened", Some(&format!("control {number}"))).changes;
            MatchText { changes: (0..count).flat_map(of).collect(), ..text(1, "it was weakened", None) }
        };
        for (count, ends) in
            [(9, "control 8 from HIGH to nothing"), (10, "control 9 from HIGH to nothing"), (11, "; and 1 more"), (13, "; and 3 more")]
        {
            let sentence = texts([with(count)]).sentence(false);
            assert!(sentence.ends_with(ends) && sentence.matches("; control").count() == count.min(10) - 1, "{count}: {sentence}");
        }
        let several = texts([with(3), MatchText { unverified: true, ..with(2) }, text(2, "it is gone", None)]);
        let controls = |most| several.changes(most).into_iter().map(|change| change.control).collect::<Vec<_>>();
        assert_eq!(controls(50), ["control 0", "control 1", "control 2"], "each once");
        assert_eq!(controls(2), ["control 0", "control 1"]);
    }

    #[test]
    fn of_equal_things_the_latest_counts() {
        let with_remedy = |second: i64, event: &str, remediation: &str| MatchText {
            event_id: event.into(),
            remediation: Some(remediation.to_owned()),
            ..text(second, "it was weakened", None)
        };
        for all in
            [[with_remedy(1, "a", "first"), with_remedy(2, "a", "last")], [with_remedy(2, "a", "last"), with_remedy(1, "a", "first")]]
        {
            assert_eq!(texts(all).latest().and_then(|text| text.remediation.clone()).as_deref(), Some("last"));
        }
        for all in
            [[with_remedy(1, "a", "first"), with_remedy(1, "b", "last")], [with_remedy(1, "b", "last"), with_remedy(1, "a", "first")]]
        {
            assert_eq!(
                texts(all).latest().and_then(|text| text.remediation.clone()).as_deref(),
                Some("last"),
                "at the same time, by its id"
            );
        }
        let unverified = MatchText { unverified: true, ..text(1, "it was put again", None) };
        assert_eq!(texts([unverified]).sentence(false), "it was put again; effect not verified");
    }
}
