//! Calls of one class are judged once.
//!
//! Of a model a verdict depends only on whether some list names it, and of what kind it is; of a requested guardrail only on whether
//! something requires it, and on what kind of version it is. So the thousands of combinations that callers make fall into a few classes.

use std::{collections::BTreeSet, rc::Rc};

use hashbrown::HashMap;

use super::place::View;
use crate::{
    arn::{GuardrailKey, GuardrailVersion},
    enforcement::ModelScope,
    facts::{Columns, Kind, Symbol, Symbol24},
    join::JoinedCall,
    model::{Alias, Deployed, Model},
    rule::{Check, Observed, Rule},
    rules::RULES,
    verdict::{Call, Expectation, Judgement},
};

/// How the calls of a class were judged, and what rules say of them.
#[derive(Debug, PartialEq)]
pub(super) struct Judged {
    pub(super) judgement: Judgement,
    pub(super) observed: Vec<(&'static Rule, Observed)>,
}

/// All of a call that bears on its verdict or on what rules say.
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
    /// A model that some list names, that the world resolves, or an agent or flow: like no other.
    Itself(Symbol24),
    OtherFoundation,
    OtherAlias(Alias),
    OtherDeployed(Deployed),
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RequestedClass {
    None,
    /// A guardrail that something requires or enforces, or a request that can't be read: like no other.
    Itself(Symbol24),
    OtherNumbered,
    OtherDraft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ErrorClass {
    None,
    /// Rules look at what such an error says.
    OfGuardrail(Symbol, Symbol24),
    Other {
        before_inference: bool,
    },
}

/// Judges the calls of one account and Region.
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
        let enforcements: Vec<_> = view.state.all_enforcements(&view.place.account, &view.place.region).collect();
        let scopes = enforcements.iter().map(|(_, scope)| scope).chain(requirements.iter().map(|requirement| &requirement.models));
        let guardrails = enforcements.iter().filter_map(|(key, _)| key.as_ref());
        let required = requirements.iter().filter_map(|requirement| requirement.guardrail.as_ref());
        Classes {
            named_models: scopes.flat_map(ModelScope::named).map(str::to_owned).collect(),
            named_guardrails: guardrails.chain(required).cloned().collect(),
            ..Classes::default()
        }
    }

    /// The judgement of a call.
    pub(super) fn judge(&mut self, view: View<'_>, met: &JoinedCall, expectation: Expectation) -> Rc<Judged> {
        let class = Class {
            epoch: met.epoch,
            kind: met.form.kind,
            bearer_key: met.form.bearer_key,
            subject: self.subject_class(view, met.form.kind, met.columns.subject),
            requested: self.requested_class(view, &met.columns),
            error: error_class(view, met),
            evidence: met.evidence,
            expectation,
        };
        if let Some(judged) = self.judged.get(&class) {
            // What a class leaves out must not matter: every test judges each call of its own besides.
            debug_assert_eq!(**judged, judge_one(view, met, expectation), "{class:?}");
            return Rc::clone(judged);
        }
        let judged = Rc::new(judge_one(view, met, expectation));
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
        let resolved = view.state.resolve(&model, &view.place.account, &view.place.region);
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
                let key = GuardrailKey::from_identifier(identifier, &view.place.account, &view.place.region);
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

fn error_class(view: View<'_>, met: &JoinedCall) -> ErrorClass {
    match view.texts.get(met.form.error) {
        "" => ErrorClass::None,
        _ if met.form.refused_by_guardrail => ErrorClass::OfGuardrail(met.form.error, met.columns.requested),
        code => ErrorClass::Other { before_inference: Call::failed_before_inference(code) },
    }
}

fn judge_one(view: View<'_>, met: &JoinedCall, expectation: Expectation) -> Judged {
    let call = view.call_of(met);
    let judgement = view.judge(&call, met.evidence, expectation);
    let observed = view.with_judged_call(&call, met, &judgement, |seen| {
        let checks = RULES.iter().flat_map(|rule| rule.checks.iter().map(move |check| (*rule, check)));
        let observe = |(rule, check): (&'static Rule, &Check)| match check {
            Check::Call(check) => Some((rule, check(seen)?)),
            Check::Change(_) | Check::State(_) | Check::AccountRegion(_) => None,
        };
        checks.filter_map(observe).collect()
    });
    Judged { judgement, observed }
}
