//! `[auditor]`: which resources and roles are the auditor's own.

use wildmatch::WildMatch;

use crate::cloudtrail::without_session;

/// What the auditor consists of, and who may change it.
#[derive(Clone, Debug)]
pub struct Auditor {
    /// Names of its resources: rules, functions, queues, tables, topics, roles, stacks, buckets. `*` stands for any characters.
    pub names: Vec<WildMatch>,
    /// The role that deploys it: full ARN, `*` stands for any characters. CloudFormation acting for it may change the auditor.
    pub deployment_role: Option<WildMatch>,
    /// The role whose refused calls show that an auditor is alive.
    pub heartbeat_role: Option<WildMatch>,
    /// How many minutes lie between two of them.
    pub heartbeat_minutes: i64,
}

impl Default for Auditor {
    fn default() -> Self {
        Auditor { names: vec![WildMatch::new("guardrail-audit*")], deployment_role: None, heartbeat_role: None, heartbeat_minutes: 60 }
    }
}

impl Auditor {
    /// Whether a name, ARN, URL or path is that of one of its resources.
    #[must_use]
    pub fn owns(&self, resource: &str) -> bool {
        let mut parts = resource.split(['/', ':']).filter(|part| !part.is_empty());
        parts.any(|part| self.names.iter().any(|name| name.matches(part)))
    }

    /// What each name of its resources begins with: a text without any of these names none of them.
    pub fn stems(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| name.pattern().split(['*', '?']).next().unwrap_or_default().to_owned())
    }

    /// Whether a principal, as findings name it, is the role that sends heartbeats. Without one configured: a role among its resources
    /// whose name speaks of a heartbeat.
    #[must_use]
    pub fn is_heartbeat_role(&self, principal: &str) -> bool {
        let role = without_session(principal);
        match &self.heartbeat_role {
            Some(pattern) => pattern.matches(role),
            None => role.contains("heartbeat") && self.owns(role),
        }
    }

    /// Whether a principal is the role that deploys it.
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
