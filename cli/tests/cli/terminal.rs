//! Names from outside can't control a terminal or forge a line.

use audit_core::json::steers;

use super::runner::{Ran, at, call, folder, program, ran, run};

/// A name with control characters: an escape sequence with its one-byte and its two-byte introducer, a line break, a reversed direction,
/// and characters without width.
const NAME: &str = "shop\u{9b}31m\u{1b}[2J\nwarning: all is well\u{202e}\u{200b}\u{2028}x\r\u{7f}";

fn steers_nothing(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let found: Vec<char> = text.chars().filter(|c| *c != '\n' && *c != '\t' && steers(*c)).collect();
        assert!(found.is_empty(), "{found:?}: {}", ran.shown());
        assert!(!text.lines().any(|line| line.starts_with("warning: all is well")), "a forged line: {}", ran.shown());
    }
}

#[test]
fn names_steer_no_terminal() {
    let organization = serde_json::json!({
        "Roots": [{"Id": "r-ab12"}], "Accounts": [{"Id": "222233334444", "Name": NAME, "ParentId": "r-ab12"}, {"Id": NAME, "ParentId": NAME}],
        "Attachments": [{"PolicyId": NAME, "TargetId": NAME}]});
    let policy = serde_json::json!({"bedrock": {"guardrail_inference": {"us-east-1": {NAME: {NAME: 1}}}}});
    let described = serde_json::json!({"EffectivePolicy": {"PolicyContent": policy.to_string()}});
    let folder = folder(&[
        ("log.json", call(1).to_string().as_bytes()),
        ("world/organization.json", organization.to_string().as_bytes()),
        ("world/effective-policies/222233334444.json", described.to_string().as_bytes()),
        ("world/enforced-configurations/222233334444/us-east-1.json", br#"{"guardrailsConfig": []}"#),
        ("policy.json", policy.to_string().as_bytes()),
        (
            "configuration.toml",
            br#"[[require]]
            accounts = ["shop\u009b31m\u001b[2J\nwarning: all is well"]"#,
        ),
    ]);
    let odd = at(&folder, NAME);
    std::fs::create_dir(&odd).unwrap();
    std::fs::write(format!("{odd}/log.json"), "{").unwrap();
    std::fs::create_dir_all(at(&folder, &format!("world/policies/{NAME}"))).unwrap();
    std::fs::write(at(&folder, &format!("world/policies/{NAME}/{NAME}.json")), "{").unwrap();
    let (log, world, store, toml) = (at(&folder, "log.json"), at(&folder, "world"), at(&folder, "s.db"), at(&folder, "configuration.toml"));
    let out = at(&folder, "report.txt");
    for arguments in [
        &["audit", &log, &odd, "--world", &world, "--store", &store][..],
        &["audit", &log, &odd, "--world", &world, "--format", "json"],
        &["audit", &log, &odd, "--world", &world, "--format", "csv"],
        &["audit", &log, &odd, "--world", &world, "-o", &out],
        &["audit", &log, "--world", &world, "--account", NAME, "--region", NAME],
        &["audit", &odd, "--config", &odd],
        &["audit", &log, "--config", &toml],
        &["audit", &log, "--since", NAME],
        &["audit", NAME],
        &["report", "--store", &store],
        &["findings", "list", "--store", &store, "--account", NAME],
        &["policy", "lint", &at(&folder, "policy.json")],
        &["policy", "lint", &at(&folder, "policy.json"), "--format", "json"],
        &["policy", "effective", "--world", &world],
        &["explain", "--account", NAME, "--region", NAME, "--model", NAME, "--world", &world],
        &["explain", NAME, "--store", &store],
        &["rules", NAME],
        &[NAME],
    ] {
        steers_nothing(&run(arguments));
        let forced = ran(program().args(arguments).env("CLICOLOR_FORCE", "1"));
        for text in [&forced.stdout, &forced.stderr] {
            let only_sets_colours = |sequence: &str| {
                let parameters = sequence.strip_prefix('[').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
                parameters.is_some_and(|rest| rest.starts_with('m'))
            };
            let mut parts = text.split('\u{1b}');
            let before = parts.next().unwrap();
            let sequences: Vec<&str> = parts.collect();
            assert!(sequences.iter().all(|sequence| only_sets_colours(sequence)), "{}", forced.shown());
            let other = |part: &str| part.chars().any(|c| c != '\n' && c != '\t' && steers(c));
            assert!(!other(before) && !sequences.iter().any(|part| other(part)), "{}", forced.shown());
        }
    }
    assert!(!std::fs::read_to_string(out).unwrap().chars().any(|c| c != '\n' && steers(c)));
}
