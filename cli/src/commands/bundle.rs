//! The evidence bundle: a report in all forms, with what it rests on, in one zip file whose manifest names the SHA-256 of each file.
//! `report --bundle` writes one, and `bundle verify` tells whether its files are still those that were written.

mod fails_once;
mod form;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    path::Path,
};

use anyhow::{Context as _, anyhow};
use audit_core::{
    report::{
        Report,
        csv::{self, LineEnding},
        v1,
    },
    timestamp::{Day, Timestamp},
};
use audit_local::store::{RecordId, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zip::{ZipArchive, ZipWriter, result::ZipError, write::SimpleFileOptions};

use self::fails_once::FailsOnce;
use crate::{
    args::BundleCommand,
    console::Console,
    exit::{Exit, UsageError},
    output::{self, text::counted},
    source::Source,
};

/// The name of the manifest in the bundle.
const MANIFEST: &str = "manifest.json";

/// Bytes that a manifest has at most, so that a crafted bundle can't take more memory.
const MANIFEST_BYTES: u64 = 64 << 20;

/// What a bundle holds.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    schema_version: u32,
    /// The program that wrote it, with its version.
    tool: String,
    generated_at: Timestamp,
    /// What the report is limited to, in words; absent if it is about everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    files: BTreeMap<String, Entry>,
}

/// A file of a bundle.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    sha256: String,
}

/// Writes the bundle of a report and of what it comes from.
pub(crate) fn write(path: &Path, report: &Report, source: &Source, console: Console) -> anyhow::Result<()> {
    let mut digest = String::new();
    let context = || format!("failed to write the bundle `{}`", path.display());
    output::replace(path, |file| {
        digest = fill(file, report, source).map_err(without_zip)?;
        Ok(())
    })
    .with_context(context)?;
    if let Source::Store(store) = source
        && let Some(until) = store.compacted_days()?.until
    {
        console.note(format_args!("records.csv has no ids of days before {}: the store has compacted them", Day::of(until)));
    }
    console.note(format_args!("{}: its manifest has the SHA-256 {digest}; keep that apart from it", path.display()));
    Ok(())
}

/// An error of the file itself, where the zip that is written into it wraps one.
fn without_zip(error: anyhow::Error) -> anyhow::Error {
    match error.downcast() {
        Ok(ZipError::Io(error)) => error.into(),
        Ok(error) => error.into(),
        Err(error) => error,
    }
}

/// Writes a bundle, and returns the SHA-256 of its manifest.
fn fill(file: &mut File, report: &Report, source: &Source) -> anyhow::Result<String> {
    let mut bundle = Bundle { zip: ZipWriter::new(FailsOnce::new(BufWriter::new(file))), files: BTreeMap::new() };
    bundle.add("report.html", |out| Ok(out.write_all(audit_page::html(report)?.as_bytes())?))?;
    bundle.add("report.json", |out| Ok(serde_json::to_writer_pretty(out, &v1::Report::from(report))?))?;
    bundle.add("findings.csv", |mut out| output::csv(&mut out, &report.findings, &report.accounts))?;
    match source {
        Source::Store(store) => add_store(&mut bundle, store)?,
        // The hub keeps packed facts and no files, so that there is no list of either.
        #[cfg(feature = "aws")]
        Source::Hub(hub) => {
            hub.each_world_file(|path, json| bundle.add(&format!("world/{path}"), |out| Ok(out.write_all(json)?)).map(|_| ()))?;
        }
    }
    let manifest = Manifest {
        schema_version: 1,
        tool: format!("{} {}", report.tool.name, report.tool.version),
        generated_at: report.generated_at,
        filter: report.filter.as_ref().map(ToString::to_string),
        files: std::mem::take(&mut bundle.files),
    };
    let digest = bundle.add(MANIFEST, |out| Ok(serde_json::to_writer_pretty(out, &manifest)?))?;
    bundle.zip.finish()?.flush()?;
    Ok(digest)
}

/// Adds the ids of the records in a store, the names of the files that these were read from, and its world.
fn add_store<W: Write + Seek>(bundle: &mut Bundle<W>, store: &Store) -> anyhow::Result<()> {
    bundle.add("records.csv", |out| {
        let heading = ["event_id", "request_id", "event_time", "account", "region", "event_name"];
        let mut table = csv::Writer::new(out, LineEnding::Lf, heading)?;
        store.each_record_id(|record| {
            let RecordId { event_id, request_id, event_time, account, region, event_name } = record;
            let time = event_time.map(|time| time.to_string()).unwrap_or_default();
            table.row([event_id, request_id, time.as_str(), account, region, event_name])
        })??;
        Ok(table.finish()?)
    })?;
    bundle.add("inputs.csv", |out| {
        let mut table = csv::Writer::new(out, LineEnding::Lf, ["sha256", "file"])?;
        for (digest, name) in store.input_names()? {
            table.row([hex::encode(digest).as_str(), name.as_str()])?;
        }
        Ok(table.finish()?)
    })?;
    if let Some(configuration) = store.configuration()? {
        bundle.add("configuration.toml", |out| Ok(out.write_all(configuration.text.as_bytes())?))?;
    }
    for (path, json) in store.load_world()? {
        bundle.add(&format!("world/{path}"), |out| Ok(out.write_all(&json)?))?;
    }
    Ok(())
}

/// A bundle that is being written.
struct Bundle<W: Write + Seek> {
    zip: ZipWriter<W>,
    files: BTreeMap<String, Entry>,
}

impl<W: Write + Seek> Bundle<W> {
    /// Adds a file, and returns its SHA-256.
    fn add(&mut self, name: &str, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<String> {
        // Records of large organizations take more than 4 GB, which the first form of zip can't hold.
        self.zip.start_file(name, SimpleFileOptions::default().large_file(true))?;
        let mut out = Hashed { out: &mut self.zip, hash: Sha256::new(), bytes: 0 };
        write(&mut out)?;
        let entry = Entry { bytes: out.bytes, sha256: hex::encode(out.hash.finalize()) };
        let digest = entry.sha256.clone();
        self.files.insert(name.to_owned(), entry);
        Ok(digest)
    }
}

/// A writer that hashes what passes through.
struct Hashed<W> {
    out: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

pub(crate) fn run(command: &BundleCommand) -> anyhow::Result<Exit> {
    let BundleCommand::Verify { file, manifest_sha256 } = command;
    let context = || format!("failed to read the bundle `{}`", file.display());
    let opened = File::open(file).with_context(context)?;
    let verified = verify(opened, manifest_sha256.as_deref()).with_context(context)?;
    output::to(None, |out| {
        match &verified {
            Verified::Whole { files, made } => writeln!(out, "{} as the manifest of {made} names them", counted(*files, "file"))?,
            Verified::Altered(why) => why.iter().try_for_each(|why| writeln!(out, "{why}"))?,
        }
        Ok(())
    })?;
    Ok(if matches!(verified, Verified::Whole { .. }) { Exit::Clean } else { Exit::Findings })
}

/// The result of comparing a bundle with its manifest.
enum Verified {
    /// All files are those that were written.
    Whole { files: usize, made: Timestamp },
    /// They aren't, and why.
    Altered(Vec<String>),
}

fn verify(mut file: impl Read + Seek, manifest_sha256: Option<&str>) -> anyhow::Result<Verified> {
    let ambiguity = form::ambiguity(&mut file).map_err(|error| match error {
        ZipError::Io(error) => error.into(),
        _ => anyhow!("it is no zip, or not a whole one"),
    })?;
    let mut archive = ZipArchive::new(file)?;
    let mut text = Vec::new();
    archive
        .by_name(MANIFEST)
        .map_err(|_| UsageError(format!("no evidence bundle: there is no {MANIFEST} in it")))?
        .take(MANIFEST_BYTES)
        .read_to_end(&mut text)?;
    let mut wrong: Vec<String> =
        ambiguity.map(|why| format!("the zip: {why}; other programs may unpack other files")).into_iter().collect();
    let digest = hex::encode(Sha256::digest(&text));
    if manifest_sha256.is_some_and(|wanted| !wanted.trim().eq_ignore_ascii_case(&digest)) {
        wrong.push(format!("{MANIFEST}: another one: its SHA-256 is {digest}"));
    }
    let manifest: Manifest = serde_json::from_slice(&text).with_context(|| format!("failed to read its {MANIFEST}"))?;
    let there: BTreeSet<String> = archive.file_names().map(|name| name.map(Cow::into_owned)).collect::<Result<_, _>>()?;
    for name in there.iter().filter(|name| *name != MANIFEST && !manifest.files.contains_key(*name)) {
        wrong.push(format!("{name}: not in the manifest"));
    }
    for (name, entry) in &manifest.files {
        if !there.contains(name) {
            wrong.push(format!("{name}: missing"));
            continue;
        }
        let mut found = Hashed { out: io::sink(), hash: Sha256::new(), bytes: 0 };
        // A byte more than the manifest names is enough to see that the file is another one.
        let copied = archive.by_name(name).map_err(anyhow::Error::from).and_then(|file| {
            let mut file = file.take(entry.bytes.saturating_add(1));
            Ok(io::copy(&mut file, &mut found)?)
        });
        let found = Entry { bytes: found.bytes, sha256: hex::encode(found.hash.finalize()) };
        if copied.is_err() || found != *entry {
            wrong.push(format!("{name}: altered"));
        }
    }
    if wrong.is_empty() {
        Ok(Verified::Whole { files: manifest.files.len(), made: manifest.generated_at })
    } else {
        Ok(Verified::Altered(wrong))
    }
}
