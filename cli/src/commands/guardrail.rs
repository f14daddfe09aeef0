//! `guardrail-audit guardrail`

use std::{io::Write as _, path::Path};

use anyhow::{Context as _, anyhow};
use audit_core::{
    guardrail::{Canonical, Comparison, Difference, Direction, attribute_changes, compare, diff},
    json::without_mark,
};
use serde_json::{Value, json};

use crate::{
    args::{GuardrailCommand, PlainFormat},
    exit::Exit,
    output::{self, table},
};

pub(crate) fn run(command: &GuardrailCommand) -> anyhow::Result<Exit> {
    let GuardrailCommand::Diff { before, after, format } = command;
    let (before, after) = (read(before)?, read(after)?);
    let differences = diff(&before, &after);
    let comparison = match compare(&before, &after) {
        Comparison::Equal => "equal",
        Comparison::Weaker => "weaker",
        Comparison::Stronger => "stronger",
        Comparison::Incomparable => "incomparable",
    };
    match format {
        PlainFormat::Json => {
            let attributes: Vec<Value> = attribute_changes(&before, &after)
                .into_iter()
                .map(|(name, before, after)| json!({"attribute": name, "before": before, "after": after}))
                .collect();
            let changes: Vec<Value> = differences.iter().map(difference_json).collect();
            let report = json!({"comparison": comparison, "changes": changes, "attributes": attributes});
            let mut out = output::stdout();
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
        PlainFormat::Table => write_table(comparison, &differences, &before, &after)?,
    }
    Ok(if differences.iter().any(Difference::is_weaker) { Exit::Findings } else { Exit::Clean })
}

fn read(path: &Path) -> anyhow::Result<Canonical> {
    let context = || format!("failed to read the guardrail `{}`", path.display());
    let text = std::fs::read(path).with_context(context)?;
    let json: Value = serde_json::from_slice(without_mark(&text)).with_context(context)?;
    // Of anything else it would say that it protects against nothing.
    if !["guardrailId", "guardrailArn"].iter().any(|member| json.get(member).is_some_and(Value::is_string)) {
        return Err(anyhow!("not an answer of GetGuardrail: no `guardrailId`")).with_context(context);
    }
    Ok(Canonical::from_get_guardrail(&json))
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

fn write_table(comparison: &str, differences: &[Difference], before: &Canonical, after: &Canonical) -> std::io::Result<()> {
    let mut out = output::stdout();
    let off = || "off".to_owned();
    let rows = differences.iter().map(|difference| {
        vec![
            direction(difference.direction).to_owned(),
            difference.control.to_string(),
            difference.before.as_ref().map_or_else(off, ToString::to_string),
            "→".to_owned(),
            difference.after.as_ref().map_or_else(off, ToString::to_string),
        ]
    });
    let none = || "none".to_owned();
    let attributes = attribute_changes(before, after);
    let attributes = attributes.into_iter().map(|(name, before, after)| {
        vec!["other".to_owned(), name.to_owned(), before.unwrap_or_else(none), "→".to_owned(), after.unwrap_or_else(none)]
    });
    table::plain(&mut out, rows.chain(attributes))?;
    let says = match comparison {
        "equal" => "They protect alike.",
        "weaker" => "The second protects less, and nothing more.",
        "stronger" => "The second protects more, and nothing less.",
        _ => "Neither protects at least as much as the other: what got weaker counts.",
    };
    writeln!(out, "{says}")
}
