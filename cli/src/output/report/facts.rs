//! Arranges findings for a reader: those that state one fact stand together, and facts are grouped and sorted.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use audit_core::{
    arn::AccountId,
    finding::Finding,
    report::{Report, headline::AccountSums},
    rule::{Check, Correlation},
    rules,
    severity::Severity,
    timestamp::Timestamp,
    verdict::Reason,
};

use crate::args::{GroupBy, Sort, ViewArgs};

/// A finding, with others that state the same about the same calls.
pub(super) struct Fact<'r> {
    pub(super) finding: &'r Finding,
    /// Findings about the effects of this one. Where no policy demands a guardrail, for example, the calls without one are a finding of their
    /// own.
    pub(super) also: Vec<&'r Finding>,
}

impl Fact<'_> {
    pub(super) fn severity(&self) -> Severity {
        self.findings().map(|finding| finding.severity).max().unwrap_or(self.finding.severity)
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        std::iter::once(self.finding).chain(self.also.iter().copied())
    }

    fn last_seen(&self) -> Option<Timestamp> {
        self.findings().filter_map(|finding| finding.last_seen).max()
    }
}

/// Joins findings that state the same fact. `account-not-covered` is the cause of uncovered calls, and is correlated with the findings about
/// those calls; one that says no more than that nothing was demanded there stands with its cause.
pub(super) fn facts<'r>(findings: impl Iterator<Item = &'r Finding>) -> Vec<Fact<'r>> {
    let findings: Vec<&Finding> = findings.collect();
    let is_cause =
        |finding: &&&Finding| rules::find(&finding.rule).is_some_and(|rule| rule.correlation == Correlation::NoGuardrailRequired);
    let causes: BTreeMap<(&str, &str), &Finding> =
        findings.iter().filter(is_cause).map(|finding| ((finding.account.as_str(), finding.region.as_str()), *finding)).collect();
    let cause_of = |finding: &Finding| {
        let cause = *causes.get(&(finding.account.as_str(), finding.region.as_str()))?;
        let says_no_more = matches!(finding.reason, Some(Reason::RegionNotCovered | Reason::NoGuardrail));
        let is_linked = cause.linked.contains(&finding.id) || finding.linked.contains(&cause.id);
        (says_no_more && is_linked && cause.id != finding.id).then_some(cause)
    };
    let mut effects: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    let mut own = Vec::new();
    for finding in findings {
        match cause_of(finding) {
            Some(cause) => effects.entry(&cause.id).or_default().push(finding),
            None => own.push(finding),
        }
    }
    own.into_iter().map(|finding| Fact { finding, also: effects.remove(finding.id.as_str()).unwrap_or_default() }).collect()
}

/// Facts that have the same rule, account, OU or Region.
pub(super) struct Group<'r> {
    pub(super) name: String,
    pub(super) facts: Vec<Fact<'r>>,
}

impl Group<'_> {
    pub(super) fn severity(&self) -> Severity {
        self.facts.iter().map(Fact::severity).max().unwrap_or(Severity::Informational)
    }

    /// The number of findings that stand with others, as their effects.
    pub(super) fn effects(&self) -> usize {
        self.facts.iter().map(|fact| fact.also.len()).sum()
    }

    /// Returns the title that all of its findings have; `None` if they differ. It isn't always the rule's: of a change that was tried and
    /// refused, a finding says so.
    pub(super) fn title(&self) -> Option<&str> {
        let mut titles = self.facts.iter().map(|fact| fact.finding.title.as_str());
        let first = titles.next()?;
        titles.all(|title| title == first).then_some(first)
    }

    pub(super) fn accounts(&self) -> BTreeSet<&AccountId> {
        self.facts.iter().map(|fact| &fact.finding.account).collect()
    }

    /// The number of calls behind the facts of one rule; `None` if the rule isn't about calls.
    pub(super) fn calls(&self) -> Option<u64> {
        let is_about_calls =
            |rule: &str| rules::find(rule).is_some_and(|rule| rule.checks.iter().all(|check| matches!(check, Check::Call(_))));
        let of_calls = self.facts.iter().all(|fact| is_about_calls(&fact.finding.rule));
        of_calls.then(|| self.count())
    }

    fn count(&self) -> u64 {
        self.facts.iter().map(|fact| fact.finding.count).sum()
    }

    /// The findings by severity, the worst first: `2 HIGH, 1 LOW`.
    pub(super) fn severities(&self) -> String {
        let mut counts: BTreeMap<Reverse<Severity>, usize> = BTreeMap::new();
        for finding in self.facts.iter().flat_map(Fact::findings) {
            *counts.entry(Reverse(finding.severity)).or_default() += 1;
        }
        counts.iter().map(|(Reverse(severity), count)| format!("{count} {severity}")).collect::<Vec<_>>().join(", ")
    }
}

/// The accounts that bypass or modify guardrails, in the order in which the arguments want them.
pub(super) fn offending<'r>(report: &'r Report, view: &ViewArgs) -> Vec<(&'r AccountId, AccountSums<'r>)> {
    let mut offending = report.offending_accounts();
    if view.sort() == Sort::Calls {
        offending.sort_by_key(|(_, sums)| Reverse(sums.calls.violation));
    }
    offending
}

/// Groups and sorts facts as the arguments say.
pub(super) fn grouped<'r>(report: &Report, facts: Vec<Fact<'r>>, view: &ViewArgs) -> Vec<Group<'r>> {
    let name_of = |finding: &Finding| match view.group_by() {
        GroupBy::Rule => finding.rule.clone(),
        GroupBy::Account => finding.account.to_string(),
        GroupBy::Ou => unit_of(report, &finding.account),
        GroupBy::Region => finding.region.to_string(),
    };
    let mut by_name: BTreeMap<String, Vec<Fact<'r>>> = BTreeMap::new();
    for fact in facts {
        by_name.entry(name_of(fact.finding)).or_default().push(fact);
    }
    let mut groups: Vec<Group<'r>> = by_name.into_iter().map(|(name, facts)| Group { name, facts }).collect();
    for group in &mut groups {
        // What is equal stays in the order of the report.
        match view.sort() {
            Sort::Severity => group.facts.sort_by_key(|fact| Reverse((fact.severity(), fact.finding.count))),
            Sort::Calls | Sort::Accounts => group.facts.sort_by_key(|fact| Reverse((fact.finding.count, fact.severity()))),
            Sort::Recent => group.facts.sort_by_key(|fact| Reverse(fact.last_seen())),
        }
    }
    match view.sort() {
        Sort::Severity => groups.sort_by_key(|group| Reverse((group.severity(), group.accounts().len(), group.count()))),
        Sort::Calls => groups.sort_by_key(|group| Reverse((group.count(), group.severity()))),
        Sort::Accounts => groups.sort_by_key(|group| Reverse((group.accounts().len(), group.severity()))),
        Sort::Recent => groups.sort_by_key(|group| Reverse(group.facts.iter().filter_map(Fact::last_seen).max())),
    }
    if view.group_by() == GroupBy::Account && view.sort() != Sort::Recent {
        // As in the table of accounts. Those that are only in the groups stay behind.
        let listed = offending(report, view);
        let places: BTreeMap<&str, usize> = listed.iter().enumerate().map(|(place, (account, _))| (account.as_str(), place)).collect();
        groups.sort_by_key(|group| places.get(group.name.as_str()).copied().unwrap_or(usize::MAX));
    }
    groups
}

/// The name of an account's OU, with those above it.
pub(super) fn unit_of(report: &Report, account: &AccountId) -> String {
    match report.units.get(account) {
        None => "(not known)".to_owned(),
        Some(names) if names.is_empty() => "(root)".to_owned(),
        Some(names) => names.join(" / "),
    }
}
