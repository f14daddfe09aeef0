//! What an account's findings rest on, for whoever asks why they are as they are. Nothing is written.

use audit_core::{
    auditor::{self, AuditOptions, Selection, StoredAggregates},
    config::Configuration,
    facts::EvidenceRows,
    organization::Organization,
    world::World,
};

use super::{
    Fold,
    evidence::{AccountEvidence, Scope},
};
use crate::{
    bucket::Bucket,
    error::CallError,
    queue::Queue,
    world::{Bundling, add},
};

/// What an account's findings rest on.
#[derive(Debug, Default)]
pub struct Basis {
    /// The account's facts that aren't sealed, all its changes, and facts of others that concern it.
    pub facts: EvidenceRows,
    /// The sums of its sealed calls.
    pub earlier: StoredAggregates,
    /// The state in force.
    pub world: World,
    /// The configuration in force.
    pub configuration: Configuration,
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// What the findings of an account rest on now.
    pub async fn basis(&self, account: &str) -> Result<Basis, CallError> {
        let configuration = self.configuration_in_force().await?;
        let known = self.known_as_it_is(account).await?;
        let evidence = self.evidence(account, &known, Scope::ToExplain).await?;
        let (_, world) = self.read_world(account, &evidence, Bundling::ReadOnly).await?;
        let options = AuditOptions { configuration: &configuration, selection: &Selection::default(), now: self.clock.now(), threads: 1 };
        if auditor::fit(known.calls(), evidence.facts.clone(), world.clone(), &options) {
            return Ok(Basis { facts: evidence.facts, earlier: known.calls(), world, configuration });
        }
        let evidence = self.evidence(account, &self.all_partitions(account).await?, Scope::ToExplain).await?;
        let (_, world) = self.read_world(account, &evidence, Bundling::ReadOnly).await?;
        Ok(Basis { facts: evidence.facts, earlier: StoredAggregates::new(), world, configuration })
    }

    /// The organization as it was read last, and the world that bears on an account: that of the hub's files, and of the states that the account
    /// reported and that are believed.
    pub(super) async fn world_of(&self, account: &str, evidence: &AccountEvidence) -> Result<(Option<Organization>, World), CallError> {
        self.read_world(account, evidence, Bundling::Renewing).await
    }

    async fn read_world(
        &self,
        account: &str,
        evidence: &AccountEvidence,
        bundling: Bundling,
    ) -> Result<(Option<Organization>, World), CallError> {
        let management = self.trust.management_account.as_deref();
        let (mut world, organization) = self.world.of(account, management, &evidence.concerning, bundling).await?;
        for (path, json) in &evidence.states {
            add(&mut world, path, json);
        }
        Ok((organization, world))
    }
}
