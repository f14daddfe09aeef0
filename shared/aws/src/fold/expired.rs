//! Findings whose facts have expired: nothing can judge them again.
//!
//! That no evidence is left doesn't prove that what they are about is right again, so they are neither resolved nor withdrawn. They say that their
//! facts have expired, and end when the team accepts them by an exception, or when new facts give them again.

use audit_core::{
    auditor::{self, AuditOptions},
    finding::{Finding, Status},
};

/// What a finding says in addition once its facts have expired.
const EXPIRED: &str =
    "; the facts behind it have expired, so nothing can show any more that it is right again: if it is, accept it by an exception";

/// A principal that no exception names.
const NOBODY: &str = "";

/// A finding as it is once its facts have expired. One that is resolved stays as it is, and the same again gives the same.
pub(super) fn expired(before: &Finding, options: &AuditOptions<'_>) -> Finding {
    if before.status == Status::Resolved {
        return before.clone();
    }
    let detail = before.detail.strip_suffix(EXPIRED).unwrap_or(&before.detail);
    let mut finding = Finding { detail: format!("{detail}{EXPIRED}"), status: Status::Open, suppression: None, ..before.clone() };
    if finding.principals.more > 0 {
        // Of the others nothing is known, so only an exception for everybody accepts them.
        finding.principals.shown.push(NOBODY.to_owned());
    }
    auditor::except(&mut finding, None, options);
    finding.principals = before.principals.clone();
    // The exception of the last fold may have ended since; each other ending was counted by an earlier fold.
    let has_ended = before.status == Status::Suppressed && finding.status == Status::Open;
    finding.reopened = before.reopened + u64::from(has_ended);
    finding
}

#[cfg(test)]
mod tests {
    use audit_core::{auditor::Selection, config::Configuration, timestamp::Timestamp};

    use super::*;

    const ALICE: &str = "arn:aws:iam::222233334444:role/alice";

    fn finding() -> Finding {
        let json = serde_json::json!({
            "id": "1", "rule": "invocation-without-guardrail", "severity": "HIGH", "title": "t", "detail": "d", "remediation": "r",
            "status": "OPEN", "account": "222233334444", "region": "us-east-1", "resource": "AWS::::Account:222233334444",
            "principals": [ALICE], "models": [], "apis": [], "verdict": "violation", "grade": "enforced", "reason": "no_guardrail",
            "missing": [], "attempted": false, "expected": false, "linked": [], "first_seen": "2024-11-20T10:00:00Z",
            "last_seen": "2024-11-20T10:00:00Z", "count": 1, "events": [], "changes": [], "policy": null, "controls": [], "reopened": 0,
            "resolved_at": null, "suppression": null,
        });
        serde_json::from_value(json).unwrap()
    }

    fn configuration(principals: &str) -> Configuration {
        let toml = format!(
            "[[exception]]\nrule = \"invocation-without-guardrail\"\naccounts = [\"222233334444\"]\n{principals}\nuntil = 2026-12-01\n\
             reason = \"accepted\"\nowner = \"team\"\n"
        );
        Configuration::parse(&toml).unwrap()
    }

    fn at<'c>(configuration: &'c Configuration, selection: &'c Selection, now: &str) -> AuditOptions<'c> {
        AuditOptions { configuration, selection, now: Timestamp::parse(now).unwrap(), threads: 1 }
    }

    #[test]
    fn nothing_is_resolved_by_expiry_and_an_exception_accepts_it() {
        let (none, accepted, all) = (Configuration::default(), configuration(&format!("principals = [\"{ALICE}\"]")), Selection::default());
        let open = expired(&finding(), &at(&none, &all, "2026-11-20"));
        assert_eq!((open.status, open.detail.contains("have expired")), (Status::Open, true));
        assert_eq!(expired(&open, &at(&none, &all, "2026-11-21")), open, "it is said once");
        let suppressed = expired(&open, &at(&accepted, &all, "2026-11-20"));
        assert_eq!((suppressed.status, suppressed.reopened), (Status::Suppressed, 0));
        let again = expired(&suppressed, &at(&accepted, &all, "2026-12-02"));
        assert_eq!((again.status, again.reopened), (Status::Open, 1), "an exception ends");
        assert_eq!(expired(&again, &at(&accepted, &all, "2026-12-03")), again, "and that is counted once");
        let resolved = Finding { status: Status::Resolved, ..finding() };
        assert_eq!(expired(&resolved, &at(&none, &all, "2026-11-20")), resolved);
    }

    /// Of eleven principals ten are shown. That all ten are accepted says nothing of the other.
    #[test]
    fn principals_that_are_not_shown_are_accepted_by_nobody() {
        let mut many = finding();
        many.principals.more = 1;
        let all = Selection::default();
        let named = expired(&many, &at(&configuration(&format!("principals = [\"{ALICE}\"]")), &all, "2026-11-20"));
        assert_eq!((named.status, &named.principals), (Status::Open, &many.principals));
        assert_eq!(expired(&many, &at(&configuration(""), &all, "2026-11-20")).status, Status::Suppressed);
    }
}
