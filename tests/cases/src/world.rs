//! Assembles the world of a case from the named world and the case's own files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use crate::{Case, Error, read};

/// The files of a world, by their path in its folder with `/` as separator.
pub type Files = BTreeMap<String, Vec<u8>>;

impl Case {
    /// The files of its world: those of the named world, without those that the case leaves out, and over them the case's own, each of
    /// which takes the place of the whole file of the same path.
    pub fn world(&self) -> Result<Files, Error> {
        let expected = self.expected()?;
        let (case, world) = (format!("{}/{}", self.rule(), self.name()), expected.world);
        let named = self.worlds().join(&world);
        if world.is_empty() || !named.is_dir() {
            return Err(Error::NoSuchWorld { case, world });
        }
        let mut all = files(&named)?;
        for file in expected.without {
            if all.remove(&file).is_none() {
                return Err(Error::NothingToLeaveOut { case, world, file });
            }
        }
        for (file, content) in files(&self.folder.join("world"))? {
            if all.get(&file) == Some(&content) {
                return Err(Error::Repeated { case, world, file });
            }
            all.insert(file, content);
        }
        Ok(all)
    }

    /// The folder of the named worlds, `worlds/` beside the rules' folders.
    fn worlds(&self) -> PathBuf {
        self.folder.join("../../worlds")
    }

    /// Writes its world as a folder that `--world` takes. The folder is created; files that are in it already stay.
    pub fn write_world(&self, folder: &Path) -> Result<(), Error> {
        let unwritable = |source| Error::Unreadable { file: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        for (path, content) in self.world()? {
            let file = folder.join(path);
            std::fs::create_dir_all(file.parent().unwrap_or(folder)).map_err(unwritable)?;
            std::fs::write(file, content).map_err(unwritable)?;
        }
        Ok(())
    }
}

/// The AWS answers below a folder; none if the folder doesn't exist.
fn files(folder: &Path) -> Result<Files, Error> {
    let mut files = Files::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in WalkDir::new(folder) {
        let entry = entry.map_err(|error| Error::Unreadable { file: folder.to_owned(), source: error.into() })?;
        if entry.file_type().is_file() && entry.file_name() != "README.md" {
            let within = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let path = within.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            files.insert(path, read(entry.path())?);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder of cases with the world `two-files` and one case.
    fn case(expected: &str, own: &[(&str, &str)]) -> (TempDir, Case) {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: String, text: &str| {
            let file = folder.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write("worlds/two-files/README.md".to_owned(), "For people.");
        write("worlds/two-files/organization.json".to_owned(), "{}");
        write("worlds/two-files/policies/p-1.json".to_owned(), "one");
        let rest = r#""about": "A test.", "invocations": {}, "findings": []"#;
        write("some-rule/fires/expected.json".to_owned(), &format!("{{{expected}, {rest}}}"));
        for (path, text) in own {
            write(format!("some-rule/fires/world/{path}"), text);
        }
        let case = Case::of_event(&folder.path().join("some-rule/fires/event.json"));
        (folder, case)
    }

    fn world(expected: &str, own: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let (_folder, case) = case(expected, own);
        let files = case.world().map_err(|error| error.to_string())?;
        Ok(files.into_iter().map(|(path, content)| (path, String::from_utf8(content).unwrap())).collect())
    }

    fn of(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
    }

    #[test]
    fn a_named_world_is_all_its_files_but_what_is_for_people() {
        assert_eq!(world(r#""world": "two-files""#, &[]).unwrap(), of(&[("organization.json", "{}"), ("policies/p-1.json", "one")]));
    }

    #[test]
    fn a_file_of_the_case_takes_the_whole_place_of_the_named_worlds() {
        let own = [("policies/p-1.json", "another"), ("policies/p-2.json", "two")];
        let all = [("organization.json", "{}"), ("policies/p-1.json", "another"), ("policies/p-2.json", "two")];
        assert_eq!(world(r#""world": "two-files""#, &own).unwrap(), of(&all));
    }

    #[test]
    fn what_a_case_leaves_out_is_not_there() {
        assert_eq!(world(r#""world": "two-files", "without": ["policies/p-1.json"]"#, &[]).unwrap(), of(&[("organization.json", "{}")]));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let wrong = |expected, own: &[_]| world(expected, own).unwrap_err();
        assert!(wrong(r#""world": "two-flies""#, &[]).contains("`two-flies` is no folder"));
        assert!(wrong(r#""world": """#, &[]).contains("`` is no folder"));
        assert!(wrong(r#""world": "two-files", "without": ["policies/p-3.json"]"#, &[]).contains("`policies/p-3.json` can't be left out"));
        assert!(wrong(r#""world": "two-files""#, &[("organization.json", "{}")]).contains("`world/organization.json` is the same"));
        assert!(wrong(r#""worlds": "two-files""#, &[]).contains("unknown field `worlds`"));
    }

    #[test]
    fn a_written_world_is_the_folder_that_the_command_line_takes() {
        let (_folder, case) = case(r#""world": "two-files""#, &[("policies/p-2.json", "two")]);
        let written = tempfile::tempdir().unwrap();
        case.write_world(&written.path().join("world")).unwrap();
        assert_eq!(files(&written.path().join("world")).unwrap(), case.world().unwrap());
    }
}
