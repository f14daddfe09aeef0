//! Applies the exceptions of the configuration, which suppress findings until a date.

use std::collections::{BTreeMap, BTreeSet};

use super::options::AuditOptions;
use crate::{
    config::Exception,
    finding::{Finding, Status, Suppression},
    organization::Organization,
};

/// Applies the exceptions to an open finding that [`audit`](super::audit) didn't make, such as the hub's own. The finding has no
/// principals, or shows all of them: exceptions are matched against those that it shows.
pub fn except(finding: &mut Finding, organization: Option<&Organization>, options: &AuditOptions<'_>) {
    if finding.status == Status::Open {
        let shown = finding.principals.shown.clone();
        apply(finding, &shown.iter().map(String::as_str).collect(), organization, options, &mut BTreeSet::new());
    }
}

/// Suppresses a finding if each of its principals is matched by a live exception. If only exceptions that ended match them, the finding
/// counts as reopened. A finding without principals is matched by exceptions that name none. Adds the indexes of matching live exceptions
/// to `excepted`; the others are reported as unused.
///
/// Each kind of finding calls it where the finding is made, and not once behind all of them: a finding keeps only the ten principals with
/// the most calls, and an exception must match all. The full list exists only until the finding is made.
pub(super) fn apply(
    finding: &mut Finding,
    principals: &BTreeSet<&str>,
    organization: Option<&Organization>,
    options: &AuditOptions<'_>,
    excepted: &mut BTreeSet<usize>,
) {
    let Finding { rule, account, region, .. } = &*finding;
    let all = &options.configuration.exceptions;
    let selects = |(_, exception): &(usize, &Exception)| exception.selects(rule, account, region, organization);
    let is_live = |exception: &&Exception| exception.is_live(options.now);
    let of_everybody: BTreeMap<usize, &Exception> = all.of_everybody(rule, account).filter(selects).collect();
    let lives_for_all = of_everybody.values().any(is_live);
    let mut selecting = of_everybody.clone();
    // Whether each principal is matched by a live exception, and by any.
    let (mut meant_by_live, mut meant) = (true, true);
    for principal in principals {
        let own: BTreeMap<usize, &Exception> = all.of_principal(rule, account, principal).filter(selects).collect();
        meant_by_live &= lives_for_all || own.values().any(is_live);
        meant &= !own.is_empty() || !of_everybody.is_empty();
        selecting.extend(own);
    }
    let live = || selecting.iter().filter(|(_, exception)| is_live(exception));
    excepted.extend(live().map(|(index, _)| *index));
    let first_to_end = live().min_by_key(|(index, exception)| (exception.until, **index));
    if let Some((_, exception)) = first_to_end.filter(|_| meant_by_live) {
        finding.suppression = Some(suppression(exception));
        finding.status = Status::Suppressed;
    } else if meant && selecting.values().any(|exception| !is_live(exception)) {
        finding.reopened += 1;
    }
}

/// The fields of an exception that a finding shows.
fn suppression(exception: &Exception) -> Suppression {
    Suppression {
        until: exception.until.to_string(),
        reason: exception.reason.clone(),
        owner: exception.owner.clone(),
        ticket: exception.ticket.clone(),
    }
}
