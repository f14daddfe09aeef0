//! What `cargo xtask rule new` starts a rule's file from. It is compiled with the tests, so that a field that `Rule` gets is one here, too.

mod call;
mod change;

#[test]
fn what_is_to_be_written_is_marked() {
    for template in [&call::RULE, &change::RULE] {
        assert!(template.title.contains("TODO") && template.fires.contains("TODO"), "{template:?}");
    }
}
