//! What the hub sees with: its reader role in each account.

use std::{sync::Arc, time::Duration};

use audit_core::moment::Moment;
use aws_sdk_cloudtrail::{
    operation::lookup_events::{LookupEventsOutput, builders::LookupEventsFluentBuilder},
    types::{LookupAttribute, LookupAttributeKey},
};
use aws_smithy_types::retry::RetryConfig;

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind, failed},
    place::Place,
    state::{AwsState, ReadState},
};

/// What the hub sees with.
pub trait Eyes: Send + Sync {
    /// State, as a place's reader role sees it.
    type State: ReadState;
    /// The state of a place, by the reader role there.
    fn of(&self, place: &Place) -> impl Future<Output = Self::State> + Send;
    /// The records of CloudTrail's event history since a moment, as JSON; and whether these are all.
    fn history(&self, place: &Place, since: Moment) -> impl Future<Output = Result<(Vec<String>, bool), CallError>> + Send;
}

/// By roles of AWS.
#[derive(Clone, Debug)]
pub struct ReaderRoles {
    aws: Arc<Aws>,
    /// `<path><name>`
    role: String,
}

impl Eyes for ReaderRoles {
    type State = AwsState;

    async fn of(&self, place: &Place) -> AwsState {
        AwsState(self.aws_of(place).await)
    }

    async fn history(&self, place: &Place, since: Moment) -> Result<(Vec<String>, bool), CallError> {
        let aws = self.aws_of(place).await;
        let source = LookupAttribute::builder().attribute_key(LookupAttributeKey::EventSource).attribute_value("bedrock.amazonaws.com");
        let source = source.build().map_err(|error| CallError::new("LookupEvents", ErrorKind::Refused, error))?;
        let since = aws_smithy_types::DateTime::from_secs(crate::clock::seconds(since));
        let (mut records, mut token) = (Vec::new(), None);
        for _ in 0..HISTORY_PAGES {
            let request = aws.cloudtrail().lookup_events().lookup_attributes(source.clone()).start_time(since);
            let page = at_a_pace(&aws, &request.set_next_token(token)).await?;
            records.extend(page.events().iter().filter_map(|event| event.cloud_trail_event().map(str::to_owned)));
            token = page.next_token;
            if token.is_none() {
                return Ok((records, true));
            }
            aws.sleep(BETWEEN_LOOK_UPS).await;
        }
        Ok((records, false))
    }
}

/// Two requests a second are allowed in an account and Region, and others may ask, too.
const BETWEEN_LOOK_UPS: Duration = Duration::from_millis(600);

/// So often a page is asked for before its order has to come again.
const LOOK_UPS: u32 = 5;

/// A page of event history. Not the SDK tries again, which may do so at once, but this does, each time after twice as long.
async fn at_a_pace(aws: &Aws, request: &LookupEventsFluentBuilder) -> Result<LookupEventsOutput, CallError> {
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

    async fn aws_of(&self, place: &Place) -> Arc<Aws> {
        let partition = audit_core::arn::partition_of(&place.region);
        let role = format!("arn:{partition}:iam::{}:role{}", place.account, self.role);
        Arc::new(self.aws.as_role(&role, &place.region).await)
    }
}

/// So many pages of 50 events are read in one go: a minute's worth at the rate that is allowed.
const HISTORY_PAGES: usize = 100;
