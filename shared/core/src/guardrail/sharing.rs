//! Evaluates whether a guardrail's resource policy lets an account apply the guardrail (docs/aws/enforcement.md#resource-policies).

use serde_json::Value;
use wildmatch::WildMatch;

use crate::{
    arn::{AccountId, TargetId},
    json::At,
    organization::Organization,
};

/// What a resource policy grants to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The account may apply the guardrail, as far as the policy can be read.
    Reaches,
    /// The account certainly may not apply the guardrail.
    CutOff,
}

/// Like [`shares_with`], for the policy of this guardrail or guardrail profile: a statement whose `Resource` names another one doesn't
/// count.
#[must_use]
pub fn shares_resource_with(policy: &str, resource: &str, account: Option<&AccountId>, organization: Option<&Organization>) -> Sharing {
    shares(policy, Some(resource), account, organization)
}

/// Whether a resource policy lets an account apply the guardrail; without an account, whether it lets the whole organization. What can't be
/// read counts as granted, so that [`Sharing::CutOff`] is certain.
#[must_use]
pub fn shares_with(policy: &str, account: Option<&AccountId>, organization: Option<&Organization>) -> Sharing {
    shares(policy, None, account, organization)
}

fn shares(policy: &str, resource: Option<&str>, account: Option<&AccountId>, organization: Option<&Organization>) -> Sharing {
    if policy.trim().is_empty() {
        return Sharing::CutOff;
    }
    let Ok(document) = serde_json::from_str::<Value>(policy) else {
        return Sharing::Reaches;
    };
    let statements = document.at("/Statement");
    let statements = statements.as_array().map_or(std::slice::from_ref(statements), Vec::as_slice);
    let means = |statement: &&Value| {
        texts(&statement["Action"]).iter().any(|action| WildMatch::new(&action.to_ascii_lowercase()).matches("bedrock:applyguardrail"))
            && resource.is_none_or(|resource| means_resource(&statement["Resource"], resource))
            && means_principal(&statement["Principal"], account)
            && means_organization(&statement["Condition"], account, organization)
    };
    let effect = |word: &'static str| {
        statements.iter().filter(move |statement| statement["Effect"].as_str().is_some_and(|effect| effect.eq_ignore_ascii_case(word)))
    };
    let denied = effect("Deny").any(|statement| means(&statement));
    if !denied && effect("Allow").any(|statement| means(&statement)) { Sharing::Reaches } else { Sharing::CutOff }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter().filter_map(Value::as_str).collect()
}

/// Whether a statement's resources include this one. A statement without any includes all.
fn means_resource(listed: &Value, resource: &str) -> bool {
    let listed = texts(listed);
    let is_version_of = |pattern: &str| pattern.strip_prefix(resource).is_some_and(|rest| rest.starts_with(':'));
    listed.is_empty() || listed.iter().any(|pattern| WildMatch::new(pattern).matches(resource) || is_version_of(pattern))
}

fn means_principal(principal: &Value, account: Option<&AccountId>) -> bool {
    let named = texts(if principal.is_object() { &principal["AWS"] } else { principal });
    named.iter().any(|named| {
        *named == "*" || account.is_some_and(|account| *named == account.as_str() || named.split(':').nth(4) == Some(account.as_str()))
    })
}

/// Whether the conditions admit the account. AWS allows only `aws:PrincipalOrgID` and `aws:PrincipalOrgPaths` here.
fn means_organization(condition: &Value, account: Option<&AccountId>, organization: Option<&Organization>) -> bool {
    condition.as_object().into_iter().flatten().flat_map(|(_, keys)| keys.as_object().into_iter().flatten()).all(|(key, values)| {
        let values = texts(values);
        match (key.to_ascii_lowercase().as_str(), organization.and_then(|organization| organization.id.as_deref())) {
            ("aws:principalorgid", Some(id)) => values.contains(&id),
            ("aws:principalorgpaths", Some(id)) => {
                let path = account.and_then(|account| organization?.path_to(account));
                let Some(path) = path else {
                    // Without an account, only a path that covers the whole organization admits all.
                    return account.is_some() || values.iter().any(|value| WildMatch::new(value).matches(&format!("{id}/")));
                };
                // The path of an account is `o-…/r-…/ou-…/`, without the account itself.
                let nodes: Vec<&str> =
                    path.iter().map(TargetId::as_str).filter(|node| !node.bytes().all(|byte| byte.is_ascii_digit())).collect();
                let path = format!("{id}/{}/", nodes.join("/"));
                values.iter().any(|value| WildMatch::new(value).matches(&path))
            }
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn organization() -> Organization {
        Organization::from_json(&json!({"Organization": {"Id": "o-1", "MasterAccountId": "111122223333"}, "Roots": [{"Id": "r-1"}],
            "OrganizationalUnits": [{"Id": "ou-1", "Name": "one", "ParentId": "r-1"}],
            "Accounts": [{"Id": "222233334444", "Name": "shop", "ParentId": "ou-1"}], "Attachments": []}))
        .unwrap()
    }

    fn shares(principal: &Value, condition: &Value) -> Sharing {
        let policy = json!({"Statement": [{"Effect": "Allow", "Principal": principal, "Action": ["bedrock:ApplyGuardrail"], "Resource": "*", "Condition": condition}]});
        shares_with(&policy.to_string(), Some(&"222233334444".into()), Some(&organization()))
    }

    #[test]
    fn an_account_is_reached_by_name_organization_or_path() {
        let all = json!("*");
        assert_eq!(shares(&json!({"AWS": "arn:aws:iam::222233334444:root"}), &json!({})), Sharing::Reaches);
        assert_eq!(shares(&json!({"AWS": "333344445555"}), &json!({})), Sharing::CutOff);
        assert_eq!(shares(&all, &json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), Sharing::Reaches);
        assert_eq!(shares(&all, &json!({"StringEquals": {"aws:PrincipalOrgID": "o-2"}})), Sharing::CutOff);
        assert_eq!(shares(&all, &json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-1/r-1/ou-1/*"]}})), Sharing::Reaches);
        assert_eq!(shares(&all, &json!({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-1/r-1/ou-2/*"]}})), Sharing::CutOff);
    }

    #[test]
    fn a_statement_about_another_guardrail_shares_nothing() {
        let arn = "arn:aws:bedrock:us-east-1:111122223333:guardrail/org";
        let shares = |resource: Value| {
            let policy =
                json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "bedrock:ApplyGuardrail", "Resource": resource}});
            shares_resource_with(&policy.to_string(), arn, Some(&"222233334444".into()), None)
        };
        for resource in
            [json!(arn), json!("*"), json!([arn, "x"]), Value::Null, json!("arn:aws:bedrock:*:*:guardrail/*"), json!(format!("{arn}:3"))]
        {
            assert_eq!(shares(resource.clone()), Sharing::Reaches, "{resource}");
        }
        assert_eq!(shares(json!("arn:aws:bedrock:us-east-1:111122223333:guardrail/other")), Sharing::CutOff);
        assert_eq!(shares(json!(format!("{arn}2"))), Sharing::CutOff);
    }

    #[test]
    fn no_policy_reaches_nobody_and_an_unreadable_one_may_reach_all() {
        let account: AccountId = "222233334444".into();
        assert_eq!(shares_with("", Some(&account), None), Sharing::CutOff);
        assert_eq!(shares_with("not JSON", Some(&account), None), Sharing::Reaches);
        let only_reading = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "bedrock:GetGuardrail"}}"#;
        assert_eq!(shares_with(only_reading, Some(&account), None), Sharing::CutOff);
    }
}
