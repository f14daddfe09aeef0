//! `guardrail-audit guardrail`: compares two guardrails.

use std::{io::Write as _, path::Path};

use anyhow::Context as _;
use audit_core::{
    guardrail::{CanonicalGuardrail, Comparison, Difference, Direction, Effect, attribute_changes, compare, diff, form},
    json::without_mark,
};
use serde_json::{Value, json};

use crate::{
    args::{GuardrailCommand, PlainFormat, PlainOutputArgs},
    exit::Exit,
    output::{self, table, text::wrapped},
};

pub(crate) fn run(command: &GuardrailCommand) -> anyhow::Result<Exit> {
    let GuardrailCommand::Diff { before, after, output: PlainOutputArgs { format } } = command;
    let compared = Compared::of(read(before)?, read(after)?);
    match format {
        PlainFormat::Json => {
            let mut out = output::stdout();
            output::json(&mut out, &compared.report())?;
        }
        PlainFormat::Table => compared.write_table()?,
    }
    Ok(if compared.is_at_least_as_strong() { Exit::Clean } else { Exit::Findings })
}

fn read(path: &Path) -> anyhow::Result<CanonicalGuardrail> {
    let context = || format!("failed to read the guardrail `{}`", path.display());
    let text = std::fs::read(path).with_context(context)?;
    let json: Value = serde_json::from_slice(without_mark(&text)).with_context(context)?;
    form::read(&json).with_context(context)
}

/// Two guardrails and the differences between them.
struct Compared {
    before: CanonicalGuardrail,
    after: CanonicalGuardrail,
    differences: Vec<Difference>,
}

impl Compared {
    fn of(before: CanonicalGuardrail, after: CanonicalGuardrail) -> Self {
        let differences = diff(&before, &after);
        Compared { before, after, differences }
    }

    /// Whether the second certainly protects at least as much, and can be enforced if the first can.
    fn is_at_least_as_strong(&self) -> bool {
        let (was, is) = (self.before.why_not_enforceable(), self.after.why_not_enforceable());
        let is_settled = self.before.why_not_settled().or(self.after.why_not_settled()).is_none();
        let becomes_unenforceable = is.is_some() && (was != is || !self.after.is_ready());
        is_settled && !becomes_unenforceable && self.differences.iter().all(|difference| difference.direction == Direction::Stronger)
    }

    fn comparison(&self) -> &'static str {
        match compare(&self.before, &self.after) {
            Comparison::Equal => "equal",
            Comparison::Weaker => "weaker",
            Comparison::Stronger => "stronger",
            Comparison::Incomparable => "incomparable",
        }
    }

    /// Returns the controls that are the same in both guardrails and whose effect isn't known.
    fn unknown_in_both(&self) -> Vec<String> {
        let differs = |name: &str| self.differences.iter().any(|difference| difference.control.name == name);
        self.before.unknown().filter(|control| !differs(&control.name)).map(ToString::to_string).collect()
    }

    /// Returns the conclusions as sentences.
    fn sentences(&self) -> Vec<String> {
        let (about_reasoning, others): (Vec<&Difference>, Vec<&Difference>) =
            self.differences.iter().partition(|difference| difference.is_about_reasoning());
        let all = |direction| others.iter().all(|difference| difference.direction == direction);
        let unknown = self.unknown_in_both();
        let comparison = match others.as_slice() {
            [] if unknown.is_empty() => "They protect alike.",
            [] => "What is known of them protects alike.",
            _ if all(Direction::Weaker) => "The second protects less, and nothing more.",
            _ if all(Direction::Stronger) => "The second protects more, and nothing less.",
            _ if others.iter().any(|difference| difference.is_weaker()) => {
                "Neither protects at least as much as the other: what got weaker counts."
            }
            _ => "What changed can't be compared, so the second may protect less.",
        };
        let apart = |sentence: &str| match sentence.split_at_checked(1) {
            Some((first, rest)) if !about_reasoning.is_empty() => format!("Apart from automated reasoning: {}{rest}", first.to_lowercase()),
            _ => sentence.to_owned(),
        };
        let mut sentences = vec![apart(comparison)];
        if !unknown.is_empty() {
            sentences.push(format!("The same in both, and what it does is not known here: {}.", unknown.join(", ")));
        }
        for (which, guardrail) in [("first", &self.before), ("second", &self.after)] {
            if let Some(why) = guardrail.why_not_enforceable() {
                let effect = "no policy of the organization and no account's configuration can enforce it; calls would fail";
                sentences.push(format!("The {which} {why}: {effect}."));
            }
            if let Some(status) = guardrail.why_not_settled() {
                sentences.push(format!("The {which} is {status}: what it says isn't settled; read it again when it is READY."));
            }
        }
        sentences
    }

    fn report(&self) -> Value {
        let attributes: Vec<Value> = attribute_changes(&self.before, &self.after)
            .into_iter()
            .map(|(name, before, after)| json!({"attribute": name, "before": before, "after": after}))
            .collect();
        let changes: Vec<Value> = self.differences.iter().map(difference_json).collect();
        let why_not = |guardrail: &CanonicalGuardrail| {
            let unsettled = || guardrail.why_not_settled().map(|status| format!("is {status}"));
            guardrail.why_not_enforceable().map(str::to_owned).or_else(unsettled)
        };
        json!({"comparison": self.comparison(), "changes": changes, "attributes": attributes, "unknown_in_both": self.unknown_in_both(),
            "not_enforceable": {"before": why_not(&self.before), "after": why_not(&self.after)}})
    }

    fn write_table(&self) -> std::io::Result<()> {
        let mut out = output::stdout();
        let rows = self.differences.iter().map(|difference| {
            // AWS doesn't document whether a setting that is absent is off.
            let is_setting =
                [&difference.before, &difference.after].into_iter().flatten().any(|effect| matches!(effect, Effect::Setting(_)));
            let off = || if is_setting { "absent" } else { "off" }.to_owned();
            vec![
                direction(difference.direction).to_owned(),
                difference.control.to_string(),
                difference.before.as_ref().map_or_else(off, ToString::to_string),
                "→".to_owned(),
                difference.after.as_ref().map_or_else(off, ToString::to_string),
            ]
        });
        let none = || "none".to_owned();
        let attributes = attribute_changes(&self.before, &self.after);
        let attributes = attributes.into_iter().map(|(name, before, after)| {
            vec!["other".to_owned(), name.to_owned(), before.unwrap_or_else(none), "→".to_owned(), after.unwrap_or_else(none)]
        });
        table::plain(&mut out, rows.chain(attributes))?;
        for sentence in self.sentences() {
            writeln!(out, "{}", wrapped(&sentence, 0))?;
        }
        Ok(())
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Weaker => "weaker",
        Direction::Mixed => "mixed",
        Direction::Changed => "changed",
        Direction::Stronger => "stronger",
    }
}

fn difference_json(difference: &Difference) -> Value {
    json!({"control": difference.control.name, "side": difference.control.side, "direction": direction(difference.direction),
        "before": difference.before.as_ref().map(ToString::to_string), "after": difference.after.as_ref().map(ToString::to_string)})
}
