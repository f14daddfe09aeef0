//! The errors about files that are no answers of AWS.

use crate::world::{SnapshotPath, World};

fn problem_with(path: &str, text: &str) -> String {
    World::default().add(&SnapshotPath::parse(path).unwrap(), text.as_bytes()).unwrap_err().to_string()
}

const POLICY: &str = "effective-policies/222233334444.json";
const CONFIGURATIONS: &str = "enforced-configurations/222233334444/us-east-1.json";
const TELEMETRY: &str = "telemetry/222233334444/us-east-1.json";

#[test]
fn what_else_a_file_is_is_told() {
    for (path, text, says) in [
        (
            POLICY,
            "",
            r#"empty, as `>` leaves a file whose command failed; where DescribeEffectivePolicy answers that there is none, write {"EffectivePolicy": null}"#,
        ),
        (POLICY, " \n", r#"write {"EffectivePolicy": null}"#),
        (CONFIGURATIONS, "", r#"write {"guardrailsConfig": []}"#),
        ("guardrails/222233334444/us-east-1/abc/1.json", "", r#"write {"guardrailId": null}"#),
        ("organization.json", "", "empty"),
        (
            POLICY,
            "\nAn error occurred (EffectivePolicyNotFoundException) when calling the DescribeEffectivePolicy operation: none\n",
            r#"(EffectivePolicyNotFoundException) when calling the DescribeEffectivePolicy operation: none; where DescribeEffectivePolicy answers that there is none, write {"EffectivePolicy": null}"#,
        ),
        (POLICY, "EffectivePolicy:\n  PolicyContent: '{}'\n", "`--output yaml`"),
        (POLICY, "- EffectivePolicy:\n", "`--output yaml`"),
        (POLICY, "EFFECTIVEPOLICY\t2026-11-01\t{}\tBEDROCK_POLICY\n", "`--output text`"),
        (POLICY, "None\n", "`--output text`"),
        (CONFIGURATIONS, "----------\n|  ListEnforcedGuardrailsConfiguration  |\n", "`--output table`"),
        (POLICY, "{", "not valid JSON"),
        (POLICY, r#"{"PolicyContent": "{}"}"#, "`--query EffectivePolicy`"),
        (POLICY, r#"{"bedrock": {}}"#, "`--query EffectivePolicy.PolicyContent`"),
        (POLICY, r#""{}""#, "`--query EffectivePolicy.PolicyContent`"),
        (POLICY, r#"{"EffectivePolicy": {"PolicyContent": {"bedrock": {}}}}"#, "`fromjson`"),
        (POLICY, r#"{"Policies": []}"#, "one of ListPolicies"),
        (POLICY, r#"{"Error": {"Code": "AccessDeniedException"}}"#, "an error of AWS: AccessDeniedException"),
        (CONFIGURATIONS, "[]", "`--query guardrailsConfig`"),
        (CONFIGURATIONS, r#"{"guardrails": []}"#, "one of ListGuardrails"),
        (CONFIGURATIONS, r#"{"guardrailsConfig": [], "nextToken": "abc"}"#, "a page of a list"),
        (CONFIGURATIONS, r#"{"guardrailsConfig": [], "NextToken": "abc"}"#, "a page of a list"),
        ("organization.json", r#"{"Accounts": [], "NextToken": "abc"}"#, "a page of a list"),
        ("organization.json", r#"{"Policies": []}"#, "none of Organization"),
        ("policies/p-1.json", r#"{"PolicySummary": {}, "Content": "{}"}"#, "`--query Policy`"),
        ("invalid-policies/222233334444.json", "[]", "`--query EffectivePolicyValidationErrors`"),
        ("invalid-policies/222233334444.json", r#"{"EffectivePolicyValidationErrors": [], "NextToken": "a"}"#, "a page of a list"),
        (CONFIGURATIONS, r#"{"guardrailArn": "a"}"#, "`--query guardrailsConfig[0]`"),
        (CONFIGURATIONS, r#"{"guardrailIdentifier": "a"}"#, "`--query guardrailsConfig[0]`"),
        ("policies/p-1.json", r#"{"Content": "{}"}"#, "`--query Policy`"),
        ("policies/p-1.json", r#"{"bedrock": {}}"#, "`--query Policy.Content`"),
        ("policies/p-1.json", r#"{"Statement": []}"#, "`--query Policy.Content`"),
        ("policies/p-1.json", r#""{}""#, "`--query Policy.Content`"),
        ("policies/p-1.json", r#"{"Policy": {"PolicySummary": {"Type": "BEDROCK_POLICY"}, "Content": {}}}"#, "`fromjson`"),
        ("resource-policies/222233334444/us-east-1/abc.json", r#"{"Statement": []}"#, "`--query resourcePolicy`"),
        (
            "resource-policies/222233334444/us-east-1/abc.json",
            "",
            r#"where GetResourcePolicy answers that there is none, write {"resourcePolicy": null}"#,
        ),
        ("inference-profiles/222233334444/us-east-1/abc.json", "[]", "`--query models`"),
        ("flows/222233334444/us-east-1/abc.json", r#"{"nodes": []}"#, "`--query definition`"),
        ("organization.json", "[]", "`--query Accounts`"),
        ("agents/222233334444/us-east-1/abc.json", "7", "`--query …`"),
        ("invalid-policies/222233334444.json", "", r#"write {"EffectivePolicyValidationErrors": []}"#),
        (TELEMETRY, "", "where GetEventSelectors answers that there is none, write []"),
        (TELEMETRY, "{}", "names no trail and no selectors"),
        (TELEMETRY, r#"{"trailList": [{"Name": "t", "TrailARN": "arn:aws:cloudtrail:us-east-1:1:trail/t"}]}"#, "one of DescribeTrails"),
        (TELEMETRY, r#"{"IsLogging": true, "LatestDeliveryTime": 1}"#, "one of GetTrailStatus"),
        (TELEMETRY, r#"[{"FieldSelectors": []}]"#, "`--query`"),
    ] {
        let problem = problem_with(path, text);
        assert!(problem.contains(says), "{text}: {problem}");
    }
}

#[test]
fn the_last_page_is_the_whole() {
    for text in [r#"{"guardrailsConfig": [], "nextToken": null}"#, r#"{"guardrailsConfig": [], "nextToken": ""}"#] {
        assert!(World::default().add(&SnapshotPath::parse(CONFIGURATIONS).unwrap(), text.as_bytes()).is_ok(), "{text}");
    }
    let errors = r#"{"EffectivePolicyValidationErrors": [{"ErrorCode": "KEY_REQUIRED"}], "NextToken": "a"}"#;
    let path = SnapshotPath::parse("invalid-policies/222233334444.json").unwrap();
    assert!(World::default().add(&path, errors.as_bytes()).is_ok(), "an error that is listed is there");
}
