//! Applies the exceptions of the configuration, which suppress findings until a date.

use std::collections::BTreeSet;

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
    let meant = |exceptions: &[(usize, &Exception)]| {
        principals.iter().all(|principal| exceptions.iter().any(|(_, exception)| exception.selects_principal(principal)))
    };
    let selecting = options.configuration.exceptions.iter().enumerate().filter(|(_, exception)| {
        let selects_some = principals.iter().any(|principal| exception.selects_principal(principal));
        exception.selects(&finding.rule, &finding.account, &finding.region, organization)
            && (selects_some || principals.is_empty() && exception.principals.is_empty())
    });
    let (live, ended): (Vec<_>, Vec<_>) = selecting.partition(|(_, exception)| exception.is_live(options.now));
    excepted.extend(live.iter().map(|(index, _)| *index));
    let first_to_end = live.iter().min_by_key(|(index, exception)| (exception.until, *index)).copied();
    if let Some((_, exception)) = first_to_end.filter(|_| meant(&live)) {
        finding.status = Status::Suppressed;
        finding.suppression = Some(suppression(exception));
    } else if !ended.is_empty() && meant(&[live, ended].concat()) {
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
