//! The names of a record's members, as CloudTrail spells them and as tables and queries spell them.

/// The text that CloudTrail writes in place of a value that it withholds (docs/aws/cloudtrail-records.md#invocations).
pub const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The members of a record (docs/aws/cloudtrail-records.md#common-members).
const OF_RECORDS: &[&str] = &[
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "errorMessage",
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "requestID",
    "eventID",
    "eventType",
    "apiVersion",
    "managementEvent",
    "readOnly",
    "resources",
    "recipientAccountId",
    "serviceEventDetails",
    "sharedEventID",
    "vpcEndpointId",
    "vpcEndpointAccountId",
    "eventCategory",
    "addendum",
    "sessionCredentialFromConsole",
    "eventContext",
    "edgeDeviceDetails",
    "tlsDetails",
    "insightDetails",
];

/// The members of `userIdentity`, `resources` and `tlsDetails`.
const OF_PARTS: &[&str] = &[
    "type",
    "principalId",
    "arn",
    "accountId",
    "accessKeyId",
    "userName",
    "invokedBy",
    "sessionContext",
    "sessionIssuer",
    "attributes",
    "mfaAuthenticated",
    "creationDate",
    "identityProvider",
    "onBehalfOf",
    "userId",
    "identityStoreArn",
    "credentialId",
    "tlsVersion",
    "cipherSuite",
    "clientProvidedHostHeader",
];

/// Whether an object certainly is a record rather than an envelope. CloudTrail writes `eventVersion` first; tools that sort the members put
/// another member of the record itself first.
pub(super) fn starts_like_record(object: &[u8]) -> bool {
    let first_key = || {
        let key = object.strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
        key.get(..memchr::memchr(b'"', key)?)
    };
    first_key().is_some_and(|key| OF_RECORDS.iter().any(|name| name.as_bytes() == key))
}

/// Whether a record has a member of this name.
pub(super) fn is_of_record(name: &str) -> bool {
    OF_RECORDS.contains(&name)
}

/// The record's member that a column holds: `eventname`, `event_name` and `Event name` are all `eventName`.
pub(super) fn of_column(column: &str) -> Option<&'static str> {
    spelled(column, OF_RECORDS)
}

/// The member of an identity, a resource or the TLS details that a column holds.
pub(super) fn of_part(column: &str) -> Option<&'static str> {
    spelled(column, OF_PARTS)
}

fn spelled(column: &str, names: &[&'static str]) -> Option<&'static str> {
    let letters = || column.bytes().filter(|byte| !matches!(byte, b'_' | b' ' | b'-')).map(|byte| byte.to_ascii_lowercase());
    names.iter().copied().find(|name| name.bytes().map(|byte| byte.to_ascii_lowercase()).eq(letters()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_members_however_they_are_spelled() {
        for column in ["eventName", "eventname", "event_name", "Event name", "EVENT-NAME"] {
            assert_eq!(of_column(column), Some("eventName"), "{column}");
        }
        assert_eq!((of_column("event"), of_column("")), (None, None));
        assert_eq!(of_part("principalid"), Some("principalId"));
    }

    #[test]
    fn a_record_is_known_by_its_first_member() {
        for record in ["{\"eventVersion\":\"1.11\"}", "{\n  \"additionalEventData\": {}}"] {
            assert!(starts_like_record(record.as_bytes()), "{record}");
        }
        for other in ["{\"Records\":[]}", "{\"records\":[{\"eventName\":\"x\"}]}", "{}", "{\"eventVersion", "[{\"eventName\":1}]"] {
            assert!(!starts_like_record(other.as_bytes()), "{other}");
        }
    }
}
