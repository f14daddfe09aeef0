//! What a record of CloudTrail is made of.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what it lacks, and takes what is new to it")]

use std::fmt;

use serde_json::{Map, Value, json};

/// A second of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time {
    /// Of November 2026.
    pub(super) day: u32,
    /// Since midnight.
    pub(super) second: u32,
}

impl Time {
    pub(super) const fn at(day: u32, hour: u32, minute: u32, second: u32) -> Self {
        Time { day, second: (hour * 60 + minute) * 60 + second }
    }

    pub(super) fn later(self, seconds: u32) -> Self {
        Time { second: self.second + seconds, ..self }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, second) = (self.second / 60, self.second % 60);
        write!(f, "2026-11-{:02}T{:02}:{:02}:{second:02}Z", self.day, minutes / 60, minutes % 60)
    }
}

/// Who may call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Role(&'static str, &'static str),
    User(&'static str, &'static str),
}

/// Whoever called, as records have it: `userIdentity`, and the account.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) account: &'static str,
    pub(super) identity: Value,
}

impl Who {
    /// A session of a role that was assumed at a time, with an access key where the record has one.
    pub(super) fn session(account: &'static str, role: &str, (id, session): (&str, &str), key: Option<u32>, since: &str) -> Caller {
        let mut identity = json!({
            "type": "AssumedRole",
            "principalId": format!("{id}:{session}"),
            "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
            "accountId": account,
        });
        if let Some(key) = key {
            identity["accessKeyId"] = json!(format!("ASIAEXAMPLE{key:09}"));
        }
        identity["sessionContext"] = json!({
            "sessionIssuer": {
                "type": "Role",
                "principalId": id,
                "arn": format!("arn:aws:iam::{account}:role/{role}"),
                "accountId": account,
                "userName": role,
            },
            "attributes": {"creationDate": since, "mfaAuthenticated": "false"},
        });
        Caller { account, identity }
    }

    /// A user with a long-lived access key.
    pub(super) fn user(account: &'static str, name: &str, key: u32) -> Caller {
        let identity = json!({
            "type": "IAMUser",
            "principalId": format!("AIDAEXAMPLE{}", name.to_uppercase()),
            "arn": format!("arn:aws:iam::{account}:user/{name}"),
            "accountId": account,
            "accessKeyId": format!("AKIAEXAMPLE{key:09}"),
            "userName": name,
        });
        Caller { account, identity }
    }
}

/// What is told of a request, besides who made it, when and from where.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    pub(super) region: &'static str,
    /// Code and message, if it was refused.
    pub(super) error: Option<(&'static str, &'static str)>,
    pub(super) parameters: Value,
    pub(super) response: Value,
    pub(super) reads: bool,
    pub(super) is_data: bool,
    /// `AwsApiCall`, but for what a service tells of itself.
    pub(super) event_type: &'static str,
    /// What stands behind all other members.
    pub(super) more: Vec<(&'static str, Value)>,
}

impl Request {
    pub(super) fn new(service: &'static str, operation: &'static str) -> Self {
        Request {
            service,
            operation,
            region: "us-east-1",
            error: None,
            parameters: Value::Null,
            response: Value::Null,
            reads: false,
            is_data: false,
            event_type: "AwsApiCall",
            more: Vec::new(),
        }
    }

    /// That it came to this endpoint by TLS.
    pub(super) fn to(mut self, host: &str) -> Self {
        let details = json!({"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": host});
        self.more.push(("tlsDetails", details));
        self
    }
}

/// A record, and where it is delivered.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) account: &'static str,
    pub(super) region: &'static str,
    pub(super) time: Time,
    pub(super) json: Value,
}

/// Where a request came from, and its ids.
pub(super) struct Origin {
    pub(super) address: u32,
    pub(super) agent: &'static str,
    pub(super) request: String,
    pub(super) event: String,
}

impl Record {
    pub(super) fn new(caller: &Caller, time: Time, origin: &Origin, request: Request) -> Self {
        let mut json = Map::new();
        let mut say = |name: &str, value: Value| json.insert(name.to_owned(), value);
        say("eventVersion", json!("1.11"));
        say("userIdentity", caller.identity.clone());
        say("eventTime", json!(time.to_string()));
        say("eventSource", json!(format!("{}.amazonaws.com", request.service)));
        say("eventName", json!(request.operation));
        say("awsRegion", json!(request.region));
        say("sourceIPAddress", json!(format!("198.51.100.{}", origin.address)));
        say("userAgent", json!(origin.agent));
        if let Some((code, message)) = request.error {
            say("errorCode", json!(code));
            say("errorMessage", json!(message));
        }
        say("requestParameters", request.parameters);
        say("responseElements", request.response);
        say("requestID", json!(origin.request));
        say("eventID", json!(origin.event));
        say("readOnly", json!(request.reads));
        say("eventType", json!(request.event_type));
        say("managementEvent", json!(!request.is_data));
        say("recipientAccountId", json!(caller.account));
        say("eventCategory", json!(if request.is_data { "Data" } else { "Management" }));
        for (name, value) in request.more {
            say(name, value);
        }
        Record { account: caller.account, region: request.region, time, json: Value::Object(json) }
    }
}
