//! Objects in S3: the world, the configuration, reports and CloudTrail's log files.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::{
    aws::Aws,
    error::{CallError, failed},
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
pub trait Bucket: Send + Sync {
    /// The objects whose keys begin with a prefix, ordered by key.
    fn list(&self, prefix: &str) -> impl Future<Output = Result<Vec<ListedObject>, CallError>> + Send;
    /// The content of an object; `None` if there is none.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, CallError>> + Send;
    /// The content of an object with its metadata, which is empty for buckets that keep none.
    fn get_with_metadata(&self, key: &str) -> impl Future<Output = Result<Option<(Vec<u8>, Metadata)>, CallError>> + Send {
        async move { Ok(self.get(key).await?.map(|content| (content, Metadata::new()))) }
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
    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        B::put(self, key, content).await
    }
}

impl<B: Bucket> Bucket for &B {
    async fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, CallError> {
        B::list(self, prefix).await
    }
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        B::get(self, key).await
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
        let action = || format!("read s3://{}/{key}", self.name);
        let answer = match self.aws.s3().get_object().bucket(&self.name).key(key).send().await.map_err(failed(action())) {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = answer.metadata.unwrap_or_default().into_iter().collect();
        let body = answer.body.collect().await;
        let body = body.map_err(|error| CallError::new(action(), crate::error::ErrorKind::Retryable, error))?;
        Ok(Some((body.to_vec(), metadata)))
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

    async fn put(&self, key: &str, content: Vec<u8>) -> Result<(), CallError> {
        self.put_with_metadata(key, content, Metadata::new());
        Ok(())
    }
}
