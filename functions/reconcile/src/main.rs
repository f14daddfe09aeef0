//! Function `reconcile`: reads state with the hub's own roles into the world, and looks in CloudTrail's event history for what accounts
//! didn't report.

use audit_aws::{lambda, reconcile::Reconciler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("reconcile", Reconciler::from_environment).await
}
