//! A double of AWS's APIs, scripted by the test that uses it.
//!
//! It stands in for calls that no engine that is available answers correctly: effective policies of Organizations, Bedrock's enforced
//! configurations, CloudTrail's event history, roles of several accounts. It decides nothing: the test writes every answer. It determines
//! only the caller itself: an access key id is an account id, and a role's credentials are those of its account.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

/// A request that the double received.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiRequest {
    /// The service that the request was signed for: `organizations`, `bedrock` (also for agents), `cloudtrail`, `events`, `account`, `sts`.
    pub service: String,
    /// The operation, where the protocol names it (`DescribePolicy`); otherwise the method and the path (`GET /guardrails`).
    pub operation: String,
    /// The account of the caller.
    pub account: String,
    /// The Region that was called.
    pub region: String,
    /// The path, without the query.
    pub path: String,
    /// The query or, in the Query protocol, the fields of the body.
    pub query: BTreeMap<String, String>,
    /// The body, if it is JSON.
    pub body: Value,
}

/// The response to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    status: u16,
    body: String,
}

type Script = dyn Fn(&ApiRequest) -> Answer + Send + Sync;

/// A double that serves requests until it is dropped.
#[derive(Clone)]
pub struct Double {
    port: u16,
    asked: Arc<Mutex<Vec<ApiRequest>>>,
}

impl ApiRequest {
    /// A member of the body, as text.
    #[must_use]
    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }

    /// A segment of the path: `/guardrails/abc` has `guardrails` and `abc`.
    #[must_use]
    pub fn part(&self, number: usize) -> &str {
        self.path.trim_matches('/').split('/').nth(number).unwrap_or_default()
    }
}

impl Answer {
    /// A response in JSON.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Answer { status: 200, body: body.to_string() }
    }

    /// An error with this code of AWS.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        Answer { status, body: json!({"__type": code, "message": "scripted"}).to_string() }
    }

    /// The error for a call that isn't allowed.
    #[must_use]
    pub fn denied() -> Self {
        Self::error(400, "AccessDeniedException")
    }

    /// The error of the security token service for a role that can't be assumed.
    #[must_use]
    pub fn role_denied() -> Self {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>scripted</Message></Error></ErrorResponse>";
        Answer { status: 403, body: body.to_owned() }
    }

    /// The security token service's response to GetCallerIdentity and AssumeRole: the caller is the owner of the key, and a role's
    /// credentials are those of its account.
    #[must_use]
    pub fn identity(asked: &ApiRequest) -> Self {
        let body = if asked.operation == "GetCallerIdentity" {
            format!(
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::{0}:user/u</Arn><UserId>U</UserId>\
                 <Account>{0}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
                asked.account
            )
        } else {
            let role = &asked.query["RoleArn"];
            let account = role.split(':').nth(4).unwrap_or_default();
            format!(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{account}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                 <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser>\
                 <AssumedRoleId>R:s</AssumedRoleId><Arn>{role}</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
            )
        };
        Answer { status: 200, body }
    }
}

impl Double {
    /// Opens a double that answers by this script.
    #[must_use]
    pub fn open(script: impl Fn(&ApiRequest) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let double = Double { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let (script, asked): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&double.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, asked) = (Arc::clone(&script), Arc::clone(&asked));
                // A client that disconnects is no failure.
                std::thread::spawn(move || serve(&stream, &*script, &asked).ok());
            }
        });
        double
    }

    /// The URL of the double.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the requests since the last call of this function.
    #[must_use]
    pub fn take_requests(&self) -> Vec<ApiRequest> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The environment variables with which a program calls the double instead of AWS.
    #[must_use]
    pub fn environment(&self, account: &str, region: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_REGION", region.to_owned()),
            ("AWS_ACCESS_KEY_ID", account.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "s".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ]
    }
}

/// Answers the requests of a connection one after the other.
fn serve(mut stream: &TcpStream, script: &Script, log: &Mutex<Vec<ApiRequest>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        let mut line = String::new();
        while reader.read_line(&mut line)? > 0 && line.trim() != "" {
            if let Some((name, value)) = line.trim().split_once(':') {
                headers.insert(name.to_lowercase(), value.trim().to_owned());
            }
            line.clear();
        }
        let mut body = vec![0; headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default()];
        reader.read_exact(&mut body)?;
        let asked = asked(&first, &headers, &body);
        log.lock().unwrap().push(asked.clone());
        let Answer { status, body } = script(&asked);
        let kind = if body.starts_with('<') { "text/xml" } else { "application/json" };
        let head = format!("HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    }
}

fn asked(first: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> ApiRequest {
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let mut words = first.split_whitespace();
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    // `Credential=<key>/<day>/<Region>/<service>/aws4_request`
    let scope: Vec<&str> = header("authorization").split("Credential=").nth(1).unwrap_or_default().split('/').collect();
    let in_scope = |number: usize| scope.get(number).copied().unwrap_or_default().to_owned();
    let form = if header("content-type").contains("form-urlencoded") { String::from_utf8_lossy(body).into_owned() } else { String::new() };
    let query: BTreeMap<String, String> = query
        .split('&')
        .chain(form.split('&'))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let operation = match (header("x-amz-target").rsplit('.').next().unwrap_or_default(), query.get("Action")) {
        ("", Some(action)) => action.clone(),
        ("", None) => format!("{method} {path}"),
        (target, _) => target.to_owned(),
    };
    ApiRequest {
        service: in_scope(3),
        operation,
        account: in_scope(0),
        region: in_scope(2),
        path: decoded(path),
        query,
        body: serde_json::from_slice(body).unwrap_or_default(),
    }
}

/// Decodes `%3A` and other percent-encoded characters.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                bytes.push(u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap_or(b'?'));
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
