//! The table of operations: for each operation of Bedrock's services its role for the auditor, and the operations of other services that
//! rules need. Of operations that are kept as changes, it also names the parameters that are kept and those that name the resource.
//!
//! Every decision by the name of an operation derives from this table: which calls are judged and how ([`crate::api`]), which changes are
//! kept, and which parts of them ([`crate::change`]), which records are rejected before they are parsed ([`crate::cloudtrail::wanted`]),
//! which operations the rules list, and docs/operations.md. A test compares it with the service models of the SDKs, so that a new release of
//! them shows new operations.

mod agentcore;
mod agentcore_control;
mod agents;
mod bedrock;
mod beside;
mod data_automation;
mod others;
mod role;

use std::sync::LazyLock;

use hashbrown::HashMap;

pub use role::{Api, Group, Mediator, OperationCoverage, Role};

/// The APIs of Bedrock's services, and of the services beside Bedrock that run models.
const BEDROCK_APIS: &[Api] = &[
    bedrock::RUNTIME,
    bedrock::BEDROCK,
    agents::AGENTS_RUNTIME,
    agents::AGENTS,
    data_automation::DATA_AUTOMATION_RUNTIME,
    data_automation::DATA_AUTOMATION,
    bedrock::RECORDED,
    beside::MANTLE,
    beside::CLAUDE_PLATFORM,
    beside::WEB_SEARCH,
    agentcore::AGENTCORE,
    agentcore_control::AGENTCORE_CONTROL,
    agentcore::RECORDED,
];

/// The APIs of Bedrock's services and of those beside Bedrock that run models. The table has all of their operations.
#[must_use]
pub const fn bedrock_apis() -> &'static [Api] {
    BEDROCK_APIS
}

/// Every operation of the table: its service in records, its name and its role.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, Role)> {
    groups().flat_map(|(source, group)| group.operations.iter().map(move |name| (source, *name, group.role)))
}

fn groups() -> impl Iterator<Item = (&'static str, &'static Group)> {
    BEDROCK_APIS.iter().chain(others::OTHERS).flat_map(|api| api.groups.iter().map(move |group| (api.source, group)))
}

/// Groups by service and operation.
static BY_NAME: LazyLock<HashMap<&str, HashMap<&str, &Group>>> = LazyLock::new(|| {
    let mut by_name: HashMap<&str, HashMap<&str, &Group>> = HashMap::new();
    for (source, group) in groups() {
        by_name.entry(source).or_default().extend(group.operations.iter().map(|name| (*name, group)));
    }
    by_name
});

/// The group of a service's operation. `None` if the table doesn't have it.
#[must_use]
pub fn group(source: &str, operation: &str) -> Option<&'static Group> {
    BY_NAME.get(source)?.get(operation).copied()
}

/// The role of a service's operation. `None` if the table doesn't have it.
#[must_use]
pub fn role(source: &str, operation: &str) -> Option<Role> {
    group(source, operation).map(|group| group.role)
}

/// The names of the request parameters and response elements that rules need of some change.
pub(crate) fn kept_parameters() -> impl Iterator<Item = &'static str> {
    groups().flat_map(|(_, group)| group.kept())
}

/// The service that an `eventSource` stands for. All of Bedrock's own APIs report as `bedrock.amazonaws.com`; a record with the name of one
/// of their endpoints counts as the same service.
#[must_use]
pub fn source(event_source: &str) -> &str {
    let service = event_source.split('.').next().unwrap_or(event_source);
    match service {
        "bedrock-runtime" | "bedrock-agent" | "bedrock-agent-runtime" | "bedrock-data-automation" | "bedrock-data-automation-runtime" => {
            "bedrock"
        }
        "bedrock-agentcore-control" => "bedrock-agentcore",
        service => service,
    }
}

/// Whether the service is Bedrock's, so that an operation that the table lacks is new. A new service of Bedrock counts too.
#[must_use]
pub fn is_bedrocks(source: &str) -> bool {
    source.starts_with("bedrock") || BEDROCK_APIS.iter().any(|api| api.source == source)
}

/// The operations that run a model or lead to one: service, name, and whether enforcement applies.
pub fn calls() -> impl Iterator<Item = (&'static str, &'static str, OperationCoverage)> {
    all().filter_map(|(source, name, role)| if let Role::Runs(reach) = role { Some((source, name, reach)) } else { None })
}

/// The operations that are kept as changes: service and name.
pub fn changes() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().filter(|(.., role)| role.is_kept()).map(|(source, name, _)| (source, name))
}

/// The operations that are kept only for the auditor's own resources. No other service has operations of these names.
pub fn changes_of_auditor() -> impl Iterator<Item = &'static str> {
    let is_own = |role: Role| matches!(role, Role::ChangesAuditor | Role::ChangesAuditorItem);
    let elsewhere = move |name: &str| all().any(|(_, other, role)| other == name && role.is_looked_at() && !is_own(role));
    all().filter(move |(_, name, role)| is_own(*role) && !elsewhere(name)).map(|(_, name, _)| name)
}

/// A set of operations of the table.
#[derive(Clone, Copy)]
enum Which {
    EveryCall,
    Covered,
    Unsupported,
    OthersNotCovered,
    OfAuditor,
}

impl Which {
    const fn selects(self, role: Role) -> bool {
        matches!(
            (self, role),
            (Which::EveryCall, Role::Runs(_))
                | (Which::Covered, Role::Runs(OperationCoverage::Covered))
                | (Which::Unsupported, Role::Runs(OperationCoverage::Unsupported))
                | (Which::OthersNotCovered, Role::Runs(OperationCoverage::Uncovered | OperationCoverage::Mediated(_)))
                | (Which::OfAuditor, Role::ChangesAuditor | Role::ChangesAuditorItem)
        )
    }
}

/// All operations that run a model or lead to one.
pub const EVERY_CALL: &[&str] = &names::<{ count(Which::EveryCall) }>(Which::EveryCall);
/// The operations that enforcement covers.
pub const COVERED: &[&str] = &names::<{ count(Which::Covered) }>(Which::Covered);
/// The operations of endpoints that don't support guardrails.
pub const UNSUPPORTED: &[&str] = &names::<{ count(Which::Unsupported) }>(Which::Unsupported);
/// All other operations that run a model.
pub const OTHERS_NOT_COVERED: &[&str] = &names::<{ count(Which::OthersNotCovered) }>(Which::OthersNotCovered);
/// The operations that are kept only if they change the auditor's own resources.
pub const OF_AUDITOR: &[&str] = &names::<{ count(Which::OfAuditor) }>(Which::OfAuditor);

/// Concatenates two lists of operations, for rules that need a set of the table and some other operations.
macro_rules! joined {
    ($first:expr, $second:expr) => {{
        const FIRST: &[&str] = $first;
        const SECOND: &[&str] = $second;
        const JOINED: &[&str] = &$crate::operations::join::<{ FIRST.len() + SECOND.len() }>(FIRST, SECOND);
        JOINED
    }};
}
pub(crate) use joined;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
pub(crate) const fn join<const N: usize>(first: &[&'static str], second: &[&'static str]) -> [&'static str; N] {
    let (mut names, mut at) = ([""; N], 0);
    while at < N {
        names[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    names
}

/// The number of names that [`names`] returns.
const fn count(which: Which) -> usize {
    collect::<1000>(which).1
}

/// The names of a set of operations, each once, in the order of the table.
const fn names<const N: usize>(which: Which) -> [&'static str; N] {
    collect(which).0
}

const fn collect<const N: usize>(which: Which) -> ([&'static str; N], usize) {
    collect_of(others::OTHERS, which, collect_of(BEDROCK_APIS, which, ([""; N], 0)))
}

/// Appends the names from some APIs to those found so far, without duplicates.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn collect_of<const N: usize>(apis: &[Api], which: Which, found: ([&'static str; N], usize)) -> ([&'static str; N], usize) {
    let (mut names, mut len) = found;
    let mut api = 0;
    while api < apis.len() {
        let groups = apis[api].groups;
        let mut group = 0;
        while group < groups.len() {
            if which.selects(groups[group].role) {
                let operations = groups[group].operations;
                let mut operation = 0;
                while operation < operations.len() {
                    let (mut before, name) = (0, operations[operation]);
                    while before < len && !is_same(names[before], name) {
                        before += 1;
                    }
                    if before == len {
                        names[len] = name;
                        len += 1;
                    }
                    operation += 1;
                }
            }
            group += 1;
        }
        api += 1;
    }
    (names, len)
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses what is out of bounds")]
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn an_operation_has_one_role() {
        let mut seen = BTreeMap::new();
        for (source, group) in groups() {
            for name in group.operations {
                let of_group = (group.role, group.names, group.answers);
                let before = *seen.entry((source, *name)).or_insert(of_group);
                assert_eq!(before, of_group, "{name} of {source} stands in two groups");
            }
        }
        assert!(seen.len() > 600, "{} operations", seen.len());
    }

    #[test]
    fn names_derived_by_the_compiler_are_those_of_the_table() {
        let derived: BTreeSet<&str> = EVERY_CALL.iter().copied().collect();
        let listed: BTreeSet<&str> = calls().map(|(_, name, _)| name).collect();
        assert_eq!(derived, listed);
        assert_eq!(derived.len(), EVERY_CALL.len(), "each once");
        assert_eq!(COVERED, ["InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream"]);
        let of_auditor = all().filter(|(.., role)| matches!(role, Role::ChangesAuditor | Role::ChangesAuditorItem));
        assert_eq!(OF_AUDITOR.iter().copied().collect::<BTreeSet<_>>(), of_auditor.map(|(_, name, _)| name).collect());
        assert_eq!(joined!(COVERED, &["A", "B"]).get(3..), Some(&["ConverseStream", "A", "B"][..]));
        assert_eq!(EVERY_CALL.len(), COVERED.len() + UNSUPPORTED.len() + OTHERS_NOT_COVERED.len());
    }

    #[test]
    fn sources_are_taken_tolerantly() {
        for (event_source, expected) in [
            ("bedrock.amazonaws.com", "bedrock"),
            ("bedrock-runtime.amazonaws.com", "bedrock"),
            ("bedrock-agentcore-control.amazonaws.com", "bedrock-agentcore"),
            ("bedrock-mantle.api.aws", "bedrock-mantle"),
            ("iam.amazonaws.com", "iam"),
            ("", ""),
        ] {
            assert_eq!(source(event_source), expected);
        }
    }
}
