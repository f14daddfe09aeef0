//! What only the hub can find, because it compares: facts that were changed, silence, and verdicts that differ.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    arn::Region,
    auditor::{self, Selection, Terms},
    config::Configuration,
    finding::{Bounded, Finding, FindingKey, Status},
    moment::Moment,
    rules,
    severity::Severity,
    verdict::Verdict,
    world::World,
};

use super::{Fold, known::Known};
use crate::{bucket::Bucket, error::CallError, findings::Note, place::Place, queue::Queue};

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// What only the hub can find, because it compares.
    pub(super) async fn own_findings(
        &self,
        account: &str,
        known: &Known,
        world: &World,
        configuration: &Configuration,
    ) -> Result<Vec<Finding>, CallError> {
        let mut found = Vec::new();
        let mut notes: BTreeMap<Place, BTreeSet<Note>> = BTreeMap::new();
        for note in self.findings.notes(account).await?.into_iter().chain(known.notes.iter().cloned()) {
            notes.entry(Place::new(account, note.region.as_str())).or_default().insert(note);
        }
        for (place, notes) in &notes {
            let Some(first) = notes.iter().min_by_key(|note| (note.time, &note.item)) else { continue };
            let kinds: BTreeSet<&str> = notes.iter().map(|note| note.kind.as_str()).collect();
            let kinds: Vec<&str> = kinds.into_iter().collect();
            let because = format!("{} facts: {}; the first: {} ({})", notes.len(), kinds.join(", "), first.item, first.detail);
            let times: Vec<Moment> = notes.iter().map(|note| note.time).filter(|time| *time > Moment::BEGINNING).collect();
            found.extend(own_finding("observation-altered", place, "", because, notes.len() as u64, &times, configuration));
        }
        for ((place, missing), gaps) in &known.gaps {
            let because = gaps.iter().max_by_key(|gap| gap.time).map(|gap| gap.detail.clone()).unwrap_or_default();
            let count = gaps.iter().map(|gap| gap.count).sum();
            let times: Vec<Moment> = gaps.iter().map(|gap| gap.time).collect();
            let latest = times.iter().max().copied();
            let mut finding = own_finding("telemetry-gap", place, missing, because, count, &times, configuration);
            // That it is there again is positive evidence, unless it is the account's own word alone.
            let seen = match missing.as_str() {
                "heartbeat" if self.trust.is_believed(account) => known.heartbeats.get(place),
                "state" => known.whole_looks.get(place),
                _ => None,
            };
            let back = seen.into_iter().flatten().copied().find(|time| Some(*time) > latest);
            if let (Some(finding), Some(back)) = (finding.as_mut(), back) {
                (finding.status, finding.resolved_at) = (Status::Resolved, Some(back));
            }
            found.extend(finding);
        }
        found.extend(self.differing_verdicts(account, known, world, configuration));
        Ok(found)
    }

    /// Calls that the account's own auditor saw covered, and that are violations by what is in force, whatever the team requires on top.
    fn differing_verdicts(&self, account: &str, known: &Known, world: &World, configuration: &Configuration) -> Vec<Finding> {
        let plain = Configuration::default();
        let terms = Terms { configuration: &plain, selection: &Selection::default(), now: self.clock.now(), threads: 1 };
        let audit = auditor::audit(known.said_to_be_covered.clone(), world.clone(), &terms);
        let mut by_region: BTreeMap<Region, Vec<&Finding>> = BTreeMap::new();
        for finding in audit.findings.iter().filter(|finding| finding.verdict == Some(Verdict::Violation)) {
            by_region.entry(finding.region.clone()).or_default().push(finding);
        }
        let differing = by_region.into_iter().filter_map(|(region, violations)| {
            let count = violations.iter().map(|finding| finding.count).sum();
            let times: Vec<Moment> = violations.iter().flat_map(|finding| [finding.first_seen, finding.last_seen]).flatten().collect();
            let rules: BTreeSet<&str> = violations.iter().map(|finding| finding.rule.as_str()).collect();
            let rules: Vec<&str> = rules.into_iter().collect();
            let because = format!("{count} calls that the account's own auditor judged as covered are violations ({})", rules.join(", "));
            own_finding("verdicts-differ", &Place::new(account, region.as_str()), "", because, count, &times, configuration)
        });
        differing.collect()
    }
}

/// Rules whose checks need the hub. The registry of the domain knows them; this is what holds if it doesn't say otherwise.
const OWN_RULES: &[(&str, &str, Severity, &str)] = &[
    (
        "observation-altered",
        "A reported fact was rewritten, removed before its time, or made up",
        Severity::Critical,
        "Find out who holds the credentials of the account's auditor role, and treat what the account reports as false until then.",
    ),
    (
        "telemetry-gap",
        "An account or Region no longer shows what happens in it",
        Severity::Critical,
        "Look for a rule, queue, function or trail that was changed, and deploy the auditor again.",
    ),
    (
        "verdicts-differ",
        "An account's own auditor and the hub judge the same calls differently",
        Severity::High,
        "Compare the state that the account's auditor reads with what the hub reads, and the auditor's code with what was deployed.",
    ),
];

fn own_finding(
    rule: &str,
    place: &Place,
    discriminator: &str,
    because: String,
    count: u64,
    times: &[Moment],
    configuration: &Configuration,
) -> Option<Finding> {
    let (id, title, severity, remediation) = *OWN_RULES.iter().find(|(id, ..)| *id == rule)?;
    let registered = rules::find(rule);
    let key = FindingKey {
        rule: id,
        account: place.account.as_str().into(),
        region: place.region.as_str().into(),
        resource: format!("AWS::::Account:{}", place.account),
        discriminator: discriminator.to_owned(),
    };
    Some(Finding {
        id: key.id(),
        rule: id.to_owned(),
        severity: registered.map_or(severity, |rule| configuration.severity(rule)),
        title: registered.map_or(title, |rule| rule.title).to_owned(),
        detail: because,
        remediation: registered.map_or(remediation, |rule| rule.remediation).to_owned(),
        status: Status::Open,
        account: key.account.clone(),
        region: key.region.clone(),
        resource: key.resource.clone(),
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
        first_seen: times.iter().min().copied(),
        last_seen: times.iter().max().copied(),
        count,
        events: Vec::new(),
        changes: Vec::new(),
        policy: None,
        controls: Vec::new(),
        reopened: 0,
        resolved_at: None,
        suppression: None,
    })
}
