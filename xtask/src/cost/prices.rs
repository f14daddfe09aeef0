//! List prices of us-east-1, without free tiers. This is the only place where they stand: `docs/aws/prices-and-limits.md` shows the same table.

/// When these prices were put together.
pub(super) const AS_OF: &str = "November 2026";

/// A price in US dollars for one of its unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Price {
    pub(super) what: &'static str,
    /// US dollars for this number of units.
    pub(super) usd: f64,
    pub(super) of: f64,
    pub(super) unit: &'static str,
    /// How sure it is: `docs/aws/README.md`.
    pub(super) grade: &'static str,
}

const REPORTED: &str = "reported";
const OLDER: &str = "reported, not looked up anew";
const VERIFIED: &str = "verified, [CloudTrail pricing][cloudtrail]";
const MILLION: f64 = 1e6;

const fn price(what: &'static str, usd: f64, of: f64, unit: &'static str, grade: &'static str) -> Price {
    Price { what, usd, of, unit, grade }
}

pub(super) const LAMBDA_REQUEST: Price = price("Lambda, requests", 0.20, MILLION, "a million", REPORTED);
pub(super) const LAMBDA_GB_SECOND: Price = price("Lambda on arm64", 13.3334, MILLION, "a million GB-seconds", REPORTED);
pub(super) const FORWARDED_EVENT: Price =
    price("EventBridge, events to another account or of one's own", 1.00, MILLION, "a million, by 64 KB", REPORTED);
pub(super) const MANAGEMENT_COPY: Price = price("CloudTrail, further copies of management events", 2.00, 100_000.0, "100,000", VERIFIED);
pub(super) const DATA_EVENT: Price = price("CloudTrail, data events", 0.10, 100_000.0, "100,000", VERIFIED);
pub(super) const SQS_REQUEST: Price = price("SQS, requests", 0.40, MILLION, "a million, by 64 KB", OLDER);
pub(super) const SQS_FIFO_REQUEST: Price = price("SQS, requests to FIFO queues", 0.50, MILLION, "a million, by 64 KB", OLDER);
pub(super) const SNS_MESSAGE: Price = price("SNS", 0.50, MILLION, "a million", OLDER);
pub(super) const WRITE_UNIT: Price = price("DynamoDB, write units on demand", 0.625, MILLION, "a million", REPORTED);
pub(super) const READ_UNIT: Price = price("DynamoDB, read units on demand", 0.125, MILLION, "a million", REPORTED);
pub(super) const TABLE_GB: Price = price("DynamoDB, storage with point-in-time recovery", 0.45, 1.0, "a GB and month", REPORTED);
pub(super) const LOG_GB: Price = price("CloudWatch, logs", 0.50, 1.0, "a GB", OLDER);
pub(super) const METRIC: Price = price("CloudWatch, metrics", 0.30, 1.0, "each and month", OLDER);
pub(super) const ALARM: Price = price("CloudWatch, alarms", 0.10, 1.0, "each and month", OLDER);
pub(super) const KEY: Price = price("KMS, keys", 1.00, 1.0, "each and month", OLDER);
pub(super) const KEY_REQUEST: Price = price("KMS, requests", 0.03, 10_000.0, "10,000", OLDER);
pub(super) const S3_WRITE: Price = price("S3, requests that write or list", 0.005, 1_000.0, "1,000", OLDER);
pub(super) const S3_READ: Price = price("S3, requests that read", 0.0004, 1_000.0, "1,000", OLDER);

/// All of them.
pub(super) const ALL: &[Price] = &[
    LAMBDA_REQUEST,
    LAMBDA_GB_SECOND,
    FORWARDED_EVENT,
    MANAGEMENT_COPY,
    DATA_EVENT,
    SQS_REQUEST,
    SQS_FIFO_REQUEST,
    SNS_MESSAGE,
    WRITE_UNIT,
    READ_UNIT,
    TABLE_GB,
    LOG_GB,
    METRIC,
    ALARM,
    KEY,
    KEY_REQUEST,
    S3_WRITE,
    S3_READ,
];

impl Price {
    /// What this number of units costs.
    pub(super) fn times(self, units: f64) -> f64 {
        units * self.usd / self.of
    }
}
