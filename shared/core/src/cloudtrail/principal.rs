//! Who made a request: the role, user or service. Names of sessions are kept apart, because they often identify a person.

use serde::Deserialize;

use super::fields::HIDDEN;
use crate::json::{Object, Text};

/// `userIdentity` (docs/aws/cloudtrail-records.md#common-members).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity<'a> {
    /// `AssumedRole`, `IAMUser`, `Root`, `AWSService`, `AWSAccount`, …
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// The unique id, with the session's name behind a colon.
    #[serde(borrow)]
    pub principal_id: Text<'a>,
    /// The ARN of the user, or of a role's session.
    #[serde(borrow)]
    pub arn: Text<'a>,
    /// The caller's account, which may differ from the account that received the record.
    #[serde(borrow)]
    pub account_id: Text<'a>,
    /// The name of an IAM user; for other identities often an e-mail address.
    #[serde(borrow)]
    pub user_name: Text<'a>,
    /// The service that made the request on the principal's behalf.
    #[serde(borrow)]
    pub invoked_by: Text<'a>,
    /// The identity provider of a federated user.
    #[serde(borrow)]
    pub identity_provider: Text<'a>,
    /// The access key that signed the request.
    #[serde(borrow)]
    pub access_key_id: Text<'a>,
    /// How the temporary credentials came about.
    #[serde(borrow)]
    pub session_context: Object<SessionContext<'a>>,
    /// The user of IAM Identity Center.
    #[serde(borrow)]
    pub on_behalf_of: Object<OnBehalfOf<'a>>,
}

/// `userIdentity.sessionContext`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionContext<'a> {
    /// The role or user behind temporary credentials.
    #[serde(borrow)]
    pub session_issuer: Object<SessionIssuer<'a>>,
}

/// `userIdentity.sessionContext.sessionIssuer`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionIssuer<'a> {
    /// The ARN of the role or user.
    #[serde(borrow)]
    pub arn: Text<'a>,
    /// `Role`, `IAMUser` or `Root`.
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// The name of the role or user.
    #[serde(borrow)]
    pub user_name: Text<'a>,
    /// The unique id of the role or user.
    #[serde(borrow)]
    pub principal_id: Text<'a>,
}

/// `userIdentity.onBehalfOf`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnBehalfOf<'a> {
    /// The user's id in the identity store.
    #[serde(borrow)]
    pub user_id: Text<'a>,
}

/// A role, a user or a service, as findings and exceptions name it. Names of sessions are often e-mail addresses, so findings leave them
/// out unless the configuration asks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The ARN of the role (`sessionIssuer.arn`) or user, or the best other name.
    pub entity: String,
    /// The name of the session, if there is one.
    pub session: Option<String>,
}

/// The principal's name in a finding, without the session that may follow behind a blank. Only an ARN is cut: other names may contain
/// blanks.
#[must_use]
pub fn without_session(principal: &str) -> &str {
    if principal.starts_with("arn:") { principal.split(' ').next().unwrap_or(principal) } else { principal }
}

impl Identity<'_> {
    /// The role or user behind the request.
    #[must_use]
    pub fn principal(&self) -> Principal {
        let arn = self.arn.get();
        let session = arn.and_then(session_of).or_else(|| self.principal_id.get()?.split_once(':').map(|(_, session)| session));
        let entity = match (self.session_context.0.session_issuer.0.arn.get(), arn) {
            (Some(issuer), _) => issuer.to_owned(),
            (None, Some(arn)) => role_of(arn).unwrap_or_else(|| arn.to_owned()),
            (None, None) => self.without_arn(),
        };
        Principal { entity, session: session.map(str::to_owned) }
    }

    /// Names a principal whose record has no ARN, by the best that the record holds: a name, a unique id, a service, an account. No ARN is
    /// built, because partition and path are not known.
    fn without_arn(&self) -> String {
        fn visible<'a>(text: &'a Text<'_>) -> Option<&'a str> {
            text.get().filter(|text| *text != HIDDEN)
        }
        let issuer = &self.session_context.0.session_issuer.0;
        let account = visible(&self.account_id);
        // Behind the colon follows the session's name, which its creator chose: often an e-mail address.
        let unique_id = visible(&self.principal_id).and_then(|id| id.split(':').next()).filter(|id| !id.is_empty() && Some(*id) != account);
        let user_name = visible(&self.user_name);
        let (kind, name) = match self.kind.get() {
            Some("IAMUser") => ("user", user_name),
            Some("AssumedRole" | "Role") => ("role", visible(&issuer.user_name).or(user_name.filter(|_| unique_id.is_none()))),
            Some("FederatedUser") => ("federated user of", visible(&issuer.user_name)),
            Some("Root") => ("root user", None),
            Some("IdentityCenterUser") => ("Identity Center user", visible(&self.on_behalf_of.0.user_id).or(unique_id)),
            Some("SAMLUser") => ("SAML user of", visible(&self.identity_provider).or(unique_id)),
            Some("WebIdentityUser") => ("web identity user of", visible(&self.identity_provider).or(unique_id)),
            None | Some("AWSAccount" | "AWSService" | "Unknown") => ("", None),
            Some(kind) => (kind, None),
        };
        if let Some(name) = name {
            return format!("{kind} {name}");
        }
        if let Some(service) = visible(&self.invoked_by) {
            return service.to_owned();
        }
        if let Some(user) = visible(&self.on_behalf_of.0.user_id) {
            return format!("Identity Center user {user}");
        }
        match (unique_id.or(visible(&issuer.principal_id)), account) {
            (Some(id), Some(account)) => return format!("{account}:{id}"),
            (Some(id), None) => return id.to_owned(),
            (None, _) => {}
        }
        // User names of identities other than IAM users are often e-mail addresses, and access keys of temporary credentials identify
        // nobody for long.
        if let Some(name) = user_name.filter(|name| kind.is_empty() && !name.contains('@')) {
            return format!("user {name}");
        }
        if let Some(key) = visible(&self.access_key_id).filter(|key| key.starts_with("AKIA")) {
            return format!("access key {key}");
        }
        let kind = kind.trim_end_matches(" of");
        match account {
            Some(account) if kind.is_empty() => account.to_owned(),
            Some(account) => format!("{kind} of {account}"),
            None if kind.is_empty() => "unknown".to_owned(),
            None => kind.to_owned(),
        }
    }
}

/// The session's name in `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
fn session_of(arn: &str) -> Option<&str> {
    arn.split_once(":assumed-role/")?.1.split_once('/').map(|(_, session)| session)
}

/// The role of an assumed-role ARN. Its path isn't part of that ARN, so it is missing here.
fn role_of(arn: &str) -> Option<String> {
    let (head, rest) = arn.split_once(":assumed-role/")?;
    let role = rest.split_once('/').map_or(rest, |(role, _)| role);
    Some(format!("{}:role/{role}", head.replacen(":sts:", ":iam:", 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(json: &str) -> Principal {
        serde_json::from_str::<Identity<'_>>(json).unwrap().principal()
    }

    #[test]
    fn a_role_is_named_by_its_issuer_not_by_its_session() {
        let named = principal(
            r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/app/alice@example.com",
                "sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::1:role/team/app"}}}"#,
        );
        assert_eq!(named, Principal { entity: "arn:aws:iam::1:role/team/app".into(), session: Some("alice@example.com".into()) });
        let without_issuer = principal(r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/app/alice@example.com"}"#);
        assert_eq!(without_issuer.entity, "arn:aws:iam::1:role/app");
    }

    #[test]
    fn users_services_and_foreign_accounts_have_a_name() {
        assert_eq!(principal(r#"{"type":"IAMUser","arn":"arn:aws:iam::1:user/bob"}"#).entity, "arn:aws:iam::1:user/bob");
        assert_eq!(principal(r#"{"type":"AWSService","invokedBy":"lambda.amazonaws.com"}"#).entity, "lambda.amazonaws.com");
        assert_eq!(principal(r#"{"type":"AWSAccount","principalId":"AROAX:s","accountId":"999999999999"}"#).entity, "999999999999:AROAX");
        assert_eq!(principal(r#"{"type":"AWSAccount","principalId":"999999999999","accountId":"999999999999"}"#).entity, "999999999999");
        assert_eq!(principal(r#"{"type":"Unknown"}"#).entity, "unknown");
        assert_eq!(principal(r#"{"type":"Root"}"#).entity, "root user");
        assert_eq!(principal("{}").entity, "unknown");
        assert_eq!(principal("{}").session, None);
    }

    #[test]
    fn whoever_has_no_arn_is_named_by_the_best_that_is_told() {
        for (identity, entity) in [
            (r#"{"type":"IAMUser","userName":"batch"}"#, "user batch"),
            (r#"{"type":"IAMUser","userName":"batch","accountId":"111122223333","principalId":"AIDAX"}"#, "user batch"),
            (r#"{"type":"IAMUser","accountId":"111122223333","principalId":"AIDAX"}"#, "111122223333:AIDAX"),
            (r#"{"type":"IAMUser","accessKeyId":"AKIAX"}"#, "access key AKIAX"),
            (r#"{"userName":"batch"}"#, "user batch"),
            (r#"{"type":"Root","accountId":"111122223333","principalId":"111122223333"}"#, "root user of 111122223333"),
            (
                r#"{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"90671ab4-x","identityStoreArn":"arn:aws:identitystore::1:identitystore/d-1"}}"#,
                "Identity Center user 90671ab4-x",
            ),
            (
                r#"{"type":"IdentityCenterUser","accountId":"111122223333","principalId":"111122223333"}"#,
                "Identity Center user of 111122223333",
            ),
            (
                r#"{"type":"SAMLUser","principalId":"idp:alice@example.com","userName":"alice@example.com","identityProvider":"idp"}"#,
                "SAML user of idp",
            ),
            (
                r#"{"type":"WebIdentityUser","principalId":"accounts.google.com:app:123","userName":"123","identityProvider":"accounts.google.com"}"#,
                "web identity user of accounts.google.com",
            ),
            (r#"{"type":"FederatedUser","principalId":"111122223333:bob","accountId":"111122223333"}"#, "federated user of 111122223333"),
            (r#"{"type":"AssumedRole","sessionContext":{"sessionIssuer":{"type":"Role","userName":"app"}}}"#, "role app"),
            (r#"{"type":"AssumedRole","accountId":"111122223333","principalId":"AROAX:alice@example.com"}"#, "111122223333:AROAX"),
            (r#"{"type":"AssumedRole","accountId":"111122223333"}"#, "role of 111122223333"),
            (r#"{"type":"Directory","accountId":"111122223333","userName":"alice@example.com"}"#, "Directory of 111122223333"),
        ] {
            assert_eq!(principal(identity).entity, entity, "{identity}");
            assert_eq!(without_session(entity), entity);
        }
        assert_eq!(without_session("arn:aws:iam::1:role/app session"), "arn:aws:iam::1:role/app");
    }
}
