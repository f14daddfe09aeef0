//! A store, as commands read it.

use std::path::Path;

use anyhow::Context as _;
use audit_core::{
    auditor::Selection,
    organization::Organization,
    report::{self, Report, UNREADABLE_NAMED, Unreadable},
    verdict::Invocations,
    world::World,
};
use audit_local::store::Store;

use super::{Found, Names, Selected, is_selected};
use crate::{
    commands::{
        audit::{choices_in, stored_world, tool},
        now,
    },
    filter::Choices,
};

pub(super) fn open(path: &Path) -> anyhow::Result<Store> {
    Store::open_existing(path).with_context(|| format!("failed to open the store `{}`", path.display()))
}

pub(super) fn choices(store: &Store) -> anyhow::Result<Choices> {
    choices_in(store)
}

pub(super) fn findings(store: &Store, selection: &Selection) -> anyhow::Result<Found> {
    let mut findings = store.findings()?;
    let all = findings.len();
    findings.retain(|finding| is_selected(selection, finding));
    let others = Some((all - findings.len()) as u64);
    Ok(Found { findings, unreadable: Vec::new(), others })
}

pub(super) fn names(store: &Store) -> anyhow::Result<Names> {
    let world = stored_world(store)?.world;
    let organization = organization_in(&world).and_then(|organization| organization.id.clone());
    Ok(Names { organization, accounts: store.summary()?.accounts })
}

pub(super) fn report(store: &Store, selection: &Selection) -> anyhow::Result<Selected> {
    let summary = store.summary()?;
    let Found { findings, others, .. } = findings(store, selection)?;
    let (mut coverage, mut days, mut blind) = (store.coverage()?, store.days()?, store.blind()?);
    coverage.retain(|row| selection.selects_account_region(&row.account, &row.region));
    days.retain(|row| selection.selects_account_region(&row.account, &row.region));
    blind.retain(|row| selection.selects_account_region(&row.account, &row.region));
    let is_empty = summary.records.read == 0;
    let mut incomplete = Vec::new();
    if is_empty {
        incomplete.push("nothing was ever read into this store".to_owned());
    }
    if days.is_empty() && !coverage.is_empty() {
        incomplete
            .push("calls by day: this store was concluded by an earlier release; they are there after the next `audit --store`".to_owned());
    }
    let stored = stored_world(store)?;
    let missing = stored.missing_policies();
    let mut invocations = Invocations::default();
    for row in &coverage {
        invocations.add(row.verdict, row.count);
    }
    // The store keeps no placement of accounts; its world says it as of the latest reading.
    let organization = organization_in(&stored.world);
    let report = Report {
        tool: tool(),
        generated_at: now(None),
        filter: None,
        incomplete,
        records: summary.records,
        invocations,
        coverage,
        timeline: report::timeline(&days),
        blind,
        findings,
        unreadable: stored
            .unreadable()
            .chain(missing.iter().map(Unreadable::from))
            .chain(summary.unreadable)
            .take(UNREADABLE_NAMED)
            .collect(),
        organization: organization.and_then(|organization| organization.id.clone()),
        accounts: summary.accounts,
        units: organization.map(Organization::unit_names).unwrap_or_default(),
        is_without_world: stored.paths.is_empty(),
        // The store doesn't keep under which configuration it was concluded.
        configuration: None,
    };
    Ok(Selected { report, others, is_empty })
}

fn organization_in(world: &World) -> Option<&Organization> {
    world.organization_readings().last().map(|(_, organization)| organization)
}
