//! Writes the file that `--output` names. A link, a device, and the mode of a file that is there already are kept.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{Clean, UntilClosed};

/// Writes to the file that a path leads to. A regular file is replaced in one step, so that it is never incomplete; anything else, such as
/// a FIFO, is written in place.
pub(super) fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    replace(path, |file| plain(file, write))
}

/// Writes to the file that a path leads to, likewise, in a form that isn't text.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (path, has_a_name) = behind_links(path)?;
    let there = match fs::metadata(&path) {
        Ok(there) => Some(there),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    if !has_a_name || there.as_ref().is_some_and(|there| !there.is_file()) {
        return write(&mut OpenOptions::new().write(true).open(&path)?);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = beside(folder)?;
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
    file.persist(&path)?;
    Ok(())
}

/// Writes to a file without colours, whatever the terminal.
fn plain(file: &mut File, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(Clean::plain(UntilClosed::new(file)));
    write(&mut out)?;
    Ok(out.flush()?)
}

/// Creates a temporary file in a folder, with the mode of any new file.
fn beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let mode: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(mode);
    builder.tempfile_in(folder)
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
