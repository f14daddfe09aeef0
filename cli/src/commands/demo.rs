//! `guardrail-audit demo`: audits the sample data that is built into the program.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit_core::{
    auditor::Selection,
    report::{Origin, Report},
};
use audit_local::{scan, world::Contents};
use include_dir::{Dir, include_dir};

use super::{audit::Run, configuration, load_world_with};
use crate::{
    args::{DemoArgs, Format, ViewArgs},
    console::Console,
    exit::{Exit, UsageError},
    output,
};

/// A week of a made-up organization, which `events/demo/README.md` describes.
static DEMO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../events/demo");

/// The end of the week, which is "now" for the demo, so that it shows the same on every day.
const NOW: &str = "2026-11-16T00:00:00Z";

pub(crate) fn run(args: &DemoArgs, console: Console) -> anyhow::Result<Exit> {
    args.export.check(args.format)?;
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None => private_folder()?,
    };
    let context = || format!("failed to put the sample data into `{}`: give --dir a folder that you may write to", folder.display());
    std::fs::create_dir_all(&folder).with_context(context)?;
    if !may_be_filled(&folder).with_context(context)? {
        let message = format!("`{}` holds something else than a demo: give --dir a new or an empty folder", folder.display());
        return Err(UsageError(message).into());
    }
    DEMO.extract(&folder).with_context(context)?;
    let at = |name: &str| folder.join(name);
    let store = at("findings.db");
    // Each demo starts with an empty store.
    if store.exists() {
        std::fs::remove_file(&store).with_context(context)?;
    }
    let world = at("world");
    let configured = configuration::given(&at("guardrail-audit.toml"))?;
    let now = super::now(audit_core::timestamp::Timestamp::parse(NOW));
    let run = Run {
        configuration: &configured.configuration,
        selection: &Selection::default(),
        now,
        threads: scan::processors(),
        console,
        own_files: [None, None],
    };
    let loaded = load_world_with(Some(&world), Contents::Kept, console)?;
    let outcome = run.with_store(&[at("AWSLogs")], Some(&world), &loaded, &store, configured.to_keep().as_ref())?;
    console.unreadable(&outcome.unreadable, outcome.records.unreadable);
    let finding = outcome.audit.findings.first().map(|finding| finding.id.get(..12).unwrap_or(&finding.id).to_owned());
    let report = Report { origin: Some(Origin::Store(store.display().to_string())), ..outcome.into_report(now, &configured) };
    output::write(&report, args.format, &args.export, &ViewArgs::default(), None)?;
    if args.format == Format::Table {
        next_steps(&folder, finding.as_deref(), console);
    }
    Ok(Exit::Clean)
}

/// Creates a temporary folder that no other user can read, or can have created before.
fn private_folder() -> anyhow::Result<PathBuf> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("guardrail-audit-demo-");
    #[cfg(unix)]
    let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    #[cfg(unix)]
    builder.permissions(mode);
    let folder = builder.tempdir();
    let context = || format!("failed to make a folder in `{}`: give --dir a folder that you may write to", std::env::temp_dir().display());
    Ok(folder.with_context(context)?.keep())
}

/// Whether a folder is empty or holds an earlier demo, which the first line of its README shows.
fn may_be_filled(folder: &Path) -> std::io::Result<bool> {
    const SAYS_WHAT_IT_IS: &str = "README.md";
    if std::fs::read_dir(folder)?.next().is_none() {
        return Ok(true);
    }
    let heading = |text: &[u8]| text.split(|byte| *byte == b'\n').next().map(<[u8]>::to_vec);
    let ours = DEMO.get_file(SAYS_WHAT_IT_IS).and_then(|file| heading(file.contents()));
    let there = std::fs::read(folder.join(SAYS_WHAT_IT_IS)).ok().and_then(|text| heading(&text));
    Ok(ours.is_some() && ours == there)
}

fn next_steps(folder: &Path, finding: Option<&str>, console: Console) {
    let at = |name: &str| -> PathBuf { folder.join(name) };
    let store = at("findings.db");
    // The program's path as it was typed, so that the commands can be copied: a newcomer has built the program, not installed it.
    let program = std::env::args().next().unwrap_or_else(|| "guardrail-audit".to_owned());
    console.note(format_args!("the sample data, its world and configuration, and the store are in {}", folder.display()));
    if let Some(finding) = finding {
        let config = at("guardrail-audit.toml");
        console.note(format_args!(
            "why one of the findings: {program} explain {finding} --store {} --config {}",
            store.display(),
            config.display()
        ));
    }
    console.note(format_args!("your own logs: {program} audit PATH... --world DIR"));
}
