//! Lints as SARIF 2.1.0, for code scanning on GitHub, GitLab and in editors.
//!
//! A consumer follows a result from one commit to the next by its fingerprint. It is made of the kind of lint, the JSON pointer and the
//! file, so it stays when lines are inserted above.

mod kinds;

use std::collections::BTreeMap;

use audit_core::{policy::lint::Level, report::Tool};
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::kinds::Kind;
use crate::lints::{Check, LintedFile, PlacedLint};

/// Results that a log holds at most: GitHub takes no more of one run.
pub const MOST_RESULTS: usize = 5000;

const HOME: &str = "https://github.com/guardrail-audit/guardrail-audit";

/// A log of one run.
#[derive(Debug, Serialize)]
pub struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: ToolOfRun,
    automation_details: AutomationDetails,
    column_kind: &'static str,
    invocations: [Invocation; 1],
    results: Vec<Result>,
}

#[derive(Debug, Serialize)]
struct ToolOfRun {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    full_name: String,
    organization: &'static str,
    version: String,
    semantic_version: String,
    information_uri: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    name: String,
    short_description: Text,
    full_description: Text,
    help: Text,
    help_uri: String,
    default_configuration: Configuration,
    properties: Properties,
}

#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: Level,
}

#[derive(Debug, Serialize)]
struct Properties {
    #[serde(rename = "security-severity")]
    security_severity: &'static str,
    precision: &'static str,
    tags: [&'static str; 1],
}

#[derive(Debug, Serialize)]
struct AutomationDetails {
    id: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Debug, Serialize)]
struct Notification {
    level: Level,
    message: Text,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Result {
    rule_id: &'static str,
    rule_index: usize,
    level: Level,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Debug, Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

/// The fingerprints of a result. GitHub uses the first one instead of a hash of the line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fingerprints {
    primary_location_line_hash: String,
    #[serde(rename = "guardrailAudit/v1")]
    own: String,
}

/// The lints of files as a log, errors first. The second value is the number of lints that had no room.
#[must_use]
pub fn log(check: Check, files: &[LintedFile], tool: &Tool) -> (Log, usize) {
    let mut all: Vec<(&LintedFile, &PlacedLint)> = files.iter().flat_map(|file| file.lints.iter().map(move |lint| (file, lint))).collect();
    // Lints of one level stay in the order of their files.
    all.sort_by_key(|(_, placed)| placed.lint.level);
    let left_out = all.len().saturating_sub(MOST_RESULTS);
    all.truncate(MOST_RESULTS);
    let mut rules = Rules::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let results = all.iter().map(|(file, placed)| result(file, placed, &mut rules, &mut seen)).collect();
    let left_out_note = (left_out > 0).then(|| Notification {
        level: Level::Warning,
        message: Text { text: format!("{left_out} results are left out: a log holds {MOST_RESULTS}, the worst first") },
    });
    let run = Run {
        tool: ToolOfRun {
            driver: Driver {
                name: "guardrail-audit",
                full_name: format!("Guardrail Audit {}", tool.version),
                organization: "Guardrail Audit",
                version: tool.version.clone(),
                semantic_version: tool.version.clone(),
                information_uri: HOME,
                rules: rules.rules,
            },
        },
        // GitHub keeps the results of other categories when it replaces those of this one.
        automation_details: AutomationDetails { id: check.id() },
        column_kind: "utf16CodeUnits",
        invocations: [Invocation { execution_successful: true, tool_execution_notifications: left_out_note.into_iter().collect() }],
        results,
    };
    (Log { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] }, left_out)
}

fn result(file: &LintedFile, placed: &PlacedLint, rules: &mut Rules, seen: &mut BTreeMap<String, usize>) -> Result {
    let PlacedLint { position, pointer, within, lint } = placed;
    let fingerprint = fingerprint(&[lint.kind, pointer, &file.uri]);
    let times = seen.entry(fingerprint.clone()).or_default();
    *times += 1;
    let within = within.as_ref().map(|within| format!(" ({within})")).unwrap_or_default();
    let region = match position {
        Some(position) => Region { start_line: position.line, start_column: position.utf16_column },
        // A lint about the whole file stands at its start, for GitHub shows no result without a line.
        None => Region { start_line: 1, start_column: 1 },
    };
    Result {
        rule_id: lint.kind,
        rule_index: rules.index_of(lint.kind, lint.level),
        level: lint.level,
        message: Text { text: format!("{}{within}", lint.message) },
        locations: [Location {
            physical_location: PhysicalLocation { artifact_location: ArtifactLocation { uri: file.uri.clone() }, region },
            logical_locations: (!pointer.is_empty())
                .then(|| LogicalLocation { fully_qualified_name: pointer.clone(), kind: "member" })
                .into_iter()
                .collect(),
        }],
        partial_fingerprints: Fingerprints {
            primary_location_line_hash: format!("{fingerprint}:{times}"),
            own: format!("{fingerprint}:{times}"),
        },
    }
}

fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex::encode(hasher.finalize().into_iter().take(16).collect::<Vec<u8>>())
}

/// The kinds of lints in a log, each once.
#[derive(Default)]
struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    fn index_of(&mut self, id: &'static str, level: Level) -> usize {
        if let Some(index) = self.rules.iter().position(|rule| rule.id == id) {
            return index;
        }
        let Kind { what, help, .. } = Kind::of(id);
        self.rules.push(Rule {
            id,
            name: id.split('-').map(capitalized).collect(),
            short_description: Text { text: format!("{what}.") },
            full_description: Text { text: format!("{what}. {help}.") },
            help: Text { text: format!("{help}.") },
            help_uri: format!("{HOME}/blob/main/docs/exports/sarif.md"),
            default_configuration: Configuration { level },
            properties: Properties {
                // GitHub: high from 7.0, medium from 4.0, low from 0.1.
                security_severity: match level {
                    Level::Error => "7.5",
                    Level::Warning => "5.0",
                    Level::Note => "2.0",
                },
                precision: if level == Level::Warning { "medium" } else { "high" },
                tags: ["security"],
            },
        });
        self.rules.len() - 1
    }
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}
