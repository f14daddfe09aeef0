//! Lists what records are read from: files, folders of files, standard input.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

/// A source of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File {
        /// The file's path.
        path: PathBuf,
        /// The file's size in bytes.
        bytes: u64,
        /// Whether the user named this file. False for a file that was found in a folder.
        is_named: bool,
    },
    /// Something that the user named and that is no regular file, such as a FIFO. It can be read only once.
    Stream(PathBuf),
    /// Standard input.
    Stdin,
    /// Something in a folder that can't be read.
    Broken {
        /// The path that can't be read.
        path: PathBuf,
        /// The reason, as messages show it.
        why: String,
    },
}

impl Input {
    /// The name of the input in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Input::File { path, .. } | Input::Stream(path) | Input::Broken { path, .. } => path.display().to_string(),
            Input::Stdin => "standard input".to_owned(),
        }
    }

    /// The size in bytes; 0 where it isn't known.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Input::File { bytes, .. } => *bytes,
            Input::Stream(_) | Input::Stdin | Input::Broken { .. } => 0,
        }
    }

    /// Whether the user named this input.
    #[must_use]
    pub fn is_named(&self) -> bool {
        match self {
            Input::File { is_named, .. } => *is_named,
            Input::Stream(_) | Input::Stdin => true,
            Input::Broken { .. } => false,
        }
    }

    /// Whether this input should hold records: the user named it, or it has a log file's ending. One without records is reported.
    #[must_use]
    pub fn should_hold_records(&self) -> bool {
        let name = self.name().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        self.is_named() || !is_hidden(name) && [".json", ".jsonl", ".ndjson", ".log"].iter().any(|ending| name.ends_with(ending))
    }

    /// Whether this is a document that lies beside logs, such as a README. It may quote records, and those are no evidence.
    pub(crate) fn is_document(&self) -> bool {
        let Input::File { path, is_named: false, .. } = self else { return false };
        path.extension().is_some_and(|ending| ["md", "rst", "adoc"].iter().any(|document| ending.eq_ignore_ascii_case(document)))
    }

    /// Whether this is the body of a model's request or response, which invocation logging stores apart because it is large:
    /// `AWSLogs/<account>/BedrockModelInvocationLogs/<region>/…/data/<request>_input.json.gz`. Callers write what is in it, so it is no
    /// evidence.
    pub(crate) fn is_body(&self) -> bool {
        let Input::File { path, .. } = self else { return false };
        let mut parts = path.iter().rev().map(|part| part.to_string_lossy());
        let name = parts.next().unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default();
        let of_request = |stem: &str| stem.len() == 36 && stem.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let by_name = ["_input", "_output"].iter().any(|end| stem.strip_suffix(end).is_some_and(of_request));
        let in_data = parts.next().is_some_and(|folder| folder == "data");
        by_name || (in_data && parts.any(|folder| folder == "BedrockModelInvocationLogs"))
    }
}

/// Whether a tool keeps this file for itself, such as `.DS_Store`.
pub(crate) fn is_hidden(name: &str) -> bool {
    let name = name.replace('\\', "/");
    let file = name.rsplit('/').next().unwrap_or_default();
    file.starts_with('.') || name.contains("__MACOSX/")
}

/// The error when a path that the user named can't be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read `{}`: {why}", path.display())]
pub struct ListError {
    /// The path as the user named it.
    pub path: PathBuf,
    /// The reason, as messages show it.
    pub why: String,
}

/// Lists the inputs behind the paths, in the order of their names. A folder stands for every file below it, whatever its name, because
/// services and exporters write log files without endings. `-` stands for standard input. What lies in one of the folders `without` is left
/// out, so that a world beside the logs isn't read as logs. What can't be opened inside a folder becomes [`Input::Broken`]; only a path
/// that leads nowhere is an error.
pub fn list(paths: &[PathBuf], without: &[PathBuf]) -> Result<Vec<Input>, ListError> {
    let left_out: Vec<PathBuf> = without.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            inputs.push(Input::Stdin);
            continue;
        }
        let walk = WalkDir::new(path)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| !is_left_out(entry.path(), &left_out));
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == 0 => return Err(ListError { path: path.clone(), why: why(&error) }),
                Err(error) => {
                    inputs.push(broken(path, &error));
                    continue;
                }
            };
            let named_itself = entry.depth() == 0;
            let kind = entry.file_type();
            if named_itself && !kind.is_file() && !kind.is_dir() {
                inputs.push(Input::Stream(entry.into_path()));
            } else if kind.is_file() {
                let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
                inputs.push(Input::File { path: entry.into_path(), bytes, is_named: named_itself });
            }
        }
    }
    Ok(inputs)
}

fn broken(folder: &Path, error: &walkdir::Error) -> Input {
    Input::Broken { path: error.path().unwrap_or(folder).to_owned(), why: why(error) }
}

/// Explains, without its path, why something can't be opened.
pub(crate) fn why(error: &walkdir::Error) -> String {
    match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => format!("a link back to `{}`, which it lies in", ancestor.display()),
        (None, Some(error)) if error.kind() == std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        (None, Some(error)) => error.to_string(),
        (None, None) => error.to_string(),
    }
}

fn is_left_out(path: &Path, left_out: &[PathBuf]) -> bool {
    !left_out.is_empty() && path.canonicalize().is_ok_and(|path| left_out.contains(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_files_and_not_for_the_world_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        };
        for name in ["AWSLogs/1/CloudTrail/b.gz", "AWSLogs/1/CloudTrail/a.JSON", "firehose-1-2026", "world/organization.json"] {
            write(name);
        }
        let names = |inputs: Vec<Input>| inputs.iter().map(|input| input.name().rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>();
        let all = list(&[folder.path().to_owned()], &[folder.path().join("world")]).unwrap();
        assert_eq!(names(all), ["a.JSON", "b.gz", "firehose-1-2026"]);
        assert_eq!(names(list(&[folder.path().join("firehose-1-2026")], &[]).unwrap()), ["firehose-1-2026"]);
        assert_eq!(list(&["-".into()], &[]).unwrap(), [Input::Stdin]);
        assert!(list(&[folder.path().join("missing")], &[]).is_err());
    }

    #[test]
    fn what_callers_wrote_is_known_by_where_it_lies() {
        let body = |path: &str| Input::File { path: path.into(), bytes: 1, is_named: false }.is_body();
        let id = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f";
        assert!(body(&format!("AWSLogs/1/BedrockModelInvocationLogs/us-east-1/2026/11/20/10/data/{id}_input.json.gz")));
        assert!(body("AWSLogs/1/BedrockModelInvocationLogs/us-east-1/2026/11/20/10/data/x.json"));
        assert!(body(&format!("copied/{id}_output.json")));
        for log in ["AWSLogs/1/BedrockModelInvocationLogs/us-east-1/2026/11/20/10/x.json.gz", "data/x.json", "data/my_input.json"] {
            assert!(!body(log), "{log}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_broken_in_a_folder_does_not_hide_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.json"), "{}").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("a.json")).unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("c")).unwrap();
        let inputs = list(&[folder.path().to_owned()], &[]).unwrap();
        assert!(
            matches!(inputs.as_slice(), [Input::Broken { .. }, Input::File { .. }, Input::Broken { why, .. }] if why.starts_with("a link back")),
            "{inputs:?}"
        );
        assert!(list(&[folder.path().join("a.json")], &[]).is_err(), "named itself, it has to be there");
    }
}
