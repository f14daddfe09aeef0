//! A hub with AWS clients of a test's choice: those of a double or of an engine.

use std::{sync::Arc, time::Instant};

use audit_aws::{
    aws::Aws,
    bucket::{Bucket as _, MemoryBucket},
    clock::Clock,
    error::ErrorKind,
    invocations::HEARTBEAT_ROLE,
    queue::MemoryQueue,
    reconcile::{ReaderRoles, Reconciler, Settings, Task},
};
use audit_core::timestamp::Timestamp;
use serde_json::Value;

use crate::support::{HUB, Tables, history::MANAGEMENT, metrics, no_deadline, tables};

pub(crate) struct Hub {
    pub(crate) tables: Tables,
    pub(crate) bucket: MemoryBucket,
    aws: Arc<Aws>,
    queue: MemoryQueue,
}

/// The settings of a hub in an organization of one Region, with a heartbeat each hour.
pub(crate) fn settings() -> Settings {
    Settings {
        regions: vec!["us-east-1".to_owned()],
        hub_account: HUB.to_owned(),
        management_account: Some(MANAGEMENT.to_owned()),
        heartbeat_minutes: 60,
        heartbeat_role: HEARTBEAT_ROLE.to_owned(),
    }
}

impl Hub {
    pub(crate) async fn seeing_by(aws: Arc<Aws>) -> Self {
        Hub { tables: tables().await, bucket: MemoryBucket::default(), aws, queue: MemoryQueue::default() }
    }

    /// Carries out a task at a given time.
    pub(crate) async fn task(&self, task: &Task, now: &str) -> Result<(), ErrorKind> {
        self.task_until(task, now, no_deadline()).await
    }

    /// The same, and after `enough` begins nothing that can wait.
    pub(crate) async fn task_until(&self, task: &Task, now: &str, enough: Instant) -> Result<(), ErrorKind> {
        let reader = ReaderRoles::new(Arc::clone(&self.aws), "/guardrail-audit/guardrail-audit-reader".to_owned());
        let clock = Clock::At(Timestamp::parse(now).unwrap());
        let (observations, bucket) = (self.tables.observations(), self.bucket.clone());
        let reconciler = Reconciler::new(observations, bucket, self.queue.clone(), reader, settings(), metrics("reconcile"), clock);
        Box::pin(reconciler.carry_out(task, enough)).await.map_err(|error| error.kind)
    }

    /// The tasks that were sent since the last call.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        self.queue.take().iter().map(|(task, _)| serde_json::from_str(task).unwrap()).collect()
    }

    /// The objects of the world below a path, by key.
    pub(crate) async fn world(&self, path: &str) -> Vec<(String, Value)> {
        let mut files = Vec::new();
        for listed in self.bucket.list(&format!("world/{path}")).await.unwrap() {
            let json = self.bucket.get(&listed.key).await.unwrap().unwrap();
            files.push((listed.key, serde_json::from_slice(&json).unwrap()));
        }
        files
    }
}
