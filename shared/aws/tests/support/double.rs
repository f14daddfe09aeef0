//! A double of AWS's HTTP APIs. It returns the responses that a test scripted for each operation, and records the requests.
//!
//! It is no model of AWS. It never decides what a guardrail, a policy or a configuration does, or whether a request is valid: tests write all
//! responses, in the form that AWS documents. It replaces the SDK's HTTP client, below signing, serialisation and retries, and needs no
//! socket. It has a clock of its own: a sleep ends at once, and a response that never comes lasts until the client's timeout.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use audit_aws::aws::Aws;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// A scripted response.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Status 200 with this JSON.
    Json(Value),
    /// Status 200 with this body, valid or not.
    Text(String),
    /// An error with this code.
    Error(u16, &'static str),
    /// No response.
    Silence,
    /// The connection breaks.
    Broken,
}

/// A request that it received.
#[derive(Clone, Debug)]
pub struct AwsRequest {
    /// As in [`Double::on`].
    pub operation: String,
    /// The body, if it is JSON.
    pub body: Value,
    /// The query of the URL.
    pub query: BTreeMap<String, String>,
    /// The form in the body, if it has one.
    pub form: BTreeMap<String, String>,
    /// The time of the request, by the double's clock.
    pub at: Duration,
}

impl AwsRequest {
    /// A parameter in the body or the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.body[name].as_str().map(str::to_owned).or_else(|| self.query.get(name).cloned())
    }
}

#[derive(Debug, Default)]
struct Script {
    answers: BTreeMap<String, VecDeque<Answer>>,
    asked: Vec<AwsRequest>,
    /// The sum of all sleeps so far.
    slept: Duration,
}

/// A double; its copies share their responses and requests.
#[derive(Clone, Debug, Default)]
pub struct Double(Arc<Mutex<Script>>);

impl Double {
    /// Scripts the responses to an operation: these in order, then the last one again and again. The operation is named by the last part of
    /// `X-Amz-Target`, the `Action` of a form, or else method and path: `GET /guardrails/abc`.
    pub fn on(&self, operation: &str, answers: impl IntoIterator<Item = Answer>) -> &Self {
        self.0.lock().unwrap().answers.insert(operation.to_owned(), answers.into_iter().collect());
        self
    }

    /// Scripts one response for all requests.
    pub fn says(&self, operation: &str, answer: Value) -> &Self {
        self.on(operation, [Answer::Json(answer)])
    }

    /// Lets roles be assumed.
    pub fn lets_roles_be_assumed(&self) -> &Self {
        self.on("AssumeRole", [Answer::Text(ROLE.to_owned())])
    }

    /// The requests of an operation.
    pub fn asked(&self, operation: &str) -> Vec<AwsRequest> {
        self.0.lock().unwrap().asked.iter().filter(|asked| asked.operation == operation).cloned().collect()
    }

    /// AWS clients that send their requests to it.
    pub fn aws(&self) -> Arc<Aws> {
        let credentials = Credentials::new(super::HUB, "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url("http://double.test")
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(self.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(audit_aws::aws::timeouts())
            .sleep_impl(self.clone())
            .time_source(aws_smithy_async::time::SystemTimeSource::new())
            .build();
        Arc::new(Aws::with(config))
    }

    /// The sum of all sleeps so far.
    pub fn slept(&self) -> Duration {
        self.0.lock().unwrap().slept
    }

    fn answer(&self, mut asked: AwsRequest) -> Answer {
        let mut script = self.0.lock().unwrap();
        asked.at = script.slept;
        let answer = match script.answers.get_mut(&asked.operation) {
            Some(left) if left.len() > 1 => left.pop_front(),
            Some(left) => left.front().cloned(),
            None => None,
        };
        let answer = answer.unwrap_or_else(|| panic!("nobody said what to answer to {}", asked.operation));
        script.asked.push(asked);
        answer
    }
}

fn asked(request: &HttpRequest) -> AwsRequest {
    let (path, query) = request.uri().split_once('?').unwrap_or((request.uri(), ""));
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let bytes = request.body().bytes().unwrap_or_default();
    let form = pairs(&String::from_utf8_lossy(bytes));
    let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
    let operation = target.map(str::to_owned).or_else(|| form.get("Action").cloned());
    AwsRequest {
        operation: operation.unwrap_or_else(|| format!("{} {path}", request.method())),
        body: serde_json::from_slice(bytes).unwrap_or_default(),
        query: pairs(query),
        form,
        at: Duration::ZERO,
    }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), unescaped(value))).collect()
}

fn unescaped(text: &str) -> String {
    [("%3A", ":"), ("%2F", "/"), ("%3D", "="), ("%2C", ",")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn response(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
}

impl HttpConnector for Double {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.answer(asked(&request));
        HttpConnectorFuture::new(async move {
            match answer {
                Answer::Json(json) => Ok(response(200, json.to_string())),
                Answer::Text(text) => Ok(response(200, text)),
                Answer::Error(status, code) if code == "AccessDenied" => {
                    let body = format!("<ErrorResponse><Error><Code>{code}</Code><Message>scripted</Message></Error></ErrorResponse>");
                    Ok(response(status, body))
                }
                Answer::Error(status, code) => {
                    let mut response = response(status, json!({"__type": code, "message": "scripted"}).to_string());
                    response.headers_mut().insert("x-amzn-errortype", code);
                    Ok(response)
                }
                Answer::Silence => std::future::pending().await,
                Answer::Broken => Err(ConnectorError::io("the connection broke".into())),
            }
        })
    }
}

impl AsyncSleep for Double {
    fn sleep(&self, duration: Duration) -> Sleep {
        let script = Arc::clone(&self.0);
        Sleep::new(async move { script.lock().unwrap().slept += duration })
    }
}

impl HttpClient for Double {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

const ROLE: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>AROA:guardrail-audit</AssumedRoleId><Arn>arn:aws:sts::222233334444:assumed-role/r/guardrail-audit</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>scripted</SecretAccessKey><SessionToken>scripted</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"#;
