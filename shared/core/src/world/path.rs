//! The world's folder: which file holds the state of what, from when (design §4).

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, Region},
    moment::Moment,
};

/// The place of a file in the world, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPath {
    /// What it is about.
    pub entity: Entity,
    /// From when it holds; without a time, from the beginning.
    pub time: Moment,
}

/// What a snapshot is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entity {
    /// `organization.json`
    Organization,
    /// `policies/<policy id>.json`: DescribePolicy
    Policy(PolicyId),
    /// `effective-policies/<account>.json`: DescribeEffectivePolicy
    EffectivePolicy(AccountId),
    /// `invalid-policies/<account>.json`: ListEffectivePolicyValidationErrors (BEDROCK_POLICY)
    InvalidPolicy(AccountId),
    /// `enforced-configurations/<account>/<region>.json`: ListEnforcedGuardrailsConfiguration
    EnforcedConfigurations(AccountId, Region),
    /// `guardrails/<account>/<region>/<id>/<version or DRAFT>.json`: GetGuardrail
    Guardrail(GuardrailVersionArn),
    /// `inference-profiles/<account>/<region>/<id>.json`: GetInferenceProfile
    InferenceProfile(AccountId, Region, String),
    /// `telemetry/<account>/<region>.json`: GetEventSelectors and GetTrailStatus
    Telemetry(AccountId, Region),
    /// `agents/<account>/<region>/<id>.json`: GetAgent
    Agent(AccountId, Region, String),
    /// `flows/<account>/<region>/<id>.json`: GetFlow
    Flow(AccountId, Region, String),
    /// `resource-policies/<account>/<region>/<guardrail id>.json`: GetResourcePolicy
    ResourcePolicy(GuardrailKey),
    /// `iam/<account>/<entity>.json`: the policy documents of a role, user, group or managed policy
    Identity(AccountId, String),
    /// `metrics/<account>/<region>.json`: GetMetricData of Bedrock's invocation counts
    Metrics(AccountId, Region),
}

impl SnapshotPath {
    /// Reads a path inside the world's folder, with `/` between its parts. `None` if no snapshot belongs there.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let stem = path.strip_suffix(".json")?;
        let (stem, time) = match stem.rsplit_once('@') {
            Some((stem, time)) => (stem, Moment::parse_basic(time)?),
            None => (stem, Moment::BEGINNING),
        };
        let entity = match *stem.split('/').collect::<Vec<_>>() {
            ["organization"] => Entity::Organization,
            ["policies", id] => Entity::Policy(id.into()),
            ["effective-policies", account] => Entity::EffectivePolicy(account.into()),
            ["invalid-policies", account] => Entity::InvalidPolicy(account.into()),
            ["enforced-configurations", account, region] => Entity::EnforcedConfigurations(account.into(), region.into()),
            ["guardrails", account, region, id, version] => {
                let key = GuardrailKey { account: account.into(), region: region.into(), id: id.into() };
                Entity::Guardrail(key.version(GuardrailVersion::parse(version)?))
            }
            ["inference-profiles", account, region, id] => Entity::InferenceProfile(account.into(), region.into(), id.to_owned()),
            ["telemetry", account, region] => Entity::Telemetry(account.into(), region.into()),
            ["agents", account, region, id] => Entity::Agent(account.into(), region.into(), id.to_owned()),
            ["flows", account, region, id] => Entity::Flow(account.into(), region.into(), id.to_owned()),
            ["resource-policies", account, region, id] => {
                Entity::ResourcePolicy(GuardrailKey { account: account.into(), region: region.into(), id: id.into() })
            }
            ["iam", account, entity] => Entity::Identity(account.into(), entity.to_owned()),
            ["metrics", account, region] => Entity::Metrics(account.into(), region.into()),
            _ => return None,
        };
        Some(SnapshotPath { entity, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_about_and_from_when() {
        let parse = |path| SnapshotPath::parse(path).unwrap();
        assert_eq!(parse("organization.json"), SnapshotPath { entity: Entity::Organization, time: Moment::BEGINNING });
        let timed = parse("policies/p-bedrock1@20261101T000000Z.json");
        assert_eq!(timed.entity, Entity::Policy("p-bedrock1".into()));
        assert_eq!(timed.time, Moment::parse("2026-11-01T00:00:00Z").unwrap());
        assert_eq!(parse("invalid-policies/222233334444@20261101T000000Z.json").entity, Entity::InvalidPolicy("222233334444".into()));
        let key = GuardrailKey { account: "1".into(), region: "us-east-1".into(), id: "abc".into() };
        assert_eq!(parse("guardrails/1/us-east-1/abc/DRAFT.json").entity, Entity::Guardrail(key.version(GuardrailVersion::Draft)));
    }

    #[test]
    fn other_files_are_no_snapshots() {
        for path in
            ["README.md", "policies/a/b.json", "policies/p@yesterday.json", "guardrails/1/us-east-1/abc/latest.json", "x.json", ".json"]
        {
            assert_eq!(SnapshotPath::parse(path), None, "{path}");
        }
    }
}
