//! `cargo xtask demo`: writes the logs of `events/demo`, a week of a made-up organization, from the story in `demo/week.rs`.
//!
//! What the week means, its world and its configuration are written by hand. Nothing here depends on the day or the machine; a file that
//! holds the same records already stays as it is, since compressors differ.

mod chance;
mod record;
mod week;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use chance::Chance;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use record::Record;
use serde_json::{Value, json};
use walkdir::WalkDir;
use week::Week;

use crate::command::root;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> anyhow::Result<()> {
    let written = write(&root().join("events/demo/AWSLogs"))?;
    println!("{written} files of events/demo/AWSLogs were not what the story makes of them");
    Ok(())
}

/// The files below `AWSLogs`, by path, as they are before they are compressed.
fn files() -> BTreeMap<String, String> {
    let mut week = Week::new(Chance::new(20_261_109));
    let mut by_file: BTreeMap<_, Vec<Record>> = BTreeMap::new();
    for record in std::mem::take(&mut week.records) {
        let is_change = text(&record.json, "userAgent").starts_with("aws-cli");
        by_file.entry((record.account, record.region, record.time.day, is_change)).or_default().push(record);
    }
    let mut files = BTreeMap::new();
    for ((account, region, day, is_change), mut records) in by_file {
        records.sort_by_key(|record| record.time);
        let ending = if is_change { "T2350Z_demochanges00001".to_owned() } else { format!("T2355Z_{}", week.chance().word(16)) };
        let folder = format!("o-exampleorgid/{account}/CloudTrail/{region}/2026/11/{day:02}");
        let records: Vec<Value> = records.into_iter().map(|record| record.json).collect();
        let name = format!("{account}_CloudTrail_{region}_202611{day:02}{ending}.json.gz");
        files.insert(format!("{folder}/{name}"), json!({ "Records": records }).to_string());
    }
    for ((time, log), name) in week.logs.iter().zip(["e0eec900ab7d", "cfd4b7fe0f83", "7a20325f6e09"]) {
        let (account, region) = (text(log, "accountId"), text(log, "region"));
        let folder = format!("{account}/BedrockModelInvocationLogs/{region}/2026/11/{:02}/12", time.day);
        files.insert(format!("{folder}/{account}_{name}.json.gz"), log.to_string());
    }
    files
}

fn text<'j>(json: &'j Value, key: &str) -> &'j str {
    json.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Writes what differs, removes what there is no more, and counts both.
fn write(folder: &Path) -> anyhow::Result<usize> {
    let mut there = read(folder)?;
    let mut differ = 0;
    for (path, content) in files() {
        if there.remove(&path).as_ref() != Some(&content) {
            let file = folder.join(&path);
            std::fs::create_dir_all(file.parent().unwrap_or(folder)).context("failed to make a folder")?;
            std::fs::write(&file, compressed(content.as_bytes())?).with_context(|| format!("failed to write `{}`", file.display()))?;
            differ += 1;
        }
    }
    for path in there.keys() {
        std::fs::remove_file(folder.join(path)).with_context(|| format!("failed to remove `{path}`"))?;
        differ += 1;
    }
    Ok(differ)
}

/// The files below a folder, by path, decompressed.
fn read(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(folder).into_iter().filter(|_| folder.exists()) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path: PathBuf = entry.path().strip_prefix(folder)?.to_owned();
            let content = decompressed(&std::fs::read(entry.path())?).with_context(|| format!("failed to read `{}`", path.display()))?;
            files.insert(path.to_string_lossy().into_owned(), content);
        }
    }
    Ok(files)
}

fn compressed(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut compressor = Compressor::new(CompressionLvl::best());
    let mut out = vec![0; compressor.gzip_compress_bound(content.len())];
    let len = compressor.gzip_compress(content, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn decompressed(file: &[u8]) -> anyhow::Result<String> {
    // A gzip file ends with the length of what is in it.
    let Some((_, length)) = file.split_last_chunk::<4>() else { bail!("it is too short") };
    let mut out = vec![0; u32::from_le_bytes(*length) as usize];
    let len = Decompressor::new().gzip_decompress(file, &mut out)?;
    out.truncate(len);
    Ok(String::from_utf8(out)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_what_its_story_makes() {
        let there = read(&root().join("events/demo/AWSLogs")).unwrap();
        let built = files();
        assert_eq!(there.keys().collect::<Vec<_>>(), built.keys().collect::<Vec<_>>(), "run `cargo xtask demo`");
        for (path, content) in &built {
            assert!(there.get(path) == Some(content), "{path} is not what its story makes: run `cargo xtask demo`\n{content}");
        }
    }

    #[test]
    fn only_what_differs_is_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write(folder.path()).unwrap(), files().len());
        assert_eq!(write(folder.path()).unwrap(), 0);
        let (path, _) = files().pop_first().unwrap();
        std::fs::write(folder.path().join(&path), compressed(b"another").unwrap()).unwrap();
        std::fs::write(folder.path().join("left-over.json.gz"), compressed(b"{}").unwrap()).unwrap();
        assert_eq!(write(folder.path()).unwrap(), 2);
        assert_eq!(read(folder.path()).unwrap(), files());
    }
}
