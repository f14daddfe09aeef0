//! Keeps requests below the limits of AWS, so that a person who reads a whole organization throttles nobody else.
//!
//! Every request waits for its slot, retries included. Limits of Organizations hold for the whole organization, all others for an account
//! and Region (docs/aws/bedrock-policies.md#limits, docs/aws/delivery.md#lookupevents). Why this isn't a crate's:
//! docs/decisions/0020-limits-and-metrics-without-crates.md.

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

/// An HTTP client whose requests wait for their slots.
#[derive(Clone, Debug)]
pub struct RateLimited {
    http: SharedHttpClient,
    slots: Arc<Slots>,
}

#[derive(Debug)]
struct RateLimitedConnector {
    connector: SharedHttpConnector,
    slots: Arc<Slots>,
}

/// The next free slot of each limit.
#[derive(Debug, Default)]
struct Slots(Mutex<BTreeMap<String, Instant>>);

impl RateLimited {
    /// Limits the requests of a client.
    #[must_use]
    pub fn new(http: SharedHttpClient) -> Self {
        RateLimited { http, slots: Arc::default() }
    }
}

impl HttpClient for RateLimited {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.http.http_connector(settings, components);
        SharedHttpConnector::new(RateLimitedConnector { connector, slots: Arc::clone(&self.slots) })
    }
}

impl HttpConnector for RateLimitedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (limit, interval) = limit_of(&request);
        let slot = self.slots.reserve(limit, interval, Instant::now());
        let connector = self.connector.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep_until(slot).await;
            connector.call(request).await
        })
    }
}

impl Slots {
    fn reserve(&self, limit: String, interval: Duration, now: Instant) -> Instant {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(&limit).map_or(now, |next| now.max(*next));
        slots.insert(limit, slot + interval);
        slot
    }
}

/// The limit that a request counts against, and the interval between requests that keeps below it.
fn limit_of(request: &HttpRequest) -> (String, Duration) {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    if target.starts_with("AWSOrganizations") {
        return (operation.to_owned(), interval(true, operation));
    }
    let uri = request.uri();
    let (host, path) = uri.split_once("://").map_or(("", uri), |(_, rest)| rest.split_once('/').unwrap_or((rest, "")));
    let operation = if operation.is_empty() { path.split(['/', '?']).next().unwrap_or_default() } else { operation };
    // `Credential=<key>/<day>/<Region>/<service>/aws4_request`
    let scope = request.headers().get("authorization").and_then(|header| header.split("Credential=").nth(1)).unwrap_or_default();
    let (identity, service) = (scope.split('/').next().unwrap_or_default(), scope.split('/').nth(3).unwrap_or_default());
    let interval = if UNLIMITED.contains(&service) { Duration::ZERO } else { interval(false, operation) };
    (format!("{identity} {host} {operation}"), interval)
}

/// Services in which only the hub's own table and bucket are read, which take thousands of requests a second
/// (docs/aws/prices-and-limits.md#dynamodb).
const UNLIMITED: [&str; 2] = ["dynamodb", "s3"];

fn interval(of_organizations: bool, operation: &str) -> Duration {
    Duration::from_millis(match operation {
        // Its limit is not documented (docs/aws/bedrock-policies.md#limits), so the lowest of all limits is assumed.
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
            |key| limit_of(&request("organizations.us-east-1.amazonaws.com", "", Some("AWSOrganizationsV20161128.DescribePolicy"), key));
        assert_eq!(policy("A"), policy("B"));
        assert_eq!(policy("A"), ("DescribePolicy".to_owned(), Duration::from_millis(500)));
        let mut query = request("dynamodb.us-east-1.amazonaws.com", "", Some("DynamoDB_20120810.Query"), "A");
        query.headers_mut().insert("authorization", "AWS4-HMAC-SHA256 Credential=A/20261120/us-east-1/dynamodb/aws4_request");
        assert_eq!(limit_of(&query).1, Duration::ZERO, "a hub of a thousand accounts is read by thousands of queries");
        let guardrail = |host, id, key| limit_of(&request(host, &format!("guardrails/{id}?guardrailVersion=1"), None, key)).0;
        assert_eq!(guardrail("bedrock.us-east-1.amazonaws.com", "a", "A"), guardrail("bedrock.us-east-1.amazonaws.com", "b", "A"));
        assert_ne!(guardrail("bedrock.us-east-1.amazonaws.com", "a", "A"), guardrail("bedrock.us-east-1.amazonaws.com", "a", "B"));
        assert_ne!(guardrail("bedrock.us-east-1.amazonaws.com", "a", "A"), guardrail("bedrock.eu-west-1.amazonaws.com", "a", "A"));
    }

    #[test]
    fn each_waits_for_its_turn() {
        let (slots, start) = (Slots::default(), Instant::now());
        let reserve = |limit: &str, at: u64| {
            let slot = slots.reserve(limit.to_owned(), Duration::from_millis(500), start + Duration::from_millis(at));
            slot.duration_since(start).as_millis()
        };
        assert_eq!([reserve("a", 0), reserve("a", 1), reserve("b", 1), reserve("a", 2)], [0, 500, 1, 1000]);
        assert_eq!([reserve("a", 9000), reserve("a", 9000)], [9000, 9500], "what nobody used isn't saved up");
    }
}
