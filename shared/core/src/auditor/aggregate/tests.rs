//! The sum of the parts is that of the whole, however the records are split.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    auditor::account_region::{self, PlaceOutcome},
    config::Configuration,
    facts::{EvidenceRows, Row, StoredRecord},
    finding::{Finding, Status},
    join::Selection,
    verdict::{Grade, Verdict},
    world::{SnapshotPath, State, World},
};

const ACCOUNT: &str = "222233334444";
const REGION: &str = "us-east-1";
const REQUIRED: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/org";
const OTHER: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/other";
const PRINCIPALS: [&str; 3] =
    ["arn:aws:iam::222233334444:role/app", "arn:aws:iam::222233334444:role/batch", "arn:aws:iam::222233334444:role/heartbeat"];
const MODELS: [&str; 3] = ["anthropic.claude-3-haiku-20240307-v1:0", "amazon.titan-text-express-v1", ""];

/// 10:00 on 2026-11-20, from which the minutes of records count.
fn at(minute: i64) -> Timestamp {
    Timestamp::from_seconds(1_795_168_800 + minute * 60)
}

/// A call of Converse by the first principal.
fn call(number: usize, minute: i64) -> StoredRecord<'static> {
    StoredRecord {
        kind: "call",
        reach: "covered",
        request_id: format!("{number:08x}-1111-4222-8333-444455556666"),
        event_id: format!("{number:08x}-aaaa-4bbb-8ccc-ddddeeeeffff"),
        event_time: Some(at(minute)),
        account: ACCOUNT,
        region: REGION,
        principal: PRINCIPALS[0],
        event_name: "Converse",
        subject: MODELS[0],
        ..StoredRecord::default()
    }
}

/// The evaluation, by the required guardrail as enforced, of the call with this number.
fn evaluation(number: usize, minute: i64) -> StoredRecord<'static> {
    StoredRecord {
        kind: "evaluation",
        reach: "",
        event_id: format!("{number:08x}-cccc-4bbb-8ccc-ddddeeeeffff"),
        event_name: "",
        subject: REQUIRED,
        guardrail_identifier: "ENFORCED",
        guardrail_version: "ENFORCED",
        ..call(number, minute)
    }
}

/// What is known besides the records.
#[derive(Clone, Copy, Debug)]
struct KnownState {
    /// The minutes from which the policy demands the guardrail, and demands nothing, in turn.
    policies: [Option<i64>; 3],
    /// Whether a trail is known, and whether it records evaluations.
    evaluations: Option<bool>,
    is_metered: bool,
    is_latest_change_known: bool,
}

impl KnownState {
    fn counting(self) -> Counting {
        Counting { is_metered: self.is_metered, by: Periods::Days }
    }
}

/// The policy demands the guardrail, and a trail records evaluations.
const ALL: KnownState =
    KnownState { policies: [Some(0), None, None], evaluations: Some(true), is_metered: true, is_latest_change_known: false };

fn state(known: KnownState) -> State {
    world(known).resolve()
}

fn world(known: KnownState) -> World {
    let demanded = json!({"bedrock": {"guardrail_inference": {REGION: {"config_1": {"identifier": format!("{REQUIRED}:2")}}}}});
    let mut files = vec![(format!("enforced-configurations/{ACCOUNT}/{REGION}.json"), json!({"guardrailsConfig": []}))];
    for (number, minute) in known.policies.iter().enumerate() {
        let content = if number % 2 == 0 { demanded.clone() } else { json!({}) };
        let policy = json!({"EffectivePolicy": {"PolicyContent": content.to_string(), "PolicyType": "BEDROCK_POLICY"}});
        let stamp = match minute {
            None => continue,
            Some(0) => String::new(),
            Some(minute) => format!("@20261120T{:02}{:02}00Z", 10 + minute / 60, minute % 60),
        };
        files.push((format!("effective-policies/{ACCOUNT}{stamp}.json"), policy));
    }
    if let Some(evaluations) = known.evaluations {
        let field = |field: &str, value: &str| json!({"Field": field, "Equals": [value]});
        let mut selectors = vec![json!({"FieldSelectors": [field("eventCategory", "Management")]})];
        if evaluations {
            let fields = [field("eventCategory", "Data"), field("resources.type", "AWS::Bedrock::Guardrail")];
            selectors.push(json!({ "FieldSelectors": fields }));
        }
        let trail = json!({"TrailARN": "arn:aws:cloudtrail:us-east-1:111122223333:trail/o", "IsLogging": true, "AdvancedEventSelectors": selectors});
        files.push((format!("telemetry/{ACCOUNT}/{REGION}.json"), trail));
    }
    let mut world = World::default();
    for (path, json) in files {
        world.add(&SnapshotPath::parse(&path).unwrap(), Value::to_string(&json).as_bytes()).unwrap();
    }
    world
}

/// The same records in one sum, and in a sum of parts.
struct Sums {
    records: Vec<StoredRecord<'static>>,
    known: KnownState,
    selection: Selection,
    configuration: String,
}

/// How records are split, and how the parts are put together again.
struct Split<'s> {
    /// The number of the part of each record.
    part_of: &'s dyn Fn(usize) -> usize,
    parts: usize,
    /// Whether a part is stored, and restored, before it is added to others.
    is_stored: &'s dyn Fn(usize) -> bool,
    /// Whether a part joins, before it is added to others, the requests of which it has all records.
    joins: &'s dyn Fn(usize) -> bool,
    /// Two parts that are added, for as long as there are several.
    pairs: &'s [[usize; 2]],
    /// The number of ranges in which what waits at the end is joined.
    ranges: usize,
}

impl Sums {
    fn with<T>(&self, with: impl FnOnce(&[Row], &AccountRegionContext<'_>, &AuditOptions<'_>, &State) -> T) -> T {
        let mut facts = EvidenceRows::default();
        self.records.iter().for_each(|record| facts.restore(record));
        let state = state(self.known);
        let configuration = format!("{}[auditor]\nheartbeat_role = \"{}\"\n", self.configuration, PRINCIPALS[2]);
        let configuration = Configuration::parse(&configuration).unwrap();
        let options = AuditOptions { configuration: &configuration, selection: &self.selection, now: at(2_000), threads: 1 };
        let rows: Vec<Row> = facts.account_regions.values().flat_map(Rows::iter).copied().collect();
        let latest_change = self.known.is_latest_change_known.then(|| at(200));
        let context = AccountRegionContext::new(ACCOUNT.into(), REGION.into(), &facts.texts, &state, latest_change);
        with(&rows, &context, &options, &state)
    }

    fn whole(&self) -> PlaceOutcome {
        self.with(|rows, context, options, state| {
            let aggregate = CallAggregate::of_all(collected(rows), context, options, self.known.counting(), 1);
            account_region::audit(aggregate, state)
        })
    }

    fn split<T>(&self, split: &Split<'_>, finish: impl FnOnce(CallAggregate<'_>, &State) -> T) -> T {
        self.with(|rows, context, options, state| {
            let part_of = |row: &Row| rows.iter().position(|other| other == row).map(|number| (split.part_of)(number) % split.parts);
            let parts_with = |request| rows.iter().filter(|row| row.request() == request).map(part_of).collect::<BTreeSet<_>>();
            let part = |number: usize| {
                let own: Vec<Row> = rows.iter().filter(|row| part_of(row) == Some(number)).copied().collect();
                let (complete, waiting): (Vec<Row>, Vec<Row>) =
                    own.into_iter().partition(|row| (split.joins)(number) && parts_with(row.request()).len() == 1);
                let mut part = CallAggregate::new(context, options, self.known.counting());
                part.add(collected(&complete));
                let mut part = part.join(1);
                part.add(collected(&waiting));
                if !(split.is_stored)(number) || !options.selection.is_everything() {
                    return part;
                }
                let bytes = part.stored().to_bytes().unwrap();
                // A clone that knows all texts restores the same numbers.
                let restored = StoredAggregate::from_bytes(&bytes).unwrap().restore(&mut context.texts.clone()).unwrap();
                assert!(restored.fits(context, options, self.known.counting()));
                let mut restored = restored.aggregate(context, options, self.known.counting());
                assert_eq!(restored.stored().to_bytes().unwrap(), bytes, "what is restored is stored as it was");
                restored
            };
            let mut parts: Vec<CallAggregate<'_>> = (0..split.parts).map(part).collect();
            let mut pairs = split.pairs.iter().cycle();
            while parts.len() > 1 {
                let [one, other] = pairs.next().unwrap();
                let one = parts.swap_remove(one % parts.len());
                let other = parts.swap_remove(other % parts.len());
                parts.push(one.merge(other));
            }
            finish(parts.pop().unwrap().join_ranges(split.ranges), state)
        })
    }

    /// The outcome of two parts: the first `count` records, and all others.
    fn in_two(&self, count: usize) -> PlaceOutcome {
        let pairs = [[0, 0]];
        let split = Split {
            part_of: &|number| usize::from(number >= count),
            parts: 2,
            is_stored: &|_| true,
            joins: &|_| true,
            pairs: &pairs,
            ranges: 1,
        };
        self.split(&split, account_region::audit)
    }
}

fn collected(rows: &[Row]) -> Rows {
    let mut collected = Rows::default();
    for row in rows {
        collected.push(*row);
    }
    collected
}

/// Everything in an outcome, as text.
fn shown(outcome: &PlaceOutcome) -> String {
    let mut findings: Vec<(String, String)> = outcome
        .findings
        .iter()
        .map(|calls| {
            let times: Vec<_> = calls.spans.iter().map(|span| (span.first, span.last)).collect();
            (calls.finding.id.clone(), format!("{}\n{times:?}", json!(calls.finding)))
        })
        .collect();
    findings.sort();
    let PlaceOutcome { span, counts, invocations, coverage, days, blind, excepted, seen, .. } = outcome;
    let days: BTreeSet<_> = days.iter().collect();
    let (heartbeats, counted) = (&seen.heartbeats, &seen.counted);
    format!(
        "{span:?} {counts:?} {invocations:?}\n{coverage:#?}\n{days:#?}\n{blind:#?}\n{excepted:?}\n{heartbeats:?}\n{counted:?}\n{findings:#?}"
    )
}

/// The finding of a rule, or an empty one.
fn finding(outcome: &PlaceOutcome, rule: &str) -> Finding {
    let found = outcome.findings.iter().map(|calls| &calls.finding).find(|finding| finding.rule == rule);
    found.unwrap_or_else(|| panic!("no finding of {rule}")).clone()
}

/// The number of calls with a verdict and grade.
fn count(outcome: &PlaceOutcome, verdict: Verdict, grade: Grade) -> u64 {
    outcome.coverage.iter().filter(|row| (row.verdict, row.grade) == (verdict, grade)).map(|row| row.count).sum()
}

fn has(outcome: &PlaceOutcome, rule: &str) -> bool {
    outcome.findings.iter().any(|calls| calls.finding.rule == rule)
}

/// What it is about, what is known, what is selected, the records of both parts, and what their sum shows.
type Case = (&'static str, KnownState, Selection, Vec<StoredRecord<'static>>, Vec<StoredRecord<'static>>, fn(&PlaceOutcome) -> bool);

/// What the sum shows and neither of its two parts does.
#[test]
#[expect(clippy::too_many_lines, reason = "a table is read more easily whole")]
fn each_thing_that_takes_both_parts_is_decided_by_the_sum() {
    use Verdict::{Compliant, NotProvable, Violation};
    let by = |principal: usize, record: StoredRecord<'static>| StoredRecord { principal: PRINCIPALS[principal], ..record };
    let uncovered = |number, minute| StoredRecord { reach: "uncovered", event_name: "StartAsyncInvoke", ..call(number, minute) };
    let unjoined = |number: usize, minute| evaluation(number + 100, minute);
    let last = || by(1, call(99, 600));
    let heartbeat = |number, minute| StoredRecord { error_code: "AccessDenied", ..by(2, call(number, minute)) };
    let requesting = |record: StoredRecord<'static>| StoredRecord { guardrail_identifier: REQUIRED, guardrail_version: "2", ..record };
    let unwatched = KnownState { evaluations: Some(false), ..ALL };
    let undemanded = KnownState { policies: [None, Some(0), None], evaluations: None, ..ALL };
    let since = Selection { since: Some(at(30)), ..Selection::default() };
    let many = |minutes: std::ops::Range<i64>| minutes.map(|minute| call(usize::try_from(minute).unwrap(), minute)).collect::<Vec<_>>();
    let table: Vec<Case> = vec![
        (
            "an evaluation lies in another part than its call",
            ALL,
            Selection::default(),
            vec![call(1, 0)],
            vec![evaluation(1, 1)],
            |outcome| count(outcome, Compliant, Grade::Observed) == 1,
        ),
        (
            "of copies that differ, the better one lies in another part",
            ALL,
            Selection::default(),
            vec![StoredRecord { subject: "", ..call(1, 0) }],
            vec![call(1, 1), call(2, 2)],
            |outcome| outcome.counts.duplicates == 1 && outcome.coverage.iter().all(|row| &*row.model == MODELS[0]),
        ),
        (
            "evaluations join in another part, so a call without one was not evaluated",
            ALL,
            Selection::default(),
            vec![call(1, 0), last()],
            vec![call(2, 100), evaluation(2, 100)],
            |outcome| count(outcome, Violation, Grade::Enforced) == 1,
        ),
        (
            "there are evaluations in another part, fewer than calls",
            ALL,
            Selection::default(),
            vec![call(1, 0), call(2, 1), call(3, 2), last()],
            vec![unjoined(1, 0), unjoined(2, 1)],
            |outcome| count(outcome, NotProvable, Grade::None) == 3,
        ),
        (
            "calls of both parts, selected or not, are many for an hour without an evaluation",
            ALL,
            since,
            many(0..12),
            many(21..32).into_iter().chain([by(1, unjoined(1, 0)), last()]).collect(),
            |outcome| count(outcome, Violation, Grade::Enforced) == 2,
        ),
        (
            "a guardrail is requested in another part, so an evaluation that names it is within a call",
            ALL,
            Selection::default(),
            vec![StoredRecord { guardrail_identifier: REQUIRED, ..unjoined(1, 0) }, last()],
            vec![requesting(call(1, 0))],
            |outcome| count(outcome, Compliant, Grade::Enforced) == 2,
        ),
        (
            "a later record in another part shows that an evaluation must have been delivered",
            ALL,
            Selection::default(),
            vec![call(1, 0), call(2, 5), evaluation(2, 5)],
            vec![last()],
            |outcome| count(outcome, Violation, Grade::Enforced) == 1,
        ),
        (
            "an evaluation in another part shows that something records them",
            unwatched,
            Selection::default(),
            vec![call(1, 0)],
            vec![unjoined(1, 3)],
            |outcome| outcome.counts.judged == 2 && !has(outcome, "evaluations-not-recorded"),
        ),
        (
            "the latest call, in another part, decides the text",
            ALL,
            Selection::default(),
            vec![uncovered(1, 50), uncovered(2, 10)],
            vec![uncovered(3, 40), uncovered(4, 60)],
            |outcome| {
                let finding = finding(outcome, "api-not-covered");
                let events = [call(2, 0).event_id, call(4, 0).event_id];
                (finding.first_seen, finding.last_seen, finding.count) == (Some(at(10)), Some(at(60)), 4) && finding.events == events
            },
        ),
        (
            "a covered call in another part resolves",
            undemanded,
            Selection::default(),
            vec![by(1, call(1, 0)), call(2, 0)],
            vec![requesting(call(3, 20)), requesting(by(1, call(4, 30)))],
            |outcome| outcome.findings.iter().any(|calls| calls.finding.resolved_at.is_some() && calls.finding.count == 2),
        ),
        (
            "calls of both parts open a finding again and again",
            undemanded,
            Selection::default(),
            vec![call(1, 0), call(2, 20)],
            vec![requesting(call(3, 10)), requesting(call(4, 30))],
            |outcome| outcome.findings.iter().any(|calls| calls.finding.reopened == 1),
        ),
        (
            "an exception means the callers of one part only",
            ALL,
            Selection::default(),
            vec![uncovered(1, 0)],
            vec![by(1, uncovered(2, 0))],
            |outcome| {
                let finding = finding(outcome, "api-not-covered");
                finding.principals.shown.len() == 2 && finding.status == Status::Open && outcome.excepted.len() == 1
            },
        ),
        (
            "heartbeats and metered calls add up",
            ALL,
            Selection::default(),
            vec![heartbeat(1, 0), call(2, 3)],
            vec![heartbeat(3, 9), call(4, 3)],
            |outcome| outcome.seen.heartbeats.len() == 2 && outcome.seen.counted.get(&at(3)) == Some(&2),
        ),
    ];
    for (what, known, selection, one, other, is_shown) in table {
        let sums = |records| Sums { known, selection: selection.clone(), configuration: format!("{REQUIREMENT}{EXCEPTION}"), records };
        let whole = sums([one.clone(), other.clone()].concat());
        assert!(is_shown(&whole.whole()), "{what}: {}", shown(&whole.whole()));
        for part in [&one, &other] {
            assert!(!is_shown(&sums(part.clone()).whole()), "{what}: one part shows it");
        }
        assert_eq!(shown(&whole.in_two(one.len())), shown(&whole.whole()), "{what}");
    }
}

#[test]
fn several_threads_add_up_a_large_account_and_region_to_the_same() {
    let rows = 2 * ROWS_A_THREAD + 1;
    let mut facts = EvidenceRows::default();
    for number in 0..rows {
        // Every other id is counted down from the largest, so that both ranges of ids have many.
        let number = if number % 2 == 0 { number } else { usize::try_from(u32::MAX).unwrap() - number };
        let principal = PRINCIPALS[number % 2];
        facts.restore(&StoredRecord { principal, ..call(number, i64::try_from(number % 1_000).unwrap()) });
    }
    facts.restore(&StoredRecord { region: "eu-west-1", ..call(1, 0) });
    let (configuration, selection) = (Configuration::default(), Selection::default());
    let audit = |threads| {
        let options = AuditOptions { configuration: &configuration, selection: &selection, now: at(2_000), threads };
        crate::auditor::audit(facts.clone(), world(KnownState { policies: [None, Some(0), None], ..ALL }), &options)
    };
    let by_one = audit(1);
    assert_eq!(by_one.invocations.violation + by_one.invocations.not_provable, rows as u64 + 1);
    assert_eq!(audit(3), by_one);
}

fn record() -> impl Strategy<Value = StoredRecord<'static>> {
    let kind = prop_oneof![6 => Just("call"), 4 => Just("evaluation"), 1 => Just("log")];
    // There are few ids and times, so that requests have several records and many events happen at the same time.
    let ids = (0..16_usize, 0..24_usize, proptest::option::weighted(0.95, 0..180_i64), any::<bool>());
    let names = (0..PRINCIPALS.len(), 0..MODELS.len(), 0..4_usize, 0..6_usize);
    let flags = (proptest::bool::weighted(0.15), proptest::bool::weighted(0.15), proptest::bool::weighted(0.1), any::<bool>());
    (kind, ids, names, flags).prop_map(|(kind, ids, names, (refused, self_reported, partially_guarded, is_plain))| {
        let (request, event, minute, names_model) = ids;
        let (principal, model, requested, api) = names;
        let (guardrail_identifier, guardrail_version) = [("", ""), ("", ""), (REQUIRED, "2"), ("other", "DRAFT")][requested];
        let record = StoredRecord {
            // Not every id is a UUID.
            request_id: if is_plain { format!("r-{request}") } else { format!("{:08x}-1111-4222-8333-444455556666", request << 24) },
            event_id: if event == 0 { String::new() } else { call(event, 0).event_id },
            event_time: minute.map(at),
            principal: PRINCIPALS[principal],
            self_reported,
            ..call(0, 0)
        };
        match kind {
            "call" => StoredRecord {
                reach: ["covered", "covered", "covered", "ambiguous", "uncovered", "agent"][api],
                event_name: ["Converse", "Converse", "InvokeModel", "ChatCompletions", "StartAsyncInvoke", "InvokeAgent"][api],
                subject: if names_model { MODELS[0] } else { MODELS[model] },
                guardrail_identifier,
                guardrail_version,
                error_code: if refused { "AccessDenied" } else { "" },
                ..record
            },
            "evaluation" => {
                let (subject, guardrail_identifier) =
                    [(REQUIRED, "ENFORCED"), (OTHER, "ENFORCED"), ("", ""), (REQUIRED, REQUIRED)][requested];
                StoredRecord { kind, reach: "", event_name: "", subject, guardrail_identifier, partially_guarded, ..record }
            }
            _ => StoredRecord { kind, reach: "", event_name: "", principal: "", subject: "org  2 ENFORCED", partially_guarded, ..record },
        }
    })
}

fn known() -> impl Strategy<Value = KnownState> {
    let later = || proptest::option::of(1..180_i64);
    let evaluations = prop_oneof![1 => Just(None), 1 => Just(Some(false)), 4 => Just(Some(true))];
    (proptest::option::weighted(0.9, Just(0)), later(), later(), evaluations, any::<bool>(), any::<bool>()).prop_map(
        |(first, second, third, evaluations, is_metered, is_latest_change_known)| KnownState {
            policies: [first, second, third],
            evaluations,
            is_metered,
            is_latest_change_known,
        },
    )
}

fn selection() -> impl Strategy<Value = Selection> {
    let time = || proptest::option::weighted(0.3, (0..180_i64).prop_map(at));
    (time(), time(), proptest::bool::weighted(0.05)).prop_map(|(since, until, is_elsewhere)| Selection {
        since,
        until,
        regions: is_elsewhere.then(|| "eu-west-1".into()).into_iter().collect(),
        ..Selection::default()
    })
}

const REQUIREMENT: &str = "[[require]]\nguardrail = \"arn:aws:bedrock:us-east-1:111122223333:guardrail/org\"\n";

const EXCEPTION: &str = "[[exception]]\nrule = \"api-not-covered\"\nprincipals = [\"arn:aws:iam::222233334444:role/app\"]\n\
    until = 2027-01-01\nreason = \"known\"\nowner = \"team\"\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn parts_add_up_to_the_whole(
        records in proptest::collection::vec(record(), 1..60),
        known in known(),
        is_required in any::<bool>(),
        selection in selection(),
        part_of in proptest::collection::vec(0..5_usize, 60),
        parts in 1..5_usize,
        is_stored in proptest::collection::vec(any::<bool>(), 5),
        joins in proptest::collection::vec(any::<bool>(), 5),
        pairs in proptest::collection::vec(any::<[usize; 2]>(), 4),
        ranges in 1..4_usize,
    ) {
        let configuration = format!("{}{EXCEPTION}", if is_required { REQUIREMENT } else { "" });
        let sums = Sums { records, known, selection, configuration };
        let split = Split { part_of: &|number| part_of[number], parts, is_stored: &|part| is_stored[part], joins: &|part| joins[part], pairs: &pairs, ranges };
        let whole = sums.whole();
        prop_assert_eq!(shown(&sums.split(&split, account_region::audit)), shown(&whole));
        let id = whole.findings.first().map(|calls| calls.finding.id.clone()).unwrap_or_default();
        let explained = sums.split(&split, |aggregate, state| account_region::explain(&aggregate, state, &id));
        let at_once = sums.with(|rows, context, options, state| {
            account_region::explain(&CallAggregate::of_all(collected(rows), context, options, known.counting(), 1), state, &id)
        });
        prop_assert_eq!(explained.is_some(), !id.is_empty());
        prop_assert_eq!(explained, at_once);
    }
}
