//! The layout of a world's folder: which file holds which entity's state, from when on (docs/formats.md#the-world).

use crate::{
    arn::{AccountId, GuardrailKey, GuardrailVersion, GuardrailVersionArn, PolicyId, Region, is_account_id},
    nearest::nearest,
    region::{is_known, looks_like_a_region, nearest_regions},
    timestamp::Timestamp,
};

/// The paths of snapshots other than `organization.json`.
const LAYOUT: [&str; 12] = [
    "policies/<policy id>.json",
    "effective-policies/<account>.json",
    "invalid-policies/<account>.json",
    "enforced-configurations/<account>/<region>.json",
    "guardrails/<account>/<region>/<id>/<version or DRAFT>.json",
    "inference-profiles/<account>/<region>/<id>.json",
    "telemetry/<account>/<region>.json",
    "agents/<account>/<region>/<id>.json",
    "flows/<account>/<region>/<id>.json",
    "resource-policies/<account>/<region>/<guardrail id>.json",
    "iam/<account>/<entity>.json",
    "metrics/<account>/<region>.json",
];

/// The parsed path of a file in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPath {
    /// The entity that it is about.
    pub entity: Entity,
    /// The time from which it holds; the beginning of time if the path has none.
    pub time: Timestamp,
}

/// An entity whose state a snapshot holds.
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
    /// Parses a path relative to the world's folder, with `/` between its parts. `None` if no snapshot belongs there.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let stem = path.strip_suffix(".json")?;
        let (stem, time) = match stem.rsplit_once('@') {
            Some((stem, time)) => (stem, Timestamp::parse_basic(time)?),
            None => (stem, Timestamp::BEGINNING),
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

    /// Explains why no snapshot belongs at a path that ends like one.
    #[must_use]
    pub fn misplaced(path: &str) -> String {
        let stem = path.strip_suffix(".json").unwrap_or(path);
        if let Some((_, time)) = stem.rsplit_once('@').filter(|(_, time)| Timestamp::parse_basic(time).is_none()) {
            return format!("`{time}` is no time of a snapshot: they are written as 20261101T000000Z");
        }
        let folder = path.split('/').next().unwrap_or_default();
        let folder_of = |place: &'static str| place.split('/').next().unwrap_or_default();
        let place = |folder: &str| LAYOUT.into_iter().find(|place| folder_of(place) == folder);
        if let Some(place) = place(folder) {
            return format!("no snapshot belongs at this place of a world: here they lie at `{place}`");
        }
        let meant = if path.contains('/') {
            nearest(folder, LAYOUT.into_iter().map(folder_of)).first().and_then(|folder| place(folder))
        } else {
            nearest(stem, ["organization"]).first().map(|_| "organization.json")
        };
        let meant = meant.map(|place| format!(": is `{place}` meant?")).unwrap_or_default();
        format!("no snapshot belongs at this place of a world{meant}")
    }

    /// The path that a file with another ending may be meant for. `None` outside of the folders of snapshots.
    #[must_use]
    pub fn meant_by(path: &str) -> Option<String> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let ends = [".JSON", ".Json", ".txt", ".text", ".gz", ".json", ".yaml", ".yml", ".bak", ".old", ".orig", "~"];
        let mut stem = name;
        while let Some(shorter) = ends.iter().find_map(|end| stem.strip_suffix(end)) {
            stem = shorter;
        }
        // Another ending than those. Names may contain a dot, but accounts, Regions and versions don't.
        let stem = stem.split_once('.').map_or(stem, |(first, _)| first);
        let meant = if folder.is_empty() { format!("{stem}.json") } else { format!("{folder}/{stem}.json") };
        SnapshotPath::parse(&meant).map(|_| meant)
    }

    /// The reason to doubt a path: its account or Region doesn't exist, or may not.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        let (account, region) = self.entity.account_and_region();
        if let Some(account) = account.filter(|account| !is_account_id(account)) {
            return Some(Doubt::NotThere(format!("`{account}` is no account id of twelve digits")));
        }
        let region = region.filter(|region| !is_known(region))?;
        let near = nearest_regions(region);
        let near = if near.is_empty() { String::new() } else { format!(" (is `{}` meant?)", near.join("` or `")) };
        Some(if looks_like_a_region(region) {
            Doubt::MayBe(format!("`{region}` is no Region that we know{near}; what is said of it is used"))
        } else {
            Doubt::NotThere(format!("`{region}` is no Region{near}"))
        })
    }
}

/// What is doubtful about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Its account or Region can't exist.
    NotThere(String),
    /// Its Region isn't known to this version and may exist.
    MayBe(String),
}

impl Entity {
    /// The account and Region of the entity, if it has them.
    #[must_use]
    pub fn account_and_region(&self) -> (Option<&AccountId>, Option<&Region>) {
        match self {
            Entity::Organization | Entity::Policy(_) => (None, None),
            Entity::EffectivePolicy(account) | Entity::InvalidPolicy(account) | Entity::Identity(account, _) => (Some(account), None),
            Entity::EnforcedConfigurations(account, region)
            | Entity::InferenceProfile(account, region, _)
            | Entity::Telemetry(account, region)
            | Entity::Agent(account, region, _)
            | Entity::Flow(account, region, _)
            | Entity::Metrics(account, region) => (Some(account), Some(region)),
            Entity::Guardrail(named) => (Some(&named.key.account), Some(&named.key.region)),
            Entity::ResourcePolicy(key) => (Some(&key.account), Some(&key.region)),
        }
    }

    /// The API operation whose response belongs at the path.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Entity::Organization => "the Organizations list calls, joined as organization.json",
            Entity::Policy(_) => "DescribePolicy",
            Entity::EffectivePolicy(_) => "DescribeEffectivePolicy",
            Entity::InvalidPolicy(_) => "ListEffectivePolicyValidationErrors",
            Entity::EnforcedConfigurations(..) => "ListEnforcedGuardrailsConfiguration",
            Entity::Guardrail(_) => "GetGuardrail",
            Entity::InferenceProfile(..) => "GetInferenceProfile",
            Entity::Telemetry(..) => "GetEventSelectors",
            Entity::Agent(..) => "GetAgent",
            Entity::Flow(..) => "GetFlow",
            Entity::ResourcePolicy(_) => "GetResourcePolicy",
            Entity::Identity(..) => "IAM",
            Entity::Metrics(..) => "GetMetricData",
        }
    }

    /// The content that stands for a response of AWS that the entity doesn't exist.
    #[must_use]
    pub fn none(&self) -> Option<&'static str> {
        match self {
            Entity::EffectivePolicy(_) => Some(r#"{"EffectivePolicy": null}"#),
            Entity::InvalidPolicy(_) => Some(r#"{"EffectivePolicyValidationErrors": []}"#),
            Entity::EnforcedConfigurations(..) => Some(r#"{"guardrailsConfig": []}"#),
            Entity::Guardrail(_) => Some(r#"{"guardrailId": null}"#),
            Entity::ResourcePolicy(_) => Some(r#"{"resourcePolicy": null}"#),
            Entity::Telemetry(..) => Some("[]"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is_about_and_from_when() {
        let parse = |path| SnapshotPath::parse(path).unwrap();
        assert_eq!(parse("organization.json"), SnapshotPath { entity: Entity::Organization, time: Timestamp::BEGINNING });
        let timed = parse("policies/p-bedrock1@20261101T000000Z.json");
        assert_eq!(timed.entity, Entity::Policy("p-bedrock1".into()));
        assert_eq!(timed.time, Timestamp::parse("2026-11-01T00:00:00Z").unwrap());
        assert_eq!(parse("invalid-policies/222233334444@20261101T000000Z.json").entity, Entity::InvalidPolicy("222233334444".into()));
        let key = GuardrailKey { account: "1".into(), region: "us-east-1".into(), id: "abc".into() };
        assert_eq!(parse("guardrails/1/us-east-1/abc/DRAFT.json").entity, Entity::Guardrail(key.version(GuardrailVersion::Draft)));
    }

    #[test]
    fn every_path_that_messages_suggest_is_parsed() {
        for pattern in LAYOUT {
            let path = pattern.replace("<account>", "222233334444").replace("<region>", "us-east-1").replace("<version or DRAFT>", "3");
            let path = path.replace(['<', '>'], "");
            assert!(SnapshotPath::parse(&path).is_some_and(|at| at.doubt().is_none()), "{path}");
        }
    }

    #[test]
    fn what_is_misplaced_is_told_where_it_belongs() {
        for (path, says) in [
            ("effective-policies/222233334444@yesterday.json", "`yesterday` is no time of a snapshot"),
            ("effective-policy/222233334444.json", "is `effective-policies/<account>.json` meant?"),
            ("enforced-configurations/222233334444.json", "here they lie at `enforced-configurations/<account>/<region>.json`"),
            ("organisation.json", "is `organization.json` meant?"),
            ("nonsense/x.json", "no snapshot belongs at this place of a world"),
        ] {
            let message = SnapshotPath::misplaced(path);
            assert!(SnapshotPath::parse(path).is_none() && message.contains(says), "{path}: {message}");
        }
        for (path, meant) in [
            ("effective-policies/222233334444.JSON", Some("effective-policies/222233334444.json")),
            ("effective-policies/222233334444@20261101T000000Z.json.gz", Some("effective-policies/222233334444@20261101T000000Z.json")),
            ("telemetry/222233334444/us-east-1", Some("telemetry/222233334444/us-east-1.json")),
            ("organization.txt", Some("organization.json")),
            ("notes.txt", None),
        ] {
            assert_eq!(SnapshotPath::meant_by(path).as_deref(), meant, "{path}");
        }
    }

    #[test]
    fn what_can_not_be_there_is_doubted() {
        let doubt = |path: &str| SnapshotPath::parse(path).unwrap().doubt();
        assert!(matches!(doubt("effective-policies/22223333444.json"), Some(Doubt::NotThere(why)) if why.contains("twelve digits")));
        for region in ["us-eats-1", "us-east-1a"] {
            let path = format!("enforced-configurations/222233334444/{region}.json");
            assert!(matches!(doubt(&path), Some(Doubt::NotThere(why)) if why.contains("(is `us-east-1")), "{region}");
        }
        assert!(matches!(doubt("telemetry/222233334444/us-east-9.json"), Some(Doubt::MayBe(_))));
        assert_eq!(doubt("telemetry/222233334444/eu-west-1@20261101T000000Z.json"), None);
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
