//! Function `report`: answers queries for findings over HTTPS, and writes reports to S3.

use audit_aws::{lambda, report::Reports};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("report", Reports::from_environment).await
}
