//! The reports behind the pages that are tested.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use audit_core::{
    auditor::{self, AuditOptions, Selection},
    config::Configuration,
    control_change::ControlChange,
    finding::{Bounded, Finding, JudgedAgainst, Status, Suppression},
    missing_evidence::MissingEvidence,
    report::{BlindRow, ConfigurationFile, CoverageRow, DayRow, Origin, Records, Report, Tool, headline::worst_accounts, timeline},
    rules::RULES,
    severity::Severity,
    timestamp::{Day, Timestamp},
    verdict::{Grade, Invocations, Missing, Reason, Verdict},
};
use audit_local::{
    input,
    scan::{self, Options},
    world,
};

/// Texts as an attacker would choose them, where names, principals and details come from outside.
pub(crate) const HOSTILE: [&str; 13] = [
    "<script>window.owned=1</script>",
    "\"><img src=x onerror=window.owned=1>",
    "</script><script>window.owned=1</script>",
    "</style></title></svg><b>bold</b>",
    "' onmouseover='window.owned=1' x='",
    "javascript:window.owned=1",
    "<!-- comment --><iframe src=data:text/html,x></iframe>",
    "&lt;b&gt; &amp;amp; &#60;i&#62;",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "]]><svg onload=window.owned=1>",
    "=HYPERLINK(\"http://example.com\",\"x\")",
    "\\u003cimg src=x\\u003e %3Cimg%3E &colon; ünï 日本 🛡",
    "a\u{202e}b\u{fffe}c\u{ffff}d\u{e0041}e",
];

/// Texts of the same length that hold nothing of the kind, for a page of the same shape.
pub(crate) const PLAIN: [&str; 13] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"];

fn now() -> Timestamp {
    Timestamp::parse("2026-11-16T00:00:00Z").unwrap()
}

fn report() -> Report {
    Report {
        tool: Tool { name: "guardrail-audit".to_owned(), version: "0.1.0".to_owned() },
        generated_at: now(),
        filter: None,
        incomplete: Vec::new(),
        records: Records { read: 1, judged: 1, ..Records::default() },
        invocations: Invocations::default(),
        coverage: Vec::new(),
        timeline: Vec::new(),
        blind: Vec::new(),
        findings: Vec::new(),
        unreadable: Vec::new(),
        organization: None,
        accounts: BTreeMap::new(),
        units: BTreeMap::new(),
        is_without_world: false,
        configuration: None,
        origin: None,
    }
}

/// A report of nothing.
pub(crate) fn empty() -> Report {
    let incomplete = vec!["no log files found".to_owned()];
    Report { incomplete, records: Records::default(), ..report() }
}

/// The week of the demo.
pub(crate) fn demo() -> Report {
    let at = |path: &str| -> PathBuf { Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/demo").join(path) };
    let inputs = input::list(&[at("AWSLogs")], &[]).unwrap();
    let scanned = scan::scan(&inputs, &auditor::wanted(), &Options::default());
    let world = world::load(&at("world")).unwrap();
    let configuration = Configuration::parse(&std::fs::read_to_string(at("guardrail-audit.toml")).unwrap()).unwrap();
    let selection = Selection::default();
    let options = AuditOptions { configuration: &configuration, selection: &selection, now: now(), threads: 1 };
    let audit = auditor::audit(scanned.facts, world.world, &options);
    Report {
        invocations: audit.invocations,
        timeline: timeline(&audit.days, &worst_accounts(&audit.coverage, &audit.findings)),
        coverage: audit.coverage,
        blind: audit.blind,
        findings: audit.findings,
        organization: audit.organization,
        accounts: audit.accounts,
        units: audit.units,
        configuration: Some(ConfigurationFile::new("guardrail-audit.toml".to_owned(), false, &configuration)),
        origin: Some(Origin::Store("it's a store.db".to_owned())),
        ..report()
    }
}

fn finding(number: usize, account: &str, region: &str) -> Finding {
    let rule = RULES[number % RULES.len()];
    let seen = Timestamp::parse("2026-11-12T10:00:00Z").unwrap();
    Finding {
        id: format!("{number:032x}"),
        rule: rule.id.to_owned(),
        severity: Severity::High,
        title: rule.title.to_owned(),
        detail: "3 calls of Converse: nothing was enforced".to_owned(),
        remediation: rule.remediation.to_owned(),
        status: Status::Open,
        account: account.into(),
        region: region.into(),
        resource: format!("AWS::::Account:{account}"),
        principals: Bounded { shown: vec![format!("arn:aws:iam::{account}:role/app")], more: 0 },
        models: Bounded { shown: vec!["amazon.nova-pro-v1:0".to_owned()], more: 0 },
        apis: Bounded { shown: vec!["Converse".to_owned()], more: 0 },
        verdict: Some(Verdict::Violation),
        grade: Some(Grade::Enforced),
        reason: Some(Reason::NoGuardrail),
        missing: Vec::new(),
        attempted: false,
        expected: false,
        linked: Vec::new(),
        first_seen: Some(seen),
        last_seen: Some(seen.plus_seconds(86_400)),
        count: 3,
        events: vec!["e-1".to_owned(), "e-2".to_owned()],
        changes: Vec::new(),
        policy: None,
        controls: Vec::new(),
        reopened: 0,
        resolved_at: None,
        suppression: None,
    }
}

/// A report with these texts wherever a text comes from outside.
pub(crate) fn with_texts(texts: &[&str; 13]) -> Report {
    let mut report = report();
    for (number, text) in texts.iter().enumerate() {
        let own = || (*text).to_owned();
        let account = format!("{:012}", number + 1);
        let mut found = finding(number, &account, "us-east-1");
        (found.detail, found.title, found.resource, found.remediation) = (own(), own(), own(), own());
        found.principals.shown = vec![own()];
        found.models.shown = vec![own()];
        found.events = vec![own()];
        found.missing = vec![Missing::Model];
        found.changes = vec![ControlChange { control: own(), side: Some(own()), before: Some(own()), after: None }];
        let policy = (Some(own()), Some((*text).into()), Some((*text).into()));
        found.policy = Some(JudgedAgainst { basis: own(), since: None, identifier: policy.0, policy: policy.1, attached_to: policy.2 });
        if number < 2 {
            found.status = Status::Suppressed;
            let suppression = Suppression { until: "2026-11-20".to_owned(), reason: own(), owner: own(), ticket: Some(own()) };
            found.suppression = Some(suppression);
        }
        report.findings.push(found);
        report.accounts.insert(account.as_str().into(), own());
        report.units.insert(account.as_str().into(), vec![own()]);
        report.coverage.push(row(&account, "us-east-1", Verdict::Violation, Grade::Enforced, 3));
    }
    // A Region is a text of the records, too.
    report.coverage.push(row("000000000001", texts[0], Verdict::NotProvable, Grade::None, 1));
    report.unreadable.push(audit_core::report::Unreadable { file: texts[1].to_owned(), record: None, reason: texts[2].to_owned() });
    report.invocations = Invocations { violation: 39, not_provable: 1, ..Invocations::default() };
    report
}

fn row(account: &str, region: &str, verdict: Verdict, grade: Grade, count: u64) -> CoverageRow {
    let reason = (verdict == Verdict::Violation).then_some(Reason::NoGuardrail);
    CoverageRow {
        account: account.into(),
        region: region.into(),
        model: "amazon.nova-pro-v1:0".into(),
        api: "Converse".into(),
        verdict,
        grade,
        reason,
        count,
    }
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }

    fn count(&mut self, most: usize) -> u64 {
        self.below(most) as u64
    }

    fn seconds(&mut self, most: usize) -> i64 {
        i64::try_from(self.below(most)).unwrap()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xffff, b >> 48, b & 0xffff_ffff_ffff)
    }
}

const REGIONS: [&str; 12] = [
    "us-east-1",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "us-east-2",
    "eu-north-1",
    "ca-central-1",
    "sa-east-1",
    "ap-south-1",
    "eu-west-3",
];

/// A report of 300 accounts in 12 Regions over 90 days.
pub(crate) fn large(findings: usize) -> Report {
    let chance = &mut Chance(7);
    let mut report = report();
    let mut days = Vec::new();
    for number in 0..300_usize {
        let account = format!("{:012}", 200_000_000_000 + number * 7_919);
        report.accounts.insert(account.as_str().into(), format!("team-{}-{}", number % 40, ["prod", "stage", "dev"][number % 3]));
        report.units.insert(account.as_str().into(), vec!["workloads".to_owned(), format!("unit-{}", number % 14)]);
        for region in REGIONS.iter().take(2 + number % 10) {
            for (verdict, grade) in [
                (Verdict::Compliant, Grade::Observed),
                (Verdict::Compliant, Grade::Enforced),
                (Verdict::Violation, Grade::Enforced),
                (Verdict::NotProvable, Grade::None),
            ] {
                let count = chance.count(900);
                report.coverage.push(row(&account, region, verdict, grade, count));
                report.invocations.add(verdict, count);
                let day = Day::parse("2026-08-18").unwrap().plus(i32::try_from(chance.below(90)).unwrap());
                days.push(DayRow { day: Some(day), account: account.as_str().into(), region: (*region).into(), verdict, grade, count });
            }
            if number % 4 == 0 {
                let missing = MissingEvidence::EvaluationsNotRecorded;
                let (account, region) = (account.as_str().into(), (*region).into());
                report.blind.push(BlindRow { account, region, missing, remedy: missing.remedy().to_owned() });
            }
        }
    }
    let accounts: Vec<String> = report.accounts.keys().map(ToString::to_string).collect();
    for number in 0..findings {
        let account = &accounts[chance.below(300)];
        let region = chance.one_of(&REGIONS);
        let mut found = finding(number, account, region);
        let count = chance.count(5_000) + 1;
        // As many callers as findings that were joined have, and a finding that belongs to it, as the auditor links them.
        let principals: BTreeSet<String> = (0..3)
            .map(|_| format!("arn:aws:iam::{account}:role/{}-{}", chance.one_of(&["app", "batch", "agent", "etl"]), chance.below(3)))
            .collect();
        found.principals.shown = principals.into_iter().collect();
        found.id = format!("{:016x}{:016x}", chance.next(), chance.next());
        found.severity = chance.one_of(&[Severity::Critical, Severity::High, Severity::Medium, Severity::Low]);
        found.detail = format!(
            "{count} calls of Converse with amazon.nova-pro-v1:0 by {}: the account's effective policy demands nothing in this Region",
            found.principals
        );
        found.count = count;
        found.events = if number % 2 == 0 { vec![chance.uuid()] } else { vec![chance.uuid(), chance.uuid()] };
        let first = Timestamp::from_seconds(1_787_000_000 + chance.seconds(7_000_000));
        (found.first_seen, found.last_seen) = (Some(first), Some(first.plus_seconds(chance.seconds(700_000))));
        if number % 20 == 0 {
            found.status = Status::Resolved;
            found.resolved_at = found.last_seen;
        }
        if number == 0 {
            // A finding about the organization's state rests on no record.
            (found.first_seen, found.last_seen) = (None, None);
        }
        report.findings.push(found);
    }
    let ids_of_all: Vec<String> = report.findings.iter().map(|finding| finding.id.clone()).collect();
    for finding in &mut report.findings {
        finding.linked = vec![ids_of_all[chance.below(findings)].clone()];
    }
    // Of one that a filter leaves out, the page knows the id alone.
    report.findings[0].linked.push("0123456789abcdef0123456789abcdef".to_owned());
    let mut ids = BTreeSet::new();
    assert!(report.findings.iter().all(|finding| ids.insert(finding.id.clone())));
    report.timeline = timeline(&days, &worst_accounts(&report.coverage, &report.findings));
    report.findings.sort_by(Finding::order);
    report
}
