//! The team's configuration. Every fold reads it from S3, so that an upload takes effect with the next fold.
//!
//! INVARIANT: a configuration that can't be parsed changes nothing and stops no fold. A metric with an alarm reports it at once, and the
//! last configuration that could be parsed stays in force.

use std::sync::{Mutex, PoisonError};

use audit_core::config::Configuration;

use super::Fold;
use crate::{
    bucket::Bucket,
    error::{self, CallError, ErrorKind},
    fact::digest,
    queue::Queue,
};

/// The document that keeps the last configuration that could be parsed.
const ACCEPTED: &str = "CONFIGURATION";

/// Bytes of a configuration that an item can hold (docs/aws/prices-and-limits.md#dynamodb).
const LONGEST: usize = 380_000;

/// The metric that the alarm `configuration-unreadable` watches. Renaming it silences the alarm.
const UNREADABLE: &str = "configuration_unreadable";

/// The state of the uploaded configuration when this instance last read it.
#[derive(Debug, Default)]
pub(super) struct LastConfiguration(Mutex<Option<UploadState>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum UploadState {
    /// It could be parsed; its digest, or `None` if nothing was uploaded.
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
    /// The configuration in force; the defaults if nothing was uploaded. An upload that can't be parsed is passed over for the last one
    /// that could. If there never was one, the fold fails: to judge by the defaults would be wrong.
    pub(super) async fn configuration(&self) -> Result<Configuration, CallError> {
        let unreadable = match self.uploaded_configuration().await? {
            Ok(configuration) => return Ok(configuration),
            Err(unreadable) => unreadable,
        };
        error::warn("the configuration can't be read, and the last one that could be stays in use", &unreadable);
        let accepted = self.findings.document::<String>(ACCEPTED).await?.ok_or(unreadable)?;
        // A later release may reject what an earlier one accepted.
        parse(&accepted, "the configuration that was last accepted")
    }

    /// The same, for whoever only looks: nothing is kept of it.
    pub(super) async fn configuration_in_force(&self) -> Result<Configuration, CallError> {
        let Some(bytes) = self.world.bucket().get(&self.configuration_key).await? else { return Ok(Configuration::default()) };
        let unreadable = match parse(&String::from_utf8_lossy(&bytes), &self.configuration_key) {
            Ok(configuration) => return Ok(configuration),
            Err(unreadable) => unreadable,
        };
        let accepted = self.findings.document::<String>(ACCEPTED).await?.ok_or(unreadable)?;
        parse(&accepted, "the configuration that was last accepted")
    }

    /// Checks that the uploaded configuration can be parsed.
    pub(super) async fn check_configuration(&self) -> Result<(), CallError> {
        self.uploaded_configuration().await?.map(|_| ())
    }

    /// The uploaded configuration. The inner error is that it can't be parsed, the outer one that reading or keeping it failed.
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
