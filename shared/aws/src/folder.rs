//! A folder that is used like a bucket: the world on a person's disk.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    bucket::{Bucket, ListedObject},
    error::{CallError, ErrorKind},
};

/// A folder. A file in it is written as a whole or not at all.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Opens a folder, and creates it if there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Folder(path.to_owned()))
    }

    /// The path of a key's file. Keys come from AWS's answers, and none may lead out of the folder.
    fn at(&self, key: &str) -> io::Result<PathBuf> {
        let harmless = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
        if key.split('/').all(harmless) {
            Ok(key.split('/').fold(self.0.clone(), |path, part| path.join(part)))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{key}` is no name for a file")))
        }
    }

    fn list_below(&self, folder: &str, prefix: &str, listed: &mut Vec<ListedObject>) -> io::Result<()> {
        let path = if folder.is_empty() { self.0.clone() } else { self.at(folder.trim_end_matches('/'))? };
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let key = format!("{folder}{}", entry.file_name().to_string_lossy());
            let kind = entry.metadata()?;
            if kind.is_dir() {
                let inside = format!("{key}/");
                if inside.starts_with(prefix) || prefix.starts_with(&inside) {
                    self.list_below(&inside, prefix, listed)?;
                }
            } else if key.starts_with(prefix) {
                let modified = kind.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                listed.push(ListedObject { key, etag: format!("{}-{}", kind.len(), modified.as_nanos()) });
            }
        }
        Ok(())
    }

    /// Writes to a temporary file and renames it, so that a run that is killed leaves no partial file.
    pub(crate) fn write(&self, key: &str, content: &[u8]) -> io::Result<()> {
        let path = self.at(key)?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file needs a name"));
        };
        fs::create_dir_all(folder)?;
        // Readers of worlds ignore names that begin with a dot and end like this.
        let part = folder.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let mut file = fs::File::create(&part)?;
        file.write_all(content)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&part, &path)
    }
}

fn failed(action: String) -> impl FnOnce(io::Error) -> CallError {
    move |error| CallError::new(action, ErrorKind::Refused, error)
}

impl Bucket for Folder {
    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        let mut listed = Vec::new();
        // Only the folder that the prefix leads to is read.
        let start = prefix.rfind('/').map_or("", |at| prefix.get(..=at).unwrap_or_default());
        self.list_below(start, prefix, &mut listed).map_err(failed(format!("list `{prefix}` in {}", self.0.display())))?;
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listed)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        match self.at(key).and_then(fs::read) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(format!("read `{key}` in {}", self.0.display()))(error)),
        }
    }

    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        self.write(key, &content).map_err(failed(format!("write `{key}` in {}", self.0.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_used_like_a_bucket() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(&directory.path().join("new/world")).unwrap();
        for key in ["policies/p-1@20261101T000000Z.json", "policies/p-10.json", "telemetry/1/us-east-1.json", "organization.json"] {
            folder.put(key, key.as_bytes().to_vec()).await.unwrap();
        }
        let keys = async |prefix: &str| folder.list(prefix).await.unwrap().into_iter().map(|listed| listed.key).collect::<Vec<_>>();
        assert_eq!(keys("policies/p-1").await, ["policies/p-10.json", "policies/p-1@20261101T000000Z.json"]);
        assert_eq!(keys("organization").await, ["organization.json"]);
        assert_eq!(keys("tele").await, ["telemetry/1/us-east-1.json"]);
        assert_eq!(keys("").await.len(), 4);
        assert_eq!(keys("guardrails/1/").await.len(), 0);
        assert_eq!(folder.get("organization.json").await.unwrap(), Some(b"organization.json".to_vec()));
        assert_eq!(folder.get("policies/none.json").await.unwrap(), None);
        for bad in ["../outside.json", "policies/../../x", "/etc/x", "a//b", "a\\..\\b"] {
            assert!(folder.put(bad, Vec::new()).await.is_err(), "{bad}");
        }
    }
}
