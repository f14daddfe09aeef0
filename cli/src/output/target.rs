//! Writes the file that `--output` names. A link, a device, and the mode of a file that is there already are kept.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::anyhow;

use super::{Clean, UntilClosed, is_stdout};
use crate::exit::UsageError;

/// Refuses to write where `option` says, if that file is one of the `others`, too, which the same command reads or writes. Each of them comes
/// with what it is: `the store`.
pub(crate) fn refuse_overwriting<'p>(
    option: &str,
    path: Option<&Path>,
    others: impl IntoIterator<Item = (&'p str, Option<&'p Path>)>,
) -> Result<(), UsageError> {
    let Some(written) = path.filter(|path| !is_stdout(path)).and_then(resolved) else { return Ok(()) };
    let mut others = others.into_iter().filter_map(|(what, other)| Some((what, other?)));
    match others.find(|(_, other)| resolved(other).is_some_and(|other| other == written)) {
        None => Ok(()),
        Some((what, other)) => Err(UsageError(format!("{option} would overwrite {what} `{}`: give it a file of its own", other.display()))),
    }
}

/// The path of a file from the root and behind links, whether the file is there already or not. `None` for a device or a FIFO, which keeps
/// nothing that could be overwritten, and for a file whose folder is missing.
fn resolved(path: &Path) -> Option<PathBuf> {
    let (path, _) = behind_links(path).ok()?;
    match fs::metadata(&path) {
        Ok(there) => path.canonicalize().ok().filter(|_| there.is_file()),
        Err(_) => Some(folder_of(&path).canonicalize().ok()?.join(path.file_name()?)),
    }
}

/// Writes to the file that a path leads to. A regular file is replaced in one step, so that it is never incomplete; anything else, such as
/// a FIFO, is written in place.
pub(super) fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    replace(path, |file| plain(file, write))
}

/// Writes to the file that a path leads to, likewise, in a form that isn't text.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (path, has_a_name) = behind_links(path)?;
    let there = match fs::metadata(&path) {
        Ok(there) if there.is_dir() => return Err(anyhow!("it is a folder: name a file in it")),
        Ok(there) => Some(there),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    if !has_a_name || there.as_ref().is_some_and(|there| !there.is_file()) {
        return write(&mut OpenOptions::new().write(true).open(&path)?);
    }
    let mut file = beside(&path)?;
    write(file.as_file_mut())?;
    if let Some(there) = there {
        // Only root can change the owner. For others the file becomes their own.
        #[cfg(unix)]
        let _ = std::os::unix::fs::fchown(
            file.as_file(),
            Some(std::os::unix::fs::MetadataExt::uid(&there)),
            Some(std::os::unix::fs::MetadataExt::gid(&there)),
        );
        file.as_file().set_permissions(there.permissions())?;
    }
    // After a power cut the file is the old one or the new one, not an empty one.
    file.as_file().sync_all()?;
    // The message of `PersistError` is about the temporary file, which the user doesn't know.
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes to a file without colours, whatever the terminal.
fn plain(file: &mut File, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(Clean::plain(UntilClosed::new(file)));
    write(&mut out)?;
    Ok(out.flush()?)
}

/// Characters of a file's name that the name of its temporary file repeats at most: file systems allow 255 bytes for both.
const NAME_REPEATED: usize = 50;

/// Creates a temporary file beside a file, with the mode of any new file. Its name, `.report.html.tmp1a2b3c`, says what it was to become:
/// it stays if the program is killed.
fn beside(path: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(anyhow!("there is no folder `{}`", folder.display()));
    }
    let name: String = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().chars().take(NAME_REPEATED).collect();
    let prefix = format!(".{name}.tmp");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    let mode: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(mode);
    // The message of the error names the temporary file, so only its kind is told.
    builder.tempfile_in(folder).map_err(|error| anyhow!("no file can be made in `{}`: {}", folder.display(), error.kind()))
}

/// Links that are followed one after the other at most. More are a loop.
const MOST_LINKS: usize = 40;

/// Follows links and returns the path behind them, which need not exist, and whether it can be opened by name. What links in `/proc` and
/// `/dev` lead to, such as a pipe or a redirection of the shell, may have no name and can only be opened through the link.
fn behind_links(path: &Path) -> io::Result<(PathBuf, bool)> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(_) if path.starts_with("/proc") || path.starts_with("/dev") => return Ok((path, false)),
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok((path, true)),
        }
    }
    Err(io::Error::other("too many links"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_temporary_file_is_named_after_its_target_and_goes_after_an_error() {
        let folder = tempfile::tempdir().unwrap();
        // 255 bytes are as many as a name may have.
        for (name, starts) in
            [("evidence.zip".to_owned(), ".evidence.zip.tmp".to_owned()), ("ü".repeat(127), format!(".{}.tmp", "ü".repeat(50)))]
        {
            let path = folder.path().join(&name);
            let while_writing = |there: &mut Vec<String>| {
                replace(&path, |_| {
                    *there = names(folder.path());
                    Err(anyhow!("no room"))
                })
            };
            let mut there = Vec::new();
            assert_eq!(while_writing(&mut there).unwrap_err().to_string(), "no room");
            assert!(there.len() == 1 && there.iter().all(|name| name.starts_with(&starts)), "{there:?}");
            assert_eq!(names(folder.path()), Vec::<String>::new());
            replace(&path, |file| Ok(file.write_all(b"whole")?)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"whole");
            fs::remove_file(path).unwrap();
        }
    }
}
