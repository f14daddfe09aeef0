//! `guardrail-audit policy`

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use audit_core::{
    arn::AccountId,
    json::{At as _, without_mark},
    moment::Moment,
    organization::Organization,
    policy::{
        BEDROCK_POLICY, EFFECTIVE_POLICY_TYPES,
        lint::{Level, Lint, lint},
    },
    world::{Entity, InForce, SnapshotPath},
};
use serde_json::{Value, json};

use super::load_world;
use crate::{
    args::{PlainFormat, PolicyCommand},
    exit::{Exit, UsageError},
    filter::There,
    output::{
        self,
        place::place_of,
        text::{counted, wrapped},
    },
    talk::Talk,
};

pub(crate) fn run(command: &PolicyCommand, talk: Talk) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Effective { world, account, policy_type, at, format } => {
            effective(world, account.as_deref(), policy_type, *at, *format, talk)
        }
        PolicyCommand::Lint { files, world, management_account, format } => {
            lint_all(files, world.as_ref(), management_account.as_deref(), *format, talk)
        }
    }
}

fn effective(
    world: &PathBuf,
    only: Option<&str>,
    policy_type: &str,
    at: Option<Moment>,
    format: PlainFormat,
    talk: Talk,
) -> anyhow::Result<Exit> {
    // They allow and deny: nothing is inherited from one to the next.
    if ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"].contains(&policy_type) {
        return Err(UsageError(format!("policies of type {policy_type} have no effective policy")).into());
    }
    let loaded = load_world(Some(world), talk)?;
    let there = There::of_world(&loaded);
    let only = only.map(|only| there.account_meant(only, talk));
    let world = loaded.world;
    if !EFFECTIVE_POLICY_TYPES.contains(&policy_type) && !world.policy_types().any(|known| known == policy_type) {
        let known = EFFECTIVE_POLICY_TYPES.join(", ");
        let message = format!("`{policy_type}` is no type of policy that we know, and the world has none of it; known are {known}");
        return Err(UsageError(message).into());
    }
    let mut policies: BTreeMap<AccountId, Option<Value>> = BTreeMap::new();
    let mut not_known: Vec<AccountId> = Vec::new();
    if policy_type == BEDROCK_POLICY {
        let state = world.settle();
        for account in state.accounts() {
            match state.policy(account, at.unwrap_or(Moment::END)) {
                InForce::Known(policy) | InForce::Assumed(policy) => {
                    policies.insert(account.clone(), policy.policy.as_ref().map(|policy| policy.document.clone()));
                }
                InForce::NotKnown => not_known.push(account.clone()),
            }
        }
    } else {
        for (account, computed) in world.computed_policies(policy_type, at.unwrap_or(Moment::END)) {
            match computed {
                Some(policy) => {
                    policies.insert(account, policy.map(|policy| policy.document.clone()));
                }
                None => not_known.push(account),
            }
        }
    }
    policies.retain(|account, _| only.as_ref().is_none_or(|only| account == only));
    not_known.retain(|account| only.as_ref().is_none_or(|only| account == only));
    for account in &not_known {
        talk.warn(format_args!(
            "{account}: not known: the account's place, or the content of a policy on its way to the root, isn't in the world"
        ));
    }
    if let Some(only) = only.filter(|_| policies.is_empty() && not_known.is_empty()) {
        return Err(UsageError(there.lacks_account(&only)).into());
    }
    let mut out = output::stdout();
    match format {
        PlainFormat::Json => {
            output::json(&mut out, &policies)?;
        }
        PlainFormat::Table => {
            for (account, policy) in &policies {
                match policy {
                    Some(document) => writeln!(out, "{account}\n{}\n", serde_json::to_string_pretty(document)?)?,
                    None => writeln!(out, "{account}\nno policy\n")?,
                }
            }
        }
    }
    Ok(Exit::Clean)
}

/// A policy to lint: its text, and where it comes from.
struct Linted {
    name: String,
    text: String,
}

fn lint_all(files: &[PathBuf], world: Option<&PathBuf>, management: Option<&str>, format: PlainFormat, talk: Talk) -> anyhow::Result<Exit> {
    let mut policies = Vec::new();
    for path in files {
        let text = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        let text = String::from_utf8_lossy(without_mark(&text)).into_owned();
        policies.push(policy_in(&path.display().to_string(), text).1);
    }
    let mut management = management.map(AccountId::from);
    if let Some(folder) = world {
        for (path, json) in load_world(Some(folder), talk)?.files {
            let text = String::from_utf8_lossy(without_mark(&json)).into_owned();
            match SnapshotPath::parse(&path).map(|at| at.entity) {
                Some(Entity::Policy(_)) => match policy_in(&folder.join(&path).display().to_string(), text) {
                    (Some(policy_type), _) if policy_type != BEDROCK_POLICY => {}
                    (_, policy) => policies.push(policy),
                },
                Some(Entity::Organization) if management.is_none() => {
                    let organization = serde_json::from_slice(&json).ok().and_then(|json| Organization::from_json(&json).ok());
                    management = organization.and_then(|organization| organization.management_account);
                }
                _ => {}
            }
        }
    }
    let mut all: Vec<Placed<'_>> = Vec::new();
    for policy in &policies {
        match lint(&policy.text, management.as_ref()) {
            Ok(lints) => all.extend(lints.into_iter().map(|lint| (policy, place_of(&policy.text, &lint.pointer), lint))),
            Err(error) => {
                let place = (error.line() > 0).then(|| (error.line(), error.column().max(1)));
                let said = error.to_string();
                // Its place is said by itself.
                let message = said.split(" at line ").next().unwrap_or(&said).to_owned();
                all.push((policy, place, Lint { level: Level::Error, kind: "not-json", pointer: String::new(), message }));
            }
        }
    }
    write_lints(&all, format)?;
    let errors = all.iter().filter(|(_, _, lint)| lint.level == Level::Error).count();
    if format == PlainFormat::Table {
        let policies_read = if policies.len() == 1 { "1 policy".to_owned() } else { format!("{} policies", policies.len()) };
        talk.note(format_args!("{} read: {}, {}", policies_read, counted(errors, "error"), counted(all.len() - errors, "other lint")));
    }
    Ok(if errors > 0 { Exit::Findings } else { Exit::Clean })
}

/// The policy in a file: a document, or the content of a DescribePolicy answer with its type.
fn policy_in(name: &str, text: String) -> (Option<String>, Linted) {
    let described = serde_json::from_str::<Value>(&text).ok().and_then(|json| {
        let policy = json.get("Policy")?;
        Some((policy.at("/PolicySummary/Type").as_str()?.to_owned(), policy.at("/Content").as_str()?.to_owned()))
    });
    match described {
        Some((policy_type, content)) => (Some(policy_type), Linted { name: format!("{name}, Policy.Content"), text: content }),
        None => (None, Linted { name: name.to_owned(), text }),
    }
}

/// A lint with its policy, and its line and column there.
type Placed<'l> = (&'l Linted, Option<(usize, usize)>, Lint);

fn write_lints(lints: &[Placed<'_>], format: PlainFormat) -> anyhow::Result<()> {
    match format {
        PlainFormat::Json => {
            let rows: Vec<Value> = lints
                .iter()
                .map(|(policy, place, lint)| {
                    json!({"file": policy.name, "line": place.map(|(line, _)| line), "column": place.map(|(_, column)| column),
                        "pointer": lint.pointer, "level": lint.level, "kind": lint.kind, "message": lint.message})
                })
                .collect();
            let mut out = output::stdout();
            output::json(&mut out, &rows)?;
        }
        PlainFormat::Table => {
            let mut out = output::stdout();
            for (policy, place, lint) in lints {
                let place = place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
                let style = crate::output::table::level_style(lint.level);
                writeln!(
                    out,
                    "{}{place}: {style}{}{style:#} [{}]\n    {}",
                    Path::new(&policy.name).display(),
                    lint.level,
                    lint.kind,
                    wrapped(&lint.message, 4)
                )?;
            }
        }
    }
    Ok(())
}
