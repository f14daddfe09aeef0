//! Answers the questions about AWS from the collected records.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::{AccountRegion, Call, Evaluation, Inspection, Side, Sides};
use crate::{operations::OperationCoverage, timestamp::Timestamp};

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The id of the question.
    pub id: &'static str,
    /// The question.
    pub question: &'static str,
    /// What the records show.
    pub conclusion: Conclusion,
    /// The number of records or calls that show yes.
    pub yes: u64,
    /// The event id of one of them.
    pub yes_example: Option<String>,
    /// The number of records or calls that show no.
    pub no: u64,
    /// The event id of one of them.
    pub no_example: Option<String>,
    /// Further details.
    pub detail: Option<String>,
    /// The evidence that would answer the question.
    pub needs: &'static str,
}

/// What the records show of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Conclusion {
    /// Records show yes, and none shows no.
    Yes,
    /// Records show no, and none shows yes.
    No,
    /// Some records show yes and others no.
    Both,
    /// No record shows either.
    NotSeen,
}

impl Conclusion {
    /// The answer as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Conclusion::Yes => "settled yes",
            Conclusion::No => "settled no",
            Conclusion::Both => "both",
            Conclusion::NotSeen => "not seen",
        }
    }
}

/// Seconds between a call and its evaluation at most.
const NEAR_SECONDS: i64 = 60;

impl Inspection {
    /// Answers all questions.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        let joined = Joined::of(self);
        let mut answers = self.about_evaluations(&joined);
        answers.extend(self.about_calls(&joined));
        answers.extend(self.about_changes());
        answers.push(answer(
            "data-events-on-bus",
            "Do data events reach the default event bus?",
            "EventBridge envelopes of data events, from an account whose trail is the organization's",
            Sides::only_yes(Side::of(self.on_bus.iter().map(String::as_str))),
        ));
        for (id, question, needs) in NOT_BY_RECORDS {
            answers.push(answer(id, question, needs, Sides::default()));
        }
        answers
    }

    fn about_evaluations(&self, joined: &Joined<'_>) -> Vec<Answer> {
        let all = &self.evaluations;
        let ids = |with: &dyn Fn(&&Evaluation) -> bool| Side::of(all.iter().filter(with).map(|evaluation| evaluation.event_id.as_str()));
        let inside = |evaluation: &Evaluation| evaluation.enforced || joined.call_of(evaluation).is_some();
        let shared =
            all.iter().filter(|evaluation| evaluation.enforced && evaluation.owners.iter().any(|owner| *owner != evaluation.caller));
        let mut marker = answer(
            "enforced-marker",
            "Does an evaluation that nobody asked for say ENFORCED?",
            "ApplyGuardrail data events of calls under an enforced guardrail",
            Sides::only_yes(ids(&|evaluation| evaluation.enforced)),
        );
        let shared = shared.count();
        marker.detail = (shared > 0).then(|| format!("{shared} of them by a guardrail that another account owns"));
        let mut per_call = Sides::default();
        for evaluations in &joined.evaluations {
            if let Some(first) = evaluations.first() {
                per_call.add(evaluations.len() > 1, &first.event_id);
            }
        }
        let mut number = answer(
            "evaluations-per-call",
            "Is a call evaluated more than once?",
            "ApplyGuardrail data events whose request id is that of a call",
            per_call,
        );
        let sources = |of: &str| all.iter().filter(|evaluation| inside(evaluation) && evaluation.source == of).count();
        number.detail =
            Some(format!("{} of INPUT, {} of OUTPUT", sources("INPUT"), sources("OUTPUT"))).filter(|_| number.yes + number.no > 0);
        vec![
            marker,
            answer(
                "evaluation-resources",
                "Does an evaluation list the guardrails in scope with their owners?",
                "ApplyGuardrail data events",
                Sides { yes: ids(&|evaluation| evaluation.lists_guardrails), no: ids(&|evaluation| !evaluation.lists_guardrails) },
            ),
            answer(
                "request-id-joins",
                "Is the request id of an evaluation that of its call?",
                "ApplyGuardrail data events and the calls around them",
                Sides {
                    yes: ids(&|evaluation| joined.call_of(evaluation).is_some()),
                    no: ids(&|evaluation| joined.is_foreign(evaluation)),
                },
            ),
            number,
            answer(
                "evaluations-without-intervention",
                "Is an evaluation recorded that did not intervene?",
                "ApplyGuardrail data events of calls that passed",
                Sides::only_yes(ids(&|evaluation| inside(evaluation) && evaluation.action == "NONE")),
            ),
            self.about_owners(),
        ]
    }

    /// An owner that receives no copy is noticed only if its own evaluations are recorded.
    fn about_owners(&self) -> Answer {
        let mut recipients: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for evaluation in self.evaluations.iter().filter(|evaluation| !evaluation.shared_event_id.is_empty()) {
            recipients.entry(&evaluation.shared_event_id).or_default().insert(&evaluation.account_region.0);
        }
        let recorded: BTreeSet<&str> = self
            .evaluations
            .iter()
            .filter(|evaluation| evaluation.caller == evaluation.account_region.0)
            .map(|evaluation| evaluation.account_region.0.as_str())
            .collect();
        let is_copy = |evaluation: &Evaluation| {
            let of_owner = evaluation.account_region.0 != evaluation.caller && evaluation.owners.contains(&evaluation.account_region.0);
            of_owner || recipients.get(evaluation.shared_event_id.as_str()).is_some_and(|accounts| accounts.len() > 1)
        };
        let is_alone = |evaluation: &Evaluation| {
            let foreign = evaluation.owners.iter().find(|owner| **owner != evaluation.account_region.0);
            !is_copy(evaluation) && foreign.is_some_and(|owner| recorded.contains(owner.as_str()))
        };
        let ids = |with: &dyn Fn(&Evaluation) -> bool| {
            Side::of(self.evaluations.iter().filter(|evaluation| with(evaluation)).map(|evaluation| evaluation.event_id.as_str()))
        };
        answer(
            "owner-copy",
            "Does the account that owns a guardrail get a copy of evaluations in others?",
            "ApplyGuardrail data events of a member, and those of the management account of the same time",
            Sides { yes: ids(&is_copy), no: ids(&is_alone) },
        )
    }

    fn about_calls(&self, joined: &Joined<'_>) -> Vec<Answer> {
        let evaluated = |at: usize| joined.evaluations.get(at).map_or(&[][..], Vec::as_slice);
        let calls = |with: &dyn Fn(usize, &Call) -> bool| {
            let ids = self.calls.iter().enumerate().filter(|(at, call)| with(*at, call)).map(|(_, call)| call.event_id.as_str());
            Side::of(ids)
        };
        let names = |starts: &'static str| {
            Sides {
                yes: calls(&|_, call| call.name.starts_with(starts) && call.names_guardrail),
                // The client requested a guardrail, and the record of the call doesn't show it.
                no: calls(&|at, call| {
                    let asked = evaluated(at).iter().any(|evaluation| !evaluation.enforced);
                    call.name.starts_with(starts) && !call.names_guardrail && asked
                }),
            }
        };
        let covered = |call: &Call| matches!(call.reach, Some(OperationCoverage::Covered | OperationCoverage::Ambiguous));
        let is_enforced = |at: usize| evaluated(at).iter().any(|evaluation| evaluation.enforced);
        let enforcing: BTreeSet<&AccountRegion> = self
            .calls
            .iter()
            .enumerate()
            .filter(|(at, call)| covered(call) && is_enforced(*at))
            .map(|(_, call)| &call.account_region)
            .collect();
        let ambiguous = |call: &Call| call.reach == Some(OperationCoverage::Ambiguous);
        let other = |call: &Call| matches!(call.reach, Some(OperationCoverage::Uncovered | OperationCoverage::Unsupported)) && !call.failed;
        let mut openai = Side::default();
        for side in self.openai.values() {
            openai.count += side.count;
            openai.example = openai.example.into_iter().chain(side.example.clone()).min();
        }
        let mut openai = answer(
            "openai-event-names",
            "Do calls of clients that may have created a response show in CloudTrail?",
            "InvokeModel calls of clients that are no AWS SDK: OpenAI's, gateways, curl",
            Sides::only_yes(openai),
        );
        let listed: Vec<String> = self.openai.iter().map(|(name, side)| format!("{name} ({})", side.count)).collect();
        openai.detail = (!listed.is_empty()).then(|| listed.join(", "));
        vec![
            answer(
                "invoke-names-guardrail",
                "Does the record of InvokeModel name the guardrail that was asked for?",
                "InvokeModel calls with a guardrail in their headers",
                names("InvokeModel"),
            ),
            answer(
                "converse-names-guardrail",
                "Does the record of Converse name the guardrail that was asked for?",
                "Converse calls with guardrailConfig",
                names("Converse"),
            ),
            answer(
                "calls-read-only",
                "Are calls read-only events?",
                "calls of models",
                Sides {
                    yes: calls(&|_, call| covered(call) && call.read_only == Some(true)),
                    no: calls(&|_, call| covered(call) && call.read_only == Some(false)),
                },
            ),
            answer(
                "stream-completion",
                "Does a stream's end name the request that began it?",
                "ConverseStream or InvokeModelWithResponseStream calls that ended",
                self.streams_ended.clone(),
            ),
            openai,
            answer(
                "other-clients-evaluated",
                "Does an enforced guardrail evaluate calls of clients that may have created a response?",
                "InvokeModel calls of clients that are no AWS SDK, where an enforced guardrail evaluates other calls",
                Sides {
                    yes: calls(&|at, call| ambiguous(call) && is_enforced(at)),
                    no: calls(&|at, call| ambiguous(call) && !call.failed && !is_enforced(at) && enforcing.contains(&call.account_region)),
                },
            ),
            answer(
                "other-endpoints-evaluated",
                "Does an enforced guardrail evaluate calls outside of the four covered operations?",
                "asynchronous, batch, bidirectional or bedrock-mantle calls where an enforced guardrail evaluates other calls",
                Sides {
                    yes: calls(&|at, call| other(call) && is_enforced(at)),
                    no: calls(&|at, call| other(call) && !is_enforced(at) && enforcing.contains(&call.account_region)),
                },
            ),
            answer(
                "profiles-evaluated",
                "Does an enforced guardrail evaluate calls of inference profiles?",
                "calls of inference profiles under an enforced guardrail",
                Sides::only_yes(calls(&|at, call| call.by_profile && covered(call) && is_enforced(at))),
            ),
        ]
    }

    fn about_changes(&self) -> Vec<Answer> {
        vec![
            answer(
                "configuration-shown",
                "Does the record of PutEnforcedGuardrailConfiguration show the configuration?",
                "a PutEnforcedGuardrailConfiguration",
                self.configuration.clone(),
            ),
            answer(
                "resource-policy-shown",
                "Does the record of PutResourcePolicy show the policy of a guardrail?",
                "a PutResourcePolicy of a guardrail",
                self.resource_policy.clone(),
            ),
            answer(
                "guardrail-content-shown",
                "Does the record of CreateGuardrail or UpdateGuardrail show what the guardrail does?",
                "a CreateGuardrail or UpdateGuardrail",
                self.guardrail_content.clone(),
            ),
        ]
    }
}

/// Questions that records can't answer.
const NOT_BY_RECORDS: &[(&str, &str, &str)] = &[
    (
        "several-configurations",
        "Do several configurations for one Region in an effective policy all apply?",
        "not in records: attach a policy with two names for a Region to a test account, call a model, and look at `resources` of the evaluation",
    ),
    (
        "effective-policy-limits",
        "How often may DescribeEffectivePolicy be called, and how soon does it show a change?",
        "not in records: `guardrail-audit snapshot` says what was throttled; time a change of a test account",
    ),
];

fn answer(id: &'static str, question: &'static str, needs: &'static str, sides: Sides) -> Answer {
    let Sides { yes, no } = sides;
    let conclusion = match (yes.count, no.count) {
        (0, 0) => Conclusion::NotSeen,
        (_, 0) => Conclusion::Yes,
        (0, _) => Conclusion::No,
        _ => Conclusion::Both,
    };
    Answer { id, question, conclusion, yes: yes.count, yes_example: yes.example, no: no.count, no_example: no.example, detail: None, needs }
}

/// Calls joined with evaluations.
struct Joined<'i> {
    /// The index of a call by account and request id.
    calls: HashMap<(&'i str, &'i str), usize>,
    /// The times of calls by account, Region and principal.
    times: HashMap<(&'i AccountRegion, &'i str), Vec<Timestamp>>,
    /// The evaluations of each call, by the call's index.
    evaluations: Vec<Vec<&'i Evaluation>>,
}

impl<'i> Joined<'i> {
    fn of(inspection: &'i Inspection) -> Self {
        let mut joined = Joined { calls: HashMap::new(), times: HashMap::new(), evaluations: vec![Vec::new(); inspection.calls.len()] };
        for (at, call) in inspection.calls.iter().enumerate().filter(|(_, call)| !call.failed) {
            if !call.request_id.is_empty() {
                joined.calls.insert((&call.account_region.0, &call.request_id), at);
            }
            joined.times.entry((&call.account_region, &call.principal)).or_default().extend(call.time);
        }
        joined.times.values_mut().for_each(|times| times.sort_unstable());
        for evaluation in &inspection.evaluations {
            if let Some(of_call) = joined.call_of(evaluation).and_then(|at| joined.evaluations.get_mut(at)) {
                of_call.push(evaluation);
            }
        }
        for evaluations in &mut joined.evaluations {
            evaluations.sort_by(|a, b| a.event_id.cmp(&b.event_id));
        }
        joined
    }

    fn call_of(&self, evaluation: &Evaluation) -> Option<usize> {
        self.calls.get(&(evaluation.account_region.0.as_str(), evaluation.request_id.as_str())).copied()
    }

    /// Whether an evaluation was made within a call but has a request id of no call, although its principal made calls at that time.
    fn is_foreign(&self, evaluation: &Evaluation) -> bool {
        let Some(time) = evaluation.time.filter(|_| evaluation.enforced && self.call_of(evaluation).is_none()) else { return false };
        let Some(times) = self.times.get(&(&evaluation.account_region, evaluation.principal.as_str())) else { return false };
        let from = times.partition_point(|called| *called < time.plus_seconds(-NEAR_SECONDS));
        times.get(from).is_some_and(|called| *called <= time.plus_seconds(NEAR_SECONDS))
    }
}
