//! The file that `--output` names: whatever is there already, a link, a device or a file with its own mode, stays what it is.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{Clean, UntilClosed};

/// Writes to what a path leads to. A file is there whole or not at all; what is no file, such as a FIFO, is written in place.
pub(super) fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (path, has_a_name) = behind_links(path)?;
    let there = match fs::metadata(&path) {
        Ok(there) => Some(there),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    if !has_a_name || there.as_ref().is_some_and(|there| !there.is_file()) {
        return plain(&mut OpenOptions::new().write(true).open(&path)?, write);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = beside(folder)?;
    plain(file.as_file_mut(), write)?;
    if let Some(there) = there {
        // Only root can give files away; who can't, writes for themselves.
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

/// A file has no colours, whatever the terminal.
fn plain(file: &mut File, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(Clean::new(UntilClosed::new(anstream::StripStream::new(file))));
    write(&mut out)?;
    Ok(out.flush()?)
}

/// A file under a name of its own, with the mode of any new file.
fn beside(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let mode: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(mode);
    builder.tempfile_in(folder)
}

/// More links than this behind each other are a loop.
const MOST_LINKS: usize = 40;

/// Where a path leads, also if nothing is there yet, and whether that has a name of its own. What links in `/proc` and `/dev` lead to,
/// such as a pipe or what a shell redirected, may have none: it can only be opened by the link.
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
