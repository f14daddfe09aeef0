//! A world folder on disk (design §4).

use std::path::{Path, PathBuf};

use audit_core::world::{SnapshotPath, World};
use walkdir::WalkDir;

/// A world, and what of its folder could not be used.
#[derive(Debug, Default)]
pub struct LoadedWorld {
    /// The world.
    pub world: World,
    /// The files that it was made from, by their path in the folder, with `/` between its parts.
    pub files: Vec<(String, Vec<u8>)>,
    /// Files that could not be used, and why. What they are about is not known.
    pub problems: Vec<(PathBuf, String)>,
}

/// Loads a world folder. A file that can't be used doesn't keep the others from being used.
pub fn load(folder: &Path) -> Result<LoadedWorld, walkdir::Error> {
    let mut loaded = LoadedWorld::default();
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_file() || entry.path().extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let path = relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        match std::fs::read(entry.path()) {
            Ok(json) => loaded.take(path, json, entry.path()),
            Err(error) => loaded.problems.push((entry.into_path(), error.to_string())),
        }
    }
    Ok(loaded)
}

impl LoadedWorld {
    /// Takes one file.
    pub fn take(&mut self, path: String, json: Vec<u8>, shown_as: &Path) {
        let Some(at) = SnapshotPath::parse(&path) else {
            self.problems.push((shown_as.to_owned(), "no snapshot belongs at this place of a world".to_owned()));
            return;
        };
        match self.world.add(&at, &json) {
            Ok(()) => self.files.push((path, json)),
            Err(error) => self.problems.push((shown_as.to_owned(), error.to_string())),
        }
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
        assert_eq!(loaded.files.len(), 1);
        assert!(
            matches!(problems.as_slice(), [json, shape, place]
            if json.starts_with("not valid JSON") && shape.starts_with("not an answer of DescribeEffectivePolicy") && place.starts_with("no snapshot")),
            "{problems:?}"
        );
        assert!(load(&folder.path().join("missing")).is_err());
    }
}
