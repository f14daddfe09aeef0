//! The data of the benchmark: folders of CloudTrail files, with a world for the accounts in them.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use libdeflater::{CompressionLvl, Compressor};
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::{
    manifest::Manifest,
    records::{EXEMPT_MODEL, Records},
    rng::Rng,
};
use crate::command::target;

const ACCOUNTS: u64 = 20;
const REGIONS: &[&str] = &["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2"];
const MANAGEMENT: &str = "111122223333";

/// The Regions that the world's policy enforces a guardrail in.
const COVERED_REGIONS: &[&str] = &["us-east-1", "us-west-2", "eu-west-1"];

/// The files to audit, and the world to audit them in.
pub(super) struct Data {
    pub(super) folder: PathBuf,
    pub(super) paths: Vec<PathBuf>,
    pub(super) bytes: u64,
    pub(super) world: PathBuf,
    pub(super) manifest: Option<Manifest>,
}

/// Lists the log files below a folder, in the order of their names.
pub(super) fn log_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|extension| extension == "gz") {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

impl Data {
    /// Takes an existing folder of CloudTrail files.
    pub(super) fn found(folder: &Path) -> anyhow::Result<Self> {
        Self::in_folder(folder.to_owned(), None)
    }

    /// Generates this many records, unless they exist already.
    pub(super) fn generated(records: u64) -> anyhow::Result<Self> {
        let folder = target().join(format!("bench/{records}"));
        let manifest = folder.join("manifest.json");
        if !manifest.exists() {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            let generated = generate(&folder, records).with_context(|| format!("failed to generate into `{}`", folder.display()))?;
            // The manifest is written last: a folder that has one is complete.
            fs::write(&manifest, serde_json::to_vec_pretty(&generated)?)?;
        }
        let manifest = serde_json::from_slice(&fs::read(manifest)?)?;
        Self::in_folder(folder, Some(manifest))
    }

    /// Creates a folder of links to one of every `every` files by size, the largest among them. Its memory is the base that growth is
    /// measured from.
    pub(super) fn one_of(&self, every: usize) -> anyhow::Result<PathBuf> {
        let links = target().join(format!("bench/one-of-{every}"));
        if links.exists() {
            fs::remove_dir_all(&links)?;
        }
        let mut paths: Vec<&PathBuf> = self.paths.iter().collect();
        paths.sort_by_key(|path| (Reverse(size(path)), *path));
        for path in paths.into_iter().step_by(every) {
            let link = links.join(path.strip_prefix(&self.folder)?);
            fs::create_dir_all(link.parent().unwrap_or(&links))?;
            // Reading through symbolic links takes a step more than reading files, but they reach other disks.
            fs::hard_link(path, &link).or_else(|_| std::os::unix::fs::symlink(fs::canonicalize(path)?, &link))?;
        }
        Ok(links)
    }

    fn in_folder(folder: PathBuf, manifest: Option<Manifest>) -> anyhow::Result<Self> {
        let paths = log_files(&folder)?;
        let bytes = paths.iter().map(|path| size(path)).sum();
        let world = target().join("bench/world");
        write_world(&world, &paths)?;
        Ok(Data { folder, paths, bytes, world, manifest })
    }
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// Generates files in CloudTrail's layout, each with five minutes of one account and Region.
fn generate(folder: &Path, records: u64) -> anyhow::Result<Manifest> {
    let mut manifest = Manifest::default();
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut left = records;
    for number in 0.. {
        if left == 0 {
            break;
        }
        let mut rng = Rng::new(number);
        // Some accounts make more calls than others.
        let account = format!("{:012}", 200_000_000_000 + rng.below(ACCOUNTS).min(rng.below(ACCOUNTS)) * 11_111_111_111);
        let region = rng.pick(REGIONS).to_owned();
        let count = (100 + rng.below(1000)).min(left);
        let (hour, minute) = (rng.below(24), rng.below(12) * 5);
        let file = format!("{account}_CloudTrail_{region}_20261120T{hour:02}{minute:02}Z_{}.json.gz", rng.word(16));
        let hour = format!("2026-11-20T{hour:02}");
        let exempt_before = manifest.exempt;
        let covered = COVERED_REGIONS.contains(&region.as_str());
        let text = Records { rng, account: account.clone(), region: region.clone(), hour, minute, manifest: &mut manifest }.file(count);
        if !covered {
            manifest.exempt = exempt_before;
        }
        let mut gzip = vec![0; compressor.gzip_compress_bound(text.len())];
        let len = compressor.gzip_compress(text.as_bytes(), &mut gzip)?;
        gzip.truncate(len);
        let folder = folder.join(format!("AWSLogs/o-exampleorgid/{account}/CloudTrail/{region}/2026/11/20"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(file), gzip)?;
        left -= count;
    }
    Ok(manifest)
}

/// Writes a world for the accounts and Regions in the paths: one policy for all of them and no account-level configuration.
fn write_world(world: &Path, paths: &[PathBuf]) -> anyhow::Result<()> {
    if world.exists() {
        fs::remove_dir_all(world)?;
    }
    let pairs: BTreeSet<(&str, &str)> = paths.iter().filter_map(|path| account_and_region(path)).collect();
    let accounts: BTreeSet<&str> = pairs.iter().map(|(account, _)| *account).chain([MANAGEMENT]).collect();
    let accounts: Vec<Value> = accounts
        .into_iter()
        .map(|id| json!({"Id": id, "Name": format!("account {id}"), "State": "ACTIVE", "ParentId": "r-ab12"}))
        .collect();
    let write = |path: &str, json: &Value| -> anyhow::Result<()> {
        let path = world.join(path);
        fs::create_dir_all(path.parent().unwrap_or(world))?;
        Ok(fs::write(path, serde_json::to_vec_pretty(json)?)?)
    };
    write(
        "organization.json",
        &json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT},
            "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
            "Accounts": accounts,
            "Attachments": [{"PolicyId": "p-bench00001", "TargetId": "r-ab12", "AttachedAt": "2026-01-01T00:00:00Z"}]}),
    )?;
    let regions = COVERED_REGIONS.iter().map(|region| {
        let setting = json!({"identifier": {"@@assign": format!("arn:aws:bedrock:{region}:{MANAGEMENT}:guardrail/corpguard001:3")},
            "model_enforcement": {"included_models": {"@@assign": ["ALL"]}, "excluded_models": {"@@assign": [EXEMPT_MODEL]}}});
        ((*region).to_owned(), json!({"config_1": setting}))
    });
    let content = json!({"bedrock": {"guardrail_inference": regions.collect::<serde_json::Map<_, _>>()}}).to_string();
    write(
        "policies/p-bench00001.json",
        &json!({"Policy": {"PolicySummary": {"Id": "p-bench00001", "Type": "BEDROCK_POLICY"}, "Content": content}}),
    )?;
    for (account, region) in pairs {
        write(&format!("enforced-configurations/{account}/{region}.json"), &json!({"guardrailsConfig": []}))?;
        let selector = |category, more: Option<Value>| {
            let fields: Vec<Value> = [json!({"Field": "eventCategory", "Equals": [category]})].into_iter().chain(more).collect();
            json!({"FieldSelectors": fields})
        };
        let guardrails = json!({"Field": "resources.type", "Equals": ["AWS::Bedrock::Guardrail"]});
        let telemetry =
            json!({"IsLogging": true, "AdvancedEventSelectors": [selector("Management", None), selector("Data", Some(guardrails))]});
        write(&format!("telemetry/{account}/{region}.json"), &telemetry)?;
    }
    Ok(())
}

/// Returns account and Region from `…/<account>/CloudTrail/<region>/…`.
fn account_and_region(path: &Path) -> Option<(&str, &str)> {
    let parts: Vec<&str> = path.iter().filter_map(std::ffi::OsStr::to_str).collect();
    let at = parts.iter().position(|part| *part == "CloudTrail")?;
    Some((parts.get(at.checked_sub(1)?)?, parts.get(at + 1)?))
}
