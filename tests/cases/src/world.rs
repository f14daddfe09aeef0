//! The world of a case, put together from the files that say what is known.

use std::{collections::BTreeMap, path::Path};

use walkdir::WalkDir;

use crate::{Case, Error, read};

/// The files of a world, by their path in its folder, with `/` between its parts.
pub type Files = BTreeMap<String, Vec<u8>>;

impl Case {
    /// The files of its world.
    pub fn world(&self) -> Result<Files, Error> {
        files(&self.folder.join("world"))
    }

    /// Writes its world as a folder that `--world` takes. The folder is made; what lies in it already stays.
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

/// The files below a folder that say something of AWS; none if there is no folder.
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
