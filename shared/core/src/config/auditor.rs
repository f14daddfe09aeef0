//! The `[auditor]` table of the configuration: the auditor's own resources and roles. Changes of them by others are findings.

use wildmatch::WildMatch;

use crate::cloudtrail::without_session;

/// The auditor's resources, and the role that may change them.
#[derive(Clone, Debug)]
pub struct Auditor {
    /// The names of its EventBridge rules, functions, queues, tables, topics, roles, stacks and buckets. `*` stands for any characters.
    pub names: Vec<WildMatch>,
    /// The full ARN of the role that deploys it; `*` stands for any characters. Changes by CloudFormation on its behalf are no findings.
    pub deployment_role: Option<WildMatch>,
    /// The ARN of the role that sends heartbeats (docs/glossary.md#heartbeat).
    pub heartbeat_role: Option<WildMatch>,
    /// The number of minutes between two heartbeats.
    pub heartbeat_minutes: i64,
}

impl Default for Auditor {
    fn default() -> Self {
        Auditor { names: vec![WildMatch::new("guardrail-audit*")], deployment_role: None, heartbeat_role: None, heartbeat_minutes: 60 }
    }
}

impl Auditor {
    /// Whether a name, ARN, URL or path names one of its resources.
    #[must_use]
    pub fn owns(&self, resource: &str) -> bool {
        let mut parts = resource.split(['/', ':']).filter(|part| !part.is_empty());
        parts.any(|part| self.names.iter().any(|name| name.matches(part)))
    }

    /// The beginning of each of its resources' names, up to the first `*` or `?`. A text that contains none of them names none of its
    /// resources.
    pub fn stems(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| name.pattern().split(['*', '?']).next().unwrap_or_default().to_owned())
    }

    /// Whether a principal, in the form of findings, is the role that sends heartbeats. If none is configured, it is a role among the
    /// auditor's resources with `heartbeat` in its name.
    #[must_use]
    pub fn is_heartbeat_role(&self, principal: &str) -> bool {
        let role = without_session(principal);
        match &self.heartbeat_role {
            Some(pattern) => pattern.matches(role),
            None => role.contains("heartbeat") && self.owns(role),
        }
    }

    /// The patterns that [`Auditor::is_heartbeat_role`] applies.
    pub(crate) fn heartbeat_roles(&self) -> Vec<String> {
        match &self.heartbeat_role {
            Some(pattern) => vec![pattern.pattern().clone()],
            None => self.names.iter().map(|name| format!("*/{}", name.pattern())).collect(),
        }
    }

    /// Whether a principal is the role that deploys the auditor.
    #[must_use]
    pub fn is_deployed_by(&self, principal: &str) -> bool {
        self.deployment_role.as_ref().is_some_and(|role| role.matches(principal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_known_by_a_part_of_its_name() {
        let auditor = Auditor::default();
        for own in [
            "guardrail-audit-calls",
            "arn:aws:sqs:us-east-1:1:guardrail-audit-calls",
            "https://sqs.us-east-1.amazonaws.com/1/guardrail-audit-calls",
            "arn:aws:iam::1:role/guardrail-audit/audit-changes",
            "/aws/lambda/guardrail-audit-calls",
        ] {
            assert!(auditor.owns(own), "{own}");
        }
        assert!(!auditor.owns("arn:aws:sqs:us-east-1:1:my-guardrail-audit"));
        assert!(auditor.is_heartbeat_role("arn:aws:iam::1:role/guardrail-audit/guardrail-audit-heartbeat"));
        assert!(!auditor.is_heartbeat_role("arn:aws:iam::1:role/guardrail-audit/reader"));
        assert!(!auditor.is_deployed_by("arn:aws:iam::1:role/deploy"));
    }
}
