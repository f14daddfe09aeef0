//! ASFF: the service's model, and the limits that the service holds and no model knows.

use std::collections::BTreeMap;

use audit_core::{
    finding::{Bounded, Finding, Status},
    report::Report,
};
use audit_exports::{
    Export,
    asff::{Entry, Importer, MOST_FINDING_BYTES, MOST_FINDINGS, MOST_REQUEST_BYTES, MOST_RESOURCES, requests, requests_of},
};
use serde_json::{Value, json};

use super::{Fault, audits, planted, python};

const HUB: &str = "111122223333";

fn exported(report: &Report, importer: &Importer) -> Vec<Value> {
    let export = Export::from(report);
    requests(&report.findings, &export, importer).map(|request| serde_json::from_str(&request.unwrap()).unwrap()).collect()
}

fn hub() -> Importer {
    Importer::Account(HUB.to_owned())
}

/// What the service would refuse about a request, by its documented limits (docs.aws.amazon.com/securityhub, "ASFF syntax" and "Using
/// BatchImportFindings").
fn problems(request: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let findings = request["Findings"].as_array().unwrap();
    let mut check = |is_right: bool, what: &str| {
        if !is_right {
            problems.push(what.to_owned());
        }
    };
    check((1..=MOST_FINDINGS).contains(&findings.len()), "1 to 100 findings a request");
    check(request.to_string().len() <= MOST_REQUEST_BYTES, "6 MB a request");
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    for finding in findings {
        let (account, arn) = (finding["AwsAccountId"].as_str().unwrap_or_default(), finding["ProductArn"].as_str().unwrap_or_default());
        check(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()), "an account of twelve digits");
        check(finding["AwsAccountId"] == findings[0]["AwsAccountId"], "one account a request");
        check(finding["ProductArn"] == findings[0]["ProductArn"], "one product a request");
        let arn: Vec<&str> = arn.splitn(6, ':').collect();
        check(arn.len() == 6 && arn[4] == account && arn[5] == format!("product/{account}/default"), "the account's default product");
        check(finding.to_string().len() <= MOST_FINDING_BYTES, "240 KB a finding");
        check(finding["SchemaVersion"] == "2018-10-08", "the version of the schema");
        check((1..=256).contains(&length(&finding["Title"])), "a title of 1 to 256 characters");
        check((1..=1024).contains(&length(&finding["Description"])), "a description of 1 to 1024 characters");
        for id in ["Id", "GeneratorId"] {
            check((1..=512).contains(&length(&finding[id])), "an id of 1 to 512 characters");
        }
        check(length(&finding["Remediation"]["Recommendation"]["Text"]) <= 512, "a recommendation of at most 512 characters");
        check(length(&finding["Note"]["Text"]) <= 512, "a note of at most 512 characters");
        let resources = finding["Resources"].as_array().unwrap();
        check((1..=MOST_RESOURCES).contains(&resources.len()), "1 to 32 resources");
        let types = finding["FindingProviderFields"]["Types"].as_array().unwrap();
        check(types.len() <= 50, "at most 50 types");
        let namespaces = ["Software and Configuration Checks", "TTPs", "Effects", "Unusual Behaviors", "Sensitive Data Identifications"];
        let is_type =
            |name: &str| name.split_once('/').is_some_and(|(namespace, rest)| namespaces.contains(&namespace) && !rest.is_empty());
        check(types.iter().all(|name| name.as_str().is_some_and(is_type)), "types of the taxonomy");
        check(!finding["FindingProviderFields"]["Severity"]["Label"].is_null(), "a severity of the provider");
        let fields = finding["ProductFields"].as_object().unwrap();
        check(fields.len() <= 50, "at most 50 fields of the product");
        check(fields.keys().all(|key| key.chars().count() <= 128), "keys of at most 128 characters");
        check(fields.values().all(|value| length(value) <= 2048), "values of at most 2048 characters");
        check(finding["Compliance"]["RelatedRequirements"].as_array().is_none_or(|all| all.len() <= 32), "at most 32 requirements");
        check(!has_blank(finding), "texts that aren't blank");
        check(finding["UpdatedAt"].as_str() >= finding["CreatedAt"].as_str(), "an update no earlier than the creation");
    }
    problems
}

/// Whether a text in a value has nothing but white space. The service's model has a pattern against it, which no validator looks at.
fn has_blank(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().any(has_blank),
        Value::Object(members) => members.values().any(has_blank),
        _ => false,
    }
}

fn first(request: &mut Value) -> &mut Value {
    &mut request["Findings"][0]
}

fn long(characters: usize) -> Value {
    "ä".repeat(characters).into()
}

/// A fault for each limit.
const LIMITS: &[Fault] = &[
    ("no finding", |request| request["Findings"] = json!([])),
    ("101 findings", |request| request["Findings"] = vec![first(request).clone(); 101].into()),
    ("7 MB", |request| {
        first(request)["SourceUrl"] = "x".repeat(70_000).into();
        request["Findings"] = vec![first(request).clone(); 100].into();
    }),
    ("a large finding", |request| first(request)["SourceUrl"] = "x".repeat(240 * 1024).into()),
    ("no account", |request| first(request)["AwsAccountId"] = "unknown".into()),
    ("two accounts", |request| {
        let mut other = first(request).clone();
        other["AwsAccountId"] = "999988887777".into();
        other["ProductArn"] = "arn:aws:securityhub:us-east-1:999988887777:product/999988887777/default".into();
        request["Findings"].as_array_mut().unwrap().push(other);
    }),
    ("somebody else's product", |request| {
        first(request)["ProductArn"] = "arn:aws:securityhub:us-east-1::product/aws/guardduty".into();
    }),
    ("another schema", |request| first(request)["SchemaVersion"] = "2019-01-01".into()),
    ("no title", |request| first(request)["Title"] = "".into()),
    ("a long title", |request| first(request)["Title"] = long(257)),
    ("a long description", |request| first(request)["Description"] = long(1025)),
    ("a long id", |request| first(request)["Id"] = long(513)),
    ("a long generator", |request| first(request)["GeneratorId"] = long(513)),
    ("a long recommendation", |request| first(request)["Remediation"]["Recommendation"]["Text"] = long(513)),
    ("a long note", |request| first(request)["Note"]["Text"] = long(513)),
    ("no resource", |request| first(request)["Resources"] = json!([])),
    ("33 resources", |request| first(request)["Resources"] = vec![json!({"Type": "Other", "Id": "x"}); 33].into()),
    ("51 types", |request| first(request)["FindingProviderFields"]["Types"] = vec![json!("TTPs/x"); 51].into()),
    ("a type that doesn't exist", |request| first(request)["FindingProviderFields"]["Types"] = json!(["Guardrails/x"])),
    ("no severity", |request| first(request)["FindingProviderFields"]["Severity"] = json!({})),
    ("51 fields", |request| {
        first(request)["ProductFields"] = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    }),
    ("a long key", |request| first(request)["ProductFields"] = json!({("k".repeat(129)): "v"})),
    ("a long value", |request| first(request)["ProductFields"] = json!({"k": "v".repeat(2049)})),
    ("33 requirements", |request| first(request)["Compliance"]["RelatedRequirements"] = vec![json!("x"); 33].into()),
    ("a blank text", |request| first(request)["Resources"][0]["Details"]["Other"]["Detail"] = " ".into()),
    ("updated before it was created", |request| first(request)["UpdatedAt"] = "2000-01-01T00:00:00Z".into()),
];

/// Faults of words and names, which the service's model knows.
const WORDS: &[Fault] = &[
    ("a severity that doesn't exist", |request| first(request)["FindingProviderFields"]["Severity"]["Label"] = "SEVERE".into()),
    ("an outcome that doesn't exist", |request| first(request)["Compliance"]["Status"] = "UNKNOWN".into()),
    ("a workflow that doesn't exist", |request| first(request)["Workflow"]["Status"] = "OPEN".into()),
    ("a state that doesn't exist", |request| first(request)["RecordState"] = "RESOLVED".into()),
    ("a partition that doesn't exist", |request| first(request)["Resources"][0]["Partition"] = "aws-moon".into()),
    ("a name that doesn't exist", |request| first(request)["Suppression"] = "x".into()),
    ("no id", |request| drop(first(request).as_object_mut().unwrap().remove("Id"))),
    ("a number that is no text", |request| first(request)["ProductFields"]["guardrail-audit/count"] = 5.into()),
];

#[test]
fn every_request_is_valid_and_within_limits_and_every_fault_is_noticed() {
    let mut all = Vec::new();
    for report in audits::all() {
        for importer in [hub(), Importer::Member] {
            all.extend(exported(report, &importer));
        }
    }
    for request in &all {
        assert_eq!(problems(request), [""; 0], "{request}");
    }
    for (faulty, (fault, _)) in planted(&all[0], LIMITS).iter().zip(LIMITS) {
        assert!(!problems(faulty).is_empty(), "nothing is said about `{fault}`");
    }
    // To names and words it makes no difference who imports.
    let mut all: Vec<Value> = audits::all().iter().flat_map(|report| exported(report, &hub())).collect();
    all.extend(audits::all().iter().flat_map(|report| later(report, &Importer::Member)));
    let files = BTreeMap::from([("asff".to_owned(), all.clone()), ("asff-faults".to_owned(), planted(&all[0], WORDS))]);
    let printed = python::validate(&files);
    printed["asff"].assert_sound("asff");
    printed["asff-faults"].assert_each_is_refused("asff", WORDS);
}

/// Requests about findings that Security Hub has already, of which every second one was withdrawn.
fn later(report: &Report, importer: &Importer) -> Vec<Value> {
    let export = Export::from(report);
    let entry = |(number, finding)| if number % 2 == 0 { Entry::Updated(finding) } else { Entry::Withdrawn(finding) };
    let entries = report.findings.iter().enumerate().map(entry);
    requests_of(entries, &export, importer).map(|request| serde_json::from_str(&request.unwrap()).unwrap()).collect()
}

#[test]
fn what_security_hub_has_keeps_its_workflow_and_what_is_withdrawn_has_not_passed() {
    for (region, partition) in [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("eu-west-1", "aws")] {
        let importer = Importer::AccountRegion { account: HUB.to_owned(), region: region.to_owned() };
        let report = many(150, |_, finding| finding.status = Status::Open);
        let requests = later(&report, &importer);
        assert_eq!(requests.len(), 2, "one account and one Region, whatever the findings are about");
        for request in &requests {
            assert_eq!(problems(request), [""; 0]);
            for (number, finding) in request["Findings"].as_array().unwrap().iter().enumerate() {
                assert!(finding.get("Workflow").is_none() && finding.get("Note").is_none(), "{finding}");
                assert_eq!(finding["ProductArn"], format!("arn:{partition}:securityhub:{region}:{HUB}:product/{HUB}/default"));
                assert_eq!(finding["Resources"][0]["Region"], "us-east-1", "a resource stays where it is");
                let expected = if number % 2 == 0 { ["ACTIVE", "FAILED"] } else { ["ARCHIVED", "NOT_AVAILABLE"] };
                assert_eq!([&finding["RecordState"], &finding["Compliance"]["Status"]], expected);
            }
        }
    }
}

/// A report with a number of findings, each made from the demo's first one.
fn many(count: usize, change: impl Fn(usize, &mut Finding)) -> Report {
    let mut report = audits::demo(|_| {});
    let finding = report.findings.swap_remove(0);
    report.findings = (0..count)
        .map(|number| {
            let mut finding = finding.clone();
            finding.id = format!("{number:032x}");
            change(number, &mut finding);
            finding
        })
        .collect();
    report
}

#[test]
fn a_request_holds_at_most_a_hundred_findings_of_one_account_and_region() {
    let report = many(250, |number, finding| finding.account = if number < 205 { "222233334444" } else { "333344445555" }.into());
    let sizes = |importer: &Importer| {
        exported(&report, importer).iter().map(|request| request["Findings"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&hub()), [100, 100, 50]);
    assert_eq!(sizes(&Importer::Member), [100, 100, 5, 45]);
    let ids: std::collections::BTreeSet<String> = exported(&report, &hub())
        .iter()
        .flat_map(|request| request["Findings"].as_array().unwrap())
        .map(|finding| finding["Id"].to_string())
        .collect();
    assert_eq!(ids.len(), 250, "none is lost or sent twice");
    // Large findings fill a request earlier.
    let large = many(60, |_, finding| finding.detail = "é".repeat(100_000));
    let requests = exported(&large, &hub());
    assert!(requests.len() > 1 && requests.iter().all(|request| problems(request).is_empty()));
}

#[test]
fn a_long_text_is_cut_at_a_character_and_whole_in_the_details() {
    let detail = "🛡️ä".repeat(500);
    let report = many(1, |_, finding| finding.detail.clone_from(&detail));
    let request = &exported(&report, &hub())[0];
    let finding = &request["Findings"][0];
    let description = finding["Description"].as_str().unwrap();
    assert!(description.chars().count() == 1024 && description.ends_with('…') && detail.starts_with(description.trim_end_matches('…')));
    assert_eq!(finding["Resources"][0]["Details"]["Other"]["Detail"], detail);
    // What is larger than Security Hub takes goes without the repetition.
    let report = many(1, |_, finding| finding.detail = "é".repeat(200_000));
    assert_eq!(problems(&exported(&report, &hub())[0]), [""; 0]);
}

#[test]
fn arns_are_of_the_regions_partition() {
    for (region, partition) in [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("eu-west-1", "aws")] {
        let report = many(1, |_, finding| {
            finding.region = region.into();
            finding.resource = "agent/A1".to_owned();
        });
        let request = &exported(&report, &hub())[0];
        let finding = &request["Findings"][0];
        assert_eq!(finding["ProductArn"], format!("arn:{partition}:securityhub:{region}:{HUB}:product/{HUB}/default"));
        assert_eq!(finding["Resources"][1]["Id"], format!("arn:{partition}:bedrock:{region}:101010101010:agent/A1"));
        assert!(finding["Resources"].as_array().unwrap().iter().all(|resource| resource["Partition"] == partition));
    }
}

#[test]
fn findings_about_an_organization_lie_in_the_partition_of_its_calls() {
    for (called, region, partition) in
        [("us-gov-east-1", "us-gov-west-1", "aws-us-gov"), ("cn-north-1", "cn-northwest-1", "aws-cn"), ("eu-west-1", "us-east-1", "aws")]
    {
        let mut report = many(1, |_, finding| {
            finding.region = "us-east-1".into();
            finding.resource = "effective policy".to_owned();
            finding.principals = Bounded::default();
        });
        for row in &mut report.coverage {
            row.region = called.into();
        }
        let finding = &exported(&report, &hub())[0]["Findings"][0];
        assert_eq!(finding["ProductArn"], format!("arn:{partition}:securityhub:{region}:{HUB}:product/{HUB}/default"));
        assert!(
            finding["Resources"]
                .as_array()
                .unwrap()
                .iter()
                .all(|resource| resource["Partition"] == partition && resource["Region"] == region)
        );
    }
}

#[test]
fn only_what_is_resolved_is_archived_and_only_what_is_suppressed_starts_so() {
    for report in audits::all() {
        let by_id: BTreeMap<String, &Finding> =
            report.findings.iter().map(|finding| (format!("guardrail-audit/{}", finding.id), finding)).collect();
        let mut seen = 0;
        for request in exported(report, &hub()) {
            for exported in request["Findings"].as_array().unwrap() {
                let finding = by_id[exported["Id"].as_str().unwrap()];
                assert_eq!(exported["RecordState"] == "ARCHIVED", finding.status == Status::Resolved);
                assert_eq!(exported["Workflow"]["Status"] == "SUPPRESSED", finding.status == Status::Suppressed);
                assert_eq!(exported["Compliance"]["Status"] == "PASSED", finding.status == Status::Resolved);
                // The account that it is about is there, whoever imports it.
                assert_eq!(exported["Resources"][0]["Id"], format!("AWS::::Account:{}", finding.account));
                seen += 1;
            }
        }
        assert_eq!(seen, report.findings.len());
    }
}
