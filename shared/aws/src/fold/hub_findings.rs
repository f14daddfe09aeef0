//! Findings that only the hub can make, because it compares sources: tampering with facts, missing evidence, and verdicts that differ.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    arn::Region,
    auditor::{self, AuditOptions, Outdated, Periods, Selection},
    config::Configuration,
    finding::{Finding, FindingKey, Status},
    missing_evidence::MissingEvidence,
    organization::{GLOBAL_REGION, Organization},
    report::BlindRow,
    rule::Rule,
    rules::{OBSERVATION_ALTERED, TELEMETRY_GAP, VERDICTS_DIFFER},
    timestamp::Timestamp,
    verdict::Verdict,
    world::World,
};

use super::{Fold, evidence::AccountEvidence, sealed::KnownHours};
use crate::{
    bucket::Bucket,
    dead_letters,
    fact::HistoryRead,
    findings::{Note, Quarantine, Refused, Unjudged},
    partition::AccountRegion,
    queue::Queue,
};

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// The findings that only the hub can make. Severities and exceptions of the configuration apply to them as to all others.
    pub(super) fn own_findings(
        &self,
        account: &str,
        evidence: &AccountEvidence,
        world: &World,
        organization: Option<&Organization>,
        known: &KnownHours,
        options: &AuditOptions<'_>,
    ) -> Result<Vec<Finding>, Outdated> {
        let mut found = altered_observations(account, evidence, options.configuration);
        for ((account_region, missing), gaps) in &evidence.gaps {
            let because = gaps.iter().max_by_key(|gap| gap.time).map(|gap| gap.detail.clone()).unwrap_or_default();
            let count = gaps.iter().map(|gap| gap.count).sum();
            let times: Vec<Timestamp> = gaps.iter().map(|gap| gap.time).collect();
            let finding = own_finding(TELEMETRY_GAP, account_region, missing, because, count, &times, options.configuration);
            // Evidence that it works again resolves the finding, unless only the account itself vouches for it.
            let seen = match missing.as_str() {
                "heartbeat" => evidence.heartbeats.get(account_region),
                "state" => evidence.complete_reads.get(account_region),
                _ => None,
            };
            found.push(resolved_after(finding, seen));
        }
        found.extend(unjudged_messages(evidence, options.configuration));
        found.extend(evidence.quarantine.as_ref().map(|quarantine| unjudged_account(account, quarantine, options.configuration)));
        found.extend(self.differing_verdicts(account, evidence, known, world, options.configuration)?);
        for finding in &mut found {
            auditor::except(finding, organization, options);
        }
        Ok(found)
    }

    /// Calls that the account's own auditor judged as covered, and that are violations by the state that the hub has read. The team's own
    /// requirements, which that auditor doesn't know, are left out.
    fn differing_verdicts(
        &self,
        account: &str,
        evidence: &AccountEvidence,
        known: &KnownHours,
        world: &World,
        configuration: &Configuration,
    ) -> Result<Vec<Finding>, Outdated> {
        let plain = Configuration::default();
        let options = AuditOptions { configuration: &plain, selection: &Selection::default(), now: self.clock.now(), threads: 1 };
        let audit = auditor::audit_after(known.claimed(), evidence.claimed_covered.clone(), world.clone(), &options, Periods::Days)?;
        let mut by_region: BTreeMap<Region, Vec<&Finding>> = BTreeMap::new();
        for finding in audit.findings.iter().filter(|finding| finding.verdict == Some(Verdict::Violation)) {
            by_region.entry(finding.region.clone()).or_default().push(finding);
        }
        let differing = by_region.into_iter().map(|(region, violations)| {
            let count = violations.iter().map(|finding| finding.count).sum();
            let times: Vec<Timestamp> = violations.iter().flat_map(|finding| [finding.first_seen, finding.last_seen]).flatten().collect();
            let rules: BTreeSet<&str> = violations.iter().map(|finding| finding.rule.as_str()).collect();
            let rules: Vec<&str> = rules.into_iter().collect();
            let because = format!("{count} calls that the account's own auditor judged as covered are violations ({})", rules.join(", "));
            own_finding(VERDICTS_DIFFER, &AccountRegion::new(account, region.as_str()), "", because, count, &times, configuration)
        });
        Ok(differing.collect())
    }
}

/// Facts that were rewritten, removed before they expired, aren't valid, or were too many to be an auditor's.
fn altered_observations(account: &str, evidence: &AccountEvidence, configuration: &Configuration) -> Vec<Finding> {
    let mut by_account_region: BTreeMap<AccountRegion, (BTreeSet<&Note>, Vec<&Refused>)> = BTreeMap::new();
    for note in evidence.notes() {
        by_account_region.entry(AccountRegion::new(account, note.region.as_str())).or_default().0.insert(note);
    }
    for refused in &evidence.refused {
        by_account_region.entry(AccountRegion::new(account, refused.region.as_str())).or_default().1.push(refused);
    }
    let altered = by_account_region.iter().filter_map(|(account_region, (notes, refused))| {
        let of_notes = notes.iter().map(|note| (note.time, note.item.as_str(), note.detail.as_str()));
        let of_refused = refused.iter().map(|refused| (refused.first, refused.item.as_str(), refused.detail.as_str()));
        let (_, item, detail) = of_notes.chain(of_refused).min()?;
        let kinds = notes.iter().map(|note| note.kind.as_str()).chain(refused.iter().map(|refused| refused.reason.as_str()));
        let kinds: Vec<&str> = kinds.collect::<BTreeSet<_>>().into_iter().collect();
        let count = refused.iter().fold(notes.len() as u64, |count, refused| count.saturating_add(refused.count));
        let because = format!("{count} facts: {}; the first: {item} ({detail})", kinds.join(", "));
        let times = notes.iter().map(|note| note.time).chain(refused.iter().flat_map(|refused| [refused.first, refused.last]));
        let times: Vec<Timestamp> = times.filter(|time| *time > Timestamp::BEGINNING).collect();
        Some(own_finding(OBSERVATION_ALTERED, account_region, "", because, count, &times, configuration))
    });
    altered.collect()
}

/// An account whose facts can't be judged. Its findings stay as they were, and the fold that ends well resolves this one.
pub(super) fn unjudged_account(account: &str, quarantine: &Quarantine, configuration: &Configuration) -> Finding {
    let account_region = AccountRegion::new(account, GLOBAL_REGION);
    let what = match quarantine.unjudged {
        Unjudged::SomeOfItsOwn => "not all of what the account reports about itself is judged, so nothing of it is proved to be compliant",
        Unjudged::AllOfItsOwn => {
            "what the account reports about itself can't be judged, and its findings rest on what the hub reads and the organization's trail proves"
        }
        Unjudged::Everything => "what was reported of the account can't be judged, and its findings are as of before",
    };
    let because = format!("{what}: {}", quarantine.problem);
    let mut finding = own_finding(TELEMETRY_GAP, &account_region, "judging", because, 1, &[quarantine.since], configuration);
    if let Some(until) = quarantine.until {
        (finding.status, finding.resolved_at) = (Status::Resolved, Some(until));
    }
    finding
}

/// Messages in an account's dead-letter queues, which nobody judged. A later heartbeat that the hub read itself or believes, and that
/// reports empty queues, resolves the finding.
fn unjudged_messages(evidence: &AccountEvidence, configuration: &Configuration) -> Vec<Finding> {
    let found = evidence.dead_letters.iter().filter_map(|(account_region, told)| {
        let (_, latest) = told.last_key_value()?;
        let because = format!(
            "messages lie in the account's dead-letter queues, and nobody judged what they tell: {}; they are lost 14 days after they came",
            dead_letters::in_words(latest)
        );
        let count = latest.values().flatten().fold(0, |sum: u64, count| sum.saturating_add(*count));
        let times: Vec<Timestamp> = told.keys().copied().collect();
        let finding = own_finding(TELEMETRY_GAP, account_region, "dead-letters", because, count.max(1), &times, configuration);
        Some(resolved_after(finding, evidence.heartbeats.get(account_region)))
    });
    found.collect()
}

/// The finding, resolved by the first of these moments after it was last seen.
fn resolved_after(mut finding: Finding, restored_at: Option<&BTreeSet<Timestamp>>) -> Finding {
    if let Some(at) = restored_at.into_iter().flatten().copied().find(|time| Some(*time) > finding.last_seen) {
        (finding.status, finding.resolved_at) = (Status::Resolved, Some(at));
    }
    finding
}

/// The blind spots of accounts and Regions whose event history could not be read in full.
pub(super) fn truncated_histories(evidence: &AccountEvidence) -> impl Iterator<Item = BlindRow> {
    let truncated = evidence.histories.iter().filter(|(_, (_, history))| *history == HistoryRead::Truncated);
    truncated.map(|(account_region, _)| BlindRow {
        account: account_region.account.as_str().into(),
        region: account_region.region.as_str().into(),
        missing: MissingEvidence::EventHistory,
        remedy: MissingEvidence::EventHistory.remedy().to_owned(),
    })
}

/// The blind spots of accounts and Regions in which hours of the account's own reports are not judged.
pub(super) fn unread_calls(account: &str, evidence: &AccountEvidence) -> Vec<BlindRow> {
    let unread = evidence.left_out.iter().filter(|partition| evidence.lacks_calls(&partition.account_region, partition.hour));
    let account_regions: BTreeSet<&AccountRegion> = unread.map(|partition| &partition.account_region).collect();
    account_regions.into_iter().filter(|account_region| account_region.account == account).map(unread_row).collect()
}

/// The blind spot of an account and Region of which not all calls that were reported are judged.
pub(crate) fn unread_row(account_region: &AccountRegion) -> BlindRow {
    BlindRow {
        account: account_region.account.as_str().into(),
        region: account_region.region.as_str().into(),
        missing: MissingEvidence::CallsNotRead,
        remedy: "what the account reports can't all be judged: see its finding of telemetry-gap".to_owned(),
    }
}

/// A finding of a rule that the hub checks.
fn own_finding(
    rule: &Rule,
    account_region: &AccountRegion,
    discriminator: &str,
    because: String,
    count: u64,
    times: &[Timestamp],
    configuration: &Configuration,
) -> Finding {
    let key = FindingKey {
        rule: rule.id,
        account: account_region.account.as_str().into(),
        region: account_region.region.as_str().into(),
        resource: format!("AWS::::Account:{}", account_region.account),
        discriminator: discriminator.to_owned(),
    };
    let (first_seen, last_seen) = (times.iter().min().copied(), times.iter().max().copied());
    Finding { detail: because, first_seen, last_seen, count, ..rule.finding(key, configuration) }
}
