//! Checks that the catalogue is complete: each rule has a file, a page and cases, and each operation that a rule needs has a case.
//! Generated pages are compared with what generates them.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use audit_core::{
    operations::{self, Role},
    rule::{Check, Group},
    rules::{self, RULES, page},
    telemetry::{LoggedEvent, Recorded, Telemetry},
};
use cases::Case;
use serde_json::{Value, json};

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Compares a page with its generated text, or writes it if `UPDATE_DOCS` is set.
fn assert_page(name: &str, text: &str) {
    let path = in_repository("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/{name} is not current: run the tests with UPDATE_DOCS=1");
}

#[test]
fn the_selectors_of_the_guide_leave_no_blind_spot_of_our_own() {
    let guide = std::fs::read_to_string(in_repository("docs/operating.md")).unwrap();
    let (_, from) = guide.split_once("--advanced-event-selectors '").unwrap();
    let (selectors, _) = from.split_once('\'').unwrap();
    let selectors: Value = serde_json::from_str(selectors).unwrap();
    let trail =
        json!({"TrailARN": "arn:aws:cloudtrail:us-east-1:111122223333:trail/t", "IsLogging": true, "AdvancedEventSelectors": selectors});
    let telemetry = Telemetry::from_json(&trail).unwrap();
    for event in LoggedEvent::INVOCATIONS.iter().chain(&[LoggedEvent::EVALUATION]).chain(&LoggedEvent::OTHER_INFERENCE) {
        assert_eq!(telemetry.records(*event), Recorded::Yes, "{event:?}");
    }
}

#[test]
fn each_rule_has_its_page() {
    for rule in RULES {
        assert_page(&format!("rules/{}.md", rule.id), &page::markdown(rule));
    }
    assert_page("rules/README.md", &page::index());
    for entry in std::fs::read_dir(in_repository("docs/rules")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let id = name.trim_end_matches(".md");
        assert!(id == "README" || rules::find(id).is_some(), "docs/rules/{name} is of no rule");
    }
}

#[test]
fn each_operation_has_its_line() {
    assert_page("operations.md", &page::operations::markdown());
}

#[test]
fn ids_are_unique_and_name_their_files() {
    let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len());
    for rule in RULES {
        assert!(in_repository("shared/core/src/rules").join(rule.id.replace('-', "_") + ".rs").exists(), "{}", rule.id);
    }
}

/// `cargo xtask rule new` marks what is to be written with TODO: also in the title of an attempt and in the texts of a check, which no field
/// of a rule shows.
#[test]
fn no_rule_is_left_as_it_was_made() {
    for rule in RULES {
        let file = in_repository("shared/core/src/rules").join(rule.id.replace('-', "_") + ".rs");
        assert!(!std::fs::read_to_string(file).unwrap().contains("TODO"), "{} isn't written to its end", rule.id);
    }
}

#[test]
fn metadata_is_complete() {
    for rule in RULES {
        let texts = [rule.title, rule.fires, rule.evidence, rule.rationale, rule.remediation];
        assert!(texts.iter().all(|text| text.len() > 10), "{}", rule.id);
        assert!(!rule.title.ends_with('.') && rule.fires.ends_with('.') && rule.remediation.ends_with('.'), "{}", rule.id);
        assert!(!rule.controls.is_empty() && !rule.references.is_empty(), "{}", rule.id);
        assert!(rule.references.iter().all(|reference| reference.starts_with("https://")), "{}", rule.id);
        let unique: BTreeSet<_> = rule.controls.iter().collect();
        assert_eq!(unique.len(), rule.controls.len(), "{} maps to an entry twice", rule.id);
    }
}

#[test]
fn groups_stand_together() {
    let groups: Vec<Group> = RULES.iter().map(|rule| rule.group).collect();
    assert!(groups.is_sorted(), "reports list rules by group");
}

#[test]
fn each_rule_has_four_kinds_of_case() {
    for rule in RULES.iter().filter(|rule| !rule.checks.is_empty()) {
        let cases = Case::of_rule(rule.id).unwrap();
        for kind in ["fires", "near-miss", "refused", "evidence-missing"] {
            assert!(cases.iter().any(|case| case.name().starts_with(kind)), "events/{}/{kind}", rule.id);
        }
    }
}

#[test]
fn a_case_that_fires_expects_its_rule_and_a_near_miss_does_not() {
    for case in Case::all().unwrap() {
        let (rule, name) = (case.rule(), case.name());
        let expects = case.expected().unwrap().rules().any(|expected| expected == rule);
        assert!(!name.starts_with("fires") || expects, "events/{rule}/{name} doesn't expect its rule");
        assert!(!name.starts_with("near-miss") || !expects, "events/{rule}/{name} expects its rule");
    }
}

#[test]
fn each_folder_of_cases_is_of_a_rule() {
    for name in cases::rules().unwrap() {
        assert!(rules::find(&name).is_some(), "events/{name}");
    }
}

/// The operations that reveal bypasses and tampering (docs/aws/bypasses.md), by service.
const OPERATIONS: &[(&str, &str)] = &[
    (
        "bedrock",
        "InvokeModel InvokeModelWithResponseStream Converse ConverseStream ApplyGuardrail InvokeModelWithBidirectionalStream \
        StartAsyncInvoke CreateModelInvocationJob InvokeAgent InvokeInlineAgent RetrieveAndGenerate InvokeFlow CreateEvaluationJob \
        CreateModelCustomizationJob CreateAdvancedPromptOptimizationJob CreateProvisionedModelThroughput CreateModelImportJob \
        CreateMarketplaceModelEndpoint RegisterMarketplaceModelEndpoint CreateCustomModelDeployment UpdateGuardrail DeleteGuardrail \
        CreateGuardrailVersion CreateGuardrail PutEnforcedGuardrailConfiguration DeleteEnforcedGuardrailConfiguration PutResourcePolicy \
        DeleteResourcePolicy TagResource UntagResource CreateAgent UpdateAgent PrepareAgent CreateAgentAlias UpdateAgentAlias CreateFlow \
        UpdateFlow CreateFlowVersion UpdateFlowAlias CreateInferenceProfile CreatePromptRouter DeleteModelInvocationLoggingConfiguration \
        PutModelInvocationLoggingConfiguration UpdateAutomatedReasoningPolicy UpdateAutomatedReasoningPolicyAnnotations \
        DeleteAutomatedReasoningPolicy UpdateProvisionedModelThroughput UpdateCustomModelDeployment UpdateMarketplaceModelEndpoint \
        CreateCustomModel CreateModelCopyJob AssociateAgentCollaborator UpdateAgentCollaborator PrepareFlow CreateFlowAlias",
    ),
    ("bedrock-mantle", "CreateInference"),
    (
        "bedrock-agentcore",
        "UpdateGateway CreateGatewayTarget UpdateGatewayTarget CreateHarness UpdateHarness UpdatePolicy DeletePolicy DeletePolicyEngine",
    ),
    ("kms", "DisableKey ScheduleKeyDeletion PutKeyPolicy RevokeGrant UpdateAlias DeleteImportedKeyMaterial"),
    (
        "organizations",
        "DetachPolicy AttachPolicy UpdatePolicy DeletePolicy DisablePolicyType MoveAccount RemoveAccountFromOrganization LeaveOrganization \
        CloseAccount PutResourcePolicy DeleteResourcePolicy EffectivePolicyValidation DeleteOrganization",
    ),
    (
        "iam",
        "PutRolePolicy PutUserPolicy PutGroupPolicy CreatePolicyVersion SetDefaultPolicyVersion AttachRolePolicy DetachRolePolicy \
        DeleteRolePolicy PutRolePermissionsBoundary DeleteRolePermissionsBoundary CreateServiceSpecificCredential CreateUser \
        CreateAccessKey CreateLoginProfile UpdateAssumeRolePolicy UpdateServiceSpecificCredential ResetServiceSpecificCredential",
    ),
    ("logs", "DeleteLogGroup PutRetentionPolicy DeleteSubscriptionFilter DeleteLogStream"),
    ("cloudtrail", "StopLogging DeleteTrail UpdateTrail PutEventSelectors DeregisterOrganizationDelegatedAdmin"),
    ("s3", "DeleteBucket PutBucketPolicy PutBucketLifecycle PutBucketVersioning DeleteObject"),
    ("events", "DisableRule DeleteRule PutRule RemoveTargets PutTargets RemovePermission PutPermission DeleteEventBus"),
    (
        "lambda",
        "UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction PutFunctionConcurrency PutFunctionEventInvokeConfig \
        UpdateFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig RemovePermission UpdateEventSourceMapping",
    ),
    ("sqs", "DeleteQueue SetQueueAttributes PurgeQueue"),
    (
        "dynamodb",
        "DeleteTable UpdateTable UpdateTimeToLive UpdateContinuousBackups PutResourcePolicy DeleteResourcePolicy DeleteItem UpdateItem",
    ),
    ("sns", "DeleteTopic Unsubscribe SetTopicAttributes"),
    ("cloudformation", "DeleteStack UpdateStack DeleteStackInstances DeleteStackSet"),
    ("account", "DisableRegion EnableRegion"),
];

#[test]
fn each_operation_of_the_bypass_catalogue_has_a_case() {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for event in Case::all().unwrap().iter().flat_map(|case| case.events().unwrap()) {
        let detail = &event["detail"];
        let service = detail["eventSource"].as_str().unwrap_or_default().trim_end_matches(".amazonaws.com").to_owned();
        let operation = audit_core::cloudtrail::wanted::operation(detail["eventName"].as_str().unwrap_or_default()).to_owned();
        seen.insert((service, operation));
    }
    let missing: Vec<(&str, &str)> = OPERATIONS
        .iter()
        .flat_map(|(service, operations)| operations.split_whitespace().map(|operation| (*service, operation)))
        .filter(|(service, operation)| !seen.contains(&((*service).to_owned(), (*operation).to_owned())))
        .collect();
    assert_eq!(missing, [], "operations without a case");
}

/// Each operation that is kept belongs to a rule, or changes state that verdicts depend on, as its role in the table states.
#[test]
fn what_is_kept_reveals_something_or_is_state() {
    let by_rules: BTreeSet<&str> = RULES.iter().flat_map(|rule| rule.revealed_by.iter().copied()).collect();
    for (source, name, role) in operations::all().filter(|(.., role)| role.is_kept()) {
        let is_revealing_elsewhere =
            || operations::all().any(|(other, of_other, role)| of_other == name && other != source && role == Role::Changes);
        match role {
            Role::ChangesState => assert!(!by_rules.contains(name) || is_revealing_elsewhere(), "{name} of {source} reveals something"),
            _ => assert!(by_rules.contains(name), "{name} of {source} is kept, and no rule looks at it"),
        }
    }
}

#[test]
fn what_reveals_a_change_is_kept() {
    let kept: BTreeSet<&str> = operations::changes().map(|(_, name)| name).collect();
    for rule in RULES {
        if rule.checks.iter().any(|check| matches!(check, Check::Change(_))) {
            let calls: BTreeSet<&str> = operations::calls().map(|(_, name, _)| name).collect();
            for operation in rule.revealed_by {
                assert!(kept.contains(operation) || calls.contains(operation), "{operation} of {} is never kept", rule.id);
            }
        }
    }
}
