//! Function `audit-trail`: reads the log files of the organization's trail, and writes what is in them to the table of observations as the
//! hub's own facts.

use audit_aws::{lambda, trail::TrailAuditor};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("audit-trail", TrailAuditor::from_environment).await
}
