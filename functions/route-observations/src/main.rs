//! Function `route-observations`: takes the stream of facts, keeps what was done to them, and sends a message for each account that is to be
//! judged again.

use audit_aws::{lambda, route::Router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("route-observations", Router::from_environment).await
}
