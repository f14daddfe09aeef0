//! Keeps calls below the limits of AWS, so that a person who reads a whole organization throttles nobody else.
//!
//! Every request waits for its turn, those that are tried again included. Limits of Organizations are of the whole organization, all
//! others of an account and Region (docs/aws/bedrock-policies.md#limits, docs/aws/delivery.md#lookupevents).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use tokio::time::Instant;

/// A client whose requests wait for their turn.
#[derive(Clone, Debug)]
pub struct Paced {
    http: SharedHttpClient,
    turns: Arc<Turns>,
}

#[derive(Debug)]
struct PacedConnector {
    connector: SharedHttpConnector,
    turns: Arc<Turns>,
}

/// When the next request of each kind may be sent.
#[derive(Debug, Default)]
struct Turns(Mutex<BTreeMap<String, Instant>>);

impl Paced {
    /// Over a client.
    #[must_use]
    pub fn new(http: SharedHttpClient) -> Self {
        Paced { http, turns: Arc::default() }
    }
}

impl HttpClient for Paced {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.http.http_connector(settings, components);
        SharedHttpConnector::new(PacedConnector { connector, turns: Arc::clone(&self.turns) })
    }
}

impl HttpConnector for PacedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (kind, apart) = kind(&request);
        let turn = self.turns.take(kind, apart, Instant::now());
        let connector = self.connector.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep_until(turn).await;
            connector.call(request).await
        })
    }
}

impl Turns {
    fn take(&self, kind: String, apart: Duration, now: Instant) -> Instant {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.get(&kind).map_or(now, |next| now.max(*next));
        turns.insert(kind, turn + apart);
        turn
    }
}

/// What a request shares a limit with, and how far apart these have to be.
fn kind(request: &HttpRequest) -> (String, Duration) {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    if target.starts_with("AWSOrganizations") {
        return (operation.to_owned(), apart(true, operation));
    }
    let uri = request.uri();
    let (host, path) = uri.split_once("://").map_or(("", uri), |(_, rest)| rest.split_once('/').unwrap_or((rest, "")));
    let operation = if operation.is_empty() { path.split(['/', '?']).next().unwrap_or_default() } else { operation };
    let identity = request.headers().get("authorization").and_then(|header| header.split("Credential=").nth(1)?.split('/').next());
    (format!("{} {host} {operation}", identity.unwrap_or_default()), apart(false, operation))
}

fn apart(of_organizations: bool, operation: &str) -> Duration {
    Duration::from_millis(match operation {
        // Its limit is not documented (docs/aws/bedrock-policies.md#limits): as if it were the lowest of all.
        "DescribeEffectivePolicy" => 1000,
        "DescribePolicy" => 500,
        "ListAccounts" => 125,
        _ if of_organizations => 200,
        "LookupEvents" => 600,
        _ => 100,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, path: &str, target: Option<&str>, access_key: &str) -> HttpRequest {
        let mut request = HttpRequest::empty();
        request.set_uri(format!("https://{host}/{path}")).unwrap();
        let authorization = format!("AWS4-HMAC-SHA256 Credential={access_key}/20261120/us-east-1/x/aws4_request, SignedHeaders=host");
        request.headers_mut().insert("authorization", authorization);
        if let Some(target) = target {
            request.headers_mut().insert("x-amz-target", target.to_owned());
        }
        request
    }

    #[test]
    fn limits_of_organizations_are_shared_and_others_are_of_an_account() {
        let policy =
            |key| kind(&request("organizations.us-east-1.amazonaws.com", "", Some("AWSOrganizationsV20161128.DescribePolicy"), key));
        assert_eq!(policy("A"), policy("B"));
        assert_eq!(policy("A"), ("DescribePolicy".to_owned(), Duration::from_millis(500)));
        let guardrail = |host, id, key| kind(&request(host, &format!("guardrails/{id}?guardrailVersion=1"), None, key)).0;
        assert_eq!(guardrail("bedrock.us-east-1.amazonaws.com", "a", "A"), guardrail("bedrock.us-east-1.amazonaws.com", "b", "A"));
        assert_ne!(guardrail("bedrock.us-east-1.amazonaws.com", "a", "A"), guardrail("bedrock.us-east-1.amazonaws.com", "a", "B"));
        assert_ne!(guardrail("bedrock.us-east-1.amazonaws.com", "a", "A"), guardrail("bedrock.eu-west-1.amazonaws.com", "a", "A"));
    }

    #[test]
    fn each_waits_for_its_turn() {
        let (turns, start) = (Turns::default(), Instant::now());
        let take = |kind: &str, at: u64| {
            let turn = turns.take(kind.to_owned(), Duration::from_millis(500), start + Duration::from_millis(at));
            turn.duration_since(start).as_millis()
        };
        assert_eq!([take("a", 0), take("a", 1), take("b", 1), take("a", 2)], [0, 500, 1, 1000]);
        assert_eq!([take("a", 9000), take("a", 9000)], [9000, 9500], "what nobody used isn't saved up");
    }
}
