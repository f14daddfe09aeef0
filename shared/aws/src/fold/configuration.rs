//! What the team requires. Every fold reads it anew, so that what was uploaded holds from the next one on.
//!
//! INVARIANT: one that can't be read changes nothing and stops nobody. It is alarmed at once, and the last that could be read stays in use.

use std::sync::{Mutex, PoisonError};

use audit_core::config::Configuration;

use super::Fold;
use crate::{
    bucket::Bucket,
    error::{self, CallError, ErrorKind},
    fact::digest,
    queue::Queue,
};

/// Where the last text that could be read is kept.
const ACCEPTED: &str = "CONFIGURATION";

/// The longest text that an item can hold, in bytes (docs/aws/prices-and-limits.md#dynamodb).
const LONGEST: usize = 380_000;

/// What the alarm about an unreadable configuration looks at.
const UNREADABLE: &str = "configuration_unreadable";

/// What this instance met last.
#[derive(Debug, Default)]
pub(super) struct LastConfiguration(Mutex<Option<UploadState>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum UploadState {
    /// One that can be read, by its digest; `None` is that there is none.
    Readable(Option<String>),
    Unreadable,
}

impl LastConfiguration {
    fn is(&self, state: &UploadState) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() == Some(state)
    }

    fn set(&self, state: UploadState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }
}

impl<B: Bucket, Q: Queue> Fold<B, Q> {
    /// What the team requires; without the object, the defaults. If it can't be read, the last that could be; if there never was one, the
    /// fold fails: judging without would be wrong.
    pub(super) async fn configuration(&self) -> Result<Configuration, CallError> {
        let unreadable = match self.uploaded_configuration().await? {
            Ok(configuration) => return Ok(configuration),
            Err(unreadable) => unreadable,
        };
        error::warn("the configuration can't be read, and the last one that could be stays in use", &unreadable);
        let accepted = self.findings.document::<String>(ACCEPTED).await?.ok_or(unreadable)?;
        // What an earlier release could read, this one need not.
        parse(&accepted, "the configuration that was last accepted")
    }

    /// Says whether what was uploaded can be read.
    pub(super) async fn check_configuration(&self) -> Result<(), CallError> {
        self.uploaded_configuration().await?.map(|_| ())
    }

    /// The configuration as it was uploaded, or why it can't be read; the outer error is that it could not be fetched or kept.
    async fn uploaded_configuration(&self) -> Result<Result<Configuration, CallError>, CallError> {
        let bytes = self.world.bucket().get(&self.configuration_key).await?;
        let text = bytes.as_deref().map(String::from_utf8_lossy);
        let configuration = match text.as_deref().map(|text| parse(text, &self.configuration_key)) {
            None => Configuration::default(),
            Some(Ok(configuration)) => configuration,
            Some(Err(unreadable)) => {
                self.last_configuration.set(UploadState::Unreadable);
                self.metrics.emit(&[(UNREADABLE, 1)]);
                return Ok(Err(unreadable));
            }
        };
        let state = UploadState::Readable(bytes.as_deref().map(digest));
        if !self.last_configuration.is(&state) {
            if let Some(text) = text.as_deref().filter(|text| text.len() <= LONGEST)
                && self.findings.document::<String>(ACCEPTED).await?.as_deref() != Some(text)
            {
                self.findings.put_document(ACCEPTED, &text).await?;
            }
            self.last_configuration.set(state);
            self.metrics.emit(&[(UNREADABLE, 0)]);
        }
        Ok(Ok(configuration))
    }
}

fn parse(text: &str, what: &str) -> Result<Configuration, CallError> {
    Configuration::parse(text).map_err(|error| CallError::new(format!("read {what}"), ErrorKind::Refused, error))
}
