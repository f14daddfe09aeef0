//! Function `send-alerts`: publishes to SNS which findings are new, came back, got worse, are resolved or were withdrawn.

use audit_aws::{alerts::Alerts, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("send-alerts", Alerts::from_environment).await
}
