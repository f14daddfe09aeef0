//! Function `audit-changes`: takes control-plane events off their SQS queue, reads the state that their records hide, and writes both to
//! the table of observations.

use audit_aws::{changes::ChangeAuditor, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("audit-changes", ChangeAuditor::from_environment).await
}
