//! Sorts calls into classes whose verdict is the same, so that each class is judged once.
//!
//! A verdict depends on a model only by its kind and by whether a list of some enforcement or requirement names it; and on a requested
//! guardrail only by the kind of its version and by whether something requires it. So the millions of calls of an account fall into a few
//! classes.

use std::{collections::BTreeSet, rc::Rc};

use hashbrown::HashMap;

use super::{aggregate::AlikeCalls, view::View};
use crate::{
    arn::{GuardrailKey, GuardrailVersion},
    enforcement::ModelScope,
    facts::{Columns, Kind, Symbol, Symbol24},
    model::{Alias, Deployed, Model},
    rule::{Check, Observed, Rule},
    rules::RULES,
    timestamp::Timestamp,
    verdict::{Call, Expectation, Grade, Judgement, Verdict},
};

/// The verdict on the calls of a class, and what the rules report about them.
#[derive(Debug, PartialEq)]
pub(super) struct Judged {
    pub(super) judgement: Judgement,
    pub(super) observed: Vec<(&'static Rule, Observed)>,
}

impl Judged {
    /// Whether the calls count as compliant because of what was enforced, though nothing shows that it was applied to them.
    pub(super) fn rests_on_enforcement(&self) -> bool {
        self.judgement.verdict == Verdict::Compliant && matches!(self.judgement.grade, Grade::Enforced | Grade::Assumed)
    }
}

/// Everything about a call that its verdict or a rule depends on. A field that is missing here gives calls another call's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Class {
    epoch: Option<u32>,
    kind: Kind,
    bearer_key: bool,
    subject: SubjectClass,
    requested: RequestedClass,
    error: ErrorClass,
    evidence: u32,
    expectation: Expectation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum SubjectClass {
    /// A model that a list names, an alias that the world resolves, or an agent or flow: a class of its own.
    Itself(Symbol24),
    OtherFoundation,
    OtherAlias(Alias),
    OtherDeployed(Deployed),
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RequestedClass {
    None,
    /// A guardrail that something requires or enforces, that was created in the account, or that can't be parsed: a class of its own.
    Itself(Symbol24),
    OtherNumbered,
    OtherDraft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ErrorClass {
    None,
    /// The call was refused by a guardrail. Rules read the error's code and the guardrail that it names.
    OfGuardrail(Symbol, Symbol24),
    Other {
        before_inference: bool,
    },
}

/// The classes of the calls of one account and Region, with the verdict on each.
#[derive(Default)]
pub(super) struct Classes {
    named_models: BTreeSet<String>,
    named_guardrails: BTreeSet<GuardrailKey>,
    subjects: HashMap<Symbol24, SubjectClass>,
    requests: HashMap<Symbol24, RequestedClass>,
    judged: HashMap<Class, Rc<Judged>>,
}

impl Classes {
    pub(super) fn new(view: View<'_>) -> Self {
        let requirements = &view.options.configuration.requirements;
        let enforcements: Vec<_> = view.state.all_enforcements(&view.context.account, &view.context.region).collect();
        let scopes = enforcements.iter().map(|(_, scope)| scope).chain(requirements.iter().map(|requirement| &requirement.models));
        let guardrails = enforcements.iter().filter_map(|(guardrail, _)| guardrail.as_ref()).map(|guardrail| &guardrail.key);
        let required = requirements.iter().filter_map(|requirement| requirement.guardrail.as_ref());
        Classes {
            named_models: scopes.flat_map(ModelScope::named).map(str::to_owned).collect(),
            named_guardrails: guardrails.chain(required).cloned().collect(),
            ..Classes::default()
        }
    }

    /// The verdict on alike calls: that of their class, which is judged at its first calls.
    pub(super) fn judge(&mut self, view: View<'_>, calls: &AlikeCalls, expectation: Expectation) -> Rc<Judged> {
        let class = Class {
            epoch: calls.epoch,
            kind: calls.form.kind,
            bearer_key: calls.form.bearer_key,
            subject: self.subject_class(view, calls.form.kind, calls.columns.subject),
            requested: self.requested_class(view, &calls.columns),
            error: error_class(view, calls),
            evidence: calls.evidence,
            expectation,
        };
        if let Some(judged) = self.judged.get(&class) {
            // In tests, all are judged by themselves as well, at the times of their own. That shows a verdict that depends on more than its class, and
            // a state that changes within a period.
            debug_assert!(own_times(calls).all(|time| **judged == judge_one(view, calls, expectation, time)), "{class:?}: {calls:?}");
            return Rc::clone(judged);
        }
        let judged = Rc::new(judge_one(view, calls, expectation, None));
        debug_assert!(own_times(calls).all(|time| *judged == judge_one(view, calls, expectation, time)), "{class:?}: {calls:?}");
        self.judged.insert(class, Rc::clone(&judged));
        judged
    }

    fn subject_class(&mut self, view: View<'_>, kind: Kind, subject: Symbol24) -> SubjectClass {
        if kind.is_mediated() {
            return SubjectClass::Itself(subject);
        }
        if let Some(class) = self.subjects.get(&subject) {
            return *class;
        }
        let model = Model::parse(view.texts.long(subject));
        let is_named = self.named_models.contains(model.as_str());
        let resolved = view.state.resolve(&model, &view.context.account, &view.context.region);
        let class = match &model {
            Model::Unknown => SubjectClass::None,
            _ if is_named => SubjectClass::Itself(subject),
            Model::Foundation(_) => SubjectClass::OtherFoundation,
            Model::Alias(..) if !resolved.is_empty() => SubjectClass::Itself(subject),
            Model::Alias(alias, _) => SubjectClass::OtherAlias(*alias),
            Model::Deployed(deployed, _) => SubjectClass::OtherDeployed(*deployed),
        };
        self.subjects.insert(subject, class);
        class
    }

    fn requested_class(&mut self, view: View<'_>, columns: &Columns) -> RequestedClass {
        let requested = columns.requested;
        if let Some(class) = self.requests.get(&requested) {
            return *class;
        }
        let texts = view.texts.requested(columns);
        let class = match texts.guardrail.some() {
            None => RequestedClass::None,
            Some(guardrail) => {
                let identifier = view.texts.get(guardrail);
                let key = GuardrailKey::from_identifier(identifier, &view.context.account, &view.context.region);
                let version = GuardrailVersion::parse(view.texts.get(texts.version));
                match (key, version) {
                    (Some(key), _) if view.state.guardrail_made(&key).is_some() => RequestedClass::Itself(requested),
                    (Some(key), Some(GuardrailVersion::Draft)) if !self.named_guardrails.contains(&key) => RequestedClass::OtherDraft,
                    (Some(key), Some(GuardrailVersion::Numbered(_))) if !self.named_guardrails.contains(&key) => {
                        RequestedClass::OtherNumbered
                    }
                    _ => RequestedClass::Itself(requested),
                }
            }
        };
        self.requests.insert(requested, class);
        class
    }
}

fn error_class(view: View<'_>, calls: &AlikeCalls) -> ErrorClass {
    match view.texts.get(calls.form.error) {
        "" => ErrorClass::None,
        _ if calls.form.refused_by_guardrail => ErrorClass::OfGuardrail(calls.form.error, calls.columns.requested),
        code => ErrorClass::Other { before_inference: Call::failed_before_inference(code) },
    }
}

/// The times at which alike calls were made, as far as they are known.
fn own_times(calls: &AlikeCalls) -> impl Iterator<Item = Option<Timestamp>> {
    // Of calls whose period isn't known, a sum may have times all the same. No state at one of them is that of all.
    [None].into_iter().chain(calls.times().into_iter().filter(|time| time.is_some() && calls.epoch.is_some()))
}

/// The verdict on alike calls, by the state at a time of theirs; `None` is the beginning of their period.
fn judge_one(view: View<'_>, calls: &AlikeCalls, expectation: Expectation, at: Option<Timestamp>) -> Judged {
    let mut call = view.call_of(calls);
    call.time = at.or(call.time);
    let judgement = view.judge(&call, calls.evidence, expectation);
    let observed = view.with_judged_call(&call, calls, &judgement, |seen| {
        let checks = RULES.iter().flat_map(|rule| rule.checks.iter().map(move |check| (*rule, check)));
        let observe = |(rule, check): (&'static Rule, &Check)| match check {
            Check::Call(check) => Some((rule, check(seen)?)),
            Check::Change(_) | Check::State(_) | Check::AccountRegion(_) => None,
        };
        checks.filter_map(observe).collect()
    });
    Judged { judgement, observed }
}
