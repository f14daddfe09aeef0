//! `guardrail-audit policy lint`: reports what looks wrong about Bedrock policies.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use audit_core::{
    arn::{AccountId, PolicyId, TargetId},
    json::without_mark,
    organization::Organization,
    policy::{
        BEDROCK_POLICY,
        files::{Contents, Form, Inside},
        lint::{Level, Lint, MOST_ATTACHMENTS, lint, lint_configuration, lint_effective},
    },
    world::{Entity, SnapshotPath},
};
use audit_exports::lints::{Check, LintedFile, PlacedLint, Position};
use audit_local::{encoding::to_utf8, world};
use serde_json::{Value, json};

use crate::{
    args::LintFormat,
    commands::load_world_with,
    console::Console,
    exit::Exit,
    output::{
        self,
        lints::{junit, sarif, uri},
        position::{position_of, position_of_error},
        text::{counted, wrapped},
    },
};

/// The lints of one text: a file, or a policy that is a text in a file.
struct Linted {
    /// The file.
    file: String,
    /// The member that holds the text, if it is only a part of the file.
    member: Option<Member>,
    /// The lints, with their places in the text.
    lints: Vec<(Option<Position>, Lint)>,
}

/// A member of a file that holds a policy as text.
struct Member {
    /// The JSON pointer to it.
    pointer: String,
    /// Its place in the file.
    position: Option<Position>,
}

impl Linted {
    fn of_file(file: &str, lints: Vec<(Option<Position>, Lint)>) -> Self {
        Linted { file: file.to_owned(), member: None, lints }
    }

    /// The file's name, with the member that holds the text.
    fn name(&self) -> String {
        match self.member.as_ref().map(|member| member.pointer.trim_start_matches('/').replace('/', ".")) {
            Some(member) if !member.is_empty() => format!("{}, {member}", self.file),
            _ => self.file.clone(),
        }
    }
}

/// The lints of all files.
#[derive(Default)]
struct All {
    texts: Vec<Linted>,
    policies: usize,
    management: Option<AccountId>,
}

pub(super) fn run(
    files: &[PathBuf],
    world: Option<&PathBuf>,
    management: Option<&str>,
    format: LintFormat,
    output: Option<&Path>,
    console: Console,
) -> anyhow::Result<Exit> {
    output::refuse_overwriting("--output", output, files.iter().map(|file| ("the policy", Some(file.as_path()))))?;
    let mut all = All { management: management.map(AccountId::from), ..All::default() };
    let mut of_world = Vec::new();
    if let Some(folder) = world {
        let loaded = load_world_with(Some(folder), world::Contents::Kept, console)?.files;
        let organization = loaded.iter().filter(|(path, _)| is_of(path, |entity| *entity == Entity::Organization));
        let mut organization = organization.filter_map(|(path, json)| {
            let json = serde_json::from_slice(without_mark(json)).ok()?;
            Some((folder.join(path).display().to_string(), Organization::from_json(&json).ok()?))
        });
        let organization = organization.next_back();
        if all.management.is_none() {
            all.management = organization.as_ref().and_then(|(_, organization)| organization.management_account.clone());
        }
        let policies = loaded.iter().filter(|(path, _)| is_of(path, |entity| matches!(entity, Entity::Policy(_))));
        of_world.extend(policies.map(|(path, json)| (folder.join(path).display().to_string(), text_of(json))));
        if let Some((name, organization)) = organization {
            all.texts.push(Linted::of_file(&name, attachments(&organization, &of_world)));
        }
    }
    for path in files {
        let bytes = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        all.file(&path.display().to_string(), &text_of(&bytes));
    }
    for (name, text) in &of_world {
        // A world also holds policies of other types.
        let policy_type = serde_json::from_str::<Value>(text).ok().and_then(|json| type_of(&json));
        if policy_type.is_none_or(|policy_type| policy_type == BEDROCK_POLICY) {
            all.file(name, text);
        }
    }
    if let Some(folder) = world.filter(|_| all.policies == 0 && all.texts.iter().all(|text| text.lints.is_empty())) {
        // A check that looked at nothing must not look like one that found nothing.
        let message = "no Bedrock policy lies in this world, so none was linted".to_owned();
        let lint = Lint { level: Level::Warning, kind: "not-a-policy", pointer: String::new(), message };
        all.texts.push(Linted::of_file(&folder.display().to_string(), vec![(None, lint)]));
    }
    output::to(output, |out| write_lints(out, &all.texts, format, console))?;
    let lints = || all.texts.iter().flat_map(|text| &text.lints);
    let errors = lints().filter(|(_, lint)| lint.level == Level::Error).count();
    if format == LintFormat::Table {
        let read = if all.policies == 1 { "1 policy".to_owned() } else { format!("{} policies", all.policies) };
        console.note(format_args!("{read} read: {}, {}", counted(errors, "error"), counted(lints().count() - errors, "other lint")));
    }
    Ok(if errors > 0 { Exit::Findings } else { Exit::Clean })
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(without_mark(&to_utf8(bytes))).into_owned()
}

fn is_of(path: &str, is: impl Fn(&Entity) -> bool) -> bool {
    SnapshotPath::parse(path).is_some_and(|at| is(&at.entity))
}

/// Returns the policy type in an answer of DescribePolicy.
fn type_of(json: &Value) -> Option<String> {
    json.pointer("/Policy/PolicySummary/Type")?.as_str().map(str::to_owned)
}

/// Reports roots, OUs and accounts with more Bedrock policies than AWS allows to be attached.
fn attachments(organization: &Organization, policies: &[(String, String)]) -> Vec<(Option<Position>, Lint)> {
    let id_of = |json: &Value| json.pointer("/Policy/PolicySummary/Id")?.as_str().map(PolicyId::from);
    let bedrock: Vec<PolicyId> = policies
        .iter()
        .filter_map(|(_, text)| serde_json::from_str::<Value>(text).ok())
        .filter(|json| type_of(json).as_deref() == Some(BEDROCK_POLICY))
        .filter_map(|json| id_of(&json))
        .collect();
    let count = |attached: &[PolicyId]| attached.iter().filter(|policy| bedrock.contains(policy)).count();
    let attached: BTreeMap<&TargetId, usize> = organization
        .attachments
        .iter()
        .map(|(target, attachments)| (target, count(&attachments.iter().map(|attachment| attachment.policy.clone()).collect::<Vec<_>>())))
        .collect();
    let too_many = attached.into_iter().filter(|(_, count)| *count > MOST_ATTACHMENTS);
    let lint = |(target, count): (&TargetId, usize)| {
        let message = format!("{count} Bedrock policies are attached to {target}, and AWS lets {MOST_ATTACHMENTS} be");
        (None, Lint { level: Level::Error, kind: "too-many-attachments", pointer: "/Attachments".to_owned(), message })
    };
    too_many.map(lint).collect()
}

impl All {
    /// Lints the policies in a file. If the file is no policy itself, a lint names what it is.
    fn file(&mut self, name: &str, text: &str) {
        let json = match serde_json::from_str::<Value>(text) {
            Ok(json) => json,
            Err(error) => {
                let lint = match Contents::of_text(text) {
                    Some(contents) => (None, not_a_policy(&contents)),
                    None => not_json(text, &error),
                };
                return self.texts.push(Linted::of_file(name, vec![lint]));
            }
        };
        let contents = Contents::of(&json);
        let mut of_file = Vec::new();
        if contents.inside.is_empty() {
            of_file.push((None, not_a_policy(&contents)));
        } else if let Some(what) = contents.what.as_deref().filter(|_| type_of(&json).is_none()) {
            of_file.push((None, note_about(what, &contents.inside)));
        }
        self.texts.push(Linted::of_file(name, of_file));
        self.policies += contents.inside.len();
        for inside in &contents.inside {
            let linted = self.inside(name, text, inside);
            self.texts.push(linted);
        }
    }

    /// Lints one policy in a file. If the policy is a JSON string in the file, lines and columns count from the start of that string.
    fn inside(&self, name: &str, file: &str, inside: &Inside) -> Linted {
        let management = self.management.as_ref();
        // A policy that is the whole file is linted with its white space, which counts towards the size limit.
        let text = match &inside.text {
            None if inside.pointer.is_empty() => file.to_owned(),
            None => inside.value.to_string(),
            Some(text) => text.clone(),
        };
        let lints = match inside.form {
            Form::Written => lint(&text, management),
            Form::Effective => lint_effective(&text, management),
            Form::Configuration => Ok(lint_configuration(&inside.value)),
        };
        let in_file = inside.text.is_none();
        let placed = |lint: Lint| {
            if in_file {
                let pointer = format!("{}{}", inside.pointer, lint.pointer);
                (position_of(file, &pointer), Lint { pointer, ..lint })
            } else {
                (position_of(&text, &lint.pointer), lint)
            }
        };
        let lints = match lints {
            Ok(lints) => lints.into_iter().map(placed).collect(),
            Err(error) => vec![not_json(&text, &error)],
        };
        let member = (!in_file).then(|| Member { pointer: inside.pointer.clone(), position: position_of(file, &inside.pointer) });
        Linted { file: name.to_owned(), member, lints }
    }
}

/// The lint for a file that holds no policy.
fn not_a_policy(contents: &Contents) -> Lint {
    let what = contents.what.as_deref().unwrap_or("no policy");
    let message = format!("this is {what}: {}", contents.instead.unwrap_or_default());
    Lint { level: Level::Error, kind: "not-a-policy", pointer: String::new(), message }
}

/// The note for a file that holds policies and is no policy itself: what the file is, and which part of it is linted.
fn note_about(what: &str, inside: &[Inside]) -> Lint {
    let pointers: Vec<&str> = inside.iter().map(|inside| inside.pointer.as_str()).filter(|pointer| !pointer.is_empty()).collect();
    let at = if pointers.is_empty() { String::new() } else { format!(" at {}", pointers.join(", ")) };
    let linted = match inside.first().map(|inside| inside.form) {
        Some(Form::Effective) => format!("the effective policy{at} is linted; it has no operators, so it can't be attached as it is"),
        Some(Form::Configuration) => format!("the account's enforced configuration{at} is linted, which is no policy"),
        Some(Form::Written) | None => format!("the Bedrock policy{at} is linted"),
    };
    Lint { level: Level::Note, kind: "other-document", pointer: String::new(), message: format!("this is {what}: {linted}") }
}

fn not_json(text: &str, error: &serde_json::Error) -> (Option<Position>, Lint) {
    let position = position_of_error(text, error);
    let full = error.to_string();
    // The line and column of the error are shown on their own.
    let message = full.split(" at line ").next().unwrap_or(&full).to_owned();
    (position, Lint { level: Level::Error, kind: "not-json", pointer: String::new(), message })
}

fn write_lints(out: &mut dyn Write, texts: &[Linted], format: LintFormat, console: Console) -> anyhow::Result<()> {
    let lints = || texts.iter().flat_map(|text| text.lints.iter().map(move |(position, lint)| (text.name(), position, lint)));
    match format {
        LintFormat::Json => {
            let rows: Vec<Value> = lints()
                .map(|(name, position, lint)| {
                    json!({"file": name, "line": position.map(|at| at.line), "column": position.map(|at| at.column),
                        "pointer": lint.pointer, "level": lint.level, "kind": lint.kind, "message": lint.message})
                })
                .collect();
            output::json(out, &rows)?;
        }
        LintFormat::Table => {
            for (name, position, lint) in lints() {
                let position = position.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
                let style = crate::output::table::level_style(lint.level);
                writeln!(
                    out,
                    "{}{position}: {style}{}{style:#} [{}]\n    {}",
                    Path::new(&name).display(),
                    lint.level,
                    lint.kind,
                    wrapped(&lint.message, 4)
                )?;
            }
        }
        LintFormat::Sarif => sarif(out, Check::Policies, &by_file(texts), console)?,
        LintFormat::Junit => junit(out, Check::Policies, &by_file(texts))?,
    }
    Ok(())
}

/// The lints of each file, wherever in it they are.
fn by_file(texts: &[Linted]) -> Vec<LintedFile> {
    let mut files: Vec<LintedFile> = Vec::new();
    for text in texts {
        let uri = uri(Path::new(&text.file));
        let placed = text.lints.iter().map(|(position, lint)| match &text.member {
            None => PlacedLint { position: *position, pointer: lint.pointer.clone(), within: None, lint: lint.clone() },
            Some(member) => PlacedLint {
                position: member.position,
                pointer: format!("{}{}", member.pointer, lint.pointer),
                within: position.map(|at| format!("line {}, column {} of the policy in it", at.line, at.column)),
                lint: lint.clone(),
            },
        });
        // The texts of one file follow each other.
        match files.last_mut().filter(|file| file.uri == uri) {
            Some(file) => file.lints.extend(placed),
            None => files.push(LintedFile { uri, lints: placed.collect() }),
        }
    }
    files
}
