//! A world folder on disk (design §4).

use std::path::{Path, PathBuf};

use audit_core::{
    report::Unreadable,
    world::{SnapshotPath, World},
};
use walkdir::WalkDir;

use crate::input::why;

/// A world, and what of its folder could not be used.
#[derive(Debug, Default)]
pub struct LoadedWorld {
    /// The world.
    pub world: World,
    /// The files that lie in places of a world, by their path in the folder, with `/` between its parts; also those that could not be
    /// used, so that a store doesn't take their places for ones that nobody looked at.
    pub files: Vec<(String, Vec<u8>)>,
    /// Files that could not be used, and why. What they are about is not known from their times on.
    pub problems: Vec<(PathBuf, String)>,
}

/// Loads a world folder. What can't be used in it doesn't keep the rest from being used; only the folder itself has to be there.
pub fn load(folder: &Path) -> Result<LoadedWorld, walkdir::Error> {
    let mut loaded = LoadedWorld::default();
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => return Err(error),
            Err(error) => {
                let shown_as = error.path().unwrap_or(folder);
                loaded.lose(place_of(shown_as, folder), shown_as, why(&error));
                continue;
            }
        };
        if !entry.file_type().is_file() || entry.path().extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let place = place_of(entry.path(), folder);
        match std::fs::read(entry.path()) {
            Ok(json) => loaded.take(place, json, entry.path()),
            Err(error) => loaded.lose(place, entry.path(), error.to_string()),
        }
    }
    Ok(loaded)
}

fn place_of(path: &Path, folder: &Path) -> String {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

impl LoadedWorld {
    /// Takes one file.
    pub fn take(&mut self, path: String, json: Vec<u8>, shown_as: &Path) {
        let Some(at) = SnapshotPath::parse(&path) else {
            self.problems.push((shown_as.to_owned(), "no snapshot belongs at this place of a world".to_owned()));
            return;
        };
        if let Err(error) = self.world.add(&at, &json) {
            self.problems.push((shown_as.to_owned(), error.to_string()));
        }
        self.files.push((path, json));
    }

    /// Takes one file that can't be read: an empty one, for the world.
    fn lose(&mut self, path: String, shown_as: &Path, why: String) {
        self.problems.push((shown_as.to_owned(), why));
        if let Some(at) = SnapshotPath::parse(&path)
            && self.world.add(&at, &[]).is_err()
        {
            self.files.push((path, Vec::new()));
        }
    }

    /// What could not be used, as reports name it.
    pub fn unreadable(&self) -> impl Iterator<Item = Unreadable> {
        self.problems.iter().map(|(path, reason)| Unreadable { file: path.display().to_string(), record: None, reason: reason.clone() })
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
        let problems: Vec<&str> = loaded.problems.iter().map(|(_, problem)| problem.as_str()).collect();
        assert_eq!(loaded.files.len(), 3, "what lies in a place of a world");
        assert!(
            matches!(problems.as_slice(), [json, shape, place]
            if json.starts_with("not valid JSON") && shape.starts_with("not an answer of DescribeEffectivePolicy") && place.starts_with("no snapshot")),
            "{problems:?}"
        );
        assert!(load(&folder.path().join("missing")).is_err());
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
