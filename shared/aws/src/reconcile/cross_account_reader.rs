//! How the hub reads in another account: with a reader role there.

use std::{sync::Arc, time::Duration};

use audit_core::timestamp::Timestamp;
use aws_sdk_cloudtrail::{
    operation::lookup_events::{LookupEventsOutput, builders::LookupEventsFluentBuilder},
    types::{LookupAttribute, LookupAttributeKey},
};
use aws_smithy_types::retry::RetryConfig;

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind, failed},
    partition::AccountRegion,
    state::{AwsState, ReadState},
};

/// Reads state and event history in other accounts.
pub trait CrossAccountReader: Send + Sync {
    /// Answers questions with the identity of a reader role.
    type State: ReadState;
    /// The state of an account and Region.
    fn state(&self, account_region: &AccountRegion) -> impl Future<Output = Self::State> + Send;
    /// The records of CloudTrail's event history since a moment, as JSON, and whether these are all.
    fn history(
        &self,
        account_region: &AccountRegion,
        since: Timestamp,
    ) -> impl Future<Output = Result<(Vec<String>, bool), CallError>> + Send;
    /// The record with an event id from CloudTrail's event history, as JSON; `None` if it isn't there, or not yet.
    fn event(&self, account_region: &AccountRegion, event_id: &str) -> impl Future<Output = Result<Option<String>, CallError>> + Send;
}

/// Reads with IAM roles that the member stacks create.
#[derive(Clone, Debug)]
pub struct ReaderRoles {
    aws: Arc<Aws>,
    /// `<path><name>`
    role: String,
}

impl CrossAccountReader for ReaderRoles {
    type State = AwsState;

    async fn state(&self, account_region: &AccountRegion) -> AwsState {
        AwsState(self.aws_of(account_region).await)
    }

    async fn history(&self, account_region: &AccountRegion, since: Timestamp) -> Result<(Vec<String>, bool), CallError> {
        let aws = self.aws_of(account_region).await;
        let source = attribute(LookupAttributeKey::EventSource, "bedrock.amazonaws.com")?;
        let since = aws_smithy_types::DateTime::from_secs(crate::clock::seconds(since));
        let (mut records, mut token) = (Vec::new(), None);
        for _ in 0..HISTORY_PAGES {
            let request = aws.cloudtrail().lookup_events().lookup_attributes(source.clone()).start_time(since);
            let page = look_up(&aws, &request.set_next_token(token)).await?;
            records.extend(page.events().iter().filter_map(|event| event.cloud_trail_event().map(str::to_owned)));
            token = page.next_token;
            if token.is_none() {
                return Ok((records, true));
            }
            aws.sleep(BETWEEN_LOOK_UPS).await;
        }
        Ok((records, false))
    }

    async fn event(&self, account_region: &AccountRegion, event_id: &str) -> Result<Option<String>, CallError> {
        let aws = self.aws_of(account_region).await;
        let request = aws.cloudtrail().lookup_events().lookup_attributes(attribute(LookupAttributeKey::EventId, event_id)?);
        let page = look_up(&aws, &request).await?;
        aws.sleep(BETWEEN_LOOK_UPS).await;
        Ok(page.events().iter().find_map(|event| event.cloud_trail_event().map(str::to_owned)))
    }
}

fn attribute(key: LookupAttributeKey, value: &str) -> Result<LookupAttribute, CallError> {
    let attribute = LookupAttribute::builder().attribute_key(key).attribute_value(value).build();
    attribute.map_err(|error| CallError::new("LookupEvents", ErrorKind::Refused, error))
}

/// Pause between requests. LookupEvents allows two a second in an account and Region (docs/aws/delivery.md#lookupevents), and others use it
/// as well.
const BETWEEN_LOOK_UPS: Duration = Duration::from_millis(600);

/// Attempts to read a page before the task has to be delivered again.
const LOOK_UPS: u32 = 5;

/// Requests a page of event history. The SDK's own retries are off, because they may follow at once; here each attempt waits twice as long
/// as the one before.
async fn look_up(aws: &Aws, request: &LookupEventsFluentBuilder) -> Result<LookupEventsOutput, CallError> {
    let mut tried = 0;
    loop {
        let once = aws_sdk_cloudtrail::config::Config::builder().retry_config(RetryConfig::disabled());
        let answer = request.clone().customize().config_override(once).send().await;
        tried += 1;
        match answer.map_err(failed("LookupEvents")) {
            Err(error) if error.kind == ErrorKind::Retryable && tried < LOOK_UPS => {
                aws.sleep(BETWEEN_LOOK_UPS * 2_u32.pow(tried)).await;
            }
            answer => return answer,
        }
    }
}

impl ReaderRoles {
    /// Assumes the role of this path and name in each account.
    #[must_use]
    pub fn new(aws: Arc<Aws>, role: String) -> Self {
        ReaderRoles { aws, role }
    }

    async fn aws_of(&self, account_region: &AccountRegion) -> Arc<Aws> {
        let partition = audit_core::arn::partition_of(&account_region.region);
        let role = format!("arn:{partition}:iam::{}:role{}", account_region.account, self.role);
        Arc::new(self.aws.as_role(&role, &account_region.region).await)
    }
}

/// Pages of 50 events that are read at once, which takes a minute.
const HISTORY_PAGES: usize = 100;
