//! Checks that the modules of this crate form layers: each imports only its own layer and those below, and no files import each other in a
//! circle.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod source;

use std::collections::BTreeMap;

use source::Source;

/// The layers from the bottom up, with their modules. The head of `lib.rs` has the same table.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "words",
        &["arn", "control_change", "framework", "json", "nearest", "operations", "parallel", "region", "severity", "timestamp", "uuid"],
    ),
    (
        "AWS documents",
        &["enforcement", "guardrail", "iam", "identity", "invocation_log", "model", "organization", "policy", "requirement", "telemetry"],
    ),
    ("records", &["api", "change", "cloudtrail"]),
    ("state", &["world"]),
    ("verdicts", &["verdict"]),
    ("evidence", &["facts", "join"]),
    ("reported", &["config", "finding", "missing_evidence", "report"]),
    ("rules", &["change_history", "rule", "rules"]),
    ("runs", &["auditor", "config_file", "doctor", "simulate"]),
];

/// The number of each module's layer.
fn layers() -> BTreeMap<&'static str, usize> {
    let numbered = LAYERS.iter().zip(1..);
    numbered.flat_map(|((_, modules), number)| modules.iter().map(move |module| (*module, number))).collect()
}

#[test]
fn each_module_has_its_layer() {
    let source = Source::read();
    let layers = layers();
    let files = source.files();
    let modules: Vec<&str> = files.values().filter_map(|path| if let [module] = path { Some(module.as_str()) } else { None }).collect();
    for module in &modules {
        assert!(layers.contains_key(module), "`{module}` is in no layer");
    }
    for module in layers.keys() {
        assert!(modules.contains(module), "there is no `{module}`");
    }
}

#[test]
fn no_import_runs_from_a_lower_layer_to_a_higher_one() {
    let source = Source::read();
    let (layers, files) = (layers(), source.files());
    let layer = |file: &str| files.get(file).and_then(|path| path.first()).and_then(|module| layers.get(module.as_str())).copied();
    let mut up = Vec::new();
    for (file, targets) in source.imports() {
        for target in targets {
            if let (Some(own), Some(other)) = (layer(file), layer(target))
                && own < other
            {
                up.push(format!("{file} ({own}) imports {target} ({other})"));
            }
        }
    }
    assert!(up.is_empty(), "{} imports run up:\n{}", up.len(), up.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let source = Source::read();
    let circles = source::circles(&source.imports());
    let shown: Vec<String> = circles.iter().map(|(size, way)| format!("{size} files: {}", way.join(" → "))).collect();
    assert!(circles.is_empty(), "{} circles:\n{}", circles.len(), shown.join("\n"));
}

#[test]
fn the_crate_shows_its_modules_in_layers() {
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declared: Vec<&str> =
        text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')).collect();
    let in_order: Vec<&str> = LAYERS.iter().flat_map(|(_, modules)| *modules).copied().collect();
    assert_eq!(declared, in_order, "`lib.rs` declares the modules from the lowest layer up, each layer in the order of the alphabet");
    for ((name, modules), number) in LAYERS.iter().zip(1..) {
        let row = format!("//! | {number} {name} |");
        let row = text.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("no row begins `{row}`"));
        let shown: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert_eq!(shown, *modules, "the row of {name}");
    }
}
