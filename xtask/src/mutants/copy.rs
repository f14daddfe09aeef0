//! The copy of the tree that mutants are made in.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;

/// Makes `to` hold the files of a work tree that Git tracks or would track. Files that are the same stay as they are, so that what was built
/// of them is still good.
pub(super) fn update(from: &Path, to: &Path) -> anyhow::Result<()> {
    let wanted = files(from)?;
    for file in present(to) {
        if !wanted.contains(&file) {
            std::fs::remove_file(to.join(file))?;
        }
    }
    for file in &wanted {
        let copy = to.join(file);
        copy.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        write(&copy, &std::fs::read(from.join(file))?)?;
    }
    Ok(())
}

/// Writes other texts into files of a tree.
pub(super) fn rewrite(tree: &Path, files: &BTreeMap<PathBuf, String>) -> anyhow::Result<()> {
    files.iter().try_for_each(|(file, text)| write(&tree.join(file), text.as_bytes()))
}

fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    if !std::fs::read(file).is_ok_and(|old| old == content) {
        std::fs::write(file, content)?;
    }
    Ok(())
}

fn files(tree: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    let listed = Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(tree).output()?;
    ensure!(listed.status.success(), "git lists no files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout)?;
    // A file that was deleted and not yet committed so is listed still.
    Ok(names.split_terminator('\0').map(PathBuf::from).filter(|file| tree.join(file).is_file()).collect())
}

fn present(tree: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(tree).into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    entries.filter_map(|entry| entry.path().strip_prefix(tree).map(Path::to_path_buf).ok()).collect()
}
