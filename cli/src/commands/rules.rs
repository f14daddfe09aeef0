//! `guardrail-audit rules`: lists the rules, or explains one.

use std::io::Write as _;

use audit_core::{
    rule::Rule,
    rules::{self, RULES},
};
use serde_json::{Value, json};

use crate::{
    args::{PlainFormat, RulesArgs, rule_meant},
    exit::{Exit, UsageError},
    output::{self, rule_page, table},
};

pub(crate) fn run(args: &RulesArgs) -> anyhow::Result<Exit> {
    let wanted = match &args.id {
        Some(id) => {
            let rule = rules::find(id);
            vec![rule.ok_or_else(|| UsageError(format!("there is no rule `{id}`; {}", rule_meant(id))))?]
        }
        None => RULES.to_vec(),
    };
    if args.output.format == PlainFormat::Json {
        let rows: Vec<Value> = wanted
            .iter()
            .map(|rule| {
                json!({"id": rule.id, "title": rule.title, "severity": rule.severity, "group": rule.group.to_string(), "revealed_by": rule.revealed_by,
                    "fires": rule.fires, "evidence": rule.evidence, "rationale": rule.rationale, "remediation": rule.remediation, "references": rule.references,
                    "controls": rule.controls.iter().map(ToString::to_string).collect::<Vec<_>>()})
            })
            .collect();
        let mut out = output::stdout();
        output::json(&mut out, &rows)?;
        return Ok(Exit::Clean);
    }
    let mut out = output::stdout();
    if let (Some(_), [rule]) = (&args.id, wanted.as_slice()) {
        write!(out, "{}", rule_page::text(rule))?;
        return Ok(Exit::Clean);
    }
    let row = |rule: &&Rule| vec![rule.id.to_owned(), rule.severity.to_string(), rule.group.to_string(), rule.title.to_owned()];
    table::headed(&mut out, &["RULE", "SEVERITY", "GROUP", "WHAT IS WRONG"], wanted.iter().map(row))?;
    Ok(Exit::Clean)
}
