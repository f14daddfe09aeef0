//! Services that are called without the SDK's crate for them: requests are signed, sent and retried by the SDK's runtime, and only the JSON of
//! their requests and answers is known (docs/decisions/0029-security-hub-without-its-sdk-crate.md).

use std::time::Duration;

use audit_core::arn::partition_of;
use aws_config::{Region, retry::RetryConfig};
use aws_runtime::{
    auth::{SigV4OperationSigningConfig, sigv4},
    retries::classifiers::AwsErrorCodeClassifier,
};
use aws_smithy_runtime::client::{
    orchestrator::operation::Operation,
    retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
};
use aws_smithy_runtime_api::client::{
    auth::{
        AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver, static_resolver::StaticAuthSchemeOptionResolver,
    },
    identity::SharedIdentityResolver,
    orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
    runtime_components::RuntimeComponentsBuilder,
    runtime_plugin::StaticRuntimePlugin,
};
use aws_smithy_types::{body::SdkBody, config_bag::Layer, error::ErrorMetadata, timeout::TimeoutConfig};
use aws_types::{SdkConfig, SigningName, region::SigningRegion, service_config::ServiceConfigKey};
use serde_json::Value;

use crate::{
    aws::Aws,
    error::{BoxError, CallError, failed},
};

/// A service, by its names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// The name by which the environment gives it an endpoint of its own: `AWS_ENDPOINT_URL_…`.
    pub(crate) id: &'static str,
    /// The name in its endpoints and signatures.
    pub(crate) host: &'static str,
    /// How long an answer may take; `None` for what the SDK's clients allow.
    pub(crate) answers_within: Option<Duration>,
}

/// A client of a service with requests and answers in JSON.
#[derive(Clone, Debug)]
pub(crate) struct JsonClient(Operation<Request, Value, ErrorMetadata>);

/// A request of any operation.
#[derive(Debug)]
struct Request {
    method: &'static str,
    path: String,
    body: String,
}

impl JsonClient {
    /// The service in the Region of these clients.
    pub(crate) fn new(aws: &Aws, service: Service) -> Result<Self, BoxError> {
        let config = aws.sdk_config();
        let region = config.region().ok_or("the Region is not known")?.clone();
        operation(config, service, &region).map(JsonClient)
    }

    /// Sends a request. An answer without a body is null.
    pub(crate) async fn call(
        &self,
        action: impl Into<String>,
        method: &'static str,
        path: impl Into<String>,
        body: String,
    ) -> Result<Value, CallError> {
        self.0.invoke(Request { method, path: path.into(), body }).await.map_err(failed(action))
    }
}

/// How the SDK's clients send a request, for a service of whose requests and answers only the JSON is known.
fn operation(config: &SdkConfig, service: Service, region: &Region) -> Result<Operation<Request, Value, ErrorMetadata>, BoxError> {
    let signing = SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(region.clone())),
        name: Some(SigningName::from_static(service.host)),
        ..SigV4OperationSigningConfig::default()
    };
    let mut layer = Layer::new(service.id);
    layer.store_put(signing);
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    let schemes = SharedAuthSchemeOptionResolver::new(StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]));
    let mut components = RuntimeComponentsBuilder::new(service.id)
        .with_auth_scheme_option_resolver(Some(schemes))
        .with_auth_scheme(SharedAuthScheme::new(sigv4::SigV4AuthScheme::new()))
        .with_identity_cache(config.identity_cache())
        .with_retry_classifier(HttpStatusCodeClassifier::default())
        .with_retry_classifier(TransientErrorClassifier::<ErrorMetadata>::new())
        .with_retry_classifier(AwsErrorCodeClassifier::<ErrorMetadata>::new());
    let credentials = config.credentials_provider().ok_or("there are no credentials")?;
    components.set_identity_resolver(sigv4::SCHEME_ID, SharedIdentityResolver::new(credentials));
    let plugin = StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components);
    let mut builder = Operation::builder()
        .service_name(service.id)
        .operation_name("Json")
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(&endpoint(config, service, region))
        .standard_retry(&config.retry_config().cloned().unwrap_or_else(RetryConfig::standard))
        .timeout_config(timeouts(config, service))
        .runtime_plugin(plugin);
    if let Some(http) = config.http_client() {
        builder = builder.http_client(http);
    }
    if let Some(sleep) = config.sleep_impl() {
        builder = builder.sleep_impl(sleep);
    }
    Ok(builder.serializer(serialize).deserializer(deserialize).build())
}

fn timeouts(config: &SdkConfig, service: Service) -> TimeoutConfig {
    let usual = config.timeout_config().cloned().unwrap_or_else(crate::aws::timeouts);
    match service.answers_within {
        // Each of the three attempts may take as long as the service needs for an answer.
        Some(longest) => usual.to_builder().operation_attempt_timeout(longest).operation_timeout(longest * 3).build(),
        None => usual,
    }
}

/// The endpoint that the environment names, as for every client of the SDK, or else the one of the Region.
fn endpoint(config: &SdkConfig, service: Service, region: &Region) -> String {
    let key = ServiceConfigKey::builder().service_id(service.id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok();
    let own = key.and_then(|key| config.service_config()?.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
        .unwrap_or_else(|| endpoint_of(service.host, region.as_ref(), config.use_fips() == Some(true)))
}

fn endpoint_of(host: &str, region: &str, fips: bool) -> String {
    let host = if fips { format!("{host}-fips") } else { host.to_owned() };
    let suffix = if partition_of(region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{host}.{region}.{suffix}")
}

fn serialize(request: Request) -> Result<HttpRequest, aws_smithy_runtime_api::box_error::BoxError> {
    let length = request.body.len().to_string();
    let mut http = HttpRequest::new(SdkBody::from(request.body));
    http.set_method(request.method)?;
    http.set_uri(request.path.as_str())?;
    http.headers_mut().insert("content-type", "application/json");
    http.headers_mut().insert("content-length", length);
    Ok(http)
}

fn deserialize(response: &HttpResponse) -> Result<Value, OrchestratorError<ErrorMetadata>> {
    let body = response.body().bytes().unwrap_or_default();
    let json = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice::<Value>(body) };
    if response.status().is_success() {
        return json.map_err(OrchestratorError::other);
    }
    let json = json.unwrap_or_default();
    let word = |names: [&str; 3]| names.iter().find_map(|name| json.get(*name)?.as_str());
    let mut error = ErrorMetadata::builder();
    if let Some(code) = response.headers().get("x-amzn-errortype").or_else(|| word(["__type", "code", "Code"])) {
        // `InternalException:http://internal.amazon.com/…` and `com.amazonaws.securityhub#InternalException` are the same code.
        let code = code.split(':').next().unwrap_or(code);
        error = error.code(code.rsplit('#').next().unwrap_or(code));
    }
    if let Some(message) = word(["Message", "message", "errorMessage"]) {
        error = error.message(message);
    }
    Err(OrchestratorError::operation(error.build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_own_host() {
        for (region, fips, host) in [
            ("eu-west-1", false, "https://securityhub.eu-west-1.amazonaws.com"),
            ("us-gov-west-1", true, "https://securityhub-fips.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", false, "https://securityhub.cn-north-1.amazonaws.com.cn"),
        ] {
            assert_eq!(endpoint_of("securityhub", region, fips), host);
        }
    }
}
