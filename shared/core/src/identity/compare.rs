//! What policies let through that others, in whose place they are, did not: both are asked about the same requests.
//!
//! A request is an operation on a resource, with a guardrail or without, and whatever else policies ask for: the same before and after.
//! One that passes now and didn't is a loss if the policies before told requests apart by their guardrail, or refused them for what they
//! are. A Region or a team that is let in besides is none: there, nothing was ever refused for lack of a guardrail.

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
    iam::{Condition, Effect, Principals, Statement, Test},
};

/// More resources that documents name than this are not asked about.
const MOST_RESOURCES: usize = 24;

/// Stands for what a resource leaves open.
const FILLING: &str = "~";

/// The most changes that one finding tells.
const MOST_CHANGES: usize = 6;

/// What a policy that says nothing of an operation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It gives nothing: policies of identities and boundaries.
    Refuses,
    /// It takes nothing: levels of an organization that no policy is known of.
    Allows,
}

/// Requests that pass now and did not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NewlyPassing {
    with: Named,
    /// The resources, where it isn't any.
    on: Option<String>,
    operations: BTreeSet<&'static str>,
}

/// What policies lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Inference without the guardrail that was asked for, or where guardrails don't reach.
    pub(crate) inference: Vec<NewlyPassing>,
    /// Changes of guardrails, enforcement, logging, trails and policies.
    pub(crate) protection: Vec<NewlyPassing>,
    /// Not all that policies ask for could be gone through, and nothing was found in the rest: whether inference was lost is open.
    pub(crate) inference_is_open: bool,
    /// The same of protection.
    pub(crate) protection_is_open: bool,
}

impl Lost {
    pub(crate) fn is_empty(&self) -> bool {
        self.inference.is_empty() && self.protection.is_empty() && !self.inference_is_open && !self.protection_is_open
    }

    /// Adds what others lost.
    pub(crate) fn add(&mut self, other: &Lost) {
        for (mine, theirs) in [(&mut self.inference, &other.inference), (&mut self.protection, &other.protection)] {
            mine.extend(theirs.iter().filter(|one| !mine.contains(one)).cloned().collect::<Vec<_>>());
            mine.sort();
        }
        self.inference_is_open |= other.inference_is_open;
        self.protection_is_open |= other.protection_is_open;
    }
}

/// What passes now, in the words of findings.
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
    /// What it asks for.
    pub(crate) fn named(&self) -> &Named {
        &self.with
    }

    /// Whether guardrails don't reach any of it.
    pub(crate) fn is_out_of_reach(&self) -> bool {
        OPERATIONS.iter().all(|operation| operation.kind != Kind::Guarded || !self.operations.contains(operation.name))
    }
}

/// What is lost if policies, level by level, take the place of others. Every level must allow a request; a Deny of any refuses it.
pub(crate) fn lost(before: &[IdentityPolicy], after: &[IdentityPolicy], silence: Silence) -> Lost {
    if before == after || !before.iter().any(IdentityPolicy::guards) {
        return Lost::default();
    }
    let all = |levels: &'_ [IdentityPolicy]| -> BTreeSet<Statement> {
        levels.iter().flat_map(|level| level.statements.iter().map(|statement| (**statement).clone())).collect()
    };
    let (old, new) = (all(before), all(after));
    // What differs first: it matters most.
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

/// What of a statement doesn't depend on the request's resource.
struct Row {
    /// The guardrails for which its conditions on the guardrail hold.
    guardrails: u64,
    /// The questions that all have to be answered by yes.
    questions: Vec<usize>,
}

impl Row {
    fn of(statement: &Statement, keys: &Keys<'_>, guardrails: &[(Named, Option<String>)]) -> Self {
        let holds_all = |value: &Option<String>| {
            let actual: Vec<String> = value.iter().cloned().collect();
            let holds = |one: &Condition| match one.holds(&actual, &opaque) {
                Some(holds) => holds,
                // What isn't known doesn't refuse, and gives.
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

/// What was learned of an operation on a resource, over all combinations. Guardrails are bits.
struct Answer {
    operation: &'static Operation,
    resource: String,
    /// Documents name it.
    is_named: bool,
    /// No longer denied.
    undenied: u64,
    /// Allowed now, and not before.
    opened: u64,
    /// Told apart before: refused, while some other guardrail passed; by a Deny, and by what is allowed.
    told_by_denials: u64,
    told_by_allowing: u64,
    /// No longer denied by a Deny that means the operation, or everything without a condition.
    meant: u64,
    /// Still denied for somebody.
    denied_after: u64,
    /// No longer denied by a Deny that means changes, not all use.
    singled_out: bool,
    /// Somebody for whom it is never denied any more, and a Deny that means it did.
    freed: bool,
    passes_before: u64,
}

/// The statements of a side that are about an operation on a resource.
struct Side {
    denials: Vec<usize>,
    /// Of each level that says anything of allowing.
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
                // Resources about which the same statements are get the same answers.
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

    /// The guardrails for which some statement applies.
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
        // Without a guardrail is the first of all.
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

    /// Whether some Deny of those before is gone, or some Allow is new: nothing else can take away.
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
        // Where nothing is known to be allowed, all passed that nothing denied.
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

/// Whether a version takes the place of a lower one of the same guardrail: what it says is a matter of the guardrail, which other rules
/// look at.
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

/// What passes, by guardrail and resource.
#[derive(Default)]
struct Collected(BTreeMap<(Named, Option<String>), BTreeSet<&'static str>>);

impl Collected {
    fn add(&mut self, named: &Named, on: Option<&String>, operation: &'static str) {
        self.0.entry((named.clone(), on.cloned())).or_default().insert(operation);
    }

    /// What passes on any resource isn't told of single ones again, and what passes without a guardrail on models isn't told of the
    /// project.
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

/// Resources that documents name, with something in the place of wildcards. `false` if there were more.
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

/// Whether a statement demands something of the guardrail.
pub(super) fn asks_for_guardrail(statement: &Statement) -> bool {
    statement.conditions.iter().any(|condition| is_about_guardrail(condition) && !matches!(condition.test, Test::Unknown(_)))
        && !matches!(statement.principals, Principals::AllBut(_))
}
