//! Reads a world folder: AWS API responses as files, by the paths that `docs/formats.md` describes.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use audit_core::{
    arn::PolicyId,
    report::Unreadable,
    timestamp::Timestamp,
    world::{Doubt, Entity, SnapshotPath, World},
};
use walkdir::WalkDir;

use crate::{encoding::to_utf8, input::why};

/// A world, and the problems with the files that it was read from.
#[derive(Debug, Default)]
pub struct LoadedWorld {
    /// The world.
    pub world: World,
    /// The files at paths of a world, by their path in the folder with `/` as separator. Files that could not be used are included, so that
    /// a store doesn't mistake their paths for ones that were never read.
    pub paths: Vec<String>,
    /// The same files with their contents; empty if the world was loaded without them.
    pub files: Vec<(String, Vec<u8>)>,
    /// The problems with files.
    pub problems: Vec<Problem>,
    /// The files that the organization was read from, by the time from which each is valid.
    organizations: BTreeMap<Timestamp, PathBuf>,
    contents: Contents,
}

/// Whether the contents of a world's files stay in memory. Those of a large organization are hundreds of megabytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contents {
    /// They stay, for a store.
    #[default]
    Kept,
    /// Each is dropped when it is read.
    Dropped,
}

/// A problem with a file of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The problem.
    pub reason: String,
    /// Whether the file is used all the same. If not, what it describes is unknown from its time on.
    pub used: bool,
}

impl From<&Problem> for Unreadable {
    fn from(problem: &Problem) -> Self {
        Unreadable { file: problem.file.display().to_string(), record: None, reason: problem.reason.clone() }
    }
}

/// Loads a world folder. A file that can't be used doesn't keep the others from being used; only a missing folder is an error.
pub fn load(folder: &Path) -> Result<LoadedWorld, walkdir::Error> {
    load_with(folder, Contents::Kept)
}

/// Loads a world folder, with or without the contents of its files.
pub fn load_with(folder: &Path, contents: Contents) -> Result<LoadedWorld, walkdir::Error> {
    let mut loaded = LoadedWorld { contents, ..LoadedWorld::default() };
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => return Err(error),
            Err(error) => {
                let shown_as = error.path().unwrap_or(folder);
                loaded.lose(relative_path(shown_as, folder), shown_as, why(&error));
                continue;
            }
        };
        if !entry.file_type().is_file() || is_no_answer(entry.path()) {
            continue;
        }
        let relative = relative_path(entry.path(), folder);
        if entry.path().extension().is_none_or(|extension| extension != "json") {
            loaded.misnamed(&relative, entry.path());
            continue;
        }
        match std::fs::read(entry.path()) {
            Ok(json) => loaded.take(relative, json, entry.path()),
            Err(error) => loaded.lose(relative, entry.path(), error.to_string()),
        }
    }
    Ok(loaded)
}

fn relative_path(path: &Path, folder: &Path) -> String {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Whether a file holds no AWS answer: a person or an editor left it in the folder, such as `README.md` or `.DS_Store`.
fn is_no_answer(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.ends_with(".md") || (name.starts_with("README") && !name.ends_with(".json"))
}

impl LoadedWorld {
    /// Adds one file.
    pub fn take(&mut self, path: String, json: Vec<u8>, shown_as: &Path) {
        // PowerShell's `>` writes UTF-16.
        let json = match to_utf8(&json) {
            Cow::Owned(decoded) => decoded,
            Cow::Borrowed(_) => json,
        };
        let Some(at) = SnapshotPath::parse(&path) else {
            return self.problem(shown_as, SnapshotPath::misplaced(&path), false);
        };
        match at.doubt() {
            Some(Doubt::NotThere(why)) => return self.problem(shown_as, why, false),
            Some(Doubt::MayBe(why)) => self.problem(shown_as, why, true),
            None => {}
        }
        match self.world.add(&at, &json) {
            Ok(loose_ends) => loose_ends.into_iter().for_each(|loose| self.problem(shown_as, loose, true)),
            Err(error) => self.problem(shown_as, error.to_string(), false),
        }
        if at.entity == Entity::Organization {
            self.organizations.insert(at.time, shown_as.to_owned());
        }
        self.push(path, json);
    }

    fn push(&mut self, path: String, json: Vec<u8>) {
        self.paths.push(path.clone());
        if self.contents == Contents::Kept {
            self.files.push((path, json));
        }
    }

    /// Reports a file that is probably meant as a snapshot but isn't named as one. If the name has a time, what the file describes is
    /// unknown from that time on, because it may differ from what was known before.
    fn misnamed(&mut self, path: &str, shown_as: &Path) {
        let Some(meant) = SnapshotPath::meant_by(path) else { return };
        let name = meant.rsplit('/').next().unwrap_or(&meant);
        let why = format!("not read: the name of a snapshot ends in `.json` alone, as in `{name}`");
        match SnapshotPath::parse(&meant).filter(|at| at.time > Timestamp::BEGINNING && at.doubt().is_none()) {
            Some(_) => self.lose(meant, shown_as, why),
            None => self.problem(shown_as, why, false),
        }
    }

    /// Reports the policies that are attached somewhere and whose content no file holds.
    pub fn missing_policies(&self) -> Vec<Problem> {
        let mut missing: BTreeMap<&PolicyId, (&Path, String)> = BTreeMap::new();
        for (time, organization) in self.world.organization_readings() {
            let file = self.organizations.get(&time).map_or(Path::new("organization.json"), PathBuf::as_path);
            for (target, attachments) in organization.attachments.iter() {
                for attachment in attachments.iter().filter(|attachment| !attachment.policy.is_of_aws()) {
                    if !self.world.knows_policy(&attachment.policy) {
                        missing.entry(&attachment.policy).or_insert_with(|| (file, target.to_string()));
                    }
                }
            }
        }
        let problem = |(policy, (file, target)): (&PolicyId, (&Path, String))| Problem {
            file: file.to_owned(),
            reason: format!(
                "`{policy}` is attached to `{target}`, and there is no policies/{policy}.json (DescribePolicy): what it comes to is not known, \
                 unless records tell"
            ),
            used: true,
        };
        missing.into_iter().map(problem).collect()
    }

    fn problem(&mut self, file: &Path, reason: String, used: bool) {
        self.problems.push(Problem { file: file.to_owned(), reason, used });
    }

    /// Adds one file that can't be read. The world treats it as empty.
    fn lose(&mut self, path: String, shown_as: &Path, why: String) {
        self.problem(shown_as, why, false);
        if let Some(at) = SnapshotPath::parse(&path)
            && self.world.add(&at, &[]).is_err()
        {
            self.push(path, Vec::new());
        }
    }

    /// The problems as reports show them.
    pub fn unreadable(&self) -> impl Iterator<Item = Unreadable> {
        self.problems.iter().map(Unreadable::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_named_and_the_others_are_used() {
        let folder = tempfile::tempdir().unwrap();
        for (path, json) in [
            ("effective-policies/111122223333.json", r#"{"EffectivePolicy": null}"#),
            ("effective-policies/222233334444.json", "{"),
            ("effective-policies/333344445555.json", r#"{"Something": 1}"#),
            ("nonsense/x.json", "{}"),
            ("README.md", "not a snapshot, and no problem"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, json).unwrap();
        }
        let loaded = load(folder.path()).unwrap();
        let problems: Vec<&str> = loaded.problems.iter().map(|problem| problem.reason.as_str()).collect();
        assert_eq!(loaded.files.len(), 3, "what lies in a place of a world");
        assert!(
            matches!(problems.as_slice(), [json, shape, relative]
            if json.starts_with("not valid JSON") && shape.starts_with("not an answer of DescribeEffectivePolicy") && relative.starts_with("no snapshot")),
            "{problems:?}"
        );
        assert!(load(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn what_can_not_mean_anything_is_named_and_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let none = r#"{"guardrailsConfig": []}"#;
        let named = [
            "enforced-configurations/22223333444/us-east-1.json",
            "enforced-configurations/222233334444/us-east-1.JSON",
            "enforced-configurations/222233334444/us-east-1@20261101T000000Z.json.gz",
            "enforced-configurations/222233334444/us-east-1a.json",
            "enforced-configurations/222233334444/us-eats-1.json",
            "enforced-configurations/222233334444/us-west-2",
            "enforced-configurations/222233334444/us-west-2.txt",
            "enforced-configurations/222233334444/us-west-9.json",
            "organization.yaml",
        ];
        for path in
            named.into_iter().chain([".DS_Store", "notes.txt", "policies/README.md", "enforced-configurations/222233334444/us-east-1.json"])
        {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, none).unwrap();
        }
        let loaded = load(folder.path()).unwrap();
        let mut problems: Vec<String> = loaded.problems.iter().map(|problem| relative_path(&problem.file, folder.path())).collect();
        problems.sort_unstable();
        assert_eq!(problems, named);
        assert_eq!(loaded.problems.iter().filter(|problem| problem.used).count(), 1, "there may be new Regions: {:?}", loaded.problems);
        let mut used: Vec<&str> = loaded.files.iter().map(|(path, _)| path.as_str()).collect();
        used.sort_unstable();
        let in_us_east_1 = |time: &str| format!("enforced-configurations/222233334444/us-east-1{time}.json");
        assert_eq!(
            used,
            [in_us_east_1(""), in_us_east_1("@20261101T000000Z"), "enforced-configurations/222233334444/us-west-9.json".to_owned()]
        );
        let state = loaded.world.resolve();
        let known =
            |time| state.configurations(&"222233334444".into(), &"us-east-1".into(), Timestamp::parse(time).unwrap()).state().is_some();
        assert!(known("2026-10-31T00:00:00Z") && !known("2026-11-01T00:00:00Z"), "what was written then is not read");
    }

    #[test]
    fn a_policy_without_a_file_is_named() {
        let mut loaded = LoadedWorld::default();
        let organization = r#"{"Roots": [{"Id": "r-ab12"}], "Accounts": [{"Id": "222233334444", "ParentId": "r-ab12"}], "Attachments": [
            {"PolicyId": "p-FullAWSAccess", "TargetId": "r-ab12"}, {"PolicyId": "p-there", "TargetId": "r-ab12"}, {"PolicyId": "p-gone", "TargetId": "r-ab12"}]}"#;
        let policy = r#"{"Policy": {"PolicySummary": {"Id": "p-there", "Type": "BEDROCK_POLICY"}, "Content": "{}"}}"#;
        loaded.take("organization.json".to_owned(), organization.into(), Path::new("w/organization.json"));
        loaded.take("policies/p-there.json".to_owned(), policy.into(), Path::new("w/policies/p-there.json"));
        let missing = loaded.missing_policies();
        let [Problem { file, reason, used: true }] = missing.as_slice() else { panic!("{missing:?}") };
        assert!(file == Path::new("w/organization.json") && reason.starts_with("`p-gone` is attached to `r-ab12`"), "{reason}");
        assert_eq!(loaded.problems, []);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_leaves_its_place_not_known() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("effective-policies")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("effective-policies/222233334444.json")).unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("self")).unwrap();
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded.problems.len(), 2);
        assert_eq!(loaded.files, [("effective-policies/222233334444.json".to_owned(), Vec::new())]);
        assert_eq!(loaded.unreadable().count(), 2);
    }
}
