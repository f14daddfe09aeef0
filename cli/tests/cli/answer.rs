//! The report on a terminal: its answer, many findings, and what a newcomer tries first.

use std::fmt::Write as _;

use serde_json::json;
use tempfile::TempDir;

use super::runner::{NOW, Ran, UNENFORCED, call, calls, demo, folder, program, ran, run};

/// Runs the program on a terminal of this many columns, in a folder.
fn run_in(folder: &TempDir, columns: &str, arguments: &[&str]) -> Ran {
    ran(program().args(arguments).env("COLUMNS", columns).current_dir(folder.path()))
}

#[test]
fn the_answer_counts_what_the_json_counts() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let audit = |more: &[&str]| run(&[&["audit", &logs, "--world", &world, "--now", NOW, "--fail-on", "never"], more].concat());
    let (table, json) = (audit(&[]).stdout, audit(&["--format", "json"]).json());
    let verdict = |verdict: &str| json["invocations"][verdict].as_u64().unwrap();
    let assumed: u64 = json["coverage"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["verdict"] == "compliant" && row["grade"] == "assumed")
        .map(|row| row["count"].as_u64().unwrap())
        .sum();
    let required = calls(&json) - verdict("not_applicable");
    let percent = (verdict("compliant") - assumed) * 100 / required;
    let says = format!(
        "{percent}% of {required} calls that had to be guarded were provably guarded; {} were not, {assumed} were if nothing changed \
         unseen, {} can't be proved; ",
        verdict("violation"),
        verdict("not_provable")
    );
    let offending: std::collections::BTreeSet<&str> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["status"] == "OPEN" && ["CRITICAL", "HIGH", "MEDIUM"].contains(&finding["severity"].as_str().unwrap()))
        .map(|finding| finding["account"].as_str().unwrap())
        .collect();
    let says = format!("{says}{} accounts bypass or modify guardrails.", offending.len());
    let text = table.replace('\n', " ");
    assert!(text.starts_with(&says) && text.trim_end().ends_with(&says), "{says}\n{table}");
}

#[test]
fn what_could_not_be_read_shows_in_the_answer() {
    let mut files = UNENFORCED.to_vec();
    let log = call(1).to_string();
    files.extend([("logs/log.json", log.as_bytes()), ("logs/broken.json", b"{\"Records\": [{")]);
    let folder = folder(&files);
    let ran = run_in(&folder, "200", &["audit", "logs", "--world", "world"]);
    let says = "The only call that had to be guarded was not guarded; 1 account bypasses or modifies guardrails; 1 record or file could not \
                be read.";
    assert!(ran.stdout.replace('\n', " ").starts_with(says), "{}", ran.shown());
}

#[test]
fn without_a_world_the_first_line_says_so() {
    let log = call(1).to_string();
    let folder = folder(&[("log.json", log.as_bytes())]);
    let ran = run_in(&folder, "80", &["audit", "log.json"]);
    assert!(ran.stdout.starts_with("No state was given") && ran.stdout.contains("`--world DIR`"), "{}", ran.shown());
    assert!(ran.stdout.ends_with("guardrails.\n"), "{}", ran.shown());
}

/// An organization of 300 accounts in 3 OUs without any policy, and a call from each in two Regions.
fn large() -> TempDir {
    let id = |number: u32| format!("{:012}", 200_000_000_000_u64 + u64::from(number));
    let accounts = || (1..=300_u32).map(|number| (number, id(number)));
    let mut log = String::new();
    let mut files: Vec<(String, String)> = Vec::new();
    for (number, account) in accounts() {
        for (offset, region) in ["us-east-1", "eu-west-1"].iter().enumerate() {
            let mut record = call(number * 2 + u32::try_from(offset).unwrap());
            record["recipientAccountId"] = account.clone().into();
            record["awsRegion"] = (*region).into();
            writeln!(log, "{record}").unwrap();
            files.push((format!("world/enforced-configurations/{account}/{region}.json"), r#"{"guardrailsConfig": []}"#.to_owned()));
        }
        files.push((format!("world/effective-policies/{account}.json"), r#"{"EffectivePolicy": null}"#.to_owned()));
    }
    let units = ["alpha", "beta", "gamma"].map(|name| json!({"Id": format!("ou-ab12-{name}0000"), "Name": name, "ParentId": "r-ab12"}));
    let listed: Vec<_> = accounts()
        .map(|(number, account)| {
            json!({"Id": account, "Name": format!("team-{number:03}-production"), "ParentId": units[number as usize % 3]["Id"], "Status": "ACTIVE"})
        })
        .collect();
    let organization = json!({"Organization": {"Id": "o-ab12cd34ef", "MasterAccountId": "111122223333"}, "Roots": [{"Id": "r-ab12"}],
        "OrganizationalUnits": units, "Accounts": listed, "Attachments": []});
    files.extend([("log.jsonl".to_owned(), log), ("world/organization.json".to_owned(), organization.to_string())]);
    folder(&files.iter().map(|(name, content)| (name.as_str(), content.as_bytes())).collect::<Vec<_>>())
}

#[test]
fn hundreds_of_findings_stay_readable() {
    let folder = large();
    let audit = |more: &[&str]| {
        let ran = run_in(&folder, "80", &[&["audit", "log.jsonl", "--world", "world", "--fail-on", "never"], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.shown());
        ran.stdout
    };
    let by_rule = audit(&[]);
    assert!(by_rule.lines().count() < 120, "{} lines", by_rule.lines().count());
    assert!(by_rule.lines().all(|line| line.chars().count() <= 80), "{by_rule}");
    // The two rules state one fact, and it stands once.
    let heading = "HIGH account-not-covered: 600 findings in 300 accounts, 600 calls (and 600 others of the same calls)";
    assert!(by_rule.split_whitespace().collect::<Vec<_>>().join(" ").contains(heading), "{by_rule}");
    assert!(!by_rule.contains("HIGH invocation-without-guardrail:") && by_rule.contains("of the same calls: invocation-without-guardrail"));
    assert!(by_rule.contains("and 280 more accounts: `--top 300`") && by_rule.contains("and 595 more findings: `--top 600`"), "{by_rule}");
    assert!(by_rule.contains("alpha") && by_rule.contains("100 of 100"), "a sum of each OU: {by_rule}");
    assert!(by_rule.starts_with("None of 600 calls that had to be guarded was provably guarded; 600 were not"), "{by_rule}");
    let last_screen = by_rule.lines().rev().take(24).collect::<Vec<_>>().join("\n");
    assert!(last_screen.contains("Calls: 600") && last_screen.contains("None of 600 calls"), "{last_screen}");
    for (group_by, groups, more) in [
        ("ou", 3, "and 2 more OUs: `--top 3`"),
        ("region", 2, "and 1 more Region: `--top 2`"),
        ("account", 20, "and 299 more accounts: `--top 300`"),
    ] {
        let headings = |text: &str| text.lines().filter(|line| line.starts_with("  HIGH ")).count();
        let (grouped, first) = (audit(&["--group-by", group_by]), audit(&["--group-by", group_by, "--top", "1"]));
        assert_eq!((headings(&grouped), headings(&first)), (groups, 1), "by {group_by}: {grouped}");
        assert!(grouped.lines().count() < 300 && first.lines().count() < 80, "by {group_by}: {grouped}");
        assert!(first.split_once("Findings: ").unwrap().1.contains(more), "by {group_by}: {first}");
    }
    let everything = audit(&["--top", "0"]);
    let found = everything.split_once("Findings: ").unwrap().1.split_once("Blind spots").unwrap().0;
    assert_eq!(found.matches("/eu-west-1").count(), 300, "each of them once: {found}");
}

#[test]
fn the_most_recent_or_most_called_come_first() {
    let mut files = UNENFORCED.to_vec();
    let mut records = String::new();
    for number in 1..=4 {
        let mut record = call(number);
        if number > 1 {
            record["requestParameters"]["guardrailIdentifier"] = "arn:aws:bedrock:us-east-1:222233334444:guardrail/abcd1234efgh".into();
            record["requestParameters"]["guardrailVersion"] = "DRAFT".into();
        } else {
            record["eventTime"] = "2026-11-21T10:00:00Z".into();
            record["awsRegion"] = "us-west-2".into();
        }
        writeln!(records, "{record}").unwrap();
    }
    files.extend([
        ("log.jsonl", records.as_bytes()),
        ("world/enforced-configurations/222233334444/us-west-2.json", br#"{"guardrailsConfig": []}"#),
    ]);
    let folder = folder(&files);
    let first_region = |sort: &str| {
        let ran = run_in(&folder, "80", &["audit", "log.jsonl", "--world", "world", "--group-by", "region", "--sort", sort]);
        let heading = ran.stdout.lines().find(|line| line.starts_with("  HIGH ")).unwrap_or_else(|| panic!("{}", ran.shown())).to_owned();
        heading.trim().split([' ', ',']).nth(1).unwrap().to_owned()
    };
    assert_eq!((first_region("calls"), first_region("recent")), ("us-east-1".to_owned(), "us-west-2".to_owned()));
}

const EXCEPTS: &str = r#"
[[exception]]
rule = "invocation-without-guardrail"
accounts = ["222233334444"]
until = 2027-01-31
reason = "for a test"
owner = "tests"
"#;

#[test]
fn a_configuration_in_the_working_folder_is_used_and_named() {
    let log = call(1).to_string();
    let mut files = UNENFORCED.to_vec();
    files.extend([("logs/log.json", log.as_bytes()), ("guardrail-audit.toml", EXCEPTS.as_bytes())]);
    let folder = folder(&files);
    let audit = |path: &str, more: &[&str]| {
        let fixed = ["audit", path, "--world", "world", "--now", NOW, "--fail-on", "never"];
        run_in(&folder, "80", &[&fixed[..], more].concat())
    };
    let suppressed =
        |ran: &Ran| ran.json()["findings"].as_array().unwrap().iter().filter(|finding| finding["status"] == "SUPPRESSED").count();
    let found = audit("logs", &["--format", "json"]);
    let exception = json!({"rule": "invocation-without-guardrail", "accounts": ["222233334444"], "regions": [], "principals": [],
        "until": "2027-01-31", "has_ended": false, "reason": "for a test", "owner": "tests", "ticket": null});
    let configuration = json!({"path": "guardrail-audit.toml", "was_found": true, "exceptions": [exception]});
    assert_eq!((suppressed(&found), &found.json()["configuration"]), (1, &configuration));
    assert!(found.stderr.contains("guardrail-audit.toml in this folder is used"), "{}", found.shown());
    let table = audit("logs", &[]);
    assert!(table.stdout.contains("Configuration: guardrail-audit.toml, found in this folder"), "{}", table.shown());
    let given = audit("logs", &["--format", "json", "--config", "guardrail-audit.toml"]);
    assert_eq!((suppressed(&given), &given.json()["configuration"]["was_found"]), (1, &json!(false)));
    let without = audit("logs", &["--format", "json", "--no-config"]);
    assert!(suppressed(&without) == 0 && without.json().get("configuration").is_none() && without.stderr.is_empty(), "{}", without.shown());
    // Whoever wrote the logs may have written a configuration, too.
    let among = audit(".", &["--format", "json"]);
    assert!(suppressed(&among) == 0 && among.json().get("configuration").is_none(), "{}", among.shown());
    assert!(among.stderr.contains("isn't used, because it lies among the records"), "{}", among.shown());
}

#[test]
fn an_age_is_a_time_and_is_told() {
    let log = call(1).to_string();
    let folder = folder(&[("log.json", log.as_bytes())]);
    let ran = run_in(&folder, "80", &["audit", "log.json", "--since", "7d", "--now", "2026-11-21T10:00:00Z", "--format", "json"]);
    assert_eq!(ran.json()["filter"]["since"], "2026-11-14T10:00:00Z");
    assert!(ran.stderr.contains("--since is 2026-11-14T10:00:00Z"), "{}", ran.shown());
}

#[test]
fn help_is_a_command() {
    assert_eq!(run(&["help"]).stdout, run(&["--help"]).stdout);
    assert_eq!(run(&["help", "policy", "lint"]).stdout, run(&["policy", "lint", "--help"]).stdout);
    assert_eq!(run(&["help", "api-not-covered"]).stdout, run(&["rules", "api-not-covered"]).stdout);
    for (arguments, says) in [
        (&["help", "adit"][..], "is audit meant?"),
        (&["help", "api-not-covred"], "is api-not-covered meant?"),
        (&["rules", "api-not-covred"], "is api-not-covered meant?"),
        (&["report", "--store", "x", "--rule", "api-not-covred"], "is api-not-covered meant?"),
    ] {
        let ran = run(arguments);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{}", ran.shown());
    }
}

#[test]
fn an_id_that_several_findings_share_names_them() {
    let folder = large();
    run_in(&folder, "80", &["audit", "log.jsonl", "--world", "world", "--store", "s.db"]);
    let ran = run_in(&folder, "80", &["findings", "show", "a", "--store", "s.db"]);
    assert!(ran.code == 2 && ran.stderr.matches("-1)").count() == 5 && ran.stderr.contains(" more"), "{}", ran.shown());
}

#[test]
fn a_configuration_that_cannot_be_read_is_not_taken_for_none() {
    let folder = folder(UNENFORCED);
    std::fs::create_dir(folder.path().join("guardrail-audit.toml")).unwrap();
    std::fs::write(folder.path().join("log.jsonl"), call(1).to_string()).unwrap();
    let ran = run_in(&folder, "80", &["audit", "log.jsonl", "--world", "world"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("failed to read the configuration `guardrail-audit.toml`"),
        "{}: {}",
        ran.code,
        ran.stderr
    );
}

/// The headings of groups in a table, each in one line, without its severity.
fn headings(table: &str) -> Vec<String> {
    let found = table.split_once("Findings: ").unwrap().1.split_once("Blind spots").unwrap().0;
    let mut headings: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in found.lines() {
        let severity = ["CRITICAL ", "HIGH ", "MEDIUM ", "LOW ", "INFORMATIONAL "]
            .into_iter()
            .find_map(|severity| line.strip_prefix("  ")?.strip_prefix(severity));
        if let Some(heading) = severity {
            headings.push(heading.to_owned());
            is_open = true;
        } else if is_open && line.starts_with("    ") && !line.contains("; see ") && line.contains("same calls") {
            headings.last_mut().unwrap().push_str(line.trim());
        } else {
            is_open = false;
        }
    }
    headings
}

#[test]
fn the_table_counts_a_rule_s_findings_as_json_does() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let audit = |more: &[&str]| {
        ran(program()
            .args([&["audit", &logs, "--world", &world, "--now", NOW, "--fail-on", "never", "--quiet"], more].concat())
            .env("COLUMNS", "200"))
    };
    let mut by_rule: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for finding in audit(&["--format", "json"]).json()["findings"].as_array().unwrap() {
        if finding["status"] == "OPEN" {
            *by_rule.entry(finding["rule"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let (mut own, mut others) = (0, 0);
    let table = audit(&[]).stdout;
    let number = |text: &str, before: &str| -> u64 {
        let (start, _) = text.split_once(before).unwrap_or_default();
        start.rsplit([' ', '(']).next().unwrap().parse().unwrap_or(0)
    };
    for heading in headings(&table) {
        let (rule, counts) = heading.split_once(": ").unwrap();
        let found = number(counts, " finding");
        assert_eq!(found + number(counts, " more with their cause"), by_rule[rule], "{heading}");
        own += found;
        others += number(counts, " other");
    }
    assert!(others > 0 && own + others == by_rule.values().sum::<u64>(), "{own} and {others}: {table}");
}

#[test]
fn groups_of_accounts_stand_in_the_order_of_the_accounts() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    for sort in ["severity", "calls"] {
        let table = run(&["audit", &logs, "--world", &world, "--now", NOW, "--group-by", "account", "--sort", sort, "--quiet"]).stdout;
        let accounts = table.lines().skip_while(|line| !line.contains("ACCOUNT ")).skip(1).take_while(|line| !line.is_empty());
        let listed: Vec<&str> = accounts.filter_map(|line| line.split_whitespace().next()).filter(|word| word.len() == 12).collect();
        let headings = headings(&table);
        let grouped: Vec<&str> = headings.iter().map(|heading| &heading[..12]).take(listed.len()).collect();
        assert!(listed.len() > 5);
        assert_eq!(grouped, listed, "by {sort}: {table}");
    }
}

#[test]
fn a_heading_claims_no_change_that_was_only_tried() {
    let (logs, world) = (demo("AWSLogs"), demo("world"));
    let table = run(&["audit", &logs, "--world", &world, "--now", NOW, "--quiet"]).stdout;
    let about = |rule: &str| table.lines().skip_while(|line| !line.contains(&format!(" {rule}: "))).nth(1).unwrap().trim().to_owned();
    // The only account of the demo that leaves is refused.
    assert!(table.contains("LeaveOrganization") && !about("account-left").starts_with("An account left"), "{}", about("account-left"));
    assert!(about("guardrail-weakened").starts_with("Some control of a guardrail got weaker"), "{}", about("guardrail-weakened"));
}

#[test]
fn what_is_no_table_is_not_arranged() {
    for (arguments, option) in [
        (&["--sort", "calls", "--format", "json"][..], "--sort"),
        (&["--top", "5", "--format", "csv"], "--top"),
        (&["--group-by", "rule", "--format", "markdown"], "--group-by"),
        (&["--framework", "owasp-llm", "--top", "5"], "--top"),
    ] {
        let ran = run(&[&["report", "--store", "nosuch.db"], arguments].concat());
        assert!(ran.code == 2 && ran.stderr.contains(option), "{arguments:?}: {}", ran.shown());
    }
    let ran = run(&["audit", "nosuch", "--sort", "recent", "--format", "html"]);
    assert!(ran.code == 2 && ran.stderr.contains("--sort arranges the table"), "{}", ran.shown());
}

#[test]
fn where_there_is_no_terminal_tables_are_as_wide_as_the_text() {
    let (logs, world, config) = (demo("AWSLogs"), demo("world"), demo("guardrail-audit.toml"));
    let table =
        ran(program().args(["audit", &logs, "--world", &world, "--now", NOW, "--config", &config, "--quiet"]).env_remove("COLUMNS")).stdout;
    let widest = table.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(widest.chars().count() <= 110, "{}: {widest}", widest.chars().count());
    // Every finding has its id, those that are no longer open, too.
    let json = run(&["audit", &logs, "--world", &world, "--now", NOW, "--config", &config, "--quiet", "--format", "json"]).json();
    for finding in json["findings"].as_array().unwrap() {
        assert!(table.contains(&finding["id"].as_str().unwrap()[..12]), "{}", finding["rule"]);
    }
}
