//! The crates that the program must not depend on.

use std::process::Command;

#[test]
fn the_default_build_has_no_aws_sdk() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--package", "guardrail-audit", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.contains("audit-core"), "{}", String::from_utf8_lossy(&output.stderr));
    let unwanted: Vec<&str> =
        tree.lines().filter(|line| ["aws-", "tokio ", "hyper ", "rustls "].iter().any(|name| line.starts_with(name))).collect();
    assert!(unwanted.is_empty(), "{unwanted:?}");
}
