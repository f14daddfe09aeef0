//! What a finding is, in the words of MITRE and Security Hub: the technique of an attacker that it shows or leaves open, and the type.

use audit_core::{
    framework::{Control, Framework},
    rule::Rule,
};

/// A tactic of MITRE ATT&CK: what an attacker is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tactic {
    /// Its id in ATT&CK.
    pub id: &'static str,
    /// Its name, which Security Hub's types of findings use, too.
    pub name: &'static str,
}

const DEFENSE_EVASION: Tactic = Tactic { id: "TA0005", name: "Defense Evasion" };
const PERSISTENCE: Tactic = Tactic { id: "TA0003", name: "Persistence" };

/// The tactic of each technique of ATT&CK that rules map to (attack.mitre.org/techniques). A technique may serve several tactics; this is
/// the one that the rules' findings are about.
const TACTICS: &[(&str, Tactic)] = &[
    ("T1070", DEFENSE_EVASION),
    ("T1098.001", PERSISTENCE),
    ("T1098.003", PERSISTENCE),
    ("T1484", DEFENSE_EVASION),
    ("T1535", DEFENSE_EVASION),
    ("T1550.001", DEFENSE_EVASION),
    ("T1562.001", DEFENSE_EVASION),
    ("T1562.008", DEFENSE_EVASION),
];

/// The technique of ATLAS that its mitigations are against, as far as rules map to them (atlas.mitre.org/techniques/AML.T0051).
const LEFT_OPEN: (&str, &str) = ("AML.T0051", "LLM Prompt Injection");

/// What an attacker did, or can do because of what a finding shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// The finding shows a technique of ATT&CK.
    Technique {
        /// The technique, or a technique's sub-technique, whose id has a dot.
        control: &'static Control,
        /// The tactic that the technique serves.
        tactic: Tactic,
    },
    /// The finding shows that a mitigation of ATLAS is missing.
    LeftOpen {
        /// The mitigation.
        control: &'static Control,
        /// The id of a technique that it is against.
        technique: &'static str,
        /// The name of that technique.
        name: &'static str,
    },
}

/// The attacks that findings of a rule show or leave open, in the order of the rule's controls.
pub fn attacks(rule: &'static Rule) -> impl Iterator<Item = Attack> {
    rule.controls.iter().filter_map(|control| match control.framework {
        Framework::MitreAttack => tactic_of(control).map(|tactic| Attack::Technique { control, tactic }),
        Framework::MitreAtlas => Some(Attack::LeftOpen { control, technique: LEFT_OPEN.0, name: LEFT_OPEN.1 }),
        _ => None,
    })
}

fn tactic_of(control: &Control) -> Option<Tactic> {
    TACTICS.iter().find(|(id, _)| *id == control.id).map(|(_, tactic)| *tactic)
}

/// The types of a rule's findings in Security Hub's taxonomy (`namespace/category`): always that of checks against good practice, and that
/// of each tactic.
#[must_use]
pub fn finding_types(rule: Option<&'static Rule>) -> Vec<String> {
    let mut types = vec!["Software and Configuration Checks/AWS Security Best Practices".to_owned()];
    for attack in rule.into_iter().flat_map(attacks) {
        if let Attack::Technique { tactic, .. } = attack {
            let tactic = format!("TTPs/{}", tactic.name);
            if !types.contains(&tactic) {
                types.push(tactic);
            }
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use audit_core::rules::{RULES, find};

    use super::*;

    #[test]
    fn every_technique_of_a_rule_has_its_tactic() {
        for rule in RULES {
            let mapped = rule.controls.iter().filter(|control| matches!(control.framework, Framework::MitreAttack | Framework::MitreAtlas));
            assert_eq!(attacks(rule).count(), mapped.count(), "{}", rule.id);
        }
    }

    #[test]
    fn types_are_said_once() {
        assert_eq!(
            finding_types(find("trail-stopped")),
            ["Software and Configuration Checks/AWS Security Best Practices", "TTPs/Defense Evasion"]
        );
        assert_eq!(finding_types(None).len(), 1);
    }
}
