//! `guardrail-audit policy`: computes effective policies and lints Bedrock policies.

mod lint;

use std::{collections::BTreeMap, io::Write as _, path::PathBuf};

use audit_core::{
    arn::AccountId,
    policy::{BEDROCK_POLICY, EFFECTIVE_POLICY_TYPES},
    timestamp::Timestamp,
    world::InForce,
};
use serde_json::Value;

use super::load_world;
use crate::{
    args::{LintOutputArgs, PlainFormat, PlainOutputArgs, PolicyCommand},
    console::Console,
    exit::{Exit, UsageError},
    filter::Choices,
    output,
};

pub(crate) fn run(command: &PolicyCommand, console: Console) -> anyhow::Result<Exit> {
    match command {
        PolicyCommand::Effective { world, account, policy_type, at, output: PlainOutputArgs { format } } => {
            effective(world, account.as_deref(), policy_type, *at, *format, console)
        }
        PolicyCommand::Lint { files, world, management_account, output: LintOutputArgs { format, output } } => {
            lint::run(files, world.as_ref(), management_account.as_deref(), *format, output.as_deref(), console)
        }
    }
}

fn effective(
    world: &PathBuf,
    only: Option<&str>,
    policy_type: &str,
    at: Option<Timestamp>,
    format: PlainFormat,
    console: Console,
) -> anyhow::Result<Exit> {
    // These types allow or deny and are evaluated at each level, so there is no inherited document.
    if ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"].contains(&policy_type) {
        return Err(UsageError(format!("policies of type {policy_type} have no effective policy")).into());
    }
    let loaded = load_world(Some(world), console)?;
    let choices = Choices::of_world(&loaded);
    let only = only.map(|only| choices.resolve_account(only, console));
    let world = loaded.world;
    if !EFFECTIVE_POLICY_TYPES.contains(&policy_type) && !world.policy_types().any(|known| known == policy_type) {
        let known = EFFECTIVE_POLICY_TYPES.join(", ");
        let message = format!("`{policy_type}` is no type of policy that we know, and the world has none of it; known are {known}");
        return Err(UsageError(message).into());
    }
    let mut policies: BTreeMap<AccountId, Option<Value>> = BTreeMap::new();
    let mut not_known: Vec<AccountId> = Vec::new();
    if policy_type == BEDROCK_POLICY {
        let state = world.resolve();
        for account in state.accounts() {
            match state.policy(account, at.unwrap_or(Timestamp::END)) {
                InForce::Known(policy) | InForce::Assumed(policy) => {
                    policies.insert(account.clone(), policy.policy.as_ref().map(|policy| policy.document.clone()));
                }
                InForce::NotKnown => not_known.push(account.clone()),
            }
        }
    } else {
        for (account, computed) in world.computed_policies(policy_type, at.unwrap_or(Timestamp::END)) {
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
        console.warn(format_args!(
            "{account}: not known: the account's place, or the content of a policy on its way to the root, isn't in the world"
        ));
    }
    if let Some(only) = only.filter(|_| policies.is_empty() && not_known.is_empty()) {
        return Err(UsageError(choices.lacks_account(&only)).into());
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
