//! Takes calls and evaluations off the queue of an account and Region, and reports them as facts.

use audit_aws::{edge, invocations::InvocationAuditor};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    edge::run("audit-invocations", InvocationAuditor::from_environment).await
}
