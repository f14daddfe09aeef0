//! Takes calls and evaluations off the queue of an account and Region, and reports them as facts.

use audit_aws::{invocations::InvocationAuditor, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("audit-invocations", InvocationAuditor::from_environment).await
}
