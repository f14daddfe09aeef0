//! Finds requests that policies allow and the policies before them refused, by evaluating both for the same requests.
//!
//! A request is an operation on a resource, with a guardrail or without, and with values for the other condition keys that the policies
//! test. A request that is newly allowed is a loss if the earlier policies distinguished requests by their guardrail, or denied this
//! operation as such. Allowing another Region or team is no loss: nothing was refused there for lack of a guardrail.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    IdentityPolicy,
    guardrails::{Named, is_about_guardrail, witnesses},
    keys::{Combination, Keys, Question},
    operations::{Kind, OPERATIONS, Operation, opaque},
};
use crate::{
    arn::GuardrailVersion,
    control_change::ControlChange,
    iam::{Condition, Effect, Statement},
};

/// Resources named by documents that are evaluated at most.
const MOST_RESOURCES: usize = 24;

/// Replaces a wildcard when a concrete resource is made from a pattern.
const FILLING: &str = "~";

/// Changes that one finding lists at most.
const MOST_CHANGES: usize = 6;

/// The meaning of policies without a statement about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The operation is refused: policies of identities, and boundaries.
    Refuses,
    /// The operation is allowed: levels of an organization whose policies aren't known.
    Allows,
}

/// Requests that are allowed now and were refused before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NewlyPassing {
    with: Named,
    /// The resource; `None` for any resource.
    on: Option<String>,
    operations: BTreeSet<&'static str>,
}

/// The protections that policies lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Inference that is newly allowed without the demanded guardrail, or with operations that guardrails don't apply to.
    pub(crate) inference: Vec<NewlyPassing>,
    /// Newly allowed changes of guardrails, enforcement, logging, trails and policies.
    pub(crate) protection: Vec<NewlyPassing>,
    /// Whether a loss of inference is undecided: there were too many requests to evaluate all of them, and the evaluated ones show no loss.
    pub(crate) inference_is_open: bool,
    /// Whether a loss of protection is undecided, in the same way.
    pub(crate) protection_is_open: bool,
}

impl Lost {
    pub(crate) fn is_empty(&self) -> bool {
        self.inference.is_empty() && self.protection.is_empty() && !self.inference_is_open && !self.protection_is_open
    }

    /// Adds the losses of other policies.
    pub(crate) fn add(&mut self, other: &Lost) {
        for (mine, theirs) in [(&mut self.inference, &other.inference), (&mut self.protection, &other.protection)] {
            mine.extend(theirs.iter().filter(|one| !mine.contains(one)).cloned().collect::<Vec<_>>());
            mine.sort();
        }
        self.inference_is_open |= other.inference_is_open;
        self.protection_is_open |= other.protection_is_open;
    }
}

/// The newly allowed requests as changes for a finding, of which [`MOST_CHANGES`] are listed at most.
pub(crate) fn in_words(all: &[NewlyPassing]) -> Vec<ControlChange> {
    let change = |newly: &NewlyPassing| {
        let operations: Vec<&str> = newly.operations.iter().copied().collect();
        let with = if newly.with == Named::Nothing && newly.is_out_of_reach() { String::new() } else { newly.with.in_words() };
        let on = newly.on.as_ref().map(|on| format!("on {}", on.replace(FILLING, "*")));
        let words: Vec<String> = [operations.join(", "), with].into_iter().chain(on).filter(|words| !words.is_empty()).collect();
        ControlChange { control: words.join(" "), side: None, before: Some("refused".to_owned()), after: Some("not refused".to_owned()) }
    };
    all.iter().take(MOST_CHANGES).map(change).collect()
}

impl NewlyPassing {
    /// The guardrail in the requests.
    pub(crate) fn named(&self) -> &Named {
        &self.with
    }

    /// Whether guardrails apply to none of the operations.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        OPERATIONS.iter().all(|operation| operation.kind != Kind::Guarded || !self.operations.contains(operation.name))
    }
}

/// Evaluates what is lost when the policies in `after` replace those in `before`, both given by level. A request is allowed if every level
/// allows it and no level denies it. `silence` is the meaning of policies without a statement about an operation.
pub(crate) fn lost(before: &[IdentityPolicy], after: &[IdentityPolicy], silence: Silence) -> Lost {
    if before.iter().chain(after).any(|level| level.too_many) {
        let inference_is_open = before.iter().any(IdentityPolicy::asks);
        let protection_is_open = before.iter().any(IdentityPolicy::protects);
        return Lost { inference_is_open, protection_is_open, ..Lost::default() };
    }
    if before == after || !before.iter().any(IdentityPolicy::guards) {
        return Lost::default();
    }
    let all = |levels: &'_ [IdentityPolicy]| -> BTreeSet<Statement> {
        levels.iter().flat_map(|level| level.statements.iter().map(|statement| (**statement).clone())).collect()
    };
    let (old, new) = (all(before), all(after));
    // Statements that differ come first, because they matter most if not all requests can be evaluated.
    let statements: Vec<&Statement> = old.symmetric_difference(&new).chain(old.intersection(&new)).collect();
    let on_guardrails = |statements: &'_ BTreeSet<Statement>| -> Vec<Condition> {
        let conditions = statements.iter().flat_map(|statement| &statement.conditions);
        conditions.filter(|condition| is_about_guardrail(condition)).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    };
    let (asked, asking) = (on_guardrails(&old), on_guardrails(&new));
    let (guardrails, all_guardrails) = witnesses(&asked.iter().collect::<Vec<_>>(), &asking.iter().collect::<Vec<_>>());
    let keys = Keys::of(statements.iter().copied());
    let rows: Vec<Row> = statements.iter().map(|statement| Row::of(statement, &keys, &guardrails)).collect();
    let numbers: BTreeMap<&Statement, usize> = statements.iter().enumerate().map(|(number, statement)| (*statement, number)).collect();
    let levels = |levels: &[IdentityPolicy]| -> Vec<Vec<usize>> {
        levels.iter().map(|level| level.statements.iter().filter_map(|statement| numbers.get(&**statement).copied()).collect()).collect()
    };
    let asking = Asking {
        statements: &statements,
        rows,
        before: levels(before),
        after: levels(after),
        silence,
        every: if guardrails.len() >= 64 { u64::MAX } else { (1 << guardrails.len()) - 1 },
        combinations: keys.combinations().collect(),
        callers: keys.callers(),
    };
    let (resources, all_resources) = named_resources(&statements);
    let answers = asking.ask(&resources);
    let mut lost = asking.losses(&answers, &guardrails);
    if !(keys.is_whole && all_guardrails && all_resources) && asking.takes_away() {
        lost.inference_is_open = lost.inference.is_empty() && before.iter().any(IdentityPolicy::asks);
        lost.protection_is_open = lost.protection.is_empty() && before.iter().any(IdentityPolicy::protects);
    }
    lost
}

/// The part of a statement that doesn't depend on the request's resource.
struct Row {
    /// The guardrails, as bits, for which the statement's conditions about guardrails hold.
    guardrails: u64,
    /// The indices of the questions that must all be answered with yes.
    questions: Vec<usize>,
}

impl Row {
    fn of(statement: &Statement, keys: &Keys<'_>, guardrails: &[(Named, Option<String>)]) -> Self {
        let holds_all = |value: &Option<String>| {
            let actual: Vec<String> = value.iter().cloned().collect();
            let holds = |one: &Condition| match one.holds(&actual, &opaque) {
                Some(holds) => holds,
                // A condition that can't be evaluated counts as not holding in a Deny, and as holding in an Allow.
                None => statement.effect == Effect::Allow,
            };
            statement.conditions.iter().filter(|condition| is_about_guardrail(condition)).all(holds)
        };
        let bits = guardrails.iter().enumerate().filter(|(_, (_, value))| holds_all(value)).fold(0, |bits, (bit, _)| bits | 1 << bit);
        let asked = |question: &Question<'_>| match question {
            Question::Condition(condition) => statement.conditions.iter().any(|own| own == *condition),
            Question::Principal(principals) => **principals == statement.principals,
        };
        let questions = keys.questions.iter().enumerate().filter(|(_, question)| asked(question)).map(|(number, _)| number).collect();
        Row { guardrails: bits, questions }
    }

    fn guardrails(&self, combination: &Combination) -> u64 {
        let is_yes = |question: &usize| combination.answers.get(*question).copied().unwrap_or(false);
        if self.questions.iter().all(is_yes) { self.guardrails } else { 0 }
    }
}

struct Asking<'s> {
    statements: &'s [&'s Statement],
    rows: Vec<Row>,
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    silence: Silence,
    /// All guardrails, as bits.
    every: u64,
    combinations: Vec<Combination>,
    callers: usize,
}

/// The results for an operation on a resource over all combinations of condition values. Guardrails are bits.
struct Answer {
    operation: &'static Operation,
    resource: String,
    /// Documents name the resource.
    is_named: bool,
    /// Denied before and not after.
    undenied: u64,
    /// Allowed after and not before.
    opened: u64,
    /// Refused before while a request with another guardrail was allowed: because of a Deny, and because of what was allowed.
    told_by_denials: u64,
    told_by_allowing: u64,
    /// No longer denied by a Deny that names the operation, or that denies everything without a condition.
    meant: u64,
    /// Still denied for some callers.
    denied_after: u64,
    /// No longer denied by a Deny that is about changes, not about all use of the service.
    singled_out: bool,
    /// There are callers for whom it is never denied after the change, and was denied before by a Deny that names it.
    freed: bool,
    passes_before: u64,
}

/// The statements, before or after, that apply to an operation on a resource.
struct Side {
    denials: Vec<usize>,
    /// The allowing statements of each level that has any.
    levels: Vec<Vec<usize>>,
}

impl Asking<'_> {
    fn ask(&self, named: &BTreeSet<String>) -> Vec<Answer> {
        let mut answers: Vec<Answer> = Vec::new();
        for operation in OPERATIONS {
            let own = operation.resources.iter().map(|resource| ((*resource).to_owned(), false));
            let all = own.chain(named.iter().filter(|resource| operation.can_be_on(resource)).map(|resource| (resource.clone(), true)));
            let mut known: BTreeSet<Vec<bool>> = BTreeSet::new();
            for (resource, is_named) in all {
                let about: Vec<bool> = self
                    .statements
                    .iter()
                    .map(|statement| statement.names_action(operation.action) && statement.names_resource(&resource, &opaque))
                    .collect();
                // Resources that the same statements apply to have the same results.
                if about.contains(&true) && known.insert(about.clone()) {
                    answers.push(self.answer(operation, resource, is_named, &about));
                }
            }
        }
        answers
    }

    fn side(&self, levels: &[Vec<usize>], about: &[bool]) -> Side {
        let of = |level: &Vec<usize>, effect: Effect| -> Vec<usize> {
            let is = |number: &usize| {
                about.get(*number) == Some(&true) && self.statements.get(*number).is_some_and(|statement| statement.effect == effect)
            };
            level.iter().copied().filter(is).collect()
        };
        let allows = |level: &&Vec<usize>| {
            self.silence == Silence::Refuses
                || level.iter().any(|number| self.statements.get(*number).is_some_and(|statement| statement.effect == Effect::Allow))
        };
        Side {
            denials: levels.iter().flat_map(|level| of(level, Effect::Deny)).collect(),
            levels: levels.iter().filter(allows).map(|level| of(level, Effect::Allow)).collect(),
        }
    }

    /// The guardrails, as bits, for which one of the statements applies.
    fn some(&self, statements: &[usize], combination: &Combination) -> u64 {
        statements.iter().filter_map(|number| self.rows.get(*number)).fold(0, |bits, row| bits | row.guardrails(combination))
    }

    fn answer(&self, operation: &'static Operation, resource: String, is_named: bool, about: &[bool]) -> Answer {
        let (before, after) = (self.side(&self.before, about), self.side(&self.after, about));
        let means = |number: &usize| {
            self.statements.get(*number).is_some_and(|statement| {
                let is_plain = operation.kind == Kind::Guarded && statement.conditions.iter().all(is_about_guardrail);
                operation.is_meant_by(statement) || is_plain
            })
        };
        let meaning: Vec<usize> = before.denials.iter().copied().filter(means).collect();
        let singles_out = |number: &usize| self.statements.get(*number).is_some_and(|statement| !operation.is_read_too_by(statement));
        let singling: Vec<usize> = meaning.iter().copied().filter(singles_out).collect();
        let mut answer = Answer {
            operation,
            resource,
            is_named,
            undenied: 0,
            opened: 0,
            told_by_denials: 0,
            told_by_allowing: 0,
            meant: 0,
            denied_after: 0,
            singled_out: false,
            freed: false,
            passes_before: 0,
        };
        // The first bit stands for a request without a guardrail.
        let nothing = 1;
        let mut callers = vec![(false, false); self.callers];
        for combination in &self.combinations {
            let denied_before = self.some(&before.denials, combination);
            let denied_after = self.some(&after.denials, combination);
            let allowed = |side: &Side| side.levels.iter().fold(self.every, |bits, level| bits & self.some(level, combination));
            let passes_before = allowed(&before) & !denied_before;
            let passes_after = allowed(&after) & !denied_after;
            answer.passes_before |= passes_before;
            answer.undenied |= denied_before & !denied_after;
            answer.opened |= passes_after & !passes_before & !denied_before;
            answer.denied_after |= denied_after;
            if denied_before & self.every != self.every {
                answer.told_by_denials |= denied_before;
            }
            if passes_before != 0 {
                answer.told_by_allowing |= self.every & !passes_before;
            }
            let undenied = self.some(&meaning, combination) & !denied_after;
            answer.meant |= undenied;
            answer.singled_out |= self.some(&singling, combination) & !denied_after & nothing != 0;
            if let Some((freed, denied)) = callers.get_mut(combination.caller) {
                *freed |= undenied & nothing != 0;
                *denied |= denied_after & nothing != 0;
            }
        }
        answer.freed = callers.contains(&(true, false));
        answer
    }

    /// Whether a Deny is gone or an Allow is new; nothing else can cause a loss.
    fn takes_away(&self) -> bool {
        let has = |levels: &[Vec<usize>], number: usize| levels.iter().any(|level| level.contains(&number));
        self.statements.iter().enumerate().any(|(number, statement)| match statement.effect {
            Effect::Deny => has(&self.before, number) && !has(&self.after, number),
            Effect::Allow => has(&self.after, number) && !has(&self.before, number),
        })
    }

    fn losses(&self, answers: &[Answer], guardrails: &[(Named, Option<String>)]) -> Lost {
        let guarded = || answers.iter().filter(|answer| answer.operation.kind == Kind::Guarded);
        let told_by_denials = guarded().fold(0, |bits, answer| bits | answer.told_by_denials);
        let told_by_allowing = guarded().fold(0, |bits, answer| bits | answer.told_by_allowing);
        // If no Allow is known, every request counts as allowed before unless it was denied.
        let passed = match guarded().fold(0, |bits, answer| bits | answer.passes_before) {
            0 => self.every & !told_by_denials,
            passed => passed,
        };
        let nothing = 1;
        let mut inference = Collected::default();
        let mut protection = Collected::default();
        for answer in answers {
            let Answer { operation, resource, .. } = answer;
            let on = answer.is_named.then_some(resource);
            match operation.kind {
                Kind::Guarded => {
                    let mut bits = answer.undenied & told_by_denials | answer.opened & told_by_allowing;
                    if !answer.is_named || resource.ends_with("/~") {
                        bits |= answer.meant & !answer.denied_after & nothing;
                    }
                    let passing = guardrails.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, (named, _))| named);
                    for named in passing.filter(|named| !is_upgrade(named, guardrails, passed)) {
                        inference.add(named, on, operation.name);
                    }
                }
                Kind::Unreachable => {
                    let is_opened = answer.opened & told_by_allowing & nothing != 0;
                    if answer.freed || answer.singled_out || is_opened {
                        inference.add(&Named::Nothing, on, operation.name);
                    }
                }
                Kind::Protected => {
                    if answer.freed || answer.singled_out {
                        protection.add(&Named::Nothing, on, operation.name);
                    }
                }
            }
        }
        Lost { inference: inference.without_repeats(), protection: protection.without_repeats(), ..Lost::default() }
    }
}

/// Whether a version replaces a lower version of the same guardrail. Whether its content is weaker is a question of the guardrail, which
/// other rules answer.
fn is_upgrade(named: &Named, guardrails: &[(Named, Option<String>)], passed: u64) -> bool {
    let Named::Version(newer) = named else {
        return false;
    };
    let is_lower = |(bit, (other, _)): (usize, &(Named, Option<String>))| {
        let Named::Version(older) = other else {
            return false;
        };
        older.key == newer.key && older.version != GuardrailVersion::Draft && older.version < newer.version && passed >> bit & 1 == 1
    };
    guardrails.iter().enumerate().any(is_lower)
}

/// The newly allowed operations, by guardrail and resource.
#[derive(Default)]
struct Collected(BTreeMap<(Named, Option<String>), BTreeSet<&'static str>>);

impl Collected {
    fn add(&mut self, named: &Named, on: Option<&String>, operation: &'static str) {
        self.0.entry((named.clone(), on.cloned())).or_default().insert(operation);
    }

    /// Removes repetitions: what is allowed on any resource isn't repeated for single ones, and what is allowed without a guardrail on
    /// models isn't repeated for the project.
    fn without_repeats(mut self) -> Vec<NewlyPassing> {
        let anywhere: BTreeMap<Named, BTreeSet<&'static str>> =
            self.0.iter().filter(|((_, on), _)| on.is_none()).map(|((named, _), names)| (named.clone(), names.clone())).collect();
        let is_repeated = |named: &Named, name: &str| anywhere.get(named).is_some_and(|names| names.contains(name));
        for ((named, on), names) in &mut self.0 {
            names.retain(|name| {
                let of_project = name.split_once(" on project").is_some_and(|(operation, _)| is_repeated(named, operation));
                !(of_project || on.is_some() && is_repeated(named, name))
            });
        }
        let all = self.0.into_iter().filter(|(_, names)| !names.is_empty());
        all.map(|((with, on), operations)| NewlyPassing { with, on, operations }).collect()
    }
}

/// The resources that documents name, with wildcards replaced. `false` if there were more than [`MOST_RESOURCES`].
fn named_resources(statements: &[&Statement]) -> (BTreeSet<String>, bool) {
    let patterns: BTreeSet<&String> = statements.iter().flat_map(|statement| &statement.resources.patterns).collect();
    let can_be_asked = |resource: &String| OPERATIONS.iter().any(|operation| operation.can_be_on(resource));
    let filled = |pattern: &String| {
        let variables = crate::iam::with_variables(pattern, &opaque).unwrap_or_default();
        variables.replace(['*', '?'], FILLING)
    };
    let all: BTreeSet<String> = patterns.into_iter().map(filled).filter(can_be_asked).collect();
    let is_whole = all.len() <= MOST_RESOURCES;
    (all.into_iter().take(MOST_RESOURCES).collect(), is_whole)
}
