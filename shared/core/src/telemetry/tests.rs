use serde_json::json;

use super::*;

fn trail(fields: &Value) -> Value {
    json!({"TrailARN": "arn:aws:cloudtrail:us-east-1:1:trail/t", "IsLogging": true, "AdvancedEventSelectors": [{"FieldSelectors": fields}]})
}

fn records(json: &Value) -> bool {
    Telemetry::from_json(json).unwrap().records(LoggedEvent::EVALUATION) == Recorded::Yes
}

#[test]
fn evaluations_need_a_running_trail_with_their_selector() {
    let data = json!({"Field": "eventCategory", "Equals": ["Data"]});
    let guardrail = json!({"Field": "resources.type", "Equals": ["AWS::Bedrock::Model", "AWS::Bedrock::Guardrail"]});
    let good = trail(&json!([data, guardrail]));
    assert!(records(&good));
    assert!(records(&json!([trail(&json!([])), good])), "one of several trails is enough");
    let mut stopped = good;
    stopped["IsLogging"] = json!(false);
    assert!(!records(&stopped));
    for narrowed in [
        json!({"Field": "readOnly", "Equals": ["false"]}),
        json!({"Field": "eventName", "NotEquals": ["ApplyGuardrail"]}),
        json!({"Field": "resources.ARN", "StartsWith": ["arn:aws:bedrock:us-east-1:1:guardrail/abc"]}),
        json!({"Field": "eventName", "Matches": [".*"]}),
    ] {
        assert!(!records(&trail(&json!([data, guardrail, narrowed]))), "{narrowed}");
    }
    assert!(!records(&trail(&json!([{"Field": "eventCategory", "Equals": ["Management"]}]))));
    assert!(!records(&trail(&json!([]))), "a selector without conditions selects nothing");
    let classic = json!({"IsLogging": true, "EventSelectors": [{"ReadWriteType": "All", "DataResources": []}]});
    assert!(!records(&classic));
}

#[test]
fn operators_hold_as_documented() {
    let data = json!({"Field": "eventCategory", "Equals": ["Data"]});
    let guardrail = json!({"Field": "resources.type", "Equals": ["AWS::Bedrock::Guardrail"]});
    for (condition, expected) in [
        (json!({"Field": "eventName", "Equals": ["x", "ApplyGuardrail"]}), true),
        (json!({"Field": "eventName", "StartsWith": ["x", "Apply"]}), true),
        (json!({"Field": "eventName", "StartsWith": ["Guardrail"]}), false),
        (json!({"Field": "eventName", "EndsWith": ["x", "Guardrail"]}), true),
        (json!({"Field": "eventName", "EndsWith": ["Apply"]}), false),
        (json!({"Field": "eventName", "NotEquals": ["x", "Apply"]}), true),
        (json!({"Field": "eventName", "NotEquals": ["x", "ApplyGuardrail"]}), false),
        (json!({"Field": "eventName", "NotStartsWith": ["x", "Guardrail"]}), true),
        (json!({"Field": "eventName", "NotStartsWith": ["x", "Apply"]}), false),
        (json!({"Field": "eventName", "NotEndsWith": ["x", "Apply"]}), true),
        (json!({"Field": "eventName", "NotEndsWith": ["x", "Guardrail"]}), false),
        (json!({"Field": "eventName", "StartsWith": ["Apply"], "NotEndsWith": ["x"]}), true),
        (json!({"Field": "eventName", "StartsWith": ["Apply"], "NotEndsWith": ["Guardrail"]}), false),
        (json!({"Field": "eventSource", "Equals": ["bedrock.amazonaws.com"]}), true),
        (json!({"Field": "eventSource", "Equals": ["s3.amazonaws.com"]}), false),
        (json!({"Field": "readOnly", "Equals": ["true"]}), true),
    ] {
        assert_eq!(records(&trail(&json!([data, guardrail, condition]))), expected, "{condition}");
    }
}

#[test]
fn what_nobody_asked_is_not_known() {
    let selectors = json!([{"FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::Bedrock::Guardrail"]}]}]);
    let verbatim = json!({"TrailARN": "arn:aws:cloudtrail:us-east-1:1:trail/t", "AdvancedEventSelectors": selectors});
    let read = |json: &Value| Telemetry::from_json(json).unwrap();
    let evaluations =
        |telemetry: &Telemetry| (telemetry.records(LoggedEvent::EVALUATION), telemetry.records_as_seen(LoggedEvent::EVALUATION));
    assert_eq!(evaluations(&read(&verbatim)), (Recorded::NotKnown, Recorded::Yes), "evaluations that were read show that it runs");
    let with = |key: &str, value: Value| {
        let mut trail = verbatim.clone();
        trail[key] = value;
        trail
    };
    let stopped = read(&with("IsLogging", json!(false)));
    assert_eq!(evaluations(&stopped), (Recorded::No, Recorded::NotKnown), "something else recorded those that were read");
    assert_eq!(evaluations(&read(&with("IsLogging", Value::Null))), (Recorded::NotKnown, Recorded::Yes));
    assert_eq!(evaluations(&read(&with("IsLogging", json!("true")))), (Recorded::NotKnown, Recorded::Yes));
    let model = LoggedEvent::OTHER_INFERENCE[0];
    assert_eq!(read(&verbatim).records_as_seen(model), Recorded::NotKnown, "it isn't selected; what else there is nobody knows");
    let two = json!([verbatim, {"TrailARN": "arn:aws:cloudtrail:us-east-1:1:trail/u", "IsLogging": true}]);
    assert_eq!(read(&two).records(LoggedEvent::EVALUATION), Recorded::NotKnown);
    assert_eq!(read(&json!([])).records(LoggedEvent::EVALUATION), Recorded::No, "there are no trails");
}

#[test]
fn answers_are_joined_by_trail() {
    let arn = "arn:aws:cloudtrail:us-east-1:111122223333:trail/t";
    let selectors = json!([{"ReadWriteType": "All", "IncludeManagementEvents": true, "DataResources": []}]);
    let answer = json!({"TrailARN": arn, "EventSelectors": selectors});
    let status = json!({"IsLogging": true, "LatestDeliveryTime": "2026-11-01T00:00:00Z"});
    let described = json!({"Name": "t", "S3BucketName": "logs", "TrailARN": arn, "HasCustomEventSelectors": false});
    let mut merged = answer.clone();
    merged.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    for json in [
        merged.clone(),
        json!([merged.clone()]),
        json!([answer, status]),
        json!([status, answer, {"trailList": [described]}]),
        json!({"Trail": described, "EventSelectors": selectors, "IsLogging": true}),
        json!({"trailList": [merged]}),
        json!({"Trails": [merged]}),
        json!([answer, {"TrailARN": arn, "IsLogging": true}]),
        json!([{"Name": "t", "EventSelectors": selectors}, {"TrailARN": arn, "IsLogging": true}]),
    ] {
        let read = Telemetry::from_json(&json).unwrap();
        let [trail] = read.trails.as_slice() else { panic!("{json}: {read:?}") };
        assert_eq!((trail.is_logging, trail.name.as_deref()), (Some(true), Some("t")), "{json}");
        assert_eq!(read.records(LoggedEvent::management("Converse")), Recorded::Yes, "{json}");
    }
}

#[test]
fn what_says_nothing_of_selectors_is_no_answer() {
    let arn = "arn:aws:cloudtrail:us-east-1:111122223333:trail/t";
    for json in [
        json!({}),
        json!({"trailList": []}),
        json!({"trailList": [{"Name": "t", "TrailARN": arn, "HasCustomEventSelectors": false, "S3BucketName": "b"}]}),
        json!({"Trails": [{"Name": "t", "TrailARN": arn, "HomeRegion": "us-east-1"}]}),
        json!({"Trail": {"Name": "t", "TrailARN": arn}}),
        json!({"IsLogging": true, "LatestDeliveryTime": 1}),
        json!({"IsLogging": false}),
        json!([{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]),
        json!([{"ReadWriteType": "All"}]),
        json!([true]),
        json!({"Records": []}),
        json!("x"),
        json!(null),
    ] {
        assert!(Telemetry::from_json(&json).is_err(), "{json}");
    }
}

#[test]
fn invocation_logging_is_on_off_or_not_read() {
    let logging = |json: Value| Telemetry::from_json(&json).unwrap().invocation_logging.map(|logging| logging.on);
    assert_eq!(logging(json!({"loggingConfig": {"s3Config": {"bucketName": "b"}}})), Some(true));
    assert_eq!(logging(json!({"loggingConfig": {}})), Some(false));
    assert_eq!(logging(json!([])), None);
    let without_trail = Telemetry::from_json(&json!([{"loggingConfig": {}}])).unwrap();
    assert_eq!((without_trail.trails.len(), without_trail.invocation_logging.map(|logging| logging.on)), (0, Some(false)));
}
