//! Reads the files of the organization's trail, and reports what is in them as the hub's own facts.

use audit_aws::{edge, trail::TrailAuditor};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::run("audit-trail", TrailAuditor::from_environment).await
}
