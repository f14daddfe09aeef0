//! Connections that a function opens while it starts, so that its first event doesn't wait for them.
//!
//! A TLS handshake is mostly arithmetic. Lambda lends a starting function whole processors and an invocation only the share that its memory
//! buys, so the handshake belongs into the start. The SDK's HTTP client keeps the connection, and the first call uses it.

use std::time::Duration;

use aws_sdk_dynamodb::config::{
    Builder,
    retry::{ReconnectMode, RetryConfig},
};
use aws_smithy_types::{body::SdkBody, timeout::TimeoutConfig};

use crate::{aws::Aws, bucket::Bucket};

/// The time that a start waits for a connection at most. After that, the first event opens it, and its failures are retried and reported.
const LIMIT: Duration = Duration::from_secs(1);

/// Opens a connection to DynamoDB. If that fails, the first event shows it.
///
/// DynamoDB answers `GET /` with a line that says that it is healthy, asks for no permission and records nothing. The SDK has no operation
/// for it: the request of another operation is changed before it is signed, and its answer isn't one that the SDK can read.
pub(crate) async fn open_to_dynamodb(aws: &Aws) {
    let limit = TimeoutConfig::builder().operation_timeout(LIMIT).build();
    // An answer that can't be read would otherwise close the connection.
    let once = RetryConfig::disabled().with_reconnect_mode(ReconnectMode::ReuseAllConnections);
    let request = aws.dynamodb().list_tables().customize().mutate_request(|request| {
        // The method is valid, so that this can't fail.
        let _ = request.set_method("GET");
        *request.body_mut() = SdkBody::empty();
        for header in ["content-length", "content-type", "x-amz-target"] {
            request.headers_mut().remove(header);
        }
    });
    // The answer is an error either way: what matters is the connection behind it.
    let _ = request.config_override(Builder::new().retry_config(once).timeout_config(limit)).send().await;
}

/// Opens a connection to a bucket by reading an object that the function may read. What it holds is read again when it is needed.
pub(crate) async fn open_to_bucket(bucket: &impl Bucket, key: &str) {
    let _ = tokio::time::timeout(LIMIT, bucket.get(key)).await;
}
