//! Exports are written one finding after the other: how long that takes beside plain JSON lines of the same findings, and that memory doesn't
//! grow with their number. Both are measured within one run, because the speed of machines differs and changes.
//!
//! `cargo test --release -p audit-exports --test speed -- --nocapture` prints findings a second.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::OnceLock,
    time::{Duration, Instant},
};

use audit_core::{
    finding::{Bounded, Finding, Status},
    report::{Tool, v1},
    rules::RULES,
    severity::Severity,
    timestamp::Timestamp,
    verdict::{Grade, Reason, Verdict},
};
use audit_exports::{
    Export,
    asff::{Importer, requests},
    ocsf::{Version, event},
};

/// The most times as long as JSON lines that an export may take; they take five to eight times as long (docs/performance.md). A step that
/// grows with the number of findings, such as a search among all of them, takes hundreds of times as long.
const MOST: f64 = 12.0;

/// The least findings a second that an optimised build writes.
const LEAST_A_SECOND: f64 = 20_000.0;

/// The findings that are exported: fewer in a build that isn't optimised, so that the test takes seconds.
const FINDINGS: usize = if cfg!(debug_assertions) { 4_000 } else { 40_000 };

/// Findings of all rules in 300 accounts.
fn findings() -> Vec<Finding> {
    let seen = Timestamp::parse("2026-11-12T10:00:00Z").unwrap();
    let finding = |number: usize| {
        let rule = RULES[number % RULES.len()];
        let account = format!("{:012}", 200_000_000_000 + number % 300 * 7_919);
        let principal = format!("arn:aws:iam::{account}:role/app-{}", number % 17);
        Finding {
            id: format!("{number:032x}"),
            rule: rule.id.to_owned(),
            severity: Severity::High,
            title: rule.title.to_owned(),
            detail: format!(
                "3 calls of Converse with amazon.nova-pro-v1:0 by {principal}: the effective policy demands nothing in this Region"
            ),
            remediation: rule.remediation.to_owned(),
            status: Status::Open,
            account: account.as_str().into(),
            region: "us-east-1".into(),
            resource: format!("AWS::::Account:{account}"),
            principals: Bounded { shown: vec![principal], more: 0 },
            models: Bounded { shown: vec!["amazon.nova-pro-v1:0".to_owned()], more: 0 },
            apis: Bounded { shown: vec!["Converse".to_owned()], more: 0 },
            verdict: Some(Verdict::Violation),
            grade: Some(Grade::Enforced),
            reason: Some(Reason::NoGuardrail),
            missing: Vec::new(),
            attempted: false,
            expected: false,
            linked: Vec::new(),
            first_seen: Some(seen),
            last_seen: Some(seen.plus_seconds(86_400)),
            count: 3,
            events: vec!["00000000-0000-4000-b000-000000000001".to_owned(), "00000000-0000-4000-b000-000000000002".to_owned()],
            changes: Vec::new(),
            policy: None,
            controls: rule.controls.iter().map(ToString::to_string).collect(),
            reopened: 0,
            resolved_at: None,
            suppression: None,
        }
    };
    (0..FINDINGS).map(finding).collect()
}

/// Counts what is written and keeps nothing.
#[derive(Default)]
struct Counted {
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Writer = fn(&mut Counted, &[Finding], &Export<'_>);

fn json_lines(out: &mut Counted, findings: &[Finding], _: &Export<'_>) {
    for finding in findings {
        serde_json::to_writer(&mut *out, &v1::Finding::from(finding)).unwrap();
    }
}

fn ocsf(out: &mut Counted, findings: &[Finding], export: &Export<'_>) {
    for finding in findings {
        serde_json::to_writer(&mut *out, &event(finding, export, Version::default())).unwrap();
    }
}

fn asff(out: &mut Counted, findings: &[Finding], export: &Export<'_>) {
    for request in requests(findings, export, &Importer::Account("111122223333".to_owned())) {
        out.write_all(request.unwrap().as_bytes()).unwrap();
    }
}

/// The CPU time of this thread, in nanoseconds, where the system tells it: what other work on the machine takes isn't in it. Else the time of
/// day since the first call.
fn nanoseconds() -> u128 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let of_thread = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let of_thread = of_thread.and_then(|text| text.split(' ').next()?.parse().ok());
    of_thread.unwrap_or_else(|| BEGUN.get_or_init(Instant::now).elapsed().as_nanos())
}

/// The KiB of memory that this process uses (`VmRSS`), or has used at most (`VmHWM`), where the system tells it.
fn kib(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)?.trim_matches([':', ' ', '\t', 'k', 'B']).parse().ok())
}

#[test]
fn exports_take_a_few_times_as_long_as_json_lines_and_no_more_memory() {
    let all = findings();
    let tool = Tool { name: "guardrail-audit".to_owned(), version: "0.1.0".to_owned() };
    let accounts = BTreeMap::new();
    let generated_at = Timestamp::parse("2026-11-16T00:00:00Z").unwrap();
    let export = Export {
        tool: &tool,
        generated_at,
        organization: Some("o-exampleorgid"),
        accounts: &accounts,
        region_of_organization: "us-east-1",
    };
    // The least of two tries, because caches are cold in the first.
    let least = |write: Writer| {
        let once = || {
            let (mut out, begun) = (Counted::default(), nanoseconds());
            write(&mut out, &all, &export);
            (Duration::from_nanos(u64::try_from(nanoseconds() - begun).unwrap()).as_secs_f64(), out.bytes)
        };
        let (first, second) = (once(), once());
        (first.0.min(second.0), first.1)
    };
    let a_second = |seconds: f64| f64::from(u32::try_from(all.len()).unwrap()) / seconds;
    let (of_lines, bytes) = least(json_lines);
    println!("JSON lines: {:.0} findings a second, {bytes} bytes", a_second(of_lines));
    let formats: [(&str, Writer); 2] = [("OCSF", ocsf), ("ASFF", asff)];
    for (name, write) in formats {
        let before = kib("VmRSS");
        let (seconds, bytes) = least(write);
        let ratio = seconds / of_lines;
        println!("{name}: {:.0} findings a second, {ratio:.1} times as long as JSON lines, {bytes} bytes", a_second(seconds));
        assert!(ratio <= MOST, "{name} takes {ratio:.1} times as long as JSON lines");
        assert!(cfg!(debug_assertions) || a_second(seconds) >= LEAST_A_SECOND, "{name}: {:.0} findings a second", a_second(seconds));
        if let (Some(before), Some(most)) = (before, kib("VmHWM")) {
            let grown = most.saturating_sub(before);
            println!("{name}: memory grew by {grown} KiB while {} KiB were written", bytes / 1024);
            assert!(grown < bytes / 1024 / 3, "{name}: {grown} KiB for {} KiB: it isn't written finding by finding", bytes / 1024);
        }
    }
}
