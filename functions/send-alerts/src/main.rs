//! Function `send-alerts`: publishes to SNS which findings are new, came back, got worse, are resolved or were withdrawn, and puts an event
//! for each change of a finding on EventBridge.

use audit_aws::{alerts::SendAlerts, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("send-alerts", SendAlerts::from_environment).await
}
