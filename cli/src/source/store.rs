//! A store, as commands read it.

use std::path::Path;

use anyhow::Context as _;
use audit_core::{
    auditor::Selection,
    config::Configuration,
    organization::Organization,
    report::{self, ConfigurationFile, Report, UNREADABLE_NAMED, Unreadable},
    verdict::Invocations,
    world::World,
};
use audit_local::store::{KeptConfiguration, Store};

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
    let configuration = store.configuration()?;
    let report = Report {
        tool: tool(),
        generated_at: now(None),
        filter: None,
        incomplete,
        records: summary.records,
        invocations,
        timeline: report::timeline(&days, &report::headline::worst_accounts(&coverage, &findings)),
        coverage,
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
        configuration: configuration.as_ref().map(stated),
        origin: None,
    };
    Ok(Selected { report, others, is_empty })
}

/// The configuration under which a store was concluded, as the report names it. Another version of this program may have read a file that this
/// one can't: then its path is all that is known.
fn stated(kept: &KeptConfiguration) -> ConfigurationFile {
    let configuration = Configuration::parse(&kept.text).unwrap_or_default();
    ConfigurationFile::new(kept.path.clone(), kept.was_found, &configuration)
}

fn organization_in(world: &World) -> Option<&Organization> {
    world.organization_readings().last().map(|(_, organization)| organization)
}
