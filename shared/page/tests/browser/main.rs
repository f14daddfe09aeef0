//! The page in a headless Chromium: what it shows, that it loads nothing, that nothing of its data becomes markup, that it is accessible,
//! fast, small and printable. `check.mjs` does all of it in one process of Node; here are the reports, and what is expected of them.
//!
//! Node, the driver, the browser with its fonts, and axe-core come from npm at pinned versions.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod reports;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use audit_core::{
    json::printable,
    report::{
        Records, Report, columns,
        csv::{self, LineEnding},
        v1, worst_first,
    },
};
use end_to_end::tools::{BROWSER, output_of};
use serde_json::{Value, json};

/// Bytes of a page at most: of the demo, and with 10,000 findings.
const SIZES: [(&str, usize); 2] = [("demo", 150_000), ("large", 1_000_000)];

#[test]
fn the_page_shows_what_the_report_says_and_nothing_else() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    let reports = [
        ("demo", reports::demo()),
        ("empty", reports::empty()),
        ("hostile", reports::with_texts(&reports::HOSTILE)),
        ("plain", reports::with_texts(&reports::PLAIN)),
        ("large", reports::large(10_000)),
    ];
    for (name, report) in &reports {
        let page = audit_page::html(report).unwrap();
        std::fs::write(folder.join(format!("{name}.html")), &page).unwrap();
        if let Some((_, most)) = SIZES.iter().find(|(of, _)| of == name) {
            assert!(page.len() <= *most, "{name}: {} bytes", page.len());
        }
        std::fs::write(folder.join(format!("{name}.json")), expected(report).to_string()).unwrap();
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let output = Command::new("node")
        .arg(tests.join("check.mjs"))
        .args([BROWSER.folder().as_path(), &folder, &tests])
        .env("HOSTILE", json!(reports::HOSTILE.map(printable)).to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", output_of(&output));
    println!("{}", output_of(&output));
}

#[test]
fn the_heat_map_is_a_picture_of_its_own() {
    let svg = audit_page::heat_map_svg(&reports::demo()).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("xmlns=\"http://www.w3.org/2000/svg\"") && svg.contains("prefers-color-scheme:dark"));
    assert!(!svg.contains("<a ") && !svg.contains("href"), "a picture in a wiki links nowhere");
    // Its texts, of which the first are lines of sentences.
    let texts = |report: &Report| {
        let svg = audit_page::heat_map_svg(report).unwrap();
        svg.split("</text>").filter_map(|text| text.rsplit_once('>')).map(|(_, text)| text.to_owned()).collect::<Vec<_>>().join(" ")
    };
    let says = |report: &Report, what: &str| texts(report).contains(what);
    let damaged = Report { records: Records { unreadable: 3, ..reports::demo().records }, ..reports::demo() };
    assert!(says(&damaged, "could not be read") && !says(&reports::demo(), "could not be read"), "a picture says what was not read");
    let limited = Report { incomplete: vec!["a reason".to_owned()], ..reports::demo() };
    assert!(says(&limited, "Incomplete: a reason."), "and what is missing of what was asked for");
    let hostile = audit_page::heat_map_svg(&reports::with_texts(&reports::HOSTILE)).unwrap();
    let plain = audit_page::heat_map_svg(&reports::with_texts(&reports::PLAIN)).unwrap();
    assert!(!hostile.contains(['\u{fffe}', '\u{ffff}']), "XML can't hold these");
    assert_eq!(hostile.matches('<').count(), plain.matches('<').count(), "no name becomes an element");
}

/// The findings as the command line writes them as CSV.
fn csv_of(report: &Report) -> String {
    let headings = columns::CSV.iter().map(|column| column.heading).chain([columns::ACCOUNT_NAME]);
    let rows = report.findings.iter().map(|finding| {
        let name = report.accounts.get(&finding.account).map(String::as_str).unwrap_or_default();
        columns::CSV.iter().map(|column| (column.cell)(finding)).chain([name.into()]).collect::<Vec<_>>()
    });
    csv::text(LineEnding::Lf, headings, rows).unwrap()
}

/// What a page has to show, from the JSON of its report.
fn expected(report: &Report) -> Value {
    let json = serde_json::to_value(v1::Report::from(report)).unwrap();
    let rows = json["coverage"].as_array().unwrap();
    let calls = |is: &dyn Fn(&Value) -> bool| -> u64 { rows.iter().filter(|row| is(row)).map(|row| row["count"].as_u64().unwrap()).sum() };
    let mut bar: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["verdict"] != "not_applicable") {
        let key = format!("{} {}", row["verdict"].as_str().unwrap(), row["grade"].as_str().unwrap());
        *bar.entry(key).or_default() += row["count"].as_u64().unwrap();
    }
    let by_account: BTreeMap<String, u64> =
        report.account_sums().iter().map(|(account, sums)| (account.to_string(), sums.calls.violation)).collect();
    json!({
        "sentence": report.headline().to_string(),
        "bar": bar,
        "required": calls(&|row| row["verdict"] != "not_applicable"),
        "violations": calls(&|row| row["verdict"] == "violation"),
        "by_account": by_account,
        "timeline": json["timeline"],
        "findings": json["findings"],
        "worst": worst_first(&report.findings).into_iter().take(100).map(|finding| finding.id.get(..12)).collect::<Vec<_>>(),
        "csv": if report.findings.len() < 100 { csv_of(report) } else { String::new() },
    })
}
