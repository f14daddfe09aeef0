//! Judges calls of one account and Region: builds the call from its row, finds its evidence, and calls the rules with the verdict.

use super::{aggregate::AlikeCalls, options::AuditOptions};
use crate::{
    arn::{GuardrailKey, GuardrailVersion},
    facts::{Kind, Symbol, Symbol24, Texts},
    join::{AccountRegionContext, JoinedEvidence},
    model::Model,
    operations::OperationCoverage,
    policy::GuardrailInference,
    rule::{GuardrailRefusal, JudgedCall},
    telemetry::{LoggedEvent, Recorded},
    timestamp::Timestamp,
    verdict::{self, Call, Evidence, Expectation, Judgement, Requested},
    world::{InForce, PolicyInForce, State},
};

/// The evidence of an account and Region, with what is needed to judge its calls.
#[derive(Clone, Copy)]
pub(super) struct View<'v> {
    pub(super) context: &'v AccountRegionContext<'v>,
    pub(super) joined: &'v JoinedEvidence,
    pub(super) texts: &'v Texts,
    pub(super) state: &'v State,
    pub(super) options: &'v AuditOptions<'v>,
}

impl View<'_> {
    /// A call of these, as far as its verdict depends on it. Its time is not its own, but the beginning of the epoch in which the state was the
    /// same, so that equal calls of an epoch are one class.
    pub(super) fn call_of(&self, calls: &AlikeCalls) -> Call {
        let (account, region) = (&self.context.account, &self.context.region);
        let texts = self.texts.requested(&calls.columns);
        let error = self.texts.get(calls.form.error);
        Call {
            time: calls.epoch.map(|epoch| self.context.time_of(epoch)),
            requested: texts.guardrail.some().map(|guardrail| Requested {
                guardrail: GuardrailKey::from_identifier(self.texts.get(guardrail), account, region),
                version: GuardrailVersion::parse(self.texts.get(texts.version)),
            }),
            failed: !error.is_empty() && Call::failed_before_inference(error),
            ..self.call_like(calls.form.kind, calls.columns.subject, calls.form.api)
        }
    }

    /// A call of this model and operation that requests no guardrail.
    pub(super) fn call_like(&self, kind: Kind, subject: Symbol24, api: Symbol) -> Call {
        let reach = match kind {
            Kind::Call(reach) => reach,
            Kind::Evaluation | Kind::Log => OperationCoverage::Uncovered,
        };
        let subject = self.texts.long(subject);
        Call {
            account: self.context.account.clone(),
            region: self.context.region.clone(),
            time: None,
            api: self.texts.get(api).to_owned(),
            reach,
            model: if kind.is_mediated() { Model::Unknown } else { Model::parse(subject) },
            requested: None,
            mediator: (kind.is_mediated() && !subject.is_empty()).then(|| subject.to_owned()),
            failed: false,
        }
    }

    pub(super) fn judge(&self, call: &Call, evidence: u32, expectation: Expectation) -> Judgement {
        verdict::judge(call, &self.evidence(evidence, expectation), self.state, &self.options.configuration.requirements)
    }

    pub(super) fn evidence(&self, number: u32, expectation: Expectation) -> Evidence {
        Evidence { expectation, ..self.joined.table.get(number).evidence.clone() }
    }

    /// Calls a function with what rules need to know about a call. The argument borrows from evidence, so it can't be returned.
    pub(super) fn with_judged_call<T>(
        &self,
        call: &Call,
        calls: &AlikeCalls,
        judgement: &Judgement,
        with: impl FnOnce(&JudgedCall<'_>) -> T,
    ) -> T {
        let form = calls.form;
        let enforced = if form.refused_by_guardrail { self.enforced_for(call) } else { None };
        with(&JudgedCall {
            call,
            judgement,
            bearer_key: form.bearer_key,
            partially_guarded: self.joined.table.get(calls.evidence).partially_guarded,
            guardrail_refusal: form.refused_by_guardrail.then(|| GuardrailRefusal {
                error_code: self.texts.get(form.error),
                names: self.texts.requested(&calls.columns).refusing.some().map(|arn| self.texts.get(arn)),
                enforced: enforced.as_deref(),
            }),
            policy_is_silent: match call.time {
                Some(time) if call.region_is_known() => self.policy_is_silent(time),
                _ => InForce::NotKnown,
            },
            created_in_account: self.created_in_account(call),
            evaluations_recorded: match self.records(LoggedEvent::EVALUATION, call.time.unwrap_or(Timestamp::END)) {
                InForce::Known(Recorded::NotKnown) | InForce::Assumed(Recorded::NotKnown) => InForce::NotKnown,
                recorded => recorded.map(|recorded| recorded == Recorded::Yes),
            },
        })
    }

    /// Whether events of a kind were recorded here at a time, from what is known of trails and from the records read.
    pub(super) fn records(&self, event: LoggedEvent<'_>, at: Timestamp) -> InForce<Recorded> {
        let telemetry = self.state.telemetry(&self.context.account, &self.context.region, at);
        let is_seen = self.joined.evaluations_seen.around(at);
        telemetry.map(|telemetry| if is_seen { telemetry.records_as_seen(event) } else { telemetry.records(event) })
    }

    /// Whether the account's effective policy demands no guardrail in this Region. False for an account that is not active.
    pub(super) fn policy_is_silent(&self, at: Timestamp) -> InForce<bool> {
        let (account, region) = (&self.context.account, &self.context.region);
        let is_active = self.state.placement(account, at).state().is_none_or(|placement| placement.active);
        let policy = self.state.policy(account, at);
        let demands = |in_force: &PolicyInForce| in_force.policy.as_ref().map_or(Some(false), |policy| policy.demands_in(region));
        if policy.state().is_some_and(|in_force| demands(in_force).is_none()) {
            return InForce::NotKnown;
        }
        policy.map(|in_force| is_active && demands(in_force) == Some(false))
    }

    /// The ARN of the guardrail that a call requests, if an earlier record shows that it was created in the caller's account.
    fn created_in_account(&self, call: &Call) -> Option<String> {
        let key = call.requested.as_ref()?.guardrail.as_ref().filter(|key| key.account == call.account)?;
        let made = self.state.guardrail_made(key)?;
        (call.time? >= made).then(|| key.arn())
    }

    /// The ARNs of the guardrails that are enforced for a call; `None` if that isn't known.
    fn enforced_for(&self, call: &Call) -> Option<Vec<String>> {
        let at = call.time.unwrap_or(Timestamp::END);
        let policy = self.state.policy(&call.account, at);
        let configurations = self.state.configurations(&call.account, &call.region, at);
        let by_policy = policy.state().and_then(|policy| policy.policy.as_deref()?.regions.get(&call.region));
        let named: Vec<String> = by_policy
            .into_iter()
            .flatten()
            .filter_map(GuardrailInference::enforcement)
            .chain(configurations.state().unwrap_or_default().iter().cloned())
            .map(|enforcement| enforcement.guardrail.key.arn())
            .collect();
        let all_known = policy.state().is_some() && configurations.state().is_some();
        (all_known || !named.is_empty()).then_some(named)
    }
}
