//! Tells people and tools about findings that are new, came back, got worse or are resolved.

use audit_aws::{alerts::Alerts, lambda};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("send-alerts", Alerts::from_environment).await
}
