//! A report in one sentence, and the sums of each account. Every output takes both from here, so that all of them say the same.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{CoverageRow, Filter, Report, UNREADABLE_NAMED};
use crate::{
    arn::{AccountId, Region},
    finding::{Finding, Status},
    missing_evidence::MissingEvidence,
    severity::Severity,
    verdict::{Grade, Invocations, Verdict},
};

/// Whether calls with this verdict and grade were guarded only if nothing changed between them and the state that was read. All other
/// compliant calls were provably guarded, in every output.
#[must_use]
pub fn is_assumed(verdict: Verdict, grade: Grade) -> bool {
    verdict == Verdict::Compliant && grade == Grade::Assumed
}

/// The numbers of a report's one sentence; [`fmt::Display`] writes the sentence, without a full stop.
///
/// The calls that had to be guarded are those that are compliant, a violation or not provable: `invocations` of the JSON report without
/// `not_applicable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headline {
    /// The number of compliant calls whose grade is better than `assumed`.
    pub guarded: u64,
    /// The number of compliant calls that are graded `assumed`: they were guarded if nothing changed before the state was read.
    pub assumed: u64,
    /// The number of violations.
    pub unguarded: u64,
    /// The number of calls that are not provable.
    pub not_provable: u64,
    /// The number of calls that needed no guardrail.
    pub not_applicable: u64,
    /// The number of accounts in [`Report::offending_accounts`].
    pub accounts: usize,
    /// The number of records, and of files of the world, that could not be read.
    pub unreadable: u64,
    /// Whether there are more of them than [`Headline::unreadable`] counts.
    pub is_unreadable_cut: bool,
    /// The number of accounts and Regions with calls whose records were not read.
    pub account_regions_not_read: usize,
    /// Whether the calls are limited by a [`Filter`].
    pub is_filtered: bool,
    /// Whether findings are limited by more than their accounts and Regions, so that an account without one of them may have others.
    pub are_findings_filtered: bool,
    /// The reason why the report shows nothing, if it doesn't.
    pub nothing: Option<Nothing>,
    /// Whether the report is [`incomplete`](Report::incomplete).
    pub is_incomplete: bool,
}

/// Why a report shows nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// No record could be read.
    Read,
    /// No record is of the accounts, Regions or times that were asked for.
    Selected,
}

/// What a report says of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSums<'r> {
    /// The number of its open findings of each severity.
    pub open: BTreeMap<Severity, u64>,
    /// The number of its calls by verdict.
    pub calls: Invocations,
    /// The number of its compliant calls that are graded `assumed`.
    pub assumed: u64,
    /// The rules of its open findings, the most severe first.
    pub rules: BTreeSet<(Reverse<Severity>, &'r str)>,
}

impl AccountSums<'_> {
    /// The number of calls that had to be guarded.
    #[must_use]
    pub fn required(&self) -> u64 {
        self.calls.compliant + self.calls.violation + self.calls.not_provable
    }

    /// The number of calls that provably were.
    #[must_use]
    pub fn guarded(&self) -> u64 {
        self.calls.compliant.saturating_sub(self.assumed)
    }

    /// Adds the calls of another account.
    pub fn add_calls(&mut self, other: &AccountSums<'_>) {
        self.calls.add_all(&other.calls);
        self.assumed += other.assumed;
    }

    /// Whether the account bypasses or modifies guardrails: it has an open finding of severity MEDIUM or worse.
    #[must_use]
    pub fn is_offending(&self) -> bool {
        self.open.keys().any(|severity| *severity >= Severity::Medium)
    }
}

/// Sums up the accounts that have calls or open findings.
fn account_sums<'r>(coverage: &'r [CoverageRow], findings: &'r [Finding]) -> BTreeMap<&'r AccountId, AccountSums<'r>> {
    let mut sums: BTreeMap<&AccountId, AccountSums<'_>> = BTreeMap::new();
    for row in coverage {
        let account = sums.entry(&row.account).or_default();
        account.calls.add(row.verdict, row.count);
        account.assumed += if is_assumed(row.verdict, row.grade) { row.count } else { 0 };
    }
    for finding in findings.iter().filter(|finding| finding.status == Status::Open) {
        let account = sums.entry(&finding.account).or_default();
        *account.open.entry(finding.severity).or_default() += 1;
        account.rules.insert((Reverse(finding.severity), &finding.rule));
    }
    sums
}

/// The accounts that bypass or modify guardrails, the worst first: by critical findings, then by high ones, then by violations.
fn offending_accounts<'r>(coverage: &'r [CoverageRow], findings: &'r [Finding]) -> Vec<(&'r AccountId, AccountSums<'r>)> {
    let mut offending: Vec<_> = account_sums(coverage, findings).into_iter().filter(|(_, sums)| sums.is_offending()).collect();
    offending.sort_by_key(|(account, sums)| {
        let open = |severity| Reverse(sums.open.get(&severity).copied().unwrap_or(0));
        (open(Severity::Critical), open(Severity::High), Reverse(sums.calls.violation), *account)
    });
    offending
}

/// The accounts that bypass or modify guardrails, in the order of [`Report::offending_accounts`].
#[must_use]
pub fn worst_accounts<'r>(coverage: &'r [CoverageRow], findings: &'r [Finding]) -> Vec<&'r AccountId> {
    offending_accounts(coverage, findings).into_iter().map(|(account, _)| account).collect()
}

impl Report {
    /// Sums up the accounts that have calls or open findings.
    #[must_use]
    pub fn account_sums(&self) -> BTreeMap<&AccountId, AccountSums<'_>> {
        account_sums(&self.coverage, &self.findings)
    }

    /// The accounts that bypass or modify guardrails, the worst first: by critical findings, then by high ones, then by violations.
    #[must_use]
    pub fn offending_accounts(&self) -> Vec<(&AccountId, AccountSums<'_>)> {
        offending_accounts(&self.coverage, &self.findings)
    }

    /// The numbers of the report's one sentence.
    #[must_use]
    pub fn headline(&self) -> Headline {
        let Invocations { compliant, violation, not_provable, not_applicable } = self.invocations;
        let assumed: u64 = self.coverage.iter().filter(|row| is_assumed(row.verdict, row.grade)).map(|row| row.count).sum();
        let account_regions_not_read: BTreeSet<(&AccountId, &Region)> = self
            .blind
            .iter()
            .filter(|row| {
                matches!(row.missing, MissingEvidence::CallsNotRead | MissingEvidence::EventHistory | MissingEvidence::CompactedDays)
            })
            .map(|row| (&row.account, &row.region))
            .collect();
        let is_empty = self.coverage.is_empty() && self.findings.is_empty();
        let nothing = if self.records.read == self.records.unreadable && is_empty {
            Some(Nothing::Read)
        } else {
            (is_empty && !self.incomplete.is_empty()).then_some(Nothing::Selected)
        };
        // All of them are named, unless the list is full.
        let named = self.unreadable.len();
        Headline {
            guarded: compliant.saturating_sub(assumed),
            assumed,
            unguarded: violation,
            not_provable,
            not_applicable,
            accounts: self.account_sums().values().filter(|sums| sums.is_offending()).count(),
            unreadable: self.records.unreadable.max(named as u64),
            is_unreadable_cut: named >= UNREADABLE_NAMED,
            account_regions_not_read: account_regions_not_read.len(),
            is_filtered: self.filter.as_ref().is_some_and(Filter::limits_calls),
            are_findings_filtered: self.filter.as_ref().is_some_and(Filter::limits_findings),
            nothing,
            is_incomplete: !self.incomplete.is_empty(),
        }
    }
}

impl Headline {
    /// The number of calls that had to be guarded.
    #[must_use]
    pub fn required(&self) -> u64 {
        self.guarded + self.assumed + self.unguarded + self.not_provable
    }

    /// The share of the calls that had to be guarded and provably were, in whole percent. It is rounded down, so that 100 means all of them.
    /// `None` if no call had to be guarded.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        let percent = u128::from(self.guarded) * 100 / u128::from(self.required()).max(1);
        (self.required() > 0).then(|| u64::try_from(percent).unwrap_or(100))
    }

    /// Says what was seen of calls, without a capital letter at the start.
    fn calls(&self) -> String {
        let required = self.required();
        let guarded = match (required, self.percent()) {
            (0, _) if self.not_applicable == 0 => return "no call was read".to_owned(),
            (0, _) => {
                let were = if self.not_applicable == 1 { "was" } else { "were" };
                return format!("no call had to be guarded ({} {were} read)", self.not_applicable);
            }
            (1, _) if self.guarded == 1 => return "the only call that had to be guarded was provably guarded".to_owned(),
            (1, _) if self.assumed == 1 => return format!("the only call that had to be guarded was guarded {IF_UNCHANGED}"),
            (1, _) if self.unguarded == 1 => return "the only call that had to be guarded was not guarded".to_owned(),
            (1, _) => return "it can't be proved whether the only call that had to be guarded was guarded".to_owned(),
            (_, Some(100)) => return format!("all {required} calls that had to be guarded were provably guarded"),
            _ if self.guarded == 0 => format!("none of {required} calls that had to be guarded was provably guarded"),
            (_, Some(0) | None) => format!("less than 1% of {required} calls that had to be guarded were provably guarded"),
            (_, Some(percent)) => format!("{percent}% of {required} calls that had to be guarded were provably guarded"),
        };
        let was = |count: u64| if count == 1 { "was" } else { "were" };
        let not = if self.guarded == 0 { " guarded" } else { "" };
        let others = [
            (self.unguarded > 0).then(|| format!("{} {} not{not}", self.unguarded, was(self.unguarded))),
            (self.assumed > 0).then(|| format!("{} {}{not} {IF_UNCHANGED}", self.assumed, was(self.assumed))),
            (self.not_provable > 0).then(|| format!("{} can't be proved", self.not_provable)),
        ];
        format!("{guarded}; {}", others.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }

    /// Says what was not read; empty if all was.
    fn unread(&self) -> Vec<String> {
        let unreadable = || {
            let (least, plural) = (if self.is_unreadable_cut { "at least " } else { "" }, if self.unreadable == 1 { "" } else { "s" });
            format!("{least}{} record{plural} or file{plural} could not be read", self.unreadable)
        };
        let not_read = || match self.account_regions_not_read {
            1 => "calls of 1 account and Region were not read".to_owned(),
            not_read => format!("calls of {not_read} accounts and Regions were not read"),
        };
        [
            (self.unreadable > 0).then(unreadable),
            (self.account_regions_not_read > 0).then(not_read),
            (self.is_incomplete && self.nothing.is_none()).then(|| "a part of what was asked for is missing".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The condition of what is graded `assumed`.
const IF_UNCHANGED: &str = "if nothing changed unseen";

impl fmt::Display for Headline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accounts = match self.accounts {
            0 => "no account is seen to bypass or modify guardrails".to_owned(),
            1 => "1 account bypasses or modifies guardrails".to_owned(),
            accounts => format!("{accounts} accounts bypass or modify guardrails"),
        };
        let mut parts = match self.nothing {
            Some(Nothing::Read) => vec!["nothing was read, so nothing is known".to_owned()],
            Some(Nothing::Selected) => vec!["nothing matches what was asked for, so nothing is known".to_owned()],
            None if self.are_findings_filtered => vec![self.calls(), format!("of the findings that were asked for: {accounts}")],
            None => vec![self.calls(), accounts],
        };
        parts.extend(self.unread());
        let sentence = parts.join("; ");
        if self.is_filtered && self.nothing.is_none() {
            return write!(f, "In what was asked for, {sentence}");
        }
        let mut characters = sentence.chars();
        let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
        write!(f, "{first}{}", characters.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{BlindRow, Records, Tool, Unreadable},
        *,
    };
    use crate::{finding::Bounded, timestamp::Timestamp};

    const NOTHING: Headline = Headline {
        guarded: 0,
        assumed: 0,
        unguarded: 0,
        not_provable: 0,
        not_applicable: 0,
        accounts: 0,
        unreadable: 0,
        is_unreadable_cut: false,
        account_regions_not_read: 0,
        is_filtered: false,
        are_findings_filtered: false,
        nothing: None,
        is_incomplete: false,
    };

    fn calls(guarded: u64, assumed: u64, unguarded: u64, not_provable: u64) -> Headline {
        Headline { guarded, assumed, unguarded, not_provable, ..NOTHING }
    }

    #[test]
    fn the_sentence_says_what_its_numbers_count() {
        let seen = "no account is seen to bypass or modify guardrails";
        for (headline, says) in [
            (
                Headline { accounts: 11, not_applicable: 21, ..calls(294, 2, 117, 10) },
                "69% of 423 calls that had to be guarded were provably guarded; 117 were not, 2 were if nothing changed unseen, 10 can't be \
                 proved; 11 accounts bypass or modify guardrails"
                    .to_owned(),
            ),
            (calls(5, 0, 0, 0), format!("All 5 calls that had to be guarded were provably guarded; {seen}")),
            (calls(999, 0, 0, 1), format!("99% of 1000 calls that had to be guarded were provably guarded; 1 can't be proved; {seen}")),
            (calls(1, 0, 999, 0), format!("Less than 1% of 1000 calls that had to be guarded were provably guarded; 999 were not; {seen}")),
            (
                Headline { accounts: 1, ..calls(0, 1, 3, 2) },
                "None of 6 calls that had to be guarded was provably guarded; 3 were not guarded, 1 was guarded if nothing changed unseen, 2 \
                 can't be proved; 1 account bypasses or modifies guardrails"
                    .to_owned(),
            ),
            (calls(1, 0, 0, 0), format!("The only call that had to be guarded was provably guarded; {seen}")),
            (calls(0, 0, 1, 0), format!("The only call that had to be guarded was not guarded; {seen}")),
            (calls(0, 0, 0, 1), format!("It can't be proved whether the only call that had to be guarded was guarded; {seen}")),
            (Headline { not_applicable: 1, ..NOTHING }, format!("No call had to be guarded (1 was read); {seen}")),
            (NOTHING, format!("No call was read; {seen}")),
            (Headline { is_filtered: true, ..calls(2, 0, 0, 0) }, format!("In what was asked for, all 2 calls that had to be guarded were provably guarded; {seen}")),
            (
                Headline { are_findings_filtered: true, ..calls(2, 0, 0, 0) },
                format!("All 2 calls that had to be guarded were provably guarded; of the findings that were asked for: {seen}"),
            ),
        ] {
            assert_eq!(headline.to_string(), says);
        }
    }

    #[test]
    fn nothing_unread_looks_clean() {
        let clean = calls(5, 0, 0, 0);
        for (headline, ends) in [
            (Headline { unreadable: 1, ..clean }, "; 1 record or file could not be read"),
            (Headline { unreadable: 1000, is_unreadable_cut: true, ..clean }, "; at least 1000 records or files could not be read"),
            (Headline { account_regions_not_read: 2, ..clean }, "; calls of 2 accounts and Regions were not read"),
            (Headline { is_incomplete: true, ..clean }, "; a part of what was asked for is missing"),
        ] {
            assert!(headline.to_string().ends_with(ends), "{headline}");
        }
        let nothing = |nothing| Headline { nothing: Some(nothing), is_incomplete: true, is_filtered: true, ..NOTHING }.to_string();
        assert_eq!(nothing(Nothing::Read), "Nothing was read, so nothing is known");
        assert_eq!(nothing(Nothing::Selected), "Nothing matches what was asked for, so nothing is known");
    }

    #[test]
    fn a_hundred_percent_is_all_of_them() {
        assert_eq!(calls(u64::MAX - 1, 0, 1, 0).percent(), Some(99));
        assert_eq!((calls(7, 0, 0, 0).percent(), NOTHING.percent()), (Some(100), None));
    }

    fn row(account: &str, verdict: Verdict, grade: Grade, count: u64) -> CoverageRow {
        let (model, api) = ("amazon.nova-pro-v1:0".into(), "Converse".into());
        CoverageRow { account: account.into(), region: "us-east-1".into(), model, api, verdict, grade, reason: None, count }
    }

    fn finding(account: &str, rule: &str, severity: Severity, status: Status) -> Finding {
        Finding {
            id: format!("{account} {rule}"),
            rule: rule.to_owned(),
            severity,
            title: String::new(),
            detail: String::new(),
            remediation: String::new(),
            status,
            account: account.into(),
            region: "us-east-1".into(),
            resource: String::new(),
            principals: Bounded::default(),
            models: Bounded::default(),
            apis: Bounded::default(),
            verdict: None,
            grade: None,
            reason: None,
            missing: Vec::new(),
            attempted: false,
            expected: false,
            linked: Vec::new(),
            first_seen: None,
            last_seen: None,
            count: 1,
            events: Vec::new(),
            changes: Vec::new(),
            policy: None,
            controls: Vec::new(),
            reopened: 0,
            resolved_at: None,
            suppression: None,
        }
    }

    fn report(coverage: Vec<CoverageRow>, findings: Vec<Finding>) -> Report {
        let mut invocations = Invocations::default();
        for row in &coverage {
            invocations.add(row.verdict, row.count);
        }
        let read = coverage.iter().map(|row| row.count).sum();
        Report { coverage, findings, invocations, records: Records { read, judged: read, ..Records::default() }, ..empty() }
    }

    fn empty() -> Report {
        Report {
            tool: Tool { name: "guardrail-audit".to_owned(), version: "0".to_owned() },
            generated_at: Timestamp::BEGINNING,
            filter: None,
            incomplete: Vec::new(),
            records: Records::default(),
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

    fn some_calls() -> Vec<CoverageRow> {
        vec![
            row("a", Verdict::Compliant, Grade::Enforced, 3),
            row("a", Verdict::Compliant, Grade::Assumed, 2),
            row("a", Verdict::Violation, Grade::Assumed, 7),
            row("a", Verdict::NotProvable, Grade::None, 4),
            row("a", Verdict::NotApplicable, Grade::None, 5),
            row("b", Verdict::Compliant, Grade::Assumed, 1),
        ]
    }

    #[test]
    fn an_accounts_sums_are_of_its_calls_and_open_findings() {
        let findings = vec![
            finding("a", "bearer-key-used", Severity::Medium, Status::Open),
            finding("a", "api-not-covered", Severity::Medium, Status::Open),
            finding("a", "trail-stopped", Severity::Critical, Status::Resolved),
            finding("b", "region-enabled", Severity::Low, Status::Open),
        ];
        let report = report(some_calls(), findings);
        let (a, b): (AccountId, AccountId) = ("a".into(), "b".into());
        let sums = report.account_sums();
        let (of_a, of_b) = (&sums[&a], &sums[&b]);
        assert_eq!((of_a.required(), of_a.guarded(), of_a.assumed), (16, 3, 2));
        assert_eq!((of_b.required(), of_b.guarded(), of_b.assumed), (1, 0, 1));
        assert_eq!(of_a.open, BTreeMap::from([(Severity::Medium, 2)]), "a finding that is over isn't open");
        assert_eq!(of_a.rules.iter().map(|(_, rule)| *rule).collect::<Vec<_>>(), ["api-not-covered", "bearer-key-used"]);
        assert!(of_a.is_offending() && !of_b.is_offending(), "LOW bypasses nothing");
        let mut both = of_a.clone();
        both.add_calls(of_b);
        assert_eq!((both.required(), both.guarded(), both.assumed), (17, 3, 3));
    }

    #[test]
    fn the_worst_account_comes_first() {
        let findings = vec![
            finding("a", "x", Severity::High, Status::Open),
            finding("b", "x", Severity::Critical, Status::Open),
            finding("c", "x", Severity::High, Status::Open),
            finding("c", "y", Severity::High, Status::Open),
            finding("d", "x", Severity::High, Status::Open),
            finding("e", "x", Severity::Low, Status::Open),
            finding("f", "x", Severity::Critical, Status::Suppressed),
        ];
        let report = report(vec![row("d", Verdict::Violation, Grade::Enforced, 1)], findings);
        let order: Vec<&str> = report.offending_accounts().into_iter().map(|(account, _)| account.as_str()).collect();
        assert_eq!(order, ["b", "c", "d", "a"], "by critical findings, by high ones, by violations, by id");
    }

    #[test]
    fn the_numbers_are_those_of_the_report() {
        let whole = report(some_calls(), vec![finding("a", "x", Severity::High, Status::Open)]);
        let expected = Headline { accounts: 1, not_applicable: 5, ..calls(3, 3, 7, 4) };
        assert_eq!(whole.headline(), expected);
        let blind = |region: &str, missing| BlindRow { account: "a".into(), region: region.into(), missing, remedy: String::new() };
        let unread = Report {
            blind: vec![
                blind("us-east-1", MissingEvidence::CallsNotRead),
                blind("us-east-1", MissingEvidence::EventHistory),
                blind("eu-west-1", MissingEvidence::EventHistory),
                blind("eu-central-1", MissingEvidence::LogStores),
            ],
            ..whole.clone()
        };
        assert_eq!(unread.headline(), Headline { account_regions_not_read: 2, ..expected });
        let file = |number: usize| Unreadable { file: number.to_string(), record: None, reason: String::new() };
        for (records, files, unreadable, is_unreadable_cut) in
            [(0, 0, 0, false), (5, 3, 5, false), (2, 3, 3, false), (0, 999, 999, false), (0, 1000, 1000, true), (4000, 1000, 4000, true)]
        {
            let read = Records { unreadable: records, ..whole.records.clone() };
            let unread = Report { unreadable: (0..files).map(file).collect(), records: read, ..whole.clone() };
            assert_eq!(unread.headline(), Headline { unreadable, is_unreadable_cut, ..expected });
        }
        let limited = |filter| Report { filter: Some(filter), incomplete: vec!["x".to_owned()], ..whole.clone() }.headline();
        let of_a_region = Filter { regions: vec!["us-east-1".into()], ..Filter::default() };
        assert_eq!(limited(of_a_region), Headline { is_filtered: true, is_incomplete: true, ..expected });
        let critical = Filter { severity: Some(Severity::Critical), ..Filter::default() };
        assert_eq!(limited(critical), Headline { are_findings_filtered: true, is_incomplete: true, ..expected }, "all calls are counted");
    }

    #[test]
    fn where_nothing_shows_the_headline_says_why() {
        let records = |read, unreadable| Records { read, unreadable, ignored: read - unreadable, ..Records::default() };
        let of = |records, incomplete: &[&str], findings: Vec<Finding>| {
            let incomplete = incomplete.iter().map(|text| (*text).to_owned()).collect();
            Report { incomplete, records, findings, ..empty() }.headline().nothing
        };
        assert_eq!(of(records(0, 0), &[], vec![]), Some(Nothing::Read));
        assert_eq!(of(records(2, 2), &["nothing was read"], vec![]), Some(Nothing::Read));
        assert_eq!(of(records(2, 1), &[], vec![]), None, "a record was read, and nothing comes of it");
        assert_eq!(of(records(2, 1), &["no record of the account"], vec![]), Some(Nothing::Selected));
        let found = vec![finding("a", "x", Severity::Low, Status::Resolved)];
        assert_eq!(of(records(0, 0), &["x"], found), None, "a finding of the state shows, without any record");
    }
}
