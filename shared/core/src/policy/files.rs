//! Finds Bedrock policies in a file that a user passes as one.
//!
//! Policies are kept in many files that are not themselves policies: templates, requests, responses of AWS, plans of deployment tools. The
//! search finds a policy at any position, also in strings that contain JSON. Names of files and members around it only help to describe it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::BEDROCK_POLICY;
use crate::json::At;

/// The contents of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// What the file is, if it is more than a policy, such as "a CloudFormation template".
    pub what: Option<String>,
    /// The policies and configurations that it contains.
    pub inside: Vec<Inside>,
    /// If it contains none: which file to pass instead.
    pub instead: Option<&'static str>,
}

/// A policy or configuration within a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Inside {
    /// Its position in the file, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// Its kind.
    pub form: Form,
    /// The string that contains it; `None` if it is an object of the file itself.
    pub text: Option<String>,
    /// The policy as JSON; null if it isn't JSON.
    pub value: Value,
}

/// The kind of a document within a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A policy as its author wrote it, with inheritance operators.
    Written,
    /// An effective policy: values without operators.
    Effective,
    /// An account's enforced guardrail configuration.
    Configuration,
}

/// Levels of objects and strings that are searched at most.
const DEEPEST: usize = 64;

impl Contents {
    /// Finds the policies in a JSON document.
    #[must_use]
    pub fn of(json: &Value) -> Self {
        if is_a_policy(json) {
            let inside = Inside { pointer: String::new(), form: Form::Written, text: None, value: json.clone() };
            return Contents { inside: vec![inside], ..Contents::default() };
        }
        let mut search = Search::default();
        search.look_into(json, &mut Vec::new(), Form::Written, DEEPEST);
        let (mut what, instead) = kind_of(json);
        if search.found.is_empty() && !search.others.is_empty() {
            let types: Vec<&str> = search.others.iter().map(String::as_str).collect();
            what = format!("{what} of type {}", types.join(", "));
        }
        let instead = search.found.is_empty().then_some(instead);
        Contents { what: Some(what), inside: search.found, instead }
    }

    /// Recognises a text that isn't JSON, such as a template in YAML. `None` if it isn't recognised.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let kind = |what: &str, instead| Some(Contents { what: Some(what.to_owned()), inside: Vec::new(), instead: Some(instead) });
        let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let Some(first) = lines.next() else {
            return kind(
                "an empty file",
                "where an answer was meant, the command that should have written it failed: a policy that isn't there has none",
            );
        };
        if first.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let is_terraform = ["resource \"", "data \"", "module \"", "locals {", "terraform {", "jsonencode("];
        if is_terraform.iter().any(|start| text.contains(start)) {
            return kind("Terraform configuration", "only JSON is read: give what `terraform show -json` prints of the plan or the state");
        }
        let is_member = |line: &str| {
            let key = line.trim_start().trim_start_matches("- ").split(':').next().unwrap_or_default();
            let named = key.trim_matches(['"', '\'']);
            line.contains(':') && !named.is_empty() && named.chars().all(|c| c.is_alphanumeric() || "_-.@!/ ".contains(c))
        };
        if first == "---" || is_member(first) {
            let is_template = text.contains("AWSTemplateFormatVersion") || text.contains("AWS::Organizations::Policy");
            let what = if is_template { "a CloudFormation template in YAML" } else { "YAML" };
            return kind(what, "only JSON is read: give the policy, or convert the file to JSON");
        }
        if first.starts_with('<') {
            return kind("XML or HTML", "give a Bedrock policy, or an answer of DescribePolicy");
        }
        let starts = |prefix: &[u8]| text.as_bytes().starts_with(prefix);
        if text.contains('\0') || text.contains('\u{fffd}') || starts(b"PK") || starts(b"\x1f") {
            return kind("no text", "give a Bedrock policy as JSON, not compressed");
        }
        None
    }
}

/// Whether a document is a Bedrock policy, possibly a misspelt one.
fn is_a_policy(json: &Value) -> bool {
    // Templates have resources named `BedrockPolicy` and the like, and condition keys of IAM begin with a service and a colon.
    const OF_A_RESOURCE: [&str; 5] = ["type", "properties", "content", "policysummary", "arn"];
    let names_a_resource =
        |value: &Value| value.as_object().is_some_and(|members| members.keys().any(|key| OF_A_RESOURCE.contains(&&*key.to_lowercase())));
    let resembles = |(key, value): (&String, &Value)| {
        let key = key.to_lowercase();
        let is_alike = key.starts_with("bed") || key.ends_with("rock") || key.starts_with("guardrail_inf");
        is_alike && !key.contains(':') && !names_a_resource(value)
    };
    json.as_object().is_some_and(|members| members.is_empty() || members.iter().any(resembles))
}

/// The state of a search for policies.
#[derive(Default)]
struct Search {
    found: Vec<Inside>,
    /// The types of policies found that are not Bedrock policies.
    others: BTreeSet<String>,
}

impl Search {
    fn look_into<'j>(&mut self, json: &'j Value, path: &mut Vec<&'j str>, form: Form, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        match json {
            Value::Object(members) => {
                if is_a_policy(json) && !members.is_empty() {
                    return self.add(path, form, None, json.clone());
                }
                let policy_type = type_of(members);
                for (key, value) in members {
                    path.push(key);
                    self.look_at(key, value, policy_type, path, form, depth);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    // A path holds borrowed keys, so the indices of an array come from a constant list.
                    path.push(INDEXES.get(index).copied().unwrap_or("-"));
                    self.look_into(item, path, form, depth);
                    path.pop();
                }
            }
            Value::String(text) => {
                // A document within a string: a parameter, an attribute, a whole record.
                let start = text.trim_start();
                if start.starts_with('{')
                    && let Ok(inner) = serde_json::from_str::<Value>(start)
                {
                    if is_a_policy(&inner) && inner.as_object().is_some_and(|members| !members.is_empty()) {
                        self.add(path, form, Some(text.clone()), inner);
                    } else {
                        let mut inside = Search::default();
                        inside.look_into(&inner, &mut Vec::new(), form, depth);
                        self.others.extend(inside.others);
                        for found in inside.found {
                            // A document in a string within a string has no position of its own in the file.
                            let text = found.text.or_else(|| Some(found.value.to_string()));
                            self.add(path, found.form, text, found.value);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn look_at<'j>(&mut self, key: &str, value: &'j Value, policy_type: Option<&str>, path: &mut Vec<&'j str>, form: Form, depth: usize) {
        let is_content = ["content", "policycontent", "policy_content"].contains(&key.to_lowercase().as_str());
        match (key, policy_type) {
            (_, Some(other)) if is_content && other != BEDROCK_POLICY => {
                self.others.insert(other.to_owned());
            }
            // A member whose object names the type `BEDROCK_POLICY` is linted as one, whatever it contains.
            (_, Some(_)) if is_content && (value.is_object() || value.is_string()) => {
                let form = if key.eq_ignore_ascii_case("content") { Form::Written } else { Form::Effective };
                let (text, inner) = match value {
                    Value::String(text) => (Some(text.clone()), serde_json::from_str(text).unwrap_or(Value::Null)),
                    other => (None, other.clone()),
                };
                self.add(path, form, text, inner);
            }
            ("PolicyContent" | "EffectivePolicy", _) => self.look_into(value, path, Form::Effective, depth),
            ("guardrailInferenceConfig", _) if value.is_object() => self.add(path, Form::Configuration, None, value.clone()),
            ("guardrailsConfig", _) => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    path.push(INDEXES.get(index).copied().unwrap_or("-"));
                    self.add(path, Form::Configuration, None, item.clone());
                    path.pop();
                }
            }
            _ => self.look_into(value, path, form, depth),
        }
    }

    /// Adds a document once: a record may hold it both in the request and in the response.
    fn add(&mut self, path: &[&str], form: Form, text: Option<String>, value: Value) {
        if !self.found.iter().any(|found| found.form == form && found.value == value && found.text.is_some() == text.is_some()) {
            self.found.push(Inside { pointer: crate::enforcement::pointer(path), form, text, value });
        }
    }
}

const INDEXES: [&str; 32] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23",
    "24", "25", "26", "27", "28", "29", "30", "31",
];

/// The policy type that an object names.
fn type_of(members: &Map<String, Value>) -> Option<&str> {
    let own = ["Type", "type", "PolicyType", "policyType"].into_iter().find_map(|key| members.get(key)?.as_str());
    let summary = ["PolicySummary", "policySummary"].into_iter().find_map(|key| members.get(key));
    let of_summary = || summary.and_then(|summary| ["Type", "type"].into_iter().find_map(|key| summary.get(key)?.as_str()));
    own.or_else(of_summary).filter(|word| word.ends_with("_POLICY") || word.contains("_POLICY_"))
}

const GIVE_A_POLICY: &str = "give a Bedrock policy (`{\"bedrock\": …}`), or an answer of DescribePolicy or DescribeEffectivePolicy for one";

/// Kinds of documents: the members that all of the kind have, its name, and which file to pass instead. More specific kinds come first.
const KINDS: &[(&[&str], &str, &str)] = &[
    (
        &["AWSTemplateFormatVersion"],
        "a CloudFormation template",
        "no Bedrock policy is in it as JSON: give the policy that it makes, by DescribePolicy",
    ),
    (&["Resources"], "a CloudFormation template", "no Bedrock policy is in it as JSON: give the policy that it makes, by DescribePolicy"),
    (&["planned_values"], "a Terraform plan", "no Bedrock policy is in it"),
    (&["terraform_version", "values"], "Terraform's state", "no Bedrock policy is in it"),
    (&["terraform_version", "resources"], "Terraform's state", "no Bedrock policy is in it"),
    (&["resource"], "Terraform configuration in JSON", "no Bedrock policy is in it as JSON: give what `terraform show -json` prints"),
    (&["EffectivePolicyValidationErrors"], "an answer of ListEffectivePolicyValidationErrors", GIVE_A_POLICY),
    (
        &["EffectivePolicy"],
        "an answer of DescribeEffectivePolicy",
        "there is no Bedrock policy in it: no policy of this type reaches the account",
    ),
    (&["PolicyContent"], "the EffectivePolicy of an answer of DescribeEffectivePolicy", GIVE_A_POLICY),
    (&["Policy"], "an answer of DescribePolicy", GIVE_A_POLICY),
    (&["Policy"], "an answer of GetPolicy", GIVE_A_POLICY),
    (&["PolicyId", "Content"], "the input of UpdatePolicy", GIVE_A_POLICY),
    (&["Content"], "the input of CreatePolicy", GIVE_A_POLICY),
    (&["Policies"], "an answer of ListPolicies, which has no contents", "give the answer of DescribePolicy for each"),
    (&["Targets"], "an answer of ListTargetsForPolicy", GIVE_A_POLICY),
    (&["PolicyVersion"], "an answer of IAM's GetPolicyVersion", GIVE_A_POLICY),
    (&["PolicyDocument"], "an IAM policy with its document", GIVE_A_POLICY),
    (&["Statement"], "an IAM policy document (a service control, resource control, identity or resource policy)", GIVE_A_POLICY),
    (&["guardrailsConfig"], "an answer of ListEnforcedGuardrailsConfiguration", "no configuration is in it"),
    (&["guardrailInferenceConfig"], "the input of PutEnforcedGuardrailConfiguration", GIVE_A_POLICY),
    (&["guardrails"], "an answer of ListGuardrails", GIVE_A_POLICY),
    (&["guardrailId"], "an answer of GetGuardrail", "compare guardrails by `guardrail-audit guardrail diff`; here give a Bedrock policy"),
    (&["guardrailArn"], "an answer of GetGuardrail", "compare guardrails by `guardrail-audit guardrail diff`; here give a Bedrock policy"),
    (
        &["blockedInputMessaging"],
        "the input of CreateGuardrail",
        "compare guardrails by `guardrail-audit guardrail diff`; here give a Bedrock policy",
    ),
    (&["resourcePolicy"], "an answer of GetResourcePolicy", GIVE_A_POLICY),
    (&["Records"], "a CloudTrail log file", "judge it by `guardrail-audit audit`; here give a Bedrock policy"),
    (&["Events"], "an answer of LookupEvents", "judge it by `guardrail-audit audit`; here give a Bedrock policy"),
    (&["detail", "detail-type"], "an EventBridge event", "judge it by `guardrail-audit audit`; here give a Bedrock policy"),
    (&["eventName", "eventSource"], "a CloudTrail record", "judge it by `guardrail-audit audit`; here give a Bedrock policy"),
    (&["Organization"], "an organization.json of a world, or an answer of DescribeOrganization", "give the world's folder as --world"),
    (&["Accounts"], "an answer of Organizations about accounts", GIVE_A_POLICY),
    (&["Roots"], "an answer of ListRoots", GIVE_A_POLICY),
    (&["OrganizationalUnits"], "an answer of Organizations about organizational units", GIVE_A_POLICY),
    (&["agent"], "an answer of GetAgent", GIVE_A_POLICY),
    (&["inferenceProfileArn"], "an answer of GetInferenceProfile", GIVE_A_POLICY),
    (&["loggingConfig"], "an answer of GetModelInvocationLoggingConfiguration", GIVE_A_POLICY),
    (&["TrailARN"], "an answer of GetEventSelectors", GIVE_A_POLICY),
    (&["trailList"], "an answer of DescribeTrails", GIVE_A_POLICY),
    (&["schema_version", "findings"], "a report of guardrail-audit", GIVE_A_POLICY),
    (&["runs"], "a SARIF log", GIVE_A_POLICY),
    // Other policy types that are inherited, recognised by their top keys.
    (&["tags"], "a policy of type TAG_POLICY", GIVE_A_POLICY),
    (&["plans"], "a policy of type BACKUP_POLICY", GIVE_A_POLICY),
    (&["services"], "a policy of type AISERVICES_OPT_OUT_POLICY", GIVE_A_POLICY),
    (&["platforms"], "a policy of type CHATBOT_POLICY", GIVE_A_POLICY),
    (&["ec2_attributes"], "a policy of type DECLARATIVE_POLICY_EC2", GIVE_A_POLICY),
    (&["securityhub"], "a policy of type SECURITYHUB_POLICY", GIVE_A_POLICY),
    (&["inspector"], "a policy of type INSPECTOR_POLICY", GIVE_A_POLICY),
    (&["upgrade_rollout"], "a policy of type UPGRADE_ROLLOUT_POLICY", GIVE_A_POLICY),
    (&["s3_attributes"], "a policy of type S3_POLICY", GIVE_A_POLICY),
    (&["network_security_director"], "a policy of type NETWORK_SECURITY_DIRECTOR_POLICY", GIVE_A_POLICY),
    (&["guardduty"], "a policy of type GUARDDUTY_POLICY", GIVE_A_POLICY),
];

fn kind_of(json: &Value) -> (String, &'static str) {
    let members = match json {
        Value::Object(members) => members,
        Value::Array(items) => {
            let first = items.iter().find(|item| item.is_object()).map(|item| format!(", the first {}", kind_of(item).0));
            return (format!("a list of {}{}", items.len(), first.unwrap_or_default()), GIVE_A_POLICY);
        }
        Value::String(_) => return ("a text".to_owned(), GIVE_A_POLICY),
        _ => return (format!("the value {json}"), GIVE_A_POLICY),
    };
    let is_kind = |(keys, what, _): &&(&[&str], &str, &str)| {
        // CloudTrail's parameters have these members in lower case.
        let has = |key: &&str| members.contains_key(*key) || (*key == "Content" && members.contains_key("content"));
        let is_resource = |resource: &Value| resource.get("Type").is_some();
        keys.iter().all(has)
            && match *keys {
                ["Policy"] => what.contains("DescribePolicy") == json.at("/Policy").get("PolicySummary").is_some(),
                ["Resources"] => json.at("/Resources").as_object().is_some_and(|resources| resources.values().any(is_resource)),
                _ => true,
            }
    };
    let known = KINDS.iter().find(is_kind);
    if let Some((_, what, instead)) = known {
        return ((*what).to_owned(), instead);
    }
    let shown: Vec<String> = members.keys().take(3).map(|key| format!("`{key}`")).collect();
    let more = if members.len() > shown.len() { ", …" } else { "" };
    (format!("no policy that we know: no key of it ({}{more}) is a Bedrock policy's", shown.join(", ")), GIVE_A_POLICY)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bedrock() -> Value {
        json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": {"@@assign": "x"}}}}}})
    }

    fn recognized(json: &Value) -> (Vec<(String, Form, bool)>, String) {
        let contents = Contents::of(json);
        assert_eq!(contents.instead.is_some(), contents.inside.is_empty(), "{json}");
        let inside = contents.inside.into_iter().map(|inside| (inside.pointer, inside.form, inside.text.is_some()));
        (inside.collect(), contents.what.unwrap_or_default())
    }

    #[test]
    fn policies_are_found_wherever_they_stand() {
        let text = bedrock().to_string();
        let resource =
            |values: Value| json!([{"address": "aws_organizations_policy.p", "type": "aws_organizations_policy", "values": values}]);
        for (document, pointer, form, in_text, what) in [
            (bedrock(), "", Form::Written, false, ""),
            (
                json!({"Policy": {"PolicySummary": {"Type": "BEDROCK_POLICY"}, "Content": text}}),
                "/Policy/Content",
                Form::Written,
                true,
                "DescribePolicy",
            ),
            (json!({"Name": "n", "Type": "BEDROCK_POLICY", "Content": text}), "/Content", Form::Written, true, "CreatePolicy"),
            (json!({"PolicyId": "p-1", "Content": text}), "/Content", Form::Written, true, "UpdatePolicy"),
            (json!({"policyId": "p-1", "content": text}), "/content", Form::Written, true, "CreatePolicy"),
            (
                json!({"EffectivePolicy": {"PolicyContent": text, "PolicyType": "BEDROCK_POLICY"}}),
                "/EffectivePolicy/PolicyContent",
                Form::Effective,
                true,
                "DescribeEffectivePolicy",
            ),
            (json!({"PolicyContent": text, "TargetId": "1"}), "/PolicyContent", Form::Effective, true, "DescribeEffectivePolicy"),
            (
                json!({"EffectivePolicy": {"PolicyContent": bedrock()}}),
                "/EffectivePolicy/PolicyContent",
                Form::Effective,
                false,
                "DescribeEffectivePolicy",
            ),
            (
                json!({"Resources": {"P": {"Type": "AWS::Organizations::Policy", "Properties": {"Type": "BEDROCK_POLICY", "Content": bedrock()}}}}),
                "/Resources/P/Properties/Content",
                Form::Written,
                false,
                "CloudFormation",
            ),
            (
                json!({"Resources": {"P": {"Type": "AWS::Organizations::Policy", "Properties": {"Type": "BEDROCK_POLICY", "Content": text}}}}),
                "/Resources/P/Properties/Content",
                Form::Written,
                true,
                "CloudFormation",
            ),
            (
                json!({"resource": {"aws_organizations_policy": {"p": {"type": "BEDROCK_POLICY", "content": text}}}}),
                "/resource/aws_organizations_policy/p/content",
                Form::Written,
                true,
                "Terraform",
            ),
            (
                json!({"planned_values": {"root_module": {"resources": resource(json!({"content": text, "type": "BEDROCK_POLICY"}))}}}),
                "/planned_values/root_module/resources/0/values/content",
                Form::Written,
                true,
                "Terraform plan",
            ),
            (
                json!({"eventName": "UpdatePolicy", "eventSource": "organizations.amazonaws.com", "requestParameters": {"content": text},
                "responseElements": {"policy": {"policySummary": {"type": "BEDROCK_POLICY"}, "content": text}}}),
                "/requestParameters/content",
                Form::Written,
                true,
                "CloudTrail record",
            ),
            (json!([bedrock()]), "/0", Form::Written, false, "a list of 1"),
            (json!(text), "", Form::Written, true, "a text"),
            (json!({"guardrailsConfig": [{"guardrailId": "x"}]}), "/guardrailsConfig/0", Form::Configuration, false, "ListEnforced"),
            (
                json!({"guardrailInferenceConfig": {"guardrailIdentifier": "x"}}),
                "/guardrailInferenceConfig",
                Form::Configuration,
                false,
                "PutEnforced",
            ),
        ] {
            let (inside, is) = recognized(&document);
            assert_eq!(inside, [(pointer.to_owned(), form, in_text)], "{document}");
            assert!(is.contains(what), "{document}: {is}");
        }
    }

    #[test]
    fn what_says_to_be_a_bedrock_policy_is_looked_at_as_one() {
        for content in ["{", "{\"tags\": {}}", "{\"bedrok\": {}}"] {
            let described = json!({"Policy": {"PolicySummary": {"Type": "BEDROCK_POLICY"}, "Content": content}});
            assert_eq!(recognized(&described).0, [("/Policy/Content".to_owned(), Form::Written, true)], "{content}");
        }
        for misspelt in [json!({"bedrok": {}}), json!({"Bedrock": {}}), json!({"guardrail_inference": {}}), json!({})] {
            assert_eq!(recognized(&misspelt).0.len(), 1, "{misspelt}");
        }
    }

    #[test]
    fn what_holds_no_policy_is_said_to_be_what_it_is() {
        let scp = json!({"Version": "2012-10-17", "Statement": []});
        for (document, what) in [
            (scp.clone(), "IAM policy document"),
            (
                json!({"Policy": {"PolicySummary": {"Type": "SERVICE_CONTROL_POLICY"}, "Content": scp.to_string()}}),
                "of type SERVICE_CONTROL_POLICY",
            ),
            (json!({"Policy": {"PolicySummary": {"Type": "TAG_POLICY"}, "Content": "{\"tags\": {}}"}}), "of type TAG_POLICY"),
            (
                json!({"Type": "RESOURCE_CONTROL_POLICY", "Name": "n", "Content": scp.to_string()}),
                "CreatePolicy of type RESOURCE_CONTROL_POLICY",
            ),
            (json!({"EffectivePolicy": null}), "DescribeEffectivePolicy"),
            (json!({"Policies": [{"Id": "p-1", "Type": "BEDROCK_POLICY"}]}), "ListPolicies"),
            (json!({"Resources": {"B": {"Type": "AWS::S3::Bucket"}}}), "CloudFormation template"),
            (json!({"guardrailId": "x", "version": "1"}), "GetGuardrail"),
            (json!({"guardrailsConfig": []}), "ListEnforcedGuardrailsConfiguration"),
            (json!({"Organization": {}, "Accounts": []}), "organization.json"),
            (json!({"Records": []}), "CloudTrail log file"),
            (json!({"tags": {"team": {"tag_key": {"@@assign": "team"}}}}), "TAG_POLICY"),
            (json!({"dependencies": {}, "name": "x"}), "no key of it (`dependencies`, `name`)"),
            (json!([1, 2]), "a list of 2"),
            (json!(5), "the value 5"),
        ] {
            let (inside, is) = recognized(&document);
            assert!(inside.is_empty() && is.contains(what), "{document}: {is} {inside:?}");
        }
    }

    #[test]
    fn other_texts_are_told_by_their_look() {
        for (text, what) in [
            ("", "empty"),
            ("AWSTemplateFormatVersion: '2010-09-09'\nResources:\n", "template in YAML"),
            ("---\nbedrock:\n  guardrail_inference:\n", "YAML"),
            ("# policy\nbedrock:\n", "YAML"),
            ("resource \"aws_organizations_policy\" \"p\" {\n", "Terraform"),
            ("<html>", "HTML"),
            ("PK\u{3}\u{4}", "no text"),
        ] {
            assert!(Contents::of_text(text).unwrap().what.unwrap().contains(what), "{text}");
        }
        for text in ["{\"bedrock\": ", "[1, 2", "  {"] {
            assert_eq!(Contents::of_text(text), None, "{text}");
        }
    }
}
