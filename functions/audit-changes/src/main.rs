//! Takes control-plane events off their queue, reads the state that they hide, and reports both as facts.

use audit_aws::{changes::ChangeAuditor, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("audit-changes", ChangeAuditor::from_environment).await
}
