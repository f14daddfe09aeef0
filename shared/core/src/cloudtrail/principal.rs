//! Who made a request: roles and users, never sessions.

use serde::Deserialize;

use crate::json::{Object, Text};

/// `userIdentity` (docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity<'a> {
    /// `AssumedRole`, `IAMUser`, `Root`, `AWSService`, `AWSAccount`, …
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// The unique id, with the session's name behind a colon.
    #[serde(borrow)]
    pub principal_id: Text<'a>,
    /// Of a role: the ARN of the session.
    #[serde(borrow)]
    pub arn: Text<'a>,
    /// The caller's account, which need not be the record's.
    #[serde(borrow)]
    pub account_id: Text<'a>,
    /// The service that called on somebody's behalf.
    #[serde(borrow)]
    pub invoked_by: Text<'a>,
    /// Where the session came from.
    #[serde(borrow)]
    pub session_context: Object<SessionContext<'a>>,
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
}

/// A role, a user or a service, as findings and exceptions name it.
///
/// Session names are often e-mail addresses, so they are left out unless the configuration asks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The role (`sessionIssuer.arn`) or user.
    pub entity: String,
    /// The name of the session, if there is one.
    pub session: Option<String>,
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

    /// A service, or a caller from another account, of whom the record tells no more than a unique id.
    fn without_arn(&self) -> String {
        let unique_id = self.principal_id.get().map(|id| id.split_once(':').map_or(id, |(id, _)| id));
        match (self.invoked_by.get(), unique_id, self.account_id.get()) {
            (Some(service), _, _) => service.to_owned(),
            (None, Some(id), Some(account)) if id != account => format!("{account}:{id}"),
            (None, _, Some(account)) => account.to_owned(),
            (None, Some(id), None) => id.to_owned(),
            (None, None, None) => "unknown".to_owned(),
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
        assert_eq!(principal(r#"{"type":"Unknown"}"#).entity, "unknown");
        assert_eq!(principal("{}").session, None);
    }
}
