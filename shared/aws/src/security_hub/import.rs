//! Imports findings, and sets the status of their workflow.

use std::collections::{BTreeMap, BTreeSet};

use audit_core::{
    finding::{Finding, Status},
    timestamp::Timestamp,
};
use audit_exports::{
    Export,
    asff::{self, Entry, MOST_FINDINGS, finding_id},
};

use super::{
    Failure, ImportFindings, MOST_LOOKED_AT, SecurityHub, Update,
    decision::{Occasion, Step, step, workflow},
};
use crate::{
    error::{CallError, ErrorKind, chain},
    findings::Imported,
};

/// A finding that is looked at.
#[derive(Debug)]
pub(super) struct Work {
    /// The account that it is about.
    pub(super) account: String,
    /// Its id.
    pub(super) id: String,
    /// The finding as it is; `None` if it was withdrawn.
    pub(super) current: Option<Finding>,
    /// What Security Hub was given of it; `None` if that is nothing.
    pub(super) before: Option<Imported>,
}

impl Work {
    /// Whether the schedule has anything to do about it.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let step = step(self.current.as_ref(), self.before.as_ref(), now, Occasion::Schedule);
        !matches!(step, Step::Nothing) || self.before.as_ref().is_some_and(|before| before.note != self.note())
    }

    /// The note with which Security Hub is to suppress it; `None` if it isn't to.
    fn note(&self) -> Option<String> {
        self.current.as_ref().filter(|current| current.status == Status::Suppressed).and_then(asff::note)
    }

    fn is_resolved(&self) -> bool {
        self.current.as_ref().is_none_or(|current| current.status == Status::Resolved)
    }

    /// What Security Hub has been given with an import.
    fn imported(&self, entry: Entry<'_>, at: Timestamp) -> Imported {
        let mut finding = entry.finding().clone();
        if matches!(entry, Entry::Withdrawn(_)) {
            finding.status = Status::Resolved;
        }
        // Security Hub takes the note only with a finding that it creates.
        let note = self.before.as_ref().map_or_else(|| self.note(), |before| before.note.clone());
        Imported { finding, at, note }
    }
}

/// What became of findings.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Findings that Security Hub took.
    pub(super) imported: u64,
    /// Findings that it will not take as they are.
    pub(super) refused: u64,
    /// The ids of findings for which a later attempt may succeed.
    pub(super) failed: BTreeSet<String>,
    /// The error because of which they failed, unless Security Hub named each of them.
    pub(super) error: Option<CallError>,
}

impl Done {
    fn fail<'w>(&mut self, works: impl IntoIterator<Item = &'w Work>, error: CallError) {
        self.failed.extend(works.into_iter().map(|work| work.id.clone()));
        self.error = Some(error);
    }
}

impl<S: SecurityHub> ImportFindings<S> {
    /// Imports findings that were read after `at`, and sets their workflow status where an exception asks for it.
    pub(super) async fn import(&self, works: &[Work], at: Timestamp, occasion: Occasion) -> Done {
        let mut done = Done::default();
        let mut entries = Vec::new();
        for work in works {
            match step(work.current.as_ref(), work.before.as_ref(), at, occasion) {
                Step::Nothing => {}
                Step::Import(entry) => entries.push((work, entry)),
                Step::Forget => {
                    if let Err(error) = self.findings.forget_imported(&work.account, &work.id, at).await {
                        done.fail([work], error);
                    }
                }
            }
        }
        let mut noted = BTreeMap::new();
        for (work, entry) in self.send(&entries, at, &mut done).await {
            let imported = work.imported(entry, at);
            match self.findings.put_imported(&work.account, &work.id, &imported).await {
                Ok(()) => drop(noted.insert(work.id.as_str(), imported)),
                Err(error) => done.fail([work], error),
            }
        }
        let unset = works.iter().filter(|work| !done.failed.contains(&work.id)).filter_map(|work| {
            let imported = noted.remove(work.id.as_str()).or_else(|| work.before.clone())?;
            (work.note() != imported.note).then_some((work, imported))
        });
        let unset: Vec<(&Work, Imported)> = unset.collect();
        self.set_workflows(&unset, &mut done).await;
        done
    }

    /// Sends findings in requests of a size that Security Hub takes. Returns those that it took. A request that it refuses is cut in two,
    /// until only the finding is refused because of which it was.
    async fn send<'w>(&self, entries: &[(&'w Work, Entry<'w>)], at: Timestamp, done: &mut Done) -> Vec<(&'w Work, Entry<'w>)> {
        let names = BTreeMap::new();
        let region_of_organization = self.importer.region_of_organization();
        let export = Export { tool: &self.tool, generated_at: at, organization: None, accounts: &names, region_of_organization };
        let mut taken = Vec::new();
        let mut waiting: Vec<&[(&Work, Entry<'_>)]> = entries.chunks(MOST_FINDINGS).rev().collect();
        while let Some(some) = waiting.pop() {
            let requests: Result<Vec<String>, _> =
                asff::requests_of(some.iter().map(|(_, entry)| *entry), &export, &self.importer).collect();
            let answer = match requests.as_deref() {
                Ok([request]) => self.hub.import(request.clone()).await,
                _ => Err(CallError::new("import findings", ErrorKind::Refused, "the findings don't fit into a request")),
            };
            match answer {
                Ok(failures) => sort_out(some, &failures, &mut taken, done),
                Err(error) if error.kind == ErrorKind::Refused => {
                    if let [(work, _)] = some {
                        tracing::error!(finding = work.id, error = chain(&error), "Security Hub refused a finding");
                        done.refused += 1;
                    } else {
                        let (first, second) = some.split_at(some.len() / 2);
                        waiting.extend([second, first]);
                    }
                }
                Err(error) => {
                    waiting.push(some);
                    done.fail(waiting.into_iter().flatten().map(|(work, _)| *work), error);
                    break;
                }
            }
        }
        taken
    }

    /// Suppresses in Security Hub what an exception suppresses, and ends that again, unless people have set something else there.
    async fn set_workflows(&self, unset: &[(&Work, Imported)], done: &mut Done) {
        for some in unset.chunks(MOST_LOOKED_AT) {
            let ids: Vec<String> = some.iter().map(|(work, _)| finding_id(&work.id)).collect();
            let there = match self.hub.look(&ids).await {
                Ok(there) => there,
                Err(error) => return done.fail(some.iter().map(|(work, _)| *work), error),
            };
            let mut by_update: BTreeMap<Option<Update>, Vec<(&Work, &Imported)>> = BTreeMap::new();
            for (work, imported) in some {
                // Security Hub shows a finding some time after it took it. The schedule looks again.
                if let Some(there) = there.get(&finding_id(&work.id)) {
                    let update = workflow(imported.note.as_deref(), work.note().as_deref(), work.is_resolved(), there);
                    by_update.entry(update).or_default().push((work, imported));
                }
            }
            for (update, some) in by_update {
                let ids: Vec<String> = some.iter().map(|(work, _)| finding_id(&work.id)).collect();
                let updated = match &update {
                    None => Ok(Vec::new()),
                    Some(update) => self.hub.update(&ids, update).await,
                };
                let failures = match updated {
                    Ok(failures) => failures,
                    Err(error) => return done.fail(some.iter().map(|(work, _)| *work), error),
                };
                for (work, imported) in some {
                    let id = finding_id(&work.id);
                    if let Some(failure) = failures.iter().find(|failure| failure.id == id) {
                        tracing::warn!(
                            finding = work.id,
                            code = failure.error_code,
                            "the workflow of a finding is set by the next schedule"
                        );
                        continue;
                    }
                    let set = Imported { note: work.note(), ..imported.clone() };
                    if let Err(error) = self.findings.put_imported(&work.account, &work.id, &set).await {
                        done.fail([work], error);
                    }
                }
            }
        }
    }
}

/// Sorts the findings of a request by what became of them.
fn sort_out<'w>(some: &[(&'w Work, Entry<'w>)], failures: &[Failure], taken: &mut Vec<(&'w Work, Entry<'w>)>, done: &mut Done) {
    for (work, entry) in some {
        let id = finding_id(&work.id);
        let Some(Failure { error_code, error_message, .. }) = failures.iter().find(|failure| failure.id == id) else {
            done.imported += 1;
            taken.push((*work, *entry));
            continue;
        };
        tracing::error!(finding = work.id, error_code, error_message, "Security Hub didn't take a finding");
        if error_code.contains("InvalidAccess") {
            let error = format!("Security Hub isn't enabled in this account and Region: {error_code}: {error_message}");
            done.fail([*work], CallError::new("import findings", ErrorKind::Denied, error));
        } else if may_succeed_later(error_code) {
            done.failed.insert(work.id.clone());
        } else {
            done.refused += 1;
        }
    }
}

/// Whether a finding that failed with this code may be taken later: the service failed, or was asked for too much. The codes aren't
/// documented (docs/aws/prices-and-limits.md#security-hub); these are words of the service's errors.
fn may_succeed_later(code: &str) -> bool {
    ["Internal", "Throttl", "TooMany", "LimitExceeded", "Concurrent"].iter().any(|word| code.contains(word))
}
