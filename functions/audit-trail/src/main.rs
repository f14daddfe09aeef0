//! Reads the files of the organization's trail, and reports what is in them as the hub's own facts.

use audit_aws::{lambda, trail::TrailAuditor};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("audit-trail", TrailAuditor::from_environment).await
}
