//! An account's enforced guardrail configuration was replaced by a weaker one.

use crate::{
    arn::GuardrailVersionArn,
    change::WorldChange,
    change_history::{
        ChangeInContext, Outcome,
        account_enforcement::{ENFORCED_CONFIGURATION, configuration_right_again},
        guardrail_versions::is_upgrade,
    },
    enforcement::Enforcement,
    framework::PROTECTION_WEAKENED,
    policy::{Weakening, weakening_of},
    rule::{ChangeCheck, Check, Correlation, Group, Resolved, Rule},
    severity::Severity,
};

pub(super) static RULE: Rule = Rule {
    id: "account-enforcement-weakened",
    title: "An account's enforced guardrail configuration was replaced by a weaker one",
    severity: Severity::High,
    group: Group::Guardrails,
    revealed_by: &["PutEnforcedGuardrailConfiguration"],
    fires: "PutEnforcedGuardrailConfiguration with a lower version or a weaker guardrail than before, with fewer models included or more \
        excluded, or with selective instead of comprehensive guarding of the system prompt or of the messages, each for itself.",
    evidence: "The configuration before (ListEnforcedGuardrailsConfiguration or an earlier Put) and the one in the record; GetGuardrail of \
        both versions if the guardrail changed. Where one is not known, the effect is not verified, one step lower; the same \
        configuration put again is nothing. A higher version whose content is not known is guardrail-change-unverified.",
    rationale: "The account still looks enforced, and protects less.",
    remediation: "Put the former configuration again.",
    references: &["https://docs.aws.amazon.com/bedrock/latest/APIReference/API_PutEnforcedGuardrailConfiguration.html"],
    resolved: Resolved::ByState,
    correlation: Correlation::RemovesProtection,
    controls: PROTECTION_WEAKENED,
    checks: &[Check::Change(ChangeCheck {
        attempt: "An account's enforced guardrail configuration would have been replaced by a weaker one",
        expected_of_administrators: true,
        look: check,
    })],
};

fn check(seen: &ChangeInContext<'_>) -> Vec<Outcome> {
    let Some(WorldChange::ConfigurationPut { account, region, enforcement }) = &seen.change.effect else {
        return Vec::new();
    };
    let state = seen.history.state;
    let before = state.configurations(account, region, seen.before()).state();
    // The next response of ListEnforcedGuardrailsConfiguration shows what the record masks.
    let read_later = || state.configurations(account, region, seen.key.time).state().and_then(<[Enforcement]>::first);
    let after = enforcement.as_ref().or_else(|| read_later().filter(|_| !seen.change.is_refused()));
    let compare = |a: &GuardrailVersionArn, b: &GuardrailVersionArn| seen.history.compare(a, b, seen.key.time);
    // Whether a higher version of the same guardrail is weaker, or unknown, is reported by the rules about guardrails.
    let compare_now = |a: &GuardrailVersionArn, b: &GuardrailVersionArn| {
        let compared = compare(a, b);
        if is_upgrade(a, b) { Weakening { unverified: Vec::new(), ..compared } } else { compared }
    };
    let put = seen.did("was put", "would have been put");
    let (because, changes, unverified) = match (before, after) {
        (Some([]), _) => return Vec::new(),
        (Some(before), Some(after)) => {
            let weakenings: Vec<_> = before.iter().map(|old| (old, weakening_of(region, old, after, &compare_now))).collect();
            if weakenings.iter().any(|(_, weakening)| weakening.is_none()) {
                return Vec::new();
            }
            let Some((old, weakening)) = weakenings.into_iter().next() else {
                return Vec::new();
            };
            let unverified = weakening.changes.is_empty();
            let changes = if unverified { weakening.unverified } else { weakening.changes };
            let took = seen.did("took", "would have taken");
            (format!("{} {took} the place of {}", after.guardrail, old.guardrail), changes, unverified)
        }
        (None, _) => (format!("it {put} again, and what the account enforced before is not known"), Vec::new(), true),
        (_, None) => (format!("it {put} again, and with what is not in the record"), Vec::new(), true),
    };
    let restored_at = before.and_then(|before| {
        configuration_right_again(seen, |now| {
            before.iter().all(|old| now.iter().any(|new| weakening_of(region, old, new, &compare).is_none()))
        })
    });
    vec![seen.rule_match(ENFORCED_CONFIGURATION, because).changing(changes).unverified(unverified).restored_at(restored_at).fires()]
}
