//! The three operations of Security Hub that the hub calls. They are signed, sent and retried by the SDK's runtime; the SDK's crate for this
//! service isn't used (docs/decisions/0029-security-hub-without-its-sdk-crate.md).

use std::collections::BTreeMap;

use audit_core::arn::partition_of;
use audit_exports::asff::default_product;
use aws_config::{Region, SdkConfig, retry::RetryConfig};
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
use aws_smithy_types::{body::SdkBody, config_bag::Layer, error::ErrorMetadata};
use aws_types::{SigningName, region::SigningRegion, service_config::ServiceConfigKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, SecurityHub, There, Update};
use crate::{
    aws::Aws,
    error::{BoxError, CallError, ErrorKind, failed},
};

/// Security Hub in one account and Region.
#[derive(Clone, Debug)]
pub struct SecurityHubClient {
    operation: Operation<Request, Value, ErrorMetadata>,
    /// The ARN of the product as which findings are imported.
    product: String,
}

/// A request of any of the operations.
#[derive(Debug)]
struct Request {
    method: &'static str,
    path: &'static str,
    body: String,
}

impl SecurityHubClient {
    /// Security Hub in this account and in the Region of these clients.
    pub fn new(aws: &Aws, account: &str) -> Result<Self, BoxError> {
        let config = aws.sdk_config();
        let region = config.region().ok_or("the Region is not known")?.clone();
        let product = default_product(account, region.as_ref());
        Ok(SecurityHubClient { operation: operation(config, &region)?, product })
    }

    async fn call(&self, action: &'static str, method: &'static str, path: &'static str, body: String) -> Result<Value, CallError> {
        self.operation.invoke(Request { method, path, body }).await.map_err(failed(action))
    }
}

impl SecurityHub for SecurityHubClient {
    async fn import(&self, request: String) -> Result<Vec<Failure>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            failed_count: u64,
            #[serde(default)]
            failed_findings: Vec<Failure>,
        }
        let answer = self.call("import findings", "POST", "/findings/import", request).await?;
        let answer: Answer = understood("import findings", answer)?;
        // A finding that failed and isn't named must not count as imported.
        if answer.failed_count > answer.failed_findings.len() as u64 {
            return Err(CallError::new("import findings", ErrorKind::Retryable, "some findings failed, and the answer doesn't name them"));
        }
        Ok(answer.failed_findings)
    }

    async fn look(&self, ids: &[String]) -> Result<BTreeMap<String, There>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            findings: Vec<Found>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Found {
            id: String,
            workflow: Option<Workflow>,
            note: Option<Note>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Workflow {
            status: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Note {
            text: Option<String>,
        }
        let equals = |value: &String| json!({"Value": value, "Comparison": "EQUALS"});
        let filters = json!({"ProductArn": [equals(&self.product)], "Id": ids.iter().map(equals).collect::<Vec<_>>()});
        let body = json!({"Filters": filters, "MaxResults": 100}).to_string();
        let answer = self.call("look at findings", "POST", "/findings", body).await?;
        let answer: Answer = understood("look at findings", answer)?;
        let there = |found: Found| {
            let there = There { status: found.workflow.and_then(|workflow| workflow.status), note: found.note.and_then(|note| note.text) };
            (found.id, there)
        };
        Ok(answer.findings.into_iter().map(there).collect())
    }

    async fn update(&self, ids: &[String], update: &Update) -> Result<Vec<Failure>, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            #[serde(default)]
            unprocessed_findings: Vec<Unprocessed>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Unprocessed {
            finding_identifier: Identifier,
            error_code: String,
            #[serde(default)]
            error_message: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Identifier {
            id: String,
        }
        let identifiers: Vec<Value> = ids.iter().map(|id| json!({"Id": id, "ProductArn": self.product})).collect();
        let note = json!({"Text": update.note, "UpdatedBy": "guardrail-audit"});
        let body = json!({"FindingIdentifiers": identifiers, "Workflow": {"Status": update.status}, "Note": note}).to_string();
        let answer = self.call("update findings", "PATCH", "/findings/batchupdate", body).await?;
        let answer: Answer = understood("update findings", answer)?;
        let failure =
            |one: Unprocessed| Failure { id: one.finding_identifier.id, error_code: one.error_code, error_message: one.error_message };
        Ok(answer.unprocessed_findings.into_iter().map(failure).collect())
    }
}

fn understood<T: serde::de::DeserializeOwned>(action: &'static str, answer: Value) -> Result<T, CallError> {
    serde_json::from_value(answer).map_err(|error| CallError::new(action, ErrorKind::Retryable, error))
}

/// How the SDK's clients send a request, for a service of whose requests and answers only the JSON is known.
fn operation(config: &SdkConfig, region: &Region) -> Result<Operation<Request, Value, ErrorMetadata>, BoxError> {
    let signing = SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(region.clone())),
        name: Some(SigningName::from_static("securityhub")),
        ..SigV4OperationSigningConfig::default()
    };
    let mut layer = Layer::new("SecurityHub");
    layer.store_put(signing);
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    let schemes = SharedAuthSchemeOptionResolver::new(StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]));
    let mut components = RuntimeComponentsBuilder::new("SecurityHub")
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
        .service_name("SecurityHub")
        .operation_name("Findings")
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(&endpoint(config, region))
        .standard_retry(&config.retry_config().cloned().unwrap_or_else(RetryConfig::standard))
        .timeout_config(config.timeout_config().cloned().unwrap_or_else(crate::aws::timeouts))
        .runtime_plugin(plugin);
    if let Some(http) = config.http_client() {
        builder = builder.http_client(http);
    }
    if let Some(sleep) = config.sleep_impl() {
        builder = builder.sleep_impl(sleep);
    }
    Ok(builder.serializer(serialize).deserializer(deserialize).build())
}

/// The endpoint that the environment names, as for every client of the SDK, or else the one of the Region.
fn endpoint(config: &SdkConfig, region: &Region) -> String {
    let key = ServiceConfigKey::builder().service_id("SecurityHub").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok();
    let own = key.and_then(|key| config.service_config()?.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
        .unwrap_or_else(|| endpoint_of(region.as_ref(), config.use_fips() == Some(true)))
}

fn endpoint_of(region: &str, fips: bool) -> String {
    let host = if fips { "securityhub-fips" } else { "securityhub" };
    let suffix = if partition_of(region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{host}.{region}.{suffix}")
}

fn serialize(request: Request) -> Result<HttpRequest, aws_smithy_runtime_api::box_error::BoxError> {
    let length = request.body.len().to_string();
    let mut http = HttpRequest::new(SdkBody::from(request.body));
    http.set_method(request.method)?;
    http.set_uri(request.path)?;
    http.headers_mut().insert("content-type", "application/json");
    http.headers_mut().insert("content-length", length);
    Ok(http)
}

fn deserialize(response: &HttpResponse) -> Result<Value, OrchestratorError<ErrorMetadata>> {
    let json = serde_json::from_slice::<Value>(response.body().bytes().unwrap_or_default());
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
            assert_eq!(endpoint_of(region, fips), host);
        }
    }
}
