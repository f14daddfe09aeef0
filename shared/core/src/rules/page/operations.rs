//! Generates docs/operations.md: every operation of Bedrock's services and how the auditor treats its records.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    operations::{self, Mediator, OperationCoverage, Role},
    rule::Rule,
    rules::RULES,
};

/// The page in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for api in operations::bedrock_apis() {
        // Writing to a String can't fail.
        let _ = write!(page, "\n## {}\n\n| Operation | What it is | Looked at by |\n|---|---|---|\n", api.name);
        let named = || api.groups.iter().flat_map(|group| group.operations.iter().map(|name| (*name, group.role)));
        for (name, role) in named() {
            let rules = match role {
                Role::Runs(OperationCoverage::Unsupported) => "[endpoint-not-covered](rules/endpoint-not-covered.md)".to_owned(),
                Role::Runs(
                    OperationCoverage::Uncovered | OperationCoverage::Mediated(Mediator::Agent | Mediator::Flow | Mediator::Request),
                ) => "[api-not-covered](rules/api-not-covered.md)".to_owned(),
                Role::Runs(OperationCoverage::Mediated(Mediator::AgentCore)) => {
                    "[invocation-not-provable](rules/invocation-not-provable.md)".to_owned()
                }
                Role::Runs(_) => "every rule of invocations".to_owned(),
                Role::Evaluates => "the verdict of its call".to_owned(),
                Role::Nothing(_) => String::new(),
                _ => rules_of(name, api.source),
            };
            let _ = writeln!(page, "| `{name}` | {} | {rules} |", in_words(role));
        }
    }
    page
}

const HEAD: &str = "# Operations

Every operation of Bedrock's services, by the name that CloudTrail records, and what comes of a record of it. Made from the table that decides
(`shared/core/src/operations/`) by `UPDATE_DOCS=1 cargo test --package audit-core --test catalogue`; a test compares it with the service models
of the AWS SDKs. Of the services that the SDKs have no model of, the operations are those that IAM authorises.

A call is judged whether it is covered or not. An operation that isn't here is new: one that looks like it runs a model, or is called at a
runtime endpoint, is judged as not covered, and any other is counted as ignored, as an operation that this version doesn't know.
What this means for evidence stands in [evidence.md](evidence.md).
";

/// The rules that examine changes by an operation. If several services have an operation of the name, the rule's other operations decide.
fn rules_of(name: &str, source: &str) -> String {
    let services_of =
        |name: &str| operations::changes().filter(|(_, other)| *other == name).map(|(source, _)| source).collect::<BTreeSet<_>>();
    let looks = |rule: &&&Rule| {
        let of_one = rule.revealed_by.iter().map(|other| services_of(other)).filter(|services| services.len() == 1);
        let services: BTreeSet<&str> = of_one.flatten().collect();
        let is_of_source = services.contains(source) || (services.is_empty() && source == "bedrock");
        rule.revealed_by.contains(&name) && is_of_source
    };
    let mut rules: Vec<&Rule> = RULES.iter().filter(looks).copied().collect();
    if rules.is_empty() {
        // A rule over operations of several services may have this one as its only operation of the service.
        rules = RULES.iter().filter(|rule| rule.revealed_by.contains(&name)).copied().collect();
    }
    let links: Vec<String> = rules.into_iter().map(|rule| format!("[{0}](rules/{0}.md)", rule.id)).collect();
    links.join(", ")
}

/// The phrase for a role.
fn in_words(role: Role) -> &'static str {
    match role {
        Role::Runs(OperationCoverage::Covered | OperationCoverage::Ambiguous) => "call of a model that enforcement covers",
        Role::Runs(OperationCoverage::Uncovered) => "call of a model that enforcement is not documented to reach",
        Role::Runs(OperationCoverage::Unsupported) => "call of a model where guardrails don't reach",
        Role::Runs(OperationCoverage::Mediated(Mediator::Agent)) => "call of a model through an agent, which brings a guardrail or none",
        Role::Runs(OperationCoverage::Mediated(Mediator::Flow)) => "call of a model through a flow, whose nodes bring guardrails or none",
        Role::Runs(OperationCoverage::Mediated(Mediator::Request)) => "call of a model that may name a guardrail in its request",
        Role::Runs(OperationCoverage::Mediated(Mediator::AgentCore)) => "leads to models; what it calls of Bedrock has records of its own",
        Role::Evaluates => "evaluation by guardrails: evidence",
        Role::Changes => "change, kept",
        Role::ChangesState => "change of the state that others are judged by, kept",
        Role::ChangesAuditor | Role::ChangesAuditorItem => "change, kept where it is of the auditor's own resources",
        Role::ChangesEvidenceItem => "change, kept where it is of evidence",
        Role::Nothing(what) => what,
    }
}
