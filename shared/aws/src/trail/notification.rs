//! Notifications of new objects: which objects they name, and what each object is according to its key (docs/aws/delivery.md#s3-keys).

use audit_core::timestamp::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::{
    error::{BoxError, CallError, ErrorKind},
    partition::AccountRegion,
};

/// An object that a notification names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
}

/// The kind of an object in a trail's bucket, by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Log(LogKey),
    Digest(DigestKey),
    Other,
}

/// The fields in the key of a log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogKey {
    /// The account and Region whose events the file holds.
    pub(super) account_region: AccountRegion,
    /// The time at which CloudTrail delivered it, to the minute.
    pub(super) delivered: Option<Timestamp>,
}

impl LogKey {
    fn parse(account: &str, region: &str, name: &str) -> Self {
        // `<account>_CloudTrail_<region>_20261120T1015Z_<random>.json.gz`: the time has no seconds.
        let minute = name
            .split('_')
            .find_map(|part| Timestamp::parse_basic(&format!("{}00Z", part.strip_suffix('Z').filter(|part| part.len() == 13)?)));
        LogKey { account_region: AccountRegion::new(account, region), delivered: minute }
    }
}

/// The fields in the key of a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DigestKey {
    /// The account and Region whose log files it lists.
    pub(super) account_region: AccountRegion,
    /// The folder above the account's, which is the organization's id for an organization's trail.
    pub(super) above: String,
    /// The trail and its home Region.
    pub(super) trail: String,
    /// The end of the time that it covers.
    pub(super) end: Timestamp,
    /// Whether it lists files that came too late for the digest of their hour.
    pub(super) backfill: bool,
}

impl DigestKey {
    fn parse(above: Option<&&str>, account: &str, region: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(&format!("{account}_CloudTrail-Digest_{region}_"))?.strip_suffix(".json.gz")?;
        let (rest, backfill) = rest.strip_suffix("_backfill").map_or((rest, false), |rest| (rest, true));
        let (trail, end) = rest.rsplit_once('_')?;
        let end = Timestamp::parse_basic(end)?;
        let above = above.copied().unwrap_or_default().to_owned();
        Some(DigestKey { account_region: AccountRegion::new(account, region), above, trail: trail.to_owned(), end, backfill })
    }
}

/// Classifies an object by its key.
pub(super) fn kind_of(key: &str) -> Kind {
    let parts: Vec<&str> = key.split('/').collect();
    let at = parts.iter().position(|part| *part == "CloudTrail" || *part == "CloudTrail-Digest");
    let (Some(at), Some(name), true) = (at, parts.last(), key.ends_with(".json.gz")) else { return Kind::Other };
    let (Some(account), Some(region)) = (at.checked_sub(1).and_then(|before| parts.get(before)), parts.get(at + 1)) else {
        return Kind::Other;
    };
    match parts.get(at) {
        Some(&"CloudTrail") => Kind::Log(LogKey::parse(account, region, name)),
        _ => {
            DigestKey::parse(at.checked_sub(2).and_then(|above| parts.get(above)), account, region, name).map_or(Kind::Other, Kind::Digest)
        }
    }
}

/// The objects that a notification names. It may come from S3, from EventBridge, from either through SNS, or from CloudTrail through SNS.
/// An unknown form is an error, because its files would never be read.
pub fn objects_in(body: &str) -> Result<Vec<Object>, CallError> {
    let refused = |error: BoxError| CallError::new("read a notification", ErrorKind::Refused, error);
    let json: Value = serde_json::from_str(body).map_err(|error| refused(error.into()))?;
    if let Some(inner) = json.get("Message").and_then(Value::as_str) {
        return objects_in(inner);
    }
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    if let (Some(bucket), Some(key)) = (text(&json, "/detail/bucket/name"), text(&json, "/detail/object/key")) {
        return Ok(vec![Object { bucket, key }]);
    }
    if let (Some(bucket), Some(keys)) = (text(&json, "/s3Bucket"), json.get("s3ObjectKey").and_then(Value::as_array)) {
        return Ok(keys.iter().filter_map(|key| Some(Object { bucket: bucket.clone(), key: key.as_str()?.to_owned() })).collect());
    }
    if text(&json, "/Event").as_deref() == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    let object =
        |record: &Value| Some(Object { bucket: text(record, "/s3/bucket/name")?, key: from_url(&text(record, "/s3/object/key")?) });
    let records = json.get("Records").and_then(Value::as_array).and_then(|records| records.iter().map(object).collect());
    records.ok_or_else(|| refused("it names no object".into()))
}

/// Decodes a key in a notification of S3, which is written like a query parameter.
fn from_url(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_forms_of_a_notification_name_the_same_object() {
        let key = "AWSLogs/o-ab/222233334444/CloudTrail/us-east-1/2026/11/20/a b.json.gz";
        let s3 = json!({"Records": [{"s3": {"bucket": {"name": "trail"}, "object": {"key": key.replace(' ', "+").replace('-', "%2D")}}}]});
        let eventbridge = json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "trail"}, "object": {"key": key}}});
        let sns = json!({"Type": "Notification", "Message": s3.to_string()});
        let cloudtrail = json!({"Message": json!({"s3Bucket": "trail", "s3ObjectKey": [key]}).to_string()});
        for body in [s3, eventbridge, sns, cloudtrail] {
            assert_eq!(objects_in(&body.to_string()).unwrap(), [Object { bucket: "trail".into(), key: key.into() }], "{body}");
        }
        assert_eq!(objects_in(r#"{"Service": "Amazon S3", "Event": "s3:TestEvent"}"#).unwrap(), []);
        for unknown in ["nonsense", "{}", r#"{"Records": [{}]}"#, r#"{"Message": "You have chosen to subscribe"}"#] {
            assert_eq!(objects_in(unknown).unwrap_err().kind, ErrorKind::Refused, "{unknown}");
        }
    }

    #[test]
    fn what_isnt_a_log_of_cloudtrail_is_told_by_its_key() {
        let account_region = AccountRegion::new("222233334444", "us-east-1");
        let log = |name: &str| kind_of(&format!("p/AWSLogs/o-ab/222233334444/CloudTrail/us-east-1/2026/11/20/{name}.json.gz"));
        assert_eq!(log("x"), Kind::Log(LogKey { account_region: account_region.clone(), delivered: None }));
        let delivered = Timestamp::parse("2026-11-20T10:15:00Z");
        assert_eq!(
            log("222233334444_CloudTrail_us-east-1_20261120T1015Z_abcdEFGH"),
            Kind::Log(LogKey { account_region: account_region.clone(), delivered })
        );
        let digest = "AWSLogs/o-ab/222233334444/CloudTrail-Digest/us-east-1/2026/11/20/222233334444_CloudTrail-Digest_us-east-1_my_trail_us-west-2_20261120T101200Z";
        let expected = DigestKey {
            account_region,
            above: "o-ab".to_owned(),
            trail: "my_trail_us-west-2".to_owned(),
            end: Timestamp::parse("2026-11-20T10:12:00Z").unwrap(),
            backfill: false,
        };
        assert_eq!(kind_of(&format!("{digest}.json.gz")), Kind::Digest(expected.clone()));
        assert_eq!(kind_of(&format!("{digest}_backfill.json.gz")), Kind::Digest(DigestKey { backfill: true, ..expected }));
        for other in [
            "AWSLogs/o-ab/222233334444/CloudTrail-Insight/us-east-1/2026/x.json.gz",
            "AWSLogs/o-ab/222233334444/CloudTrail-Digest/us-east-1/2026/11/20/x.json.gz",
            "x.exe",
            "AWSLogs/o-ab/1/CloudTrail/us-east-1/x.txt",
        ] {
            assert_eq!(kind_of(other), Kind::Other, "{other}");
        }
    }
}
