//! Clients of AWS's services, each created on first use, and the interceptor that keeps answers verbatim.

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
#[cfg(feature = "command-line")]
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_async::rt::sleep::AsyncSleep as _;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

#[cfg(feature = "command-line")]
use crate::error::{CallError, ErrorKind};

/// Limits of 3 seconds for connecting, 15 for an attempt and 60 for a call with its retries.
#[must_use]
pub fn timeouts() -> TimeoutConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(3));
    timeouts.operation_attempt_timeout(Duration::from_secs(15)).operation_timeout(Duration::from_mins(1)).build()
}

/// Clients with one identity in one Region.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    bedrock: OnceLock<aws_sdk_bedrock::Client>,
    bedrock_agent: OnceLock<aws_sdk_bedrockagent::Client>,
    bedrock_runtime: OnceLock<aws_sdk_bedrockruntime::Client>,
    cloudtrail: OnceLock<aws_sdk_cloudtrail::Client>,
    organizations: OnceLock<aws_sdk_organizations::Client>,
    #[cfg(feature = "command-line")]
    account: OnceLock<aws_sdk_account::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    #[cfg(feature = "command-line")]
    sts: OnceLock<aws_sdk_sts::Client>,
}

impl Aws {
    /// With the credentials and Region of the environment, as every AWS tool reads them.
    pub async fn from_environment() -> Self {
        let https = aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https)
            .retry_config(RetryConfig::standard().with_max_attempts(5))
            .timeout_config(timeouts())
            .load()
            .await;
        Self::with(config)
    }

    /// With the credentials of the environment or a profile, for a person at the command line. Requests stay below the limits of AWS
    /// ([`crate::rate_limit`]), and more attempts and time are allowed than in a function.
    #[cfg(feature = "command-line")]
    pub async fn of_person(profile: Option<&str>) -> Self {
        let https = aws_smithy_http_client::Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(30))
            .operation_timeout(Duration::from_mins(5))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(crate::rate_limit::RateLimited::new(https))
            .timeout_config(timeouts);
        // A number of attempts that is set in the environment takes precedence.
        if std::env::var_os("AWS_MAX_ATTEMPTS").is_none() {
            loader = loader.retry_config(RetryConfig::standard().with_max_attempts(8));
        }
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        Self::with(loader.load().await)
    }

    /// The configured Region.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(Region::as_ref)
    }

    /// Fails if there are no credentials, with what the SDK says about every place in which it looked.
    #[cfg(feature = "command-line")]
    pub async fn require_credentials(&self) -> Result<(), CallError> {
        let failed = |error: BoxError| CallError::new("find AWS credentials", ErrorKind::Denied, error);
        let provider = self.config.credentials_provider().ok_or_else(|| failed("none are configured".into()))?;
        provider.provide_credentials().await.map(|_| ()).map_err(|error| failed(error.into()))
    }

    /// The configuration of the clients, for a service without a client here.
    pub(crate) fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }

    /// With an SDK configuration that the caller made.
    #[must_use]
    pub fn with(config: SdkConfig) -> Self {
        Aws {
            config,
            dynamodb: OnceLock::new(),
            s3: OnceLock::new(),
            sns: OnceLock::new(),
            sqs: OnceLock::new(),
            bedrock: OnceLock::new(),
            bedrock_agent: OnceLock::new(),
            bedrock_runtime: OnceLock::new(),
            cloudtrail: OnceLock::new(),
            organizations: OnceLock::new(),
            #[cfg(feature = "command-line")]
            account: OnceLock::new(),
            eventbridge: OnceLock::new(),
            #[cfg(feature = "command-line")]
            sts: OnceLock::new(),
        }
    }

    /// Fresh clients with the same identity in the same Region.
    #[must_use]
    pub fn in_own_region(&self) -> Self {
        Self::with(self.config.clone())
    }

    /// Clients with the same identity in another Region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        Self::with(self.config.to_builder().region(Region::new(region.to_owned())).build())
    }

    /// Clients with a role's credentials. The SDK assumes the role on first use, and again before the credentials expire.
    pub async fn as_role(&self, role_arn: &str, region: &str) -> Self {
        self.in_session(role_arn, region, "guardrail-audit").await
    }

    /// The same under a session name of the caller's choice, which CloudTrail records with every call.
    pub async fn in_session(&self, role_arn: &str, region: &str, session: &str) -> Self {
        let provider = aws_config::sts::AssumeRoleProvider::builder(role_arn)
            .session_name(session)
            .region(Region::new(region.to_owned()))
            .configure(&self.config)
            .build()
            .await;
        let config = self.config.to_builder().region(Region::new(region.to_owned()));
        Self::with(config.credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(provider)).build())
    }

    /// Sleeps on the SDK's clock, which tests replace.
    pub async fn sleep(&self, duration: Duration) {
        match self.config.sleep_impl() {
            Some(sleep) => sleep.sleep(duration).await,
            None => tokio::time::sleep(duration).await,
        }
    }

    /// The client of DynamoDB.
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(&self.config))
    }

    /// The client of S3. With an endpoint of its own the bucket is part of the path, because it can't be part of the host name.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.get_or_init(|| {
            let own_endpoint = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"].iter().any(|name| std::env::var_os(name).is_some());
            let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(own_endpoint);
            aws_sdk_s3::Client::from_conf(config.build())
        })
    }

    /// The client of SNS.
    pub fn sns(&self) -> &aws_sdk_sns::Client {
        self.sns.get_or_init(|| aws_sdk_sns::Client::new(&self.config))
    }

    /// The client of SQS.
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get_or_init(|| aws_sdk_sqs::Client::new(&self.config))
    }

    /// The client of Bedrock's control plane.
    pub fn bedrock(&self) -> &aws_sdk_bedrock::Client {
        self.bedrock.get_or_init(|| aws_sdk_bedrock::Client::new(&self.config))
    }

    /// The client of Bedrock Agents, for agents and flows.
    pub fn bedrock_agent(&self) -> &aws_sdk_bedrockagent::Client {
        self.bedrock_agent.get_or_init(|| aws_sdk_bedrockagent::Client::new(&self.config))
    }

    /// The client of Bedrock's runtime. Only the heartbeat uses it, for a call that IAM refuses.
    pub fn bedrock_runtime(&self) -> &aws_sdk_bedrockruntime::Client {
        self.bedrock_runtime.get_or_init(|| aws_sdk_bedrockruntime::Client::new(&self.config))
    }

    /// The client of CloudTrail.
    pub fn cloudtrail(&self) -> &aws_sdk_cloudtrail::Client {
        self.cloudtrail.get_or_init(|| aws_sdk_cloudtrail::Client::new(&self.config))
    }

    /// The client of Organizations.
    pub fn organizations(&self) -> &aws_sdk_organizations::Client {
        self.organizations.get_or_init(|| aws_sdk_organizations::Client::new(&self.config))
    }

    /// The client of Account Management, which lists enabled Regions.
    #[cfg(feature = "command-line")]
    pub fn account(&self) -> &aws_sdk_account::Client {
        self.account.get_or_init(|| aws_sdk_account::Client::new(&self.config))
    }

    /// The client of EventBridge.
    pub fn eventbridge(&self) -> &aws_sdk_eventbridge::Client {
        self.eventbridge.get_or_init(|| aws_sdk_eventbridge::Client::new(&self.config))
    }

    /// The client of STS, which tells whose credentials these are.
    #[cfg(feature = "command-line")]
    pub fn sts(&self) -> &aws_sdk_sts::Client {
        self.sts.get_or_init(|| aws_sdk_sts::Client::new(&self.config))
    }
}

/// An interceptor that keeps the body of an answer as it arrived. The world stores answers verbatim, because the SDK's types leave out what
/// they don't know.
#[derive(Clone, Debug, Default)]
pub struct Verbatim(Arc<Mutex<Vec<u8>>>);

impl Verbatim {
    /// Takes the body of the last answer.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().map(|mut body| std::mem::take(&mut *body)).unwrap_or_default()
    }
}

impl Intercept for Verbatim {
    fn name(&self) -> &'static str {
        "Verbatim"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(bytes), Ok(mut body)) = (context.response().body().bytes(), self.0.lock()) {
            *body = bytes.to_vec();
        }
        Ok(())
    }
}
