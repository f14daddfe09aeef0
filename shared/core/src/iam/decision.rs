//! Evaluates whether policies allow a request.

use std::collections::BTreeMap;

use super::statement::{Document, Effect, Principals, Statement};

/// A request that policies are evaluated for.
#[derive(Clone, Debug)]
pub struct Call {
    /// The caller.
    pub principal: Principal,
    /// The action, `service:Operation`.
    pub action: String,
    /// The resource's ARN, or `*` for operations that have no resource.
    pub resource: String,
    /// The account that the resource belongs to.
    pub resource_account: String,
    /// Condition keys (in lower case) with their values.
    context: BTreeMap<String, Vec<String>>,
}

/// The caller of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A role or user, by ARN.
    Identity(String),
    /// An AWS service.
    Service(String),
}

/// The result of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request is allowed.
    Allowed,
    /// The request is refused.
    Denied,
    /// A statement that decides can't be evaluated, because an operator or its behaviour isn't known.
    NotKnown,
}

/// All policies that apply to a request.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// The policies of the identity.
    pub identity: Vec<Document>,
    /// The policy of the resource, if it has one.
    pub resource: Option<Document>,
    /// Service control policies, level by level from the root to the account, with the default one that allows everything. Every level must
    /// allow. Empty if service control policies don't apply.
    pub service_control: Vec<Vec<Document>>,
    /// Resource control policies, level by level in the same way.
    pub resource_control: Vec<Vec<Document>>,
    /// The permissions boundary, if the identity has one.
    pub boundary: Option<Document>,
}

impl Call {
    /// A request by a role or user. Its ARN and account are set as condition keys, as in any request.
    #[must_use]
    pub fn by(principal_arn: &str, action: &str, resource: &str) -> Self {
        let account = account_of(principal_arn).to_owned();
        let of_resource = Some(account_of(resource)).filter(|account| !account.is_empty()).unwrap_or(&account).to_owned();
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

    /// A request by an AWS service.
    #[must_use]
    pub fn by_service(service: &str, action: &str, resource: &str) -> Self {
        let call = Call {
            principal: Principal::Service(service.to_owned()),
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_account: account_of(resource).to_owned(),
            context: BTreeMap::new(),
        };
        call.with("aws:PrincipalIsAWSService", &["true"]).with("aws:SecureTransport", &["true"])
    }

    /// The request with a condition key set to these values.
    #[must_use]
    pub fn with(mut self, key: &str, values: &[&str]) -> Self {
        self.context.insert(key.to_ascii_lowercase(), values.iter().map(|value| (*value).to_owned()).collect());
        self
    }

    /// The request on a resource whose ARN doesn't contain its account, such as a bucket.
    #[must_use]
    pub fn in_account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.resource_account);
        self.with("aws:ResourceAccount", &[account])
    }

    /// Whether a condition key has exactly this value.
    #[must_use]
    pub fn context_is(&self, key: &str, value: &str) -> bool {
        self.values(key) == [value]
    }

    /// The condition keys, in lower case, with their values.
    pub fn context(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.context.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }

    fn values(&self, key: &str) -> &[String] {
        self.context.get(&key.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    fn variable(&self, name: &str) -> Option<String> {
        match self.values(name) {
            [value] => Some(value.clone()),
            _ => None,
        }
    }
}

fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

impl Policies {
    /// Evaluates the policies for a request.
    #[must_use]
    pub fn decide(&self, call: &Call) -> Decision {
        let levels = || self.service_control.iter().chain(&self.resource_control);
        let all = self.identity.iter().chain(&self.resource).chain(levels().flatten()).chain(&self.boundary);
        let mut is_unknown = false;
        for statement in all.flat_map(|document| &document.statements) {
            match (applies(statement, call), statement.effect) {
                (Some(true), Effect::Deny) => return Decision::Denied,
                (None, _) => is_unknown = true,
                _ => {}
            }
        }
        if is_unknown {
            return Decision::NotKnown;
        }
        let level_allows = |level: &Vec<Document>| level.iter().any(|document| grants(document, call).any());
        let is_guarded = self.boundary.as_ref().is_none_or(|boundary| grants(boundary, call).any());
        if !is_guarded || !levels().all(level_allows) {
            return Decision::Denied;
        }
        let by_resource = self.resource.as_ref().map(|policy| grants(policy, call)).unwrap_or_default();
        let Principal::Identity(arn) = &call.principal else {
            return decision(by_resource.directly);
        };
        let by_identity = self.identity.iter().any(|policy| grants(policy, call).any());
        let same_account = account_of(arn) == call.resource_account;
        let service = call.action.split(':').next().unwrap_or_default();
        decision(match (service, same_account) {
            // The policy of a KMS key or of a role decides alone; it may delegate to the policies of the account.
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

/// How a resource's policy allows a request.
#[derive(Clone, Copy, Debug, Default)]
struct Grants {
    /// It names the caller.
    directly: bool,
    /// It names the caller's account, so that the policies of that account decide.
    through_account: bool,
}

impl Grants {
    fn any(self) -> bool {
        self.directly || self.through_account
    }
}

fn grants(document: &Document, call: &Call) -> Grants {
    let mut grants = Grants::default();
    let allows = |statement: &&Statement| statement.effect == Effect::Allow && applies(statement, call) == Some(true);
    for statement in document.statements.iter().filter(allows) {
        match named(statement, call) {
            Named::Directly => grants.directly = true,
            Named::ByAccount => grants.through_account = true,
            Named::Not => {}
        }
    }
    grants
}

/// Whether a statement applies to a request; `None` if one of its conditions can't be evaluated and everything else matches.
fn applies(statement: &Statement, call: &Call) -> Option<bool> {
    let variable = |name: &str| call.variable(name);
    let is_about = named(statement, call) != Named::Not
        && statement.names_action(&call.action.to_ascii_lowercase())
        && statement.names_resource(&call.resource, &variable);
    if !is_about {
        return Some(false);
    }
    let mut is_known = true;
    for condition in &statement.conditions {
        match condition.holds(call.values(&condition.key), &variable) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => is_known = false,
        }
    }
    is_known.then_some(true)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// The statement names the caller, or belongs to a policy of the caller.
    Directly,
    ByAccount,
    Not,
}

fn named(statement: &Statement, call: &Call) -> Named {
    match &statement.principals {
        Principals::NotSaid | Principals::Everybody => Named::Directly,
        Principals::These(these) => among(these.iter(), call),
        Principals::AllBut(others) => {
            if among(others.iter(), call) == Named::Not {
                Named::Directly
            } else {
                Named::Not
            }
        }
    }
}

fn among<'p>(these: impl Iterator<Item = &'p (String, String)>, call: &Call) -> Named {
    let mut found = Named::Not;
    for (kind, who) in these {
        match (kind.as_str(), &call.principal) {
            ("AWS", Principal::Identity(arn)) => {
                let account = account_of(arn);
                if who == "*" || who == arn {
                    return Named::Directly;
                }
                if who == account || (who.starts_with("arn:") && who.ends_with(&format!(":iam::{account}:root"))) {
                    found = Named::ByAccount;
                }
            }
            ("Service", Principal::Service(service)) if who == service => return Named::Directly,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/path/name";

    fn decide(policies: &Policies, call: &Call) -> Decision {
        policies.decide(call)
    }

    fn read(document: &Value) -> Document {
        Document::read(document).unwrap()
    }

    fn identity(statements: &Value) -> Policies {
        Policies { identity: vec![read(&json!({"Version": "2012-10-17", "Statement": statements}))], ..Policies::default() }
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
        policies.service_control =
            vec![vec![read(&json!({"Statement": [allow("*", "*"), {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}]}))]];
        assert_eq!(decide(&policies, &get()), Decision::Allowed);
        assert_eq!(decide(&policies, &Call::by(ROLE, "s3:PutObject", "arn:aws:s3:::bucket/key")), Decision::Denied);
        policies.boundary = Some(read(&json!({"Statement": [allow("s3:List*", "*")]})));
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
        let mut policies = Policies { resource: Some(read(&resource)), ..Policies::default() };
        assert_eq!(decide(&policies, &call), Decision::Denied);
        policies.identity = vec![read(&json!({"Statement": [allow("sqs:*", "*")]}))];
        assert_eq!(decide(&policies, &call), Decision::Allowed);
        policies.resource = None;
        assert_eq!(decide(&policies, &call), Decision::Denied);
    }

    #[test]
    fn a_deny_of_any_policy_beats_every_allow() {
        let call = Call::by("arn:aws:iam::222233334444:role/r", "sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:q");
        let allow_all = json!({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}});
        let mut policies = identity(&json!([allow("*", "*")]));
        policies.resource = Some(read(&allow_all));
        assert_eq!(decide(&policies, &call), Decision::Allowed);
        let mut denied = policies.clone();
        let unless = json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}});
        denied.resource =
            Some(read(&json!({"Statement": [allow_all["Statement"], {"Effect": "Deny", "Principal": "*", "NotAction": "sqs:Get*",
            "NotResource": "arn:aws:sqs:us-east-1:111122223333:other", "Condition": unless}]})));
        assert_eq!(decide(&denied, &call), Decision::Denied, "who has no organization is not of this one");
        assert_eq!(decide(&denied, &call.clone().with("AWS:PrincipalOrgId", &["o-1"])), Decision::Allowed, "keys have no case, values do");
        assert_eq!(decide(&denied, &call.clone().with("aws:PrincipalOrgID", &["O-1"])), Decision::Denied);
        // A Deny for an account is one for everybody in it; a Deny for everybody but one principal exempts that principal.
        denied.resource = Some(read(&json!({"Statement": [allow_all["Statement"],
            {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::222233334444:root"}, "Action": "sqs:*", "Resource": "*"}]})));
        assert_eq!(decide(&denied, &call), Decision::Denied);
        let except = |arn: &str| json!({"Statement": [allow_all["Statement"], {"Effect": "Deny", "NotPrincipal": {"AWS": arn}, "Action": "*", "Resource": "*"}]});
        denied.resource = Some(read(&except("arn:aws:iam::222233334444:role/r")));
        assert_eq!(decide(&denied, &call), Decision::Allowed);
        denied.resource = Some(read(&except("arn:aws:iam::222233334444:role/other")));
        assert_eq!(decide(&denied, &call), Decision::Denied);
        policies.service_control =
            vec![vec![read(&json!({"Statement": [allow("*", "*"), {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]}))]];
        assert_eq!(decide(&policies, &call), Decision::Denied);
    }

    #[test]
    fn keys_and_roles_decide_themselves() {
        let call = Call::by(ROLE, "kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k");
        let mut policies = identity(&json!([allow("kms:*", "*")]));
        assert_eq!(decide(&policies, &call), Decision::Denied, "the key says nothing");
        policies.resource = Some(read(
            &json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"}]}),
        ));
        assert_eq!(decide(&policies, &call), Decision::Allowed);
        policies.identity.clear();
        assert_eq!(decide(&policies, &call), Decision::Denied, "the key leaves it to the account, whose policies say nothing");
    }

    #[test]
    fn services_are_let_in_by_the_resource_alone() {
        let statement = json!({"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:111122223333:rule/r"}}});
        let policies = Policies { resource: Some(read(&json!({"Statement": [statement]}))), ..Policies::default() };
        let call = Call::by_service("events.amazonaws.com", "sqs:SendMessage", "arn:aws:sqs:us-east-1:111122223333:q");
        assert_eq!(
            decide(&policies, &call.clone().with("aws:SourceArn", &["arn:aws:events:us-east-1:111122223333:rule/r"])),
            Decision::Allowed
        );
        assert_eq!(decide(&policies, &call.with("aws:SourceArn", &["arn:aws:events:us-east-1:111122223333:rule/x"])), Decision::Denied);
    }

    #[test]
    fn every_level_must_allow_and_what_is_not_known_is_said() {
        let mut policies = identity(&json!([allow("s3:*", "*")]));
        policies.service_control =
            vec![vec![read(&json!({"Statement": [allow("*", "*")]}))], vec![read(&json!({"Statement": [allow("sqs:*", "*")]}))]];
        assert_eq!(decide(&policies, &get()), Decision::Denied);
        policies.service_control.pop();
        assert_eq!(decide(&policies, &get()), Decision::Allowed);
        policies.resource_control =
            vec![vec![read(&json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}))]];
        assert_eq!(decide(&policies, &get()), Decision::Denied);
        assert_eq!(decide(&conditioned(&json!({"StringResembles": {"aws:PrincipalOrgID": "o"}})), &get()), Decision::NotKnown);
        let not_for_us = json!({"StringResembles": {"aws:PrincipalOrgID": "o"}, "StringEquals": {"aws:PrincipalOrgID": "o"}});
        assert_eq!(decide(&conditioned(&not_for_us), &get()), Decision::Denied);
    }
}
