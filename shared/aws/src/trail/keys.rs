//! CloudTrail's public keys, which verify the signatures of digests. Each Region has its own, and CloudTrail changes them.

use std::{collections::BTreeMap, sync::Arc};

use audit_core::timestamp::Timestamp;
use tokio::sync::Mutex;

use crate::{
    aws::Aws,
    clock::seconds,
    error::{CallError, failed},
};

/// Finds public keys.
pub trait PublicKeys: Send + Sync {
    /// The key with this fingerprint among those of a Region and time, as RSAPublicKey (PKCS#1) in DER; `None` if CloudTrail lists none.
    fn key(
        &self,
        region: &str,
        fingerprint: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, CallError>> + Send;
}

/// Asks CloudTrail, and keeps its answers.
#[derive(Debug)]
pub struct CloudTrailKeys {
    aws: Arc<Aws>,
    known: Mutex<BTreeMap<(String, String), Vec<u8>>>,
}

impl CloudTrailKeys {
    /// Asks with this identity.
    #[must_use]
    pub fn new(aws: Arc<Aws>) -> Self {
        CloudTrailKeys { aws, known: Mutex::new(BTreeMap::new()) }
    }
}

impl PublicKeys for CloudTrailKeys {
    async fn key(&self, region: &str, fingerprint: &str, from: Timestamp, until: Timestamp) -> Result<Option<Vec<u8>>, CallError> {
        let wanted = (region.to_owned(), fingerprint.to_owned());
        let mut known = self.known.lock().await;
        if let Some(key) = known.get(&wanted) {
            return Ok(Some(key.clone()));
        }
        let aws = self.aws.in_region(region);
        let time = |at: Timestamp| aws_smithy_types::DateTime::from_secs(seconds(at));
        let mut token = None;
        loop {
            let request = aws.cloudtrail().list_public_keys().start_time(time(from)).end_time(time(until)).set_next_token(token);
            let page = request.send().await.map_err(failed(format!("ListPublicKeys in {region}")))?;
            for key in page.public_key_list() {
                if let (Some(fingerprint), Some(value)) = (key.fingerprint(), key.value()) {
                    known.insert((region.to_owned(), fingerprint.to_owned()), value.as_ref().to_vec());
                }
            }
            token = page.next_token;
            if token.is_none() {
                return Ok(known.get(&wanted).cloned());
            }
        }
    }
}
