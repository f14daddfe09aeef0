//! `guardrail-audit hub world`: copies the hub's world into a folder, to audit with it again.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use audit_aws::folder::Folder;

use crate::{
    args::WorldArgs,
    console::Console,
    exit::{Exit, UsageError},
    output::text::counted,
    source::hub::Operated,
};

pub(super) fn run(args: &WorldArgs, console: Console) -> anyhow::Result<Exit> {
    let folder = args.dir.as_path();
    let (is_there, unfinished) = (is_empty_folder(folder)?, unfinished(folder)?);
    let hub = Operated::open_with_bucket(&args.address, args.world_bucket.clone(), console)?;
    let files = Folder::open(&unfinished).with_context(|| format!("failed to make the folder {}", unfinished.display()))?;
    let copied = hub.wait("copying the world", hub.hub().copy_world(&files)).with_context(|| {
        let begun = unfinished.display();
        format!("the world was not copied; what was is in {begun}")
    })?;
    // Only a whole world gets the name.
    if is_there {
        fs::remove_dir(folder).with_context(|| format!("failed to replace the empty folder {}", folder.display()))?;
    }
    fs::rename(&unfinished, folder).with_context(|| format!("failed to name the folder {}", folder.display()))?;
    console.note(format_args!(
        "{} copied; to audit with it: guardrail-audit audit PATH... --world {}",
        counted(copied, "file"),
        folder.display()
    ));
    Ok(Exit::Clean)
}

/// Looks whether the folder exists, and refuses one that holds anything: files of another world would be taken for this one's.
fn is_empty_folder(folder: &Path) -> anyhow::Result<bool> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("failed to look into {}", folder.display())),
        Ok(mut entries) => match entries.next() {
            None => Ok(true),
            Some(_) => Err(UsageError(format!("{} is not empty: name a folder that isn't there yet", folder.display())).into()),
        },
    }
}

/// The folder beside it that files are copied into.
fn unfinished(folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let name = folder.file_name().with_context(|| format!("{} is no name for a folder", folder.display()))?;
    Ok(folder.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id())))
}
