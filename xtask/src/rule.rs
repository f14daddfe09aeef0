//! `cargo xtask rule new`: the skeleton of a rule, registered, with its four kinds of case.

use std::path::Path;

use anyhow::{Context as _, ensure};
use clap::{Subcommand, ValueEnum};

use crate::{
    case::new::{Operation, Subject, create},
    command::root,
};

/// The files that skeletons are made from. The tests of audit-core compile them: they have every field that a rule must have.
const TEMPLATES: [(Kind, &str); 2] = [
    (Kind::Call, include_str!("../../shared/core/src/rules/template/call.rs")),
    (Kind::Change, include_str!("../../shared/core/src/rules/template/change.rs")),
];

/// Rules: see `docs/adding-a-rule.md`
#[derive(Debug, Subcommand)]
pub(crate) enum Args {
    /// Write the skeleton of a rule, register it, and write the skeletons of its cases
    New(New),
}

#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// What is wrong, as in `region-not-covered`
    id: String,
    /// The operation whose records reveal it, as IAM writes it
    #[arg(long, value_name = "SERVICE:OPERATION")]
    operation: Operation,
    /// What the rule looks at
    #[arg(long, value_enum, default_value_t = Kind::Change)]
    at: Kind,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A judged call of a model
    Call,
    /// A change, refused or not
    Change,
}

impl Kind {
    fn subject(self) -> Subject {
        match self {
            Kind::Call => Subject::Call,
            Kind::Change => Subject::Change,
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Args::New(new) = args;
    for line in add(&root().join("shared/core/src"), &cases::folder(), new)? {
        println!("{line}");
    }
    Ok(())
}

/// Writes everything, and gives what is left to do.
fn add(core: &Path, events: &Path, New { id, operation, at }: &New) -> anyhow::Result<Vec<String>> {
    let is_id = id.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    ensure!(
        is_id && id.starts_with(|c: char| c.is_ascii_lowercase()),
        "an id is small words with hyphens between them, as in region-not-covered"
    );
    let module = id.replace('-', "_");
    let (file, registry) = (core.join("rules").join(format!("{module}.rs")), core.join("rules.rs"));
    ensure!(!file.exists(), "`{}` exists", file.display());
    let registered = registered(&std::fs::read_to_string(&registry).context("failed to read rules.rs")?, &module)?;
    std::fs::write(&file, skeleton(id, operation, *at)).with_context(|| format!("failed to write `{}`", file.display()))?;
    std::fs::write(&registry, registered).context("failed to write rules.rs")?;
    for case in ["fires", "near-miss", "refused", "evidence-missing"] {
        create(events, id, case, Some((operation, at.subject())))?;
    }
    Ok(vec![
        format!("written: shared/core/src/rules/{module}.rs, its `mod` line in rules.rs, and four cases in events/{id}/"),
        format!("left:    `&{module}::RULE,` in RULES of rules.rs, at the place where reports list it"),
        format!(
            "         {}:{} in the group of its role in shared/core/src/operations/: it may be in another",
            operation.service, operation.name
        ),
        "         in the same group the parameters that the rule reads, for a rule about changes".to_owned(),
        "         whatever is marked with TODO; docs/adding-a-rule.md has the rest".to_owned(),
    ])
}

fn skeleton(id: &str, operation: &Operation, at: Kind) -> String {
    let template = TEMPLATES.iter().find(|(kind, _)| *kind == at).map_or("", |(_, template)| template);
    template.replace("the-id", id).replace("TheOperation", &operation.name).replace("pub(in crate::rules) static", "pub(super) static")
}

/// `rules.rs` with one more `mod` line among the first lines of the kind, which are in the order of the alphabet.
fn registered(rules: &str, module: &str) -> anyhow::Result<String> {
    let line = format!("mod {module};");
    let mut lines: Vec<&str> = rules.lines().collect();
    let declared = |line: &str| line.trim_start_matches("pub ").strip_prefix("mod ").map(str::to_owned);
    let first = lines.iter().position(|line| declared(line).is_some()).context("rules.rs has no `mod` lines")?;
    let before = lines.iter().skip(first).take_while(|other| declared(other).is_some_and(|other| *other < *format!("{module};"))).count();
    lines.insert(first + before, &line);
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn new(id: &str, at: Kind) -> New {
        New { id: id.to_owned(), operation: "bedrock:DeleteEverything".parse().unwrap(), at }
    }

    /// A folder as the domain's, with two rules.
    fn core() -> tempfile::TempDir {
        let core = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(core.path().join("rules")).unwrap();
        std::fs::write(
            core.path().join("rules.rs"),
            "//! Rules.\n\nmod account_left;\npub mod page;\nmod trail_stopped;\n\n#[cfg(test)]\nmod template;\n",
        )
        .unwrap();
        core
    }

    #[test]
    fn a_new_rule_is_written_registered_and_has_four_cases() {
        let (core, events) = (core(), tempfile::tempdir().unwrap());
        for at in [Kind::Call, Kind::Change] {
            let id = format!("everything-gone-{}", at.to_possible_value().unwrap().get_name());
            add(core.path(), events.path(), &new(&id, at)).unwrap();
            let file = core.path().join("rules").join(id.replace('-', "_") + ".rs");
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.contains(&format!("id: \"{id}\",")) && text.contains("revealed_by: &[\"DeleteEverything\"],"), "{text}");
            assert!(text.contains("pub(super) static RULE") && !text.contains("the-id") && !text.contains("TheOperation"), "{text}");
            let formatted = Command::new("rustfmt").args(["--check", "--edition", "2024", "--config-path"]).arg(root()).arg(&file).status();
            assert!(formatted.unwrap().success(), "{text}");
            for case in ["fires", "near-miss", "refused", "evidence-missing"] {
                assert!(events.path().join(&id).join(case).join("event.json").exists(), "{case}");
            }
        }
        let rules = std::fs::read_to_string(core.path().join("rules.rs")).unwrap();
        let expected = "mod account_left;\nmod everything_gone_call;\nmod everything_gone_change;\npub mod page;\nmod trail_stopped;\n\n#[cfg(test)]\nmod template;\n";
        assert_eq!(rules, format!("//! Rules.\n\n{expected}"));
    }

    #[test]
    fn a_rule_that_exists_stays() {
        let (core, events) = (core(), tempfile::tempdir().unwrap());
        add(core.path(), events.path(), &new("zones-open", Kind::Call)).unwrap();
        let rules = std::fs::read_to_string(core.path().join("rules.rs")).unwrap();
        assert!(rules.contains("mod trail_stopped;\nmod zones_open;\n"), "{rules}");
        assert!(add(core.path(), events.path(), &new("zones-open", Kind::Call)).unwrap_err().to_string().contains("exists"));
        assert!(add(core.path(), events.path(), &new("Zones", Kind::Call)).is_err());
        assert_eq!(std::fs::read_to_string(core.path().join("rules.rs")).unwrap(), rules);
    }
}
