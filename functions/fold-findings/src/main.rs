//! Judges what was reported again, by the world that the hub read itself, and writes what changed.

use audit_aws::{fold::Fold, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("fold-findings", Fold::from_environment).await
}
