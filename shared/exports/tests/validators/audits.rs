//! The reports of all cases and of the demo.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use audit_core::{
    auditor::{self, AuditOptions, Selection},
    config::Configuration,
    report::{Records, Report, Tool},
    timestamp::Timestamp,
};
use audit_local::{
    input::{self, Input},
    scan::{self, Options},
    world::{self, LoadedWorld},
};
use cases::Case;

/// The reports of every case, and as the last one that of the demo.
pub(crate) fn all() -> &'static [Report] {
    static ALL: OnceLock<Vec<Report>> = OnceLock::new();
    ALL.get_or_init(|| {
        let cases = Case::all().unwrap();
        let half = cases.len() / 2;
        let (first, second) = cases.split_at(half);
        let of = |cases: &[Case]| cases.iter().map(of_case).collect::<Vec<Report>>();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| of(first));
            let second = of(second);
            let mut all = first.join().unwrap();
            all.extend(second);
            all.push(demo(|_| {}));
            all
        })
    })
}

fn of_case(case: &Case) -> Report {
    let mut loaded = LoadedWorld::default();
    for (path, content) in case.world().unwrap() {
        let shown_as = PathBuf::from(&path);
        loaded.take(path, content, &shown_as);
    }
    let inputs = input::list(&[case.event_file()], &[]).unwrap();
    report(&inputs, loaded, case.configuration_file().as_deref(), cases::NOW)
}

/// The report of the demo. `rearrange` may change the order in which files are read.
pub(crate) fn demo(rearrange: impl FnOnce(&mut Vec<Input>)) -> Report {
    let folder = cases::folder().join("demo");
    let mut inputs = input::list(&[folder.join("AWSLogs")], &[]).unwrap();
    rearrange(&mut inputs);
    report(&inputs, world::load(&folder.join("world")).unwrap(), Some(&folder.join("guardrail-audit.toml")), "2026-11-16T00:00:00Z")
}

fn report(inputs: &[Input], loaded: LoadedWorld, configuration: Option<&Path>, now: &str) -> Report {
    let configuration =
        configuration.map_or_else(Configuration::default, |file| Configuration::parse(&std::fs::read_to_string(file).unwrap()).unwrap());
    let (selection, now) = (Selection::default(), Timestamp::parse(now).unwrap());
    let wanted = auditor::wanted_in(&configuration, &loaded.world);
    let scanned = scan::scan(inputs, &wanted, &Options { threads: 1, ..Options::default() });
    let options = AuditOptions { configuration: &configuration, selection: &selection, now, threads: 1 };
    let audit = auditor::audit(scanned.facts, loaded.world, &options);
    Report {
        tool: Tool { name: "guardrail-audit".to_owned(), version: "0.1.0".to_owned() },
        generated_at: now,
        filter: None,
        incomplete: Vec::new(),
        records: Records::default(),
        invocations: audit.invocations,
        coverage: audit.coverage,
        timeline: Vec::new(),
        blind: audit.blind,
        findings: audit.findings,
        unreadable: Vec::new(),
        organization: audit.organization,
        accounts: audit.accounts,
        units: audit.units,
        is_without_world: false,
        configuration: None,
        origin: None,
    }
}
