//! Function `fold-findings`: judges all facts of an account again when some arrived, by the world that the hub read itself, and writes
//! the findings that differ.

use audit_aws::{fold::Fold, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("fold-findings", Fold::from_environment).await
}
