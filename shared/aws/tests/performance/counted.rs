//! Counts what functions ask of DynamoDB and S3, below the SDK: whatever a function does comes by here.

use std::sync::{Arc, Mutex};

use audit_aws::{
    bucket::{Bucket, ListedObject, MemoryBucket, Metadata},
    error::CallError,
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Tables, aws_through};

/// What was asked of DynamoDB and S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Requests to DynamoDB that read.
    pub(crate) reads: u64,
    /// Items that they returned, and objects of S3 that were read.
    pub(crate) read_items: u64,
    /// Bytes of their answers, and of these objects.
    pub(crate) read_bytes: u64,
    /// Read units of DynamoDB.
    pub(crate) read_units: f64,
    /// Requests to DynamoDB that write.
    pub(crate) writes: u64,
    /// Bytes of these requests.
    pub(crate) write_bytes: u64,
    /// Write units of DynamoDB, with those of the indexes.
    pub(crate) write_units: f64,
    /// Requests to S3 for an object.
    pub(crate) gets: u64,
    /// Requests to S3 that list or write, which cost more than those that read.
    pub(crate) lists_and_puts: u64,
}

/// A count that grows, shared by those who count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<Mutex<Counts>>);

impl Counter {
    fn add(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.0.lock().unwrap());
    }

    /// The counts since they were taken last.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The same tables over a connection that counts.
    pub(crate) fn tables(&self, tables: &Tables, endpoint: &str) -> Tables {
        let http = CountedHttp(aws_smithy_http_client::Builder::new().build_http(), self.clone());
        Tables { aws: Arc::new(aws_through(endpoint, 3, http)), ..tables.clone() }
    }

    /// The same bucket, and counts what is asked of it.
    pub(crate) fn bucket(&self, bucket: &MemoryBucket) -> CountedBucket {
        CountedBucket(bucket.clone(), self.clone())
    }

    fn answered(&self, operation: &str, asked: u64, body: &[u8]) {
        let answer: Value = serde_json::from_slice(body).unwrap_or_default();
        let capacity = &answer["ConsumedCapacity"];
        // Requests for several tables have a list of capacities.
        let of_tables = capacity.as_array().map_or(std::slice::from_ref(capacity), Vec::as_slice);
        let units: f64 = of_tables.iter().filter_map(|capacity| capacity["CapacityUnits"].as_f64()).sum();
        self.add(|counts| {
            if matches!(operation, "Query" | "GetItem" | "BatchGetItem" | "Scan") {
                let items = answer["Items"].as_array().map_or(usize::from(answer.get("Item").is_some()), Vec::len);
                counts.reads += 1;
                counts.read_items += items as u64;
                counts.read_bytes += body.len() as u64;
                counts.read_units += units;
            } else {
                counts.writes += 1;
                counts.write_bytes += asked;
                counts.write_units += units;
            }
        });
    }
}

#[derive(Clone, Debug)]
struct CountedHttp<C>(C, Counter);

/// Has DynamoDB answer with the capacity that a request takes. Returns the bytes of the request as it was.
fn asking_for_capacity(request: &mut HttpRequest) -> Option<u64> {
    let bytes = request.body().bytes()?;
    let length = bytes.len() as u64;
    let mut body: Value = serde_json::from_slice(bytes).ok()?;
    body["ReturnConsumedCapacity"] = json!("TOTAL");
    let body = body.to_string();
    request.headers_mut().insert("content-length", body.len().to_string());
    *request.body_mut() = SdkBody::from(body);
    Some(length)
}

impl HttpConnector for CountedHttp<SharedHttpConnector> {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let asked = asking_for_capacity(&mut request).expect("a request in JSON");
        let (connector, counter) = (self.0.clone(), self.1.clone());
        HttpConnectorFuture::new(async move {
            let answer = connector.call(request).await?;
            let status = answer.status().as_u16();
            let headers: Vec<(String, String)> = answer.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
            counter.answered(&operation, asked, &body);
            let mut answer = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
            for (name, value) in headers {
                answer.headers_mut().append(name, value);
            }
            Ok(answer)
        })
    }
}

impl HttpClient for CountedHttp<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(CountedHttp(self.0.http_connector(settings, components), self.1.clone()))
    }
}

/// A bucket that counts.
#[derive(Clone, Debug)]
pub(crate) struct CountedBucket(MemoryBucket, Counter);

impl Bucket for CountedBucket {
    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        let listed = self.0.list(prefix).await?;
        // S3 lists a thousand objects a request.
        self.1.add(|counts| counts.lists_and_puts += 1 + listed.len() as u64 / 1_000);
        Ok(listed)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        Ok(self.get_with_metadata(key).await?.map(|(content, _)| content))
    }

    async fn get_with_metadata(&self, key: &str) -> Result<Option<(Vec<u8>, Metadata)>, CallError> {
        let read = self.0.get_with_metadata(key).await?;
        self.1.add(|counts| {
            counts.gets += 1;
            counts.read_items += 1;
            counts.read_bytes += read.as_ref().map_or(0, |(content, _)| content.len() as u64);
        });
        Ok(read)
    }

    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        self.1.add(|counts| counts.lists_and_puts += 1);
        self.0.put(key, content).await
    }
}
