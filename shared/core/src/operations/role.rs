//! The role of an operation for the auditor, and whether enforcement applies to one that runs a model.

/// An API with operations of its own.
#[derive(Debug)]
pub struct Api {
    /// The name of its service model in the SDKs; without a service model, a description.
    pub name: &'static str,
    /// The service in its records, see [`source`](super::source).
    pub source: &'static str,
    /// Whether the SDKs have a service model of this name that contains all of its operations.
    pub is_modelled: bool,
    /// All of its operations; for services other than Bedrock's, those that rules need.
    pub groups: &'static [Group],
}

/// Operations with the same role. Of those that are kept as changes, also the parameters that rules need.
#[derive(Debug)]
pub struct Group {
    /// Their role.
    pub role: Role,
    /// Their names, without the API date in Lambda's records.
    pub operations: &'static [&'static str],
    /// The request parameters that name the resources of a change. The first that a record has names the changed one.
    pub names: &'static [&'static str],
    /// JSON pointers to the response elements that name the changed resource if no request parameter does: one that was created.
    pub answers: &'static [&'static str],
    /// The other request parameters and response elements that rules need.
    pub keeps: &'static [&'static str],
}

impl Group {
    pub(super) const fn of(role: Role, operations: &'static [&'static str]) -> Self {
        Group { role, operations, names: &[], answers: &[], keeps: &[] }
    }

    pub(super) const fn named_by(self, names: &'static [&'static str]) -> Self {
        Group { names, ..self }
    }

    pub(super) const fn answered_by(self, answers: &'static [&'static str]) -> Self {
        Group { answers, ..self }
    }

    pub(super) const fn keeping(self, keeps: &'static [&'static str]) -> Self {
        Group { keeps, ..self }
    }

    /// The names of all request parameters and response elements that are kept of a change.
    pub fn kept(&self) -> impl Iterator<Item = &'static str> + use<> {
        let answered = self.answers.iter().filter_map(|pointer| pointer.split('/').nth(1));
        self.names.iter().chain(self.keeps).copied().chain(answered)
    }
}

/// Several of Bedrock's own APIs have operations of these names. Their records don't say which API it was, so all have one group.
pub(super) const RESOURCE_POLICIES: Group = Group::of(Role::Changes, &["PutResourcePolicy", "DeleteResourcePolicy"])
    .named_by(&["resourceArn"])
    .keeping(&["resourcePolicy", "policy"]);
/// As [`RESOURCE_POLICIES`]: several APIs have operations of these names.
pub(super) const TAGS: Group =
    Group::of(Role::Changes, &["TagResource", "UntagResource"]).named_by(&["resourceArn", "resourceARN"]).keeping(&["tags", "tagKeys"]);

/// The role of an operation for the auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs a model, or leads to one: every call is judged.
    Runs(OperationCoverage),
    /// It evaluates content with guardrails: evidence of the call that it belongs to.
    Evaluates,
    /// It changes something that a rule reports: kept as a change.
    Changes,
    /// It is no fault by itself, but verdicts, or what rules report about other changes, depend on what it changes: kept as a change.
    ChangesState,
    /// Like [`Role::ChangesState`], but only for the auditor's own resources.
    ChangesAuditor,
    /// A data event on an item of a table, kept only if the table is the auditor's.
    ChangesAuditorItem,
    /// A data event on an object, kept only if the object is evidence.
    ChangesEvidenceItem,
    /// It runs no model, and no rule or verdict depends on it. Holds a phrase for what it does.
    Nothing(&'static str),
}

/// Whether enforcement applies to an operation that runs a model (docs/aws/enforcement.md#coverage).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationCoverage {
    /// One of the four operations that AWS names as covered (docs/aws/enforcement.md#coverage).
    Covered,
    /// An operation with the name of a covered one, whose client may have called the Responses API. Guardrails don't apply to that API, and
    /// its records have the same name.
    Ambiguous,
    /// An operation other than those four. Whether enforcement applies to it is not documented, so it counts as not covered.
    Uncovered,
    /// An endpoint or interface that doesn't support guardrails.
    Unsupported,
    /// An operation of a service that runs models on the caller's behalf, with a guardrail of its own or none.
    Mediated(Mediator),
}

/// What runs models on the caller's behalf, and where its guardrail is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mediator {
    /// An agent, whose configuration names the guardrail.
    Agent,
    /// A flow, whose nodes name the guardrail.
    Flow,
    /// A service whose request names the guardrail.
    Request,
    /// A gateway, harness or runtime of AgentCore. Its calls to Bedrock have records of their own, by its role; what it sends to other
    /// services shows only in its configuration.
    AgentCore,
}

/// Operations that only read.
pub(super) const READS: &str = "reads";
/// Operations that end something.
pub(super) const ENDS: &str = "cancels, stops or deletes";
/// Operations that configure something on which no verdict or rule depends.
pub(super) const SETS_UP: &str = "sets up or changes what nothing here rests on";

impl Role {
    /// Whether records of the operation are kept as changes.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        matches!(self, Role::Changes | Role::ChangesState | Role::ChangesAuditor | Role::ChangesAuditorItem | Role::ChangesEvidenceItem)
    }

    /// Whether it is a data event on a single item, of which an account can have millions.
    #[must_use]
    pub const fn is_of_item(self) -> bool {
        matches!(self, Role::ChangesAuditorItem | Role::ChangesEvidenceItem)
    }

    /// Whether a rule or verdict needs records of it.
    #[must_use]
    pub const fn is_looked_at(self) -> bool {
        !matches!(self, Role::Nothing(_))
    }
}
