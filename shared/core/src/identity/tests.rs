//! Losses between pairs of documents.

use serde_json::json;

use super::*;

fn allow(condition: &Value) -> Value {
    json!({"Effect": "Allow", "Action": "bedrock:InvokeModel*", "Resource": "*", "Condition": condition})
}

fn policy(statements: &[Value]) -> IdentityPolicy {
    IdentityPolicy::parse(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap()
}

fn with_guardrail() -> Value {
    json!({"StringEquals": {"bedrock:GuardrailIdentifier": "arn:aws:bedrock:us-east-1:111122223333:guardrail/abc:1"}})
}

fn lost(before: &IdentityPolicy, after: &IdentityPolicy) -> Vec<String> {
    let lost = super::lost(std::slice::from_ref(before), std::slice::from_ref(after), Silence::Refuses);
    assert!(!lost.inference_is_open && !lost.protection_is_open);
    in_words(&lost.inference).into_iter().map(|change| change.control).collect()
}

#[test]
fn every_allow_must_ask_for_the_guardrail() {
    let before = policy(&[allow(&with_guardrail())]);
    assert!(before.asks() && !before.opens() && !before.protects());
    assert!(!lost(&before, &policy(&[allow(&json!(null))])).is_empty());
    let one_left = policy(&[allow(&with_guardrail()), json!({"Effect": "Allow", "Action": "*", "Resource": "*"})]);
    assert!(!lost(&before, &one_left).is_empty(), "an Allow without the condition is enough");
    assert!(lost(&before, &before).is_empty());
    let other_action = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    assert!(lost(&before, &policy(&[allow(&with_guardrail()), other_action])).is_empty());
    assert!(lost(&before, &policy(&[])).is_empty(), "nothing allowed is no way around");
}

#[test]
fn a_lost_denial_is_looser() {
    let deny = json!({"Effect": "Deny", "Action": "bedrock:InvokeModel", "Resource": "*", "Condition": {"Null": {"bedrock:GuardrailIdentifier": "true"}}});
    let before = policy(std::slice::from_ref(&deny));
    assert_eq!(lost(&before, &policy(&[])).len(), 1);
    assert!(lost(&before, &policy(&[json!({"Sid": "renamed", "Effect": "Deny", "Action": ["bedrock:InvokeModel"], "Resource": ["*"], "Condition": {"Null": {"bedrock:GuardrailIdentifier": "true"}}})])).is_empty());
    let mantle = json!({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"});
    assert!(policy(&[mantle]).guards(), "all but S3 is inference too");
}

#[test]
fn how_a_denial_is_written_does_not_matter() {
    let deny = |action: Value, condition: Value| json!({"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition});
    let both = json!(["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]);
    let unnamed = json!({"Null": {"bedrock:GuardrailIdentifier": "true"}});
    let before = policy(&[deny(both.clone(), unnamed.clone())]);
    let other = json!({"StringNotEquals": {"bedrock:GuardrailIdentifier": "arn:g"}});
    for kept in [
        vec![deny(json!("bedrock:InvokeModel*"), json!({"Null": {"bedrock:guardrailIdentifier": true}}))],
        vec![deny(json!("bedrock:InvokeModel"), unnamed.clone()), deny(json!("bedrock:InvokeModelWithResponseStream"), unnamed.clone())],
        vec![deny(json!("*"), Value::Null)],
        vec![deny(both.clone(), other.clone())],
    ] {
        assert!(lost(&before, &policy(&kept)).is_empty(), "{kept:?}");
    }
    let narrower = json!({"Null": {"bedrock:GuardrailIdentifier": "true"}, "StringEquals": {"aws:PrincipalTag/team": "x"}});
    for narrowed in [
        deny(json!("bedrock:InvokeModel"), unnamed.clone()),
        deny(both.clone(), narrower),
        json!({"Effect": "Deny", "Action": both, "Resource": "arn:aws:bedrock:*::foundation-model/a.*", "Condition": unnamed}),
    ] {
        assert!(!lost(&before, &policy(std::slice::from_ref(&narrowed))).is_empty(), "{narrowed}");
    }
    let named = |guardrails: Value| policy(&[deny(json!("*"), json!({"StringNotEquals": {"bedrock:GuardrailIdentifier": guardrails}}))]);
    assert!(lost(&named(json!("arn:g")), &named(json!(["arn:g"]))).is_empty());
    assert!(!lost(&named(json!("arn:g")), &named(json!(["arn:g", "arn:h"]))).is_empty(), "one more guardrail will do");
    assert!(lost(&named(json!(["arn:g", "arn:h"])), &named(json!("arn:g"))).is_empty());
    assert!(!lost(&named(json!("arn:g")), &before).is_empty(), "any guardrail will do");
}

#[test]
fn what_was_open_or_is_refused_all_the_same_is_no_way_around() {
    let narrow = json!({"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "arn:aws:bedrock:*::foundation-model/a.*"});
    let open = json!({"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"});
    let before = policy(&[allow(&with_guardrail()), open.clone()]);
    assert!(lost(&before, &policy(&[allow(&with_guardrail()), narrow.clone()])).is_empty(), "less is open than before");
    let guarded = policy(&[allow(&with_guardrail()), narrow]);
    assert!(!lost(&guarded, &policy(std::slice::from_ref(&open))).is_empty());
    let refusing =
        json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Null": {"bedrock:GuardrailIdentifier": "true"}}});
    let changes = lost(&guarded, &policy(&[open, refusing]));
    assert!(!changes.iter().any(|changes| changes.contains("without a guardrail")), "any guardrail will do, but none won't: {changes:?}");
    let asking = policy(&[allow(&json!({"Null": {"bedrock:GuardrailIdentifier": "false"}}))]);
    let open = json!({"Effect": "Allow", "Action": "bedrock:Invoke*", "Resource": "*"});
    let refusing =
        json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"Null": {"bedrock:GuardrailIdentifier": "true"}}});
    assert!(lost(&asking, &policy(&[open, refusing])).is_empty());
}

#[test]
fn a_document_is_read_alike_on_both_ways() {
    let allowing = |member: &str, value: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"});
        statement[member] = value;
        json!({"Statement": [statement]})
    };
    for document in [
        allowing("Effect", json!("deny")),
        allowing("Effect", json!(null)),
        allowing("NotAction", json!(null)),
        allowing("NotAction", json!("bedrock:InvokeModel")),
        allowing("NotResource", json!("arn:aws:s3:::b/*")),
        allowing("Condition", json!({"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}})),
        allowing("Condition", json!({"StringEquals": {"Bedrock:guardrailidentifier": "abc"}})),
        json!({"Statement": [{"Effect": "Allow", "Action": ["bedrock:InvokeModel", "s3:GetObject"], "Resource": ["arn:aws:s3:::b/*", "arn:aws:bedrock:us-east-1::foundation-model/*"]}]}),
        json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}),
        json!({"Statement": [{"Effect": "Allow", "Action": "bedrock:Invoke*", "Resource": "arn:aws:s3:::b/*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, {"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"}]}),
    ] {
        let in_record = serde_json::to_string(&document.to_string()).unwrap();
        let fast = IdentityPolicy::relevant_part_of(&serde_json::from_str::<Box<RawValue>>(&in_record).unwrap());
        assert_eq!(fast, IdentityPolicy::relevant_part(&document), "{document}");
        let (kept, whole) = (IdentityPolicy::parse(&fast.unwrap()).unwrap(), IdentityPolicy::parse(&document).unwrap());
        assert_eq!((kept.asks(), kept.opens(), kept.protects()), (whole.asks(), whole.opens(), whole.protects()), "{document}");
    }
}

#[test]
fn documents_are_found_in_each_form() {
    let document = json!({"Statement": allow(&with_guardrail())});
    let encoded = document.to_string().bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"));
    for (answer, name) in [
        (json!({"RoleName": "app", "PolicyName": "p", "PolicyDocument": document}), "p"),
        (json!({"RoleName": "app", "PolicyName": "p", "PolicyDocument": encoded}), "p"),
        (
            json!({"RoleName": "app", "AssumeRolePolicyDocument": {"Statement": []}, "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": document.to_string()}]}),
            "p",
        ),
        (json!({"p": document}), "p"),
        (document.clone(), ""),
    ] {
        let found = documents(&answer);
        assert_eq!(found.iter().map(|(name, policy)| (name.as_str(), policy.guards())).collect::<Vec<_>>(), [(name, true)], "{answer}");
    }
}

const GUARDRAIL: &str = "arn:aws:bedrock:us-east-1:222233334444:guardrail/abcd1234efgh";

/// A condition on the guardrail; `$` in the values stands for [`GUARDRAIL`].
fn on(operator: &str, values: &Value) -> Value {
    let text = json!({operator: {"bedrock:GuardrailIdentifier": values}}).to_string().replace('$', GUARDRAIL);
    serde_json::from_str(&text).unwrap()
}

fn deny(condition: &Value) -> Value {
    json!({"Effect": "Deny", "Action": "bedrock:InvokeModel*", "Resource": "*", "Condition": condition})
}

fn on_everything() -> Value {
    json!({"Effect": "Allow", "Action": "*", "Resource": "*"})
}

const BOTH: &str = "InvokeModel, InvokeModelWithResponseStream";

#[test]
fn an_allow_for_any_guardrail_is_told_by_what_passes_now() {
    let before = policy(&[allow(&on("StringLike", &json!("$*")))]);
    for any in ["*", "arn:*", "?*", "arn:aws:bedrock:*:*:guardrail/*"] {
        let changes = lost(&before, &policy(&[allow(&on("StringLike", &json!(any)))]));
        let others = ["with another guardrail of the account", "with a guardrail of another Region", "with a guardrail of another account"];
        assert_eq!(changes, others.map(|other| format!("{BOTH} {other}")), "{any}");
    }
    for any in ["*", "arn:*"] {
        assert!(!lost(&before, &policy(&[allow(&on("ArnLike", &json!(any)))])).is_empty(), "{any}");
    }
    assert_eq!(lost(&before, &policy(&[allow(&on("Null", &json!("false")))])).len(), 3, "some guardrail, whichever");
    let pinned = |versions: Value| policy(&[allow(&on("StringEquals", &versions))]);
    assert_eq!(lost(&pinned(json!("$:3")), &pinned(json!("$:1"))), [format!("{BOTH} with version 1 of guardrail abcd1234efgh")]);
    assert_eq!(lost(&pinned(json!("$:3")), &pinned(json!(["$:3", "$"]))), [format!("{BOTH} with the DRAFT of guardrail abcd1234efgh")]);
    assert_eq!(lost(&pinned(json!("$:1")), &pinned(json!("$:3"))), Vec::<String>::new(), "a higher version is a matter of the guardrail");
    let other = json!("arn:aws:bedrock:us-east-1:222233334444:guardrail/other5678");
    assert!(
        lost(&pinned(json!("$:1")), &policy(&[allow(&on("StringLike", &json!("$:*")))]))
            .iter()
            .any(|changes| changes.contains("any other version"))
    );
    assert_eq!(lost(&pinned(json!("$")), &pinned(other)), [format!("{BOTH} with the DRAFT of guardrail other5678")]);
}

#[test]
fn a_variable_stands_for_what_only_it_has() {
    let tag = "${aws:PrincipalTag/guardrail}";
    let of = |operator: &str, value: &str| policy(&[allow(&on(operator, &json!(value)))]);
    let in_arn = format!("arn:aws:bedrock:us-east-1:222233334444:guardrail/{tag}");
    for (operator, value) in [("StringEquals", tag), ("ArnEquals", &in_arn)] {
        let before = policy(&[allow(&json!({operator: {"bedrock:GuardrailIdentifier": value}}))]);
        assert!(
            lost(&before, &of("StringLike", "*")).iter().any(|changes| changes.ends_with("with another guardrail of the account")),
            "{value}"
        );
        let same = policy(&[allow(&json!({"ForAnyValue:StringLike": {"bedrock:GuardrailIdentifier": [value]}}))]);
        assert_eq!(lost(&before, &same), Vec::<String>::new());
    }
}

#[test]
fn pinning_and_what_says_the_same_are_silent() {
    let both = |positive: &str, negative: &str, values: Value| policy(&[allow(&on(positive, &values)), deny(&on(negative, &values))]);
    let any = both("ArnLike", "ArnNotLike", json!("$*"));
    let first = both("StringEquals", "StringNotEquals", json!("$:1"));
    assert_eq!(lost(&any, &first), Vec::<String>::new());
    assert!(!lost(&first, &any).is_empty());
    for same in [
        both("ArnEquals", "ArnNotEquals", json!("$:1")),
        both("StringLike", "StringNotLike", json!(["$:1"])),
        both("ForAnyValue:StringEquals", "ForAllValues:StringNotEquals", json!("$:1")),
        both("stringequals", "StringNotEqualsIfExists", json!("$:1")),
        both("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", json!("$:1")),
    ] {
        assert_eq!(lost(&first, &same), Vec::<String>::new(), "{same:?}");
        assert_eq!(lost(&same, &first), Vec::<String>::new(), "{same:?}");
    }
}

#[test]
fn what_an_operator_does_to_calls_without_a_guardrail_decides() {
    let refused = deny(&on("StringNotEquals", &json!("$:1")));
    let before = policy(&[on_everything(), refused.clone()]);
    let without = |lost: &[String]| lost.iter().any(|changes| changes == &format!("{BOTH} without a guardrail"));
    for (operator, values, is_lost) in [
        ("ForAnyValue:StringNotEquals", json!("$:1"), true),
        ("ForAllValues:StringNotEquals", json!("$:1"), false),
        ("StringNotEqualsIfExists", json!("$:1"), false),
        ("Null", json!("true"), false),
        ("Null", json!([true]), false),
        ("Null", json!("false"), true),
        ("StringNotResembles", json!("$:1"), true),
    ] {
        let after = policy(&[on_everything(), deny(&on(operator, &values))]);
        let super::Lost { inference, .. } = super::lost(std::slice::from_ref(&before), &[after], Silence::Refuses);
        let changes: Vec<String> = in_words(&inference).into_iter().map(|change| change.control).collect();
        assert_eq!(without(&changes), is_lost, "{operator} {values} {changes:?}");
    }
    // A Deny that never refused calls without a guardrail doesn't replace an Allow that demanded one.
    let any_value = deny(&on("ForAnyValue:StringNotEquals", &json!("$:1")));
    let asking = policy(&[allow(&on("StringEquals", &json!("$:1"))), any_value.clone()]);
    assert!(without(&lost(&asking, &policy(&[allow(&Value::Null), any_value]))));
    assert_eq!(lost(&asking, &policy(&[allow(&Value::Null), refused])), Vec::<String>::new());
    let if_exists = policy(&[allow(&on("StringEqualsIfExists", &json!("$:1")))]);
    assert_eq!(lost(&policy(&[allow(&on("StringEquals", &json!("$:1")))]), &if_exists), [format!("{BOTH} without a guardrail")]);
}

#[test]
fn what_else_policies_ask_for_is_the_same_before_and_after() {
    let region = |regions: Value| {
        json!({"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": regions}}})
    };
    let of_bedrock = |regions: Value| {
        json!({"Effect": "Deny", "Action": "bedrock:*", "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": regions}}})
    };
    let unguarded = deny(&on("Null", &json!("true")));
    for limit in [region, of_bedrock] {
        let (one, two) = (limit(json!("us-east-1")), limit(json!(["us-east-1", "eu-west-1"])));
        for more in [vec![], vec![unguarded.clone()]] {
            let with = |limit: &Value| policy(&[vec![on_everything(), limit.clone()], more.clone()].concat());
            assert_eq!(lost(&with(&one), &with(&two)), Vec::<String>::new(), "{two}");
        }
    }
    // A role is exempted.
    let but = |roles: Value| {
        let mut condition = on("Null", &json!("true"));
        condition["ArnNotLike"] = json!({"aws:PrincipalArn": roles});
        policy(&[on_everything(), deny(&condition)])
    };
    let (one, two) = (but(json!(["arn:aws:iam::*:role/a"])), but(json!(["arn:aws:iam::*:role/a", "arn:aws:iam::*:role/b*"])));
    assert_eq!(lost(&one, &two), [format!("{BOTH} without a guardrail")]);
    assert_eq!(lost(&two, &one), Vec::<String>::new());
    assert_eq!(lost(&policy(&[on_everything(), unguarded]), &one), [format!("{BOTH} without a guardrail")]);
    // The same exemptions, written differently.
    let tag = |operator: &str, value: Value| {
        let mut condition = on("Null", &json!("true"));
        condition[operator] = json!({"aws:PrincipalTag/team": value});
        policy(&[on_everything(), deny(&condition)])
    };
    assert_eq!(lost(&tag("StringNotEquals", json!("red")), &tag("StringNotLike", json!(["red"]))), Vec::<String>::new());
    assert!(!lost(&tag("StringNotEquals", json!("red")), &tag("StringNotLike", json!("re*"))).is_empty());
    assert!(!lost(&tag("StringNotEquals", json!("red")), &tag("ForAnyValue:StringNotEquals", json!("red"))).is_empty(), "without a tag");
}

#[test]
fn actions_and_resources_can_be_named_by_what_they_are_not() {
    let unnamed = on("Null", &json!("true"));
    let before = policy(&[on_everything(), deny(&unnamed)]);
    let denying = |statement: Value| {
        let mut statement = statement;
        statement["Effect"] = json!("Deny");
        statement["Condition"] = unnamed.clone();
        policy(&[on_everything(), statement])
    };
    for same in [
        json!({"NotAction": ["s3:*", "bedrock:Get*"], "NotResource": "arn:aws:s3:::*"}),
        json!({"Action": ["BEDROCK:invokemodel", "bedrock:INVOKEMODELWITHRESPONSESTREAM"], "Resource": ["*"]}),
        json!({"Action": "bedrock:InvokeModel*", "NotResource": []}),
    ] {
        assert_eq!(lost(&before, &denying(same.clone())), Vec::<String>::new(), "{same}");
    }
    for narrower in [
        json!({"NotAction": "bedrock:InvokeModel", "Resource": "*"}),
        json!({"Action": "bedrock:InvokeModel*", "NotResource": "arn:aws:bedrock:*::foundation-model/example*"}),
        json!({"Action": "bedrock:InvokeModel*", "Resource": "arn:aws:bedrock:*::foundation-model/*"}),
    ] {
        assert!(!lost(&before, &denying(narrower.clone())).is_empty(), "{narrower}");
    }
    let of_model =
        |model: &str| json!({"Action": "bedrock:InvokeModel*", "Resource": format!("arn:aws:bedrock:*::foundation-model/{model}")});
    let changes = lost(&denying(of_model("vendor.*")), &denying(of_model("vendor.a*")));
    assert_eq!(changes, [format!("{BOTH} without a guardrail on arn:aws:bedrock:*::foundation-model/vendor.*")]);
}

#[test]
fn where_guardrails_do_not_reach_a_lost_refusal_is_told() {
    let refusing = |action: Value, resource: &str| json!({"Effect": "Deny", "Action": action, "Resource": resource});
    let asking = allow(&with_guardrail());
    for (denial, changes) in [
        (refusing(json!("bedrock-mantle:*"), "*"), "bedrock-mantle:CreateInference"),
        (
            refusing(json!("aws-external-anthropic:*"), "*"),
            "aws-external-anthropic:CreateBatchInference, aws-external-anthropic:CreateInference",
        ),
        (refusing(json!("bedrock:InvokeModel"), "arn:aws:bedrock:*:*:project/*"), "InvokeModel on project/default (Responses API)"),
    ] {
        let before = policy(&[asking.clone(), denial]);
        assert_eq!(lost(&before, &policy(std::slice::from_ref(&asking))), [changes]);
        assert_eq!(lost(&policy(std::slice::from_ref(&asking)), &before), Vec::<String>::new());
    }
    // Besides the Allow that demands a guardrail, another one without.
    let mantle = json!({"Effect": "Allow", "Action": "bedrock-mantle:*", "Resource": "*"});
    assert_eq!(lost(&policy(std::slice::from_ref(&asking)), &policy(&[asking, mantle])), ["bedrock-mantle:CreateInference"]);
}

fn unprotected(before: &[Value], after: &[Value]) -> Vec<String> {
    let lost = super::lost(&[policy(before)], &[policy(after)], Silence::Allows);
    assert!(!lost.inference_is_open && !lost.protection_is_open);
    in_words(&lost.protection).into_iter().map(|change| change.control).collect()
}

#[test]
fn protection_is_lost_for_somebody() {
    let protecting = |action: Value, condition: Value| json!({"Effect": "Deny", "Action": action, "Resource": "*", "Condition": condition});
    let but = |roles: Value| json!({"ArnNotLike": {"aws:PrincipalArn": roles}});
    let (one, two) = (but(json!("arn:aws:iam::*:role/a")), but(json!(["arn:aws:iam::*:role/a", "arn:aws:iam::*:role/b"])));
    let guardrails = json!(["bedrock:UpdateGuardrail", "bedrock:DeleteGuardrail"]);
    let changes = ["DeleteGuardrail, UpdateGuardrail"];
    assert_eq!(unprotected(&[protecting(guardrails.clone(), one.clone())], &[]), changes);
    assert_eq!(unprotected(&[protecting(guardrails.clone(), one.clone())], &[protecting(guardrails.clone(), two.clone())]), changes);
    assert_eq!(unprotected(&[protecting(guardrails.clone(), two)], &[protecting(guardrails.clone(), one.clone())]), [""; 0]);
    assert_eq!(unprotected(&[protecting(json!("bedrock:*"), one.clone())], &[protecting(guardrails, one.clone())]).len(), 1);
    for (action, changes) in [
        ("cloudtrail:StopLogging", "StopLogging"),
        ("bedrock:Delete*InvocationLogging*", "DeleteModelInvocationLoggingConfiguration"),
        ("bedrock:PutEnforcedGuardrailConfiguration", "PutEnforcedGuardrailConfiguration"),
        ("organizations:LeaveOrganization", "LeaveOrganization"),
    ] {
        assert_eq!(unprotected(&[protecting(json!(action), json!({}))], &[]), [changes]);
    }
    let region = |regions: Value| json!({"StringNotEquals": {"aws:RequestedRegion": regions}});
    let of_regions = |actions: &str, regions: Value| protecting(json!(actions), region(regions));
    for actions in ["bedrock:*", "*", "cloudtrail:*"] {
        let (before, after) = (of_regions(actions, json!("us-east-1")), of_regions(actions, json!(["us-east-1", "eu-west-1"])));
        assert_eq!(unprotected(&[before], &[after]), [""; 0], "{actions}");
    }
    assert_eq!(unprotected(&[protecting(json!("s3:*"), one)], &[]), [""; 0]);
}

#[test]
fn large_documents_and_many_conditions_are_bounded() {
    let patterns: Vec<String> = (0..1_000).map(|number| format!("arn:aws:bedrock:*:*:foundation-model/*{number}*a*b*c*")).collect();
    let resources =
        json!({"Effect": "Deny", "Action": "bedrock:InvokeModel*", "Resource": patterns, "Condition": on("Null", &json!("true"))});
    let before = policy(&[on_everything(), deny(&on("Null", &json!("true"))), resources.clone()]);
    let after = policy(&[on_everything(), resources]);
    assert_eq!(lost(&before, &after), [format!("{BOTH} without a guardrail")]);
    // More guardrails than can be evaluated at once: those that differ come first.
    let many = |numbers: std::ops::Range<u32>| -> Value { numbers.map(|number| format!("{GUARDRAIL}{number}:1")).collect() };
    let of = |guardrails: Value| policy(&[allow(&on("StringEquals", &guardrails))]);
    assert_eq!(lost(&of(many(0..90)), &of(many(0..91))), [format!("{BOTH} with version 1 of guardrail abcd1234efgh90")]);
    assert_eq!(lost(&of(many(0..90)), &of(many(1..90))), Vec::<String>::new());
    let super::Lost { inference, .. } =
        super::lost(&[of(many(0..1_000))], &[policy(&[allow(&on("StringLike", &json!("*")))])], Silence::Refuses);
    assert!(!inference.is_empty());
    // More condition keys than can be combined: a loss that isn't found is not ruled out.
    let keys: serde_json::Map<String, Value> = (0..20).map(|number| (format!("aws:PrincipalTag/{number}"), json!("x"))).collect();
    let asking = |operator: &str| {
        let mut condition = on("Null", &json!("true"));
        condition[operator] = Value::Object(keys.clone());
        policy(&[on_everything(), deny(&condition)])
    };
    let lost = super::lost(&[asking("StringEquals")], &[asking("StringLike")], Silence::Refuses);
    assert!(lost.is_empty(), "written otherwise: {lost:?}");
    let lost = super::lost(&[asking("StringEquals")], &[asking("StringEqualsIgnoreCase")], Silence::Refuses);
    assert!(lost.inference_is_open || !lost.inference.is_empty());
    assert!(!lost.protection_is_open, "nothing was protected");
}

#[test]
fn what_earlier_releases_kept_of_documents_is_read() {
    let kept = json!({"Statement": [
        {"Action": ["bedrock:invokemodel", "bedrock:invokemodelwithresponsestream"], "Effect": "Allow", "Resource": ["*"]},
        {"Action": "bedrock:InvokeModel*", "Condition": {"Null": {"bedrock:GuardrailIdentifier": "true"}}, "Effect": "Deny", "Resource": "*"},
    ], "GuardrailAudit:Guards": true});
    let before = IdentityPolicy::parse(&kept).unwrap();
    assert!(before.asks() && before.opens() && !before.protects());
    assert_eq!(lost(&before, &policy(&[allow(&Value::Null)])), [format!("{BOTH} without a guardrail")]);
    assert_eq!(
        lost(&before, &policy(&[on_everything(), deny(&on("Null", &json!("true")))])),
        ["aws-external-anthropic:CreateBatchInference, aws-external-anthropic:CreateInference, bedrock-mantle:CreateInference"]
    );
}
