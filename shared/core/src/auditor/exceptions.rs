//! Which findings the team lives with for a while.

use std::collections::BTreeSet;

use super::options::AuditOptions;
use crate::{
    config::Exception,
    finding::{Finding, Status, Suppression},
    organization::Organization,
};

/// Does to an open finding that was not made here what the configuration's exceptions do to all others: it is suppressed, or open again.
/// It has no principals, or all of them are shown.
pub fn except(finding: &mut Finding, organization: Option<&Organization>, options: &AuditOptions<'_>) {
    if finding.status == Status::Open {
        let shown = finding.principals.shown.clone();
        apply(finding, &shown.iter().map(String::as_str).collect(), organization, options, &mut BTreeSet::new());
    }
}

/// Suppresses a finding if live exceptions mean each of its principals; one that an ended exception meant is open again. A finding
/// without principals is meant by exceptions that name none. Takes note of the live exceptions that select it.
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

/// The exception, as a finding shows it.
fn suppression(exception: &Exception) -> Suppression {
    Suppression {
        until: exception.until.to_string(),
        reason: exception.reason.clone(),
        owner: exception.owner.clone(),
        ticket: exception.ticket.clone(),
    }
}
