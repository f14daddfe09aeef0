//! Reads state by the hub's own roles into the world, and looks for what was never reported.

use audit_aws::{lambda, reconcile::Reconciler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("reconcile", Reconciler::from_environment).await
}
