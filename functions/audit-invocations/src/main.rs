//! Function `audit-invocations`: takes records of model invocations off the SQS queue of an account and Region, and writes them to the
//! table of observations.

use audit_aws::{invocations::InvocationAuditor, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("audit-invocations", InvocationAuditor::from_environment).await
}
