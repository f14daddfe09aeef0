//! Policies, evaluated as IAM evaluates them.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>: an explicit Deny anywhere decides; service
//! control policies must allow; inside an account the identity's policy or the resource's must allow, across accounts both. What this
//! doesn't know (an operator, a kind of principal) it refuses to evaluate.

use std::collections::BTreeMap;

use serde_json::Value;

/// A call that somebody makes.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who makes it.
    pub principal: Principal,
    /// `service:Operation`.
    pub action: String,
    /// The ARN of what it is about, or `*` for calls that are about nothing in particular.
    pub resource: String,
    /// The account that the resource belongs to.
    pub resource_account: String,
    /// Condition keys (lower case) and their values.
    context: BTreeMap<String, Vec<String>>,
}

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A role or user, by its ARN.
    Identity(String),
    /// A service of AWS.
    Service(String),
}

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be made.
    Allowed,
    /// It is refused.
    Denied,
}

/// The policies that have a say.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Those of the identity.
    pub identity: Vec<Value>,
    /// That of the resource, if it has one.
    pub resource: Option<Value>,
    /// The service control policies, beside the one that allows everything.
    pub service_control: Vec<Value>,
    /// The permissions boundary.
    pub boundary: Option<Value>,
}

impl Call {
    /// A call by a role or user of an account; the account and the ARN become condition keys, as in any call.
    #[must_use]
    pub fn by(principal_arn: &str, action: &str, resource: &str) -> Self {
        let account = principal_arn.split(':').nth(4).unwrap().to_owned();
        let of_resource = resource.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(&account).to_owned();
        let call = Call {
            principal: Principal::Identity(principal_arn.to_owned()),
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_account: of_resource.clone(),
            context: BTreeMap::new(),
        };
        call.with("aws:PrincipalArn", &[principal_arn])
            .with("aws:PrincipalAccount", &[&account])
            .with("aws:PrincipalIsAWSService", &["false"])
            .with("aws:SecureTransport", &["true"])
            .with("aws:ResourceAccount", &[&of_resource])
    }

    /// A call by a service.
    #[must_use]
    pub fn by_service(service: &str, action: &str, resource: &str) -> Self {
        let call = Call {
            principal: Principal::Service(service.to_owned()),
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_account: resource.split(':').nth(4).unwrap_or_default().to_owned(),
            context: BTreeMap::new(),
        };
        call.with("aws:PrincipalIsAWSService", &["true"]).with("aws:SecureTransport", &["true"])
    }

    /// The same call with a condition key set to these values.
    #[must_use]
    pub fn with(mut self, key: &str, values: &[&str]) -> Self {
        self.context.insert(key.to_lowercase(), values.iter().map(|value| (*value).to_owned()).collect());
        self
    }

    /// The same call on a resource whose ARN doesn't name its account (a bucket).
    #[must_use]
    pub fn in_account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.resource_account);
        self.with("aws:ResourceAccount", &[account])
    }

    /// Whether a condition key has this one value.
    #[must_use]
    pub fn context_is(&self, key: &str, value: &str) -> bool {
        self.values(key) == [value]
    }

    fn account(&self) -> Option<&str> {
        match &self.principal {
            Principal::Identity(arn) => arn.split(':').nth(4),
            Principal::Service(_) => None,
        }
    }

    fn values(&self, key: &str) -> &[String] {
        self.context.get(&key.to_lowercase()).map_or(&[], Vec::as_slice)
    }
}

impl Policies {
    /// What comes of a call.
    #[must_use]
    pub fn decide(&self, call: &Call) -> Decision {
        let all = self.identity.iter().chain(&self.resource).chain(&self.service_control).chain(&self.boundary);
        let denied = all.flat_map(statements).any(|statement| statement["Effect"] == "Deny" && applies(statement, call));
        let guarded = self.boundary.iter().all(|boundary| grants(boundary, call).any());
        if denied || !guarded {
            return Decision::Denied;
        }
        let Principal::Identity(_) = call.principal else {
            return decision(self.resource.as_ref().is_some_and(|policy| grants(policy, call).directly));
        };
        let by_identity = self.identity.iter().any(|policy| grants(policy, call).any());
        let by_resource = self.resource.as_ref().map(|policy| grants(policy, call)).unwrap_or_default();
        let same_account = call.account() == Some(call.resource_account.as_str());
        let service = call.action.split(':').next().unwrap_or_default();
        decision(match (service, same_account) {
            // A key and a role decide by their own policy alone; it may hand the decision to the account's own policies.
            ("kms", true) => by_resource.directly || by_resource.through_account && by_identity,
            ("sts", true) if call.action.eq_ignore_ascii_case("sts:AssumeRole") => {
                by_resource.directly || by_resource.through_account && by_identity
            }
            (_, true) => by_identity || by_resource.directly,
            (_, false) => by_identity && by_resource.any(),
        })
    }
}

fn decision(allowed: bool) -> Decision {
    if allowed { Decision::Allowed } else { Decision::Denied }
}

/// How a policy allows a call.
#[derive(Clone, Copy, Debug, Default)]
struct Grants {
    /// It names the caller.
    directly: bool,
    /// It names the caller's account, whose own policies decide then.
    through_account: bool,
}

impl Grants {
    fn any(self) -> bool {
        self.directly || self.through_account
    }
}

fn grants(policy: &Value, call: &Call) -> Grants {
    let mut grants = Grants::default();
    for statement in statements(policy).filter(|statement| statement["Effect"] == "Allow" && applies(statement, call)) {
        match names_principal(statement, call) {
            Named::Directly | Named::NotAtAll => grants.directly = true,
            Named::ByAccount => grants.through_account = true,
            Named::Not => {}
        }
    }
    grants
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    match &policy["Statement"] {
        Value::Array(statements) => statements.iter(),
        one @ Value::Object(_) => std::slice::from_ref(one).iter(),
        other => panic!("a policy has statements, not {other}"),
    }
}

fn applies(statement: &Value, call: &Call) -> bool {
    for key in statement.as_object().unwrap().keys() {
        let known = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        assert!(known.contains(&key.as_str()), "{key} in a statement");
    }
    names_principal(statement, call) != Named::Not
        && names_action(statement, call)
        && names_resource(statement, call)
        && meets(statement, call)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// The statement is of an identity's policy: it names nobody.
    NotAtAll,
    Directly,
    ByAccount,
    Not,
}

fn names_principal(statement: &Value, call: &Call) -> Named {
    if let Some(others) = statement.get("NotPrincipal") {
        return if names(others, call) == Named::Not { Named::Directly } else { Named::Not };
    }
    statement.get("Principal").map_or(Named::NotAtAll, |principal| names(principal, call))
}

fn names(principal: &Value, call: &Call) -> Named {
    if principal == "*" {
        return Named::Directly;
    }
    let mut found = Named::Not;
    for (kind, who) in principal.as_object().expect("a principal is * or a map") {
        for who in list(who) {
            match (kind.as_str(), &call.principal) {
                ("AWS", Principal::Identity(arn)) => {
                    let account = arn.split(':').nth(4).unwrap();
                    if who == "*" || who == *arn {
                        return Named::Directly;
                    }
                    if who == account || (who.starts_with("arn:") && who.ends_with(&format!(":iam::{account}:root"))) {
                        found = Named::ByAccount;
                    }
                }
                ("Service", Principal::Service(service)) if who == *service => return Named::Directly,
                ("AWS" | "Service" | "Federated" | "CanonicalUser", _) => {}
                (other, _) => panic!("principals of kind {other}"),
            }
        }
    }
    found
}

fn names_action(statement: &Value, call: &Call) -> bool {
    let matches = |patterns: &Value| {
        let action = call.action.to_lowercase();
        list(patterns).iter().any(|pattern| like(&pattern.to_lowercase(), &action))
    };
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), None) => matches(actions),
        (None, Some(others)) => !matches(others),
        _ => panic!("a statement has Action or NotAction: {statement}"),
    }
}

fn names_resource(statement: &Value, call: &Call) -> bool {
    let matches =
        |patterns: &Value| list(patterns).iter().any(|pattern| filled(pattern, call).is_some_and(|pattern| like(&pattern, &call.resource)));
    match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(resources), None) => matches(resources),
        (None, Some(others)) => !matches(others),
        // The policy of a role (who may assume it) has none.
        (None, None) => true,
        _ => panic!("a statement has Resource or NotResource: {statement}"),
    }
}

fn meets(statement: &Value, call: &Call) -> bool {
    let Some(conditions) = statement.get("Condition") else {
        return true;
    };
    conditions
        .as_object()
        .unwrap()
        .iter()
        .all(|(operator, keys)| keys.as_object().unwrap().iter().all(|(key, expected)| holds(operator, key, &list(expected), call)))
}

fn holds(operator: &str, key: &str, expected: &[String], call: &Call) -> bool {
    let actual = call.values(key);
    let (quantifier, operator) = operator.split_once(':').map_or((None, operator), |(quantifier, operator)| (Some(quantifier), operator));
    let (operator, if_exists) = operator.strip_suffix("IfExists").map_or((operator, false), |operator| (operator, true));
    if operator == "Null" {
        let absent = actual.is_empty();
        return expected.iter().any(|value| value.eq_ignore_ascii_case(if absent { "true" } else { "false" }));
    }
    // With a variable that the call doesn't have, nothing can be equal.
    let expected: Vec<String> = expected.iter().filter_map(|value| filled(value, call)).collect();
    let one = |value: &String| compare(operator, value, &expected);
    match quantifier {
        Some("ForAnyValue") => actual.iter().any(one) || (if_exists && actual.is_empty()),
        None if actual.is_empty() => if_exists || operator.contains("Not"),
        None | Some("ForAllValues") => actual.iter().all(one),
        Some(other) => panic!("{other}:{operator}"),
    }
}

fn compare(operator: &str, value: &str, expected: &[String]) -> bool {
    let any = |test: &dyn Fn(&str) -> bool| expected.iter().any(|pattern| test(pattern));
    match operator {
        "StringEquals" => any(&|pattern| literal(pattern) == value),
        "StringNotEquals" => !any(&|pattern| literal(pattern) == value),
        "StringEqualsIgnoreCase" => any(&|pattern| literal(pattern).eq_ignore_ascii_case(value)),
        "StringNotEqualsIgnoreCase" => !any(&|pattern| literal(pattern).eq_ignore_ascii_case(value)),
        "StringLike" => any(&|pattern| like(pattern, value)),
        "StringNotLike" => !any(&|pattern| like(pattern, value)),
        "ArnEquals" | "ArnLike" => any(&|pattern| arn_like(pattern, value)),
        "ArnNotEquals" | "ArnNotLike" => !any(&|pattern| arn_like(pattern, value)),
        "Bool" => any(&|pattern| pattern.eq_ignore_ascii_case(value)),
        _ => {
            let number = |text: &str| text.parse::<f64>().unwrap_or_else(|_| panic!("{operator} is not known here"));
            let (actual, operator) =
                (number(value), operator.strip_prefix("Numeric").unwrap_or_else(|| panic!("{operator} is not known here")));
            let ordered = |test: &dyn Fn(std::cmp::Ordering) -> bool| any(&|pattern| test(actual.total_cmp(&number(pattern))));
            match operator {
                "Equals" => ordered(&std::cmp::Ordering::is_eq),
                "NotEquals" => !ordered(&std::cmp::Ordering::is_eq),
                "LessThan" => ordered(&std::cmp::Ordering::is_lt),
                "LessThanEquals" => ordered(&std::cmp::Ordering::is_le),
                "GreaterThan" => ordered(&std::cmp::Ordering::is_gt),
                "GreaterThanEquals" => ordered(&std::cmp::Ordering::is_ge),
                _ => panic!("Numeric{operator} is not known here"),
            }
        }
    }
}

/// ARNs are compared part by part, so that `*` in one part never reaches into the next.
fn arn_like(pattern: &str, value: &str) -> bool {
    let parts = |arn: &str| arn.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, value) = (parts(pattern), parts(value));
    pattern.len() == value.len() && pattern.iter().zip(&value).all(|(pattern, value)| like(pattern, value))
}

/// `*` is any text and `?` one character; `${*}`, `${?}` and `${$}` are these characters themselves.
fn like(pattern: &str, value: &str) -> bool {
    #[derive(PartialEq)]
    enum Token {
        Any,
        One,
        Exactly(char),
    }
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let literal = ["*", "?", "$"].into_iter().find(|character| rest.starts_with(&format!("${{{character}}}")));
        if let Some(literal) = literal {
            tokens.push(Token::Exactly(literal.chars().next().unwrap()));
            rest = &rest[4..];
            continue;
        }
        tokens.push(match first {
            '*' => Token::Any,
            '?' => Token::One,
            other => Token::Exactly(other),
        });
        rest = &rest[first.len_utf8()..];
    }
    // Which prefixes of the pattern match the text so far.
    let mut reached = vec![false; tokens.len() + 1];
    let spread = |reached: &mut Vec<bool>| {
        for (index, token) in tokens.iter().enumerate() {
            if reached[index] && *token == Token::Any {
                reached[index + 1] = true;
            }
        }
    };
    reached[0] = true;
    spread(&mut reached);
    for character in value.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens.iter().enumerate().filter(|(index, _)| reached[*index]) {
            match token {
                Token::Any => next[index] = true,
                Token::One => next[index + 1] = true,
                Token::Exactly(wanted) => next[index + 1] |= *wanted == character,
            }
        }
        spread(&mut next);
        reached = next;
    }
    reached[tokens.len()]
}

/// Outside of patterns, `${*}` and its like are the characters themselves.
fn literal(pattern: &str) -> String {
    pattern.replace("${*}", "*").replace("${?}", "?").replace("${$}", "$")
}

/// A text with its policy variables filled in; `None` if the call has no such value. What a value holds is never a wildcard.
fn filled(text: &str, call: &Call) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').expect("a policy variable ends");
        out.push_str(before);
        rest = behind;
        if ["*", "?", "$"].contains(&name) {
            out.extend(["${", name, "}"]);
            continue;
        }
        let (name, default) = name.split_once(',').map_or((name, None), |(name, default)| (name, Some(default.trim().trim_matches('\''))));
        let value = match call.values(name.trim()) {
            [value] => Some(value.as_str()),
            _ => default,
        };
        for character in value?.chars() {
            match character {
                '*' | '?' | '$' => out.extend(['$', '{', character, '}']),
                other => out.push(other),
            }
        }
    }
    Some(out + rest)
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(crate::template::text).collect(),
        one => vec![crate::template::text(one)],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/path/name";

    fn decide(policies: &Policies, call: &Call) -> Decision {
        policies.decide(call)
    }

    fn identity(statements: &Value) -> Policies {
        Policies { identity: vec![json!({"Version": "2012-10-17", "Statement": statements})], ..Policies::default() }
    }

    fn allow(action: &str, resource: &str) -> Value {
        json!({"Effect": "Allow", "Action": action, "Resource": resource})
    }

    fn conditioned(condition: &Value) -> Policies {
        identity(&json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": condition}]))
    }

    fn get() -> Call {
        Call::by(ROLE, "s3:GetObject", "arn:aws:s3:::bucket/key")
    }

    #[test]
    fn nothing_is_allowed_by_itself_and_a_deny_decides() {
        assert_eq!(decide(&Policies::default(), &get()), Decision::Denied);
        assert_eq!(decide(&identity(&json!([allow("s3:Get*", "arn:aws:s3:::bucket/*")])), &get()), Decision::Allowed);
        assert_eq!(
            decide(&identity(&json!([allow("s3:*", "*"), {"Effect": "Deny", "NotAction": "s3:List*", "Resource": "*"}])), &get()),
            Decision::Denied
        );
        assert_eq!(
            decide(&identity(&json!([{"Effect": "Allow", "NotAction": "s3:Put*", "NotResource": "arn:aws:s3:::other/*"}])), &get()),
            Decision::Allowed
        );
        assert_eq!(decide(&identity(&json!([allow("S3:GETOBJECT", "arn:aws:s3:::bucket/k?y")])), &get()), Decision::Allowed);
        assert_eq!(decide(&identity(&json!([allow("s3:GetObject", "arn:aws:s3:::bucket")])), &get()), Decision::Denied);
    }

    #[test]
    fn service_control_policies_and_boundaries_only_take_away() {
        let mut policies = identity(&json!([allow("s3:*", "*")]));
        policies.service_control = vec![json!({"Statement": {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}})];
        assert_eq!(decide(&policies, &get()), Decision::Allowed);
        assert_eq!(decide(&policies, &Call::by(ROLE, "s3:PutObject", "arn:aws:s3:::bucket/key")), Decision::Denied);
        policies.boundary = Some(json!({"Statement": [allow("s3:List*", "*")]}));
        assert_eq!(decide(&policies, &get()), Decision::Denied);
    }

    #[test]
    fn conditions_hold_as_documented() {
        let call = get().with("aws:PrincipalOrgID", &["o-1"]).with("dynamodb:LeadingKeys", &["111122223333#a", "111122223333#b"]);
        for (condition, holds) in [
            (json!({"StringEquals": {"aws:principalorgid": "o-1"}}), true),
            (json!({"StringEquals": {"aws:PrincipalOrgID": ["o-2", "o-1"]}}), true),
            (json!({"StringEquals": {"aws:PrincipalOrgID": "o-*"}}), false),
            (json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}}), true),
            (json!({"StringEquals": {"aws:Missing": "x"}}), false),
            (json!({"StringNotEquals": {"aws:Missing": "x"}}), true),
            (json!({"StringEqualsIfExists": {"aws:Missing": "x"}}), true),
            (json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-2"}}), false),
            (json!({"Null": {"aws:Missing": "true"}}), true),
            (json!({"Null": {"aws:PrincipalOrgID": "true"}}), false),
            (json!({"Null": {"aws:PrincipalOrgID": false}}), true),
            (json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["${aws:PrincipalAccount}#*"]}}), true),
            (json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*#a"]}}), false),
            (json!({"ForAllValues:StringLike": {"aws:Missing": ["x"]}}), true),
            (json!({"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": ["*#a"]}}), true),
            (json!({"ForAnyValue:StringLike": {"aws:Missing": ["x"]}}), false),
            (json!({"StringLike": {"aws:PrincipalOrgID": "${aws:Missing}*"}}), false),
            (json!({"StringLike": {"aws:PrincipalOrgID": "${aws:Missing, 'o'}*"}}), true),
            (json!({"ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:role/path/*"}}), true),
            (json!({"ArnLike": {"aws:PrincipalArn": "arn:*:role/path/*"}}), false),
            (json!({"ArnNotLike": {"aws:PrincipalArn": "arn:*:iam::*:role/path/*"}}), false),
            (json!({"Bool": {"aws:SecureTransport": "true"}}), true),
            (json!({"Bool": {"aws:SecureTransport": "false"}}), false),
        ] {
            assert_eq!(decide(&conditioned(&condition), &call) == Decision::Allowed, holds, "{condition}");
        }
    }

    #[test]
    fn what_a_variable_holds_is_no_wildcard() {
        let policy = identity(&json!([allow("s3:GetObject", "arn:aws:s3:::bucket/${aws:username}/*")]));
        let of = |user: &str| Call::by(ROLE, "s3:GetObject", "arn:aws:s3:::bucket/ann/x").with("aws:username", &[user]);
        assert_eq!(decide(&policy, &of("ann")), Decision::Allowed);
        assert_eq!(decide(&policy, &of("*")), Decision::Denied);
    }

    #[test]
    fn across_accounts_both_must_allow() {
        let call = Call::by("arn:aws:iam::222233334444:role/r", "sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:q");
        let resource = json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222233334444:root"}, "Action": "sqs:SendMessage", "Resource": "*"}]});
        let mut policies = Policies { resource: Some(resource), ..Policies::default() };
        assert_eq!(decide(&policies, &call), Decision::Denied);
        policies.identity = vec![json!({"Statement": [allow("sqs:*", "*")]})];
        assert_eq!(decide(&policies, &call), Decision::Allowed);
        policies.resource = None;
        assert_eq!(decide(&policies, &call), Decision::Denied);
    }

    #[test]
    fn a_deny_of_any_policy_beats_every_allow() {
        let call = Call::by("arn:aws:iam::222233334444:role/r", "sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:q");
        let allow_all = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}});
        let mut policies = identity(&json!([allow("*", "*")]));
        policies.resource = Some(allow_all.clone());
        assert_eq!(decide(&policies, &call), Decision::Allowed);
        let mut denied = policies.clone();
        let unless = json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}});
        denied.resource = Some(json!({"Statement": [allow_all["Statement"], {"Effect": "Deny", "Principal": "*", "NotAction": "sqs:Get*",
            "NotResource": "arn:aws:sqs:us-east-1:111122223333:other", "Condition": unless}]}));
        assert_eq!(decide(&denied, &call), Decision::Denied, "who has no organization is not of this one");
        assert_eq!(decide(&denied, &call.clone().with("AWS:PrincipalOrgId", &["o-1"])), Decision::Allowed, "keys have no case, values do");
        assert_eq!(decide(&denied, &call.clone().with("aws:PrincipalOrgID", &["O-1"])), Decision::Denied);
        // A Deny for an account is one for everybody in it; one for everybody but somebody spares him.
        denied.resource = Some(json!({"Statement": [allow_all["Statement"],
            {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::222233334444:root"}, "Action": "sqs:*", "Resource": "*"}]}));
        assert_eq!(decide(&denied, &call), Decision::Denied);
        let except = |arn: &str| json!({"Statement": [allow_all["Statement"], {"Effect": "Deny", "NotPrincipal": {"AWS": arn}, "Action": "*", "Resource": "*"}]});
        denied.resource = Some(except("arn:aws:iam::222233334444:role/r"));
        assert_eq!(decide(&denied, &call), Decision::Allowed);
        denied.resource = Some(except("arn:aws:iam::222233334444:role/other"));
        assert_eq!(decide(&denied, &call), Decision::Denied);
        policies.service_control = vec![json!({"Statement": {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}})];
        assert_eq!(decide(&policies, &call), Decision::Denied);
    }

    #[test]
    fn keys_and_roles_decide_themselves() {
        let call = Call::by(ROLE, "kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k");
        let mut policies = identity(&json!([allow("kms:*", "*")]));
        assert_eq!(decide(&policies, &call), Decision::Denied, "the key says nothing");
        policies.resource = Some(
            json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"}]}),
        );
        assert_eq!(decide(&policies, &call), Decision::Allowed);
        policies.identity.clear();
        assert_eq!(decide(&policies, &call), Decision::Denied, "the key leaves it to the account, whose policies say nothing");
    }

    #[test]
    fn services_are_let_in_by_the_resource_alone() {
        let statement = json!({"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:111122223333:rule/r"}}});
        let policies = Policies { resource: Some(json!({"Statement": [statement]})), ..Policies::default() };
        let call = Call::by_service("events.amazonaws.com", "sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:q");
        assert_eq!(
            decide(&policies, &call.clone().with("aws:SourceArn", &["arn:aws:events:us-east-1:111122223333:rule/r"])),
            Decision::Allowed
        );
        assert_eq!(decide(&policies, &call.with("aws:SourceArn", &["arn:aws:events:us-east-1:111122223333:rule/x"])), Decision::Denied);
    }
}
