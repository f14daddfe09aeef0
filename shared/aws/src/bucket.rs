//! Objects in S3: the world, the configuration, reports and CloudTrail's log files.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::{
    aws::Aws,
    error::{CallError, ErrorKind, failed},
};

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its ETag, which changes when its content does.
    pub etag: String,
}

/// User-defined metadata of an object, by names without `x-amz-meta-`.
pub type Metadata = BTreeMap<String, String>;

/// The operations on a bucket that this crate needs.
pub trait Bucket: Send + Sync + 'static {
    /// The objects whose keys begin with a prefix, ordered by key.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<ListedObject>, CallError>> + Send;
    /// The content of an object; `None` if there is none.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, CallError>> + Send;
    /// The content of an object with its metadata, which is empty for buckets that keep none.
    fn get_with_metadata(&self, key: &str) -> impl Future<Output = Result<Option<(Vec<u8>, Metadata)>, CallError>> + Send {
        async move { Ok(self.get(key).await?.map(|content| (content, Metadata::new()))) }
    }
    /// The content of an object in the version that was listed; `None` if there is none any more. If another version is there by now, that is an
    /// error after which another attempt finds it, as far as the bucket can tell.
    fn get_listed(&self, listed: &ListedObject) -> impl Future<Output = Result<Option<Vec<u8>>, CallError>> + Send {
        self.get(&listed.key)
    }
    /// Writes an object.
    fn put(&self, key: &str, content: Vec<u8>) -> impl Future<Output = Result<(), CallError>> + Send;
}

impl<B: Bucket> Bucket for Arc<B> {
    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        B::list(self, prefix).await
    }
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        B::get(self, key).await
    }
    async fn get_with_metadata(&self, key: &str) -> Result<Option<(Vec<u8>, Metadata)>, CallError> {
        B::get_with_metadata(self, key).await
    }
    async fn get_listed(&self, listed: &ListedObject) -> Result<Option<Vec<u8>>, CallError> {
        B::get_listed(self, listed).await
    }
    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        B::put(self, key, content).await
    }
}

/// The type with which browsers are to open an object; `None` for objects that only programs read.
fn content_type(key: &str) -> Option<String> {
    let types = [(".html", "text/html; charset=utf-8"), (".csv", "text/csv; charset=utf-8"), (".json", "application/json")];
    types.iter().find(|(ending, _)| key.ends_with(ending)).map(|(_, content_type)| (*content_type).to_owned())
}

/// A bucket in S3.
#[derive(Clone, Debug)]
pub struct S3Bucket {
    aws: Arc<Aws>,
    name: String,
}

impl S3Bucket {
    /// A bucket by its name.
    #[must_use]
    pub fn new(aws: Arc<Aws>, name: String) -> Self {
        S3Bucket { aws, name }
    }

    /// Reads an object, if it has this ETag.
    async fn read(&self, key: &str, etag: Option<String>) -> Result<Option<(Vec<u8>, Metadata)>, CallError> {
        let action = || format!("read s3://{}/{key}", self.name);
        let request = self.aws.s3().get_object().bucket(&self.name).key(key).set_if_match(etag);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == PRECONDITION_FAILED) => {
                return Err(replaced(key));
            }
            Err(error) => {
                let error = failed(action())(error);
                return if error.is_not_found() { Ok(None) } else { Err(error) };
            }
        };
        let metadata = answer.metadata.unwrap_or_default().into_iter().collect();
        let body = answer.body.collect().await;
        let body = body.map_err(|error| CallError::new(action(), ErrorKind::Retryable, error))?;
        Ok(Some((body.to_vec(), metadata)))
    }
}

/// The status of HTTP for an object that isn't the one that was asked for.
const PRECONDITION_FAILED: u16 = 412;

/// The error when an object was written since it was listed.
fn replaced(key: &str) -> CallError {
    CallError::new(format!("read {key}"), ErrorKind::Retryable, "it was written again since it was listed")
}

impl Bucket for S3Bucket {
    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        let mut listed = Vec::new();
        let mut token = None;
        loop {
            let request = self.aws.s3().list_objects_v2().bucket(&self.name).prefix(prefix).set_continuation_token(token);
            let page = request.send().await.map_err(failed(format!("list s3://{}/{prefix}", self.name)))?;
            listed.extend(page.contents().iter().filter_map(|object| {
                Some(ListedObject { key: object.key()?.to_owned(), etag: object.e_tag().unwrap_or_default().to_owned() })
            }));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                return Ok(listed);
            }
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        Ok(self.get_with_metadata(key).await?.map(|(content, _)| content))
    }

    async fn get_with_metadata(&self, key: &str) -> Result<Option<(Vec<u8>, Metadata)>, CallError> {
        self.read(key, None).await
    }

    async fn get_listed(&self, listed: &ListedObject) -> Result<Option<Vec<u8>>, CallError> {
        let etag = Some(listed.etag.clone()).filter(|etag| !etag.is_empty());
        Ok(self.read(&listed.key, etag).await?.map(|(content, _)| content))
    }

    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        let request = self.aws.s3().put_object().bucket(&self.name).key(key).body(content.into()).set_content_type(content_type(key));
        request.send().await.map(|_| ()).map_err(failed(format!("write s3://{}/{key}", self.name)))
    }
}

/// The content and metadata of each key.
type Objects = BTreeMap<String, (Vec<u8>, Metadata)>;

/// A bucket in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryBucket(Arc<Mutex<Objects>>);

impl MemoryBucket {
    fn with<T>(&self, with: impl FnOnce(&mut BTreeMap<String, (Vec<u8>, Metadata)>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Writes an object with metadata.
    pub fn put_with_metadata(&self, key: &str, content: Vec<u8>, metadata: Metadata) {
        self.with(|objects| objects.insert(key.to_owned(), (content, metadata)));
    }

    /// Removes an object.
    pub fn remove(&self, key: &str) {
        self.with(|objects| objects.remove(key));
    }
}

impl Bucket for MemoryBucket {
    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        Ok(self.with(|objects| {
            let of_prefix = objects.iter().filter(|(key, _)| key.starts_with(prefix));
            of_prefix.map(|(key, (content, _))| ListedObject { key: key.clone(), etag: crate::fact::digest(content) }).collect()
        }))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        Ok(self.with(|objects| objects.get(key).map(|(content, _)| content.clone())))
    }

    async fn get_with_metadata(&self, key: &str) -> Result<Option<(Vec<u8>, Metadata)>, CallError> {
        Ok(self.with(|objects| objects.get(key).cloned()))
    }

    async fn get_listed(&self, listed: &ListedObject) -> Result<Option<Vec<u8>>, CallError> {
        match self.get(&listed.key).await? {
            Some(content) if crate::fact::digest(&content) != listed.etag => Err(replaced(&listed.key)),
            content => Ok(content),
        }
    }

    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        self.put_with_metadata(key, content, Metadata::new());
        Ok(())
    }
}
