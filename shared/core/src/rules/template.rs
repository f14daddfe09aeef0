//! What `cargo xtask rule new` starts a rule's file from. It is compiled with the tests, so that a field that `Rule` gets is one here, too.

mod call;
mod change;

use super::RULES;

#[test]
fn no_rule_is_left_as_it_was_made() {
    for template in [&call::RULE, &change::RULE] {
        assert!(template.title.contains("TODO") && template.fires.contains("TODO"), "what is to be written is marked");
    }
    for rule in RULES {
        assert!(!format!("{rule:?}").contains("TODO"), "{} isn't written to its end", rule.id);
    }
}
