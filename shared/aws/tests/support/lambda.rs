//! A stand-in for Lambda: the Runtime API that a function asks for events, and the services that the function calls.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use end_to_end::tools::{succeed, without_variables_of_cargo};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// The requests of a function.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// The time at which it asked for the first event.
    pub first_poll: Option<Instant>,
    /// Its answers, in order.
    pub answers: Vec<Value>,
    /// The errors that it reported for events.
    pub errors: Vec<Value>,
    /// The error that it reported for its start.
    pub start_error: Option<Value>,
    /// The messages that it published.
    pub published: Vec<String>,
    /// The details of the events that it put on EventBridge.
    pub events: Vec<Value>,
    /// The findings that it imported into Security Hub.
    pub imported: Vec<Value>,
    /// Messages that it sent to FIFO queues: group, deduplication id, body.
    pub sent: Vec<(String, String, String)>,
    /// For how many seconds it hid messages.
    pub hidden: Vec<u64>,
    /// The names of the sessions in which it assumed roles.
    pub sessions: Vec<String>,
}

/// The services with their content.
#[derive(Clone, Debug, Default)]
pub struct Services {
    events: Arc<Mutex<VecDeque<Value>>>,
    pub seen: Arc<Mutex<Received>>,
    pub objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// The messages of a queue, in which each delivery hides them.
    pub queue: Arc<Mutex<Vec<Waiting>>>,
    /// Whether S3 takes requests for the world and never answers.
    pub never_answers_s3: Arc<AtomicBool>,
}

/// A message of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub id: String,
    pub body: String,
    pub is_hidden: bool,
}

/// A running function.
pub struct Function {
    child: Child,
    started: Instant,
    services: Services,
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the binaries, which the first call builds.
fn binaries() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| {
        // Packages and features as in `cargo xtask test`, so that all dependencies are built already.
        let selected = ["build", "--workspace", "--features", "guardrail-audit/aws", "--bins", "--tests", "--locked"];
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(selected).current_dir(env!("CARGO_MANIFEST_DIR"));
        succeed(without_variables_of_cargo(&mut cargo));
    });
    // This test's executable is in `<profile>/deps`.
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().to_owned()
}

impl Services {
    /// Starts to serve, and returns the address.
    pub async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let services = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let services = services.clone();
                tokio::spawn(async move { services.connection(stream).await });
            }
        });
        address
    }

    async fn connection(&self, mut stream: TcpStream) -> Option<()> {
        let mut buffer = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                    break end;
                }
                let mut chunk = [0; 16 * 1024];
                let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
                buffer.extend_from_slice(&chunk[..read]);
            };
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let header = |name: &str| {
                head.lines().find_map(|line| {
                    line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
                })
            };
            let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            buffer.drain(..end + 4);
            while buffer.len() < length {
                let mut chunk = [0; 64 * 1024];
                let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
                buffer.extend_from_slice(&chunk[..read]);
            }
            let body: Vec<u8> = buffer.drain(..length).collect();
            let mut words = head.split_whitespace();
            let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
            let (status, headers, answer) = self.answer(&method, &target, &header, body).await;
            let mut response = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", answer.len());
            for (name, value) in headers {
                response.push_str(&format!("{name}: {value}\r\n"));
            }
            let whole = [response.as_bytes(), b"\r\n", &answer].concat();
            stream.write_all(&whole).await.ok()?;
        }
    }

    async fn answer(
        &self,
        method: &str,
        target: &str,
        header: &(dyn Fn(&str) -> Option<String> + Sync),
        body: Vec<u8>,
    ) -> (u16, Vec<(String, String)>, Vec<u8>) {
        if let Some(path) = target.strip_prefix("/2018-06-01/runtime/") {
            return self.runtime(path, &body).await;
        }
        let form = String::from_utf8_lossy(&body);
        if form.contains("Action=AssumeRole") {
            let session = form.split('&').find_map(|field| field.strip_prefix("RoleSessionName=")).unwrap_or_default();
            self.seen.lock().unwrap().sessions.push(session.replace("%3D", "=").replace("%2C", ","));
            return (200, Vec::new(), ROLE.as_bytes().to_vec());
        }
        if header("content-type").is_some_and(|kind| kind.contains("form-urlencoded")) {
            self.seen.lock().unwrap().published.push(String::from_utf8_lossy(&body).into_owned());
            let xml = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
            return (200, Vec::new(), xml.as_bytes().to_vec());
        }
        if let Some(operation) = header("x-amz-target").and_then(|target| target.strip_prefix("AmazonSQS.").map(str::to_owned)) {
            return self.sqs(&operation, &body);
        }
        if let Some(rest) = target.strip_prefix("/world-bucket") {
            if self.never_answers_s3.load(Ordering::SeqCst) && rest.contains("world") {
                return std::future::pending().await;
            }
            return self.s3(method, rest, body);
        }
        if header("x-amz-target").is_some_and(|target| target == "AWSEvents.PutEvents") {
            return (200, Vec::new(), self.put_events(&body).to_string().into_bytes());
        }
        // Signed for Security Hub in the function's Region.
        let signed =
            |service: &str| header("authorization").is_some_and(|value| value.contains(&format!("/us-east-1/{service}/aws4_request")));
        if (method, target) == ("POST", "/findings/import") && signed("securityhub") {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let findings = request["Findings"].as_array().unwrap();
            self.seen.lock().unwrap().imported.extend(findings.iter().cloned());
            let answer = json!({"FailedCount": 0, "SuccessCount": findings.len(), "FailedFindings": []});
            return (200, Vec::new(), answer.to_string().into_bytes());
        }
        // All other requests are denied.
        let denied = ("x-amzn-errortype".to_owned(), "AccessDeniedException".to_owned());
        (403, vec![denied], json!({"message": "not in this test"}).to_string().into_bytes())
    }

    fn put_events(&self, body: &[u8]) -> Value {
        let request: Value = serde_json::from_slice(body).unwrap();
        let details = request["Entries"].as_array().unwrap().iter().map(|entry| entry["Detail"].as_str().unwrap());
        let details: Vec<Value> = details.map(|detail| serde_json::from_str(detail).unwrap()).collect();
        let entries: Vec<Value> = details.iter().map(|detail| json!({"EventId": detail["id"]})).collect();
        self.seen.lock().unwrap().events.extend(details);
        json!({"FailedEntryCount": 0, "Entries": entries})
    }

    async fn runtime(&self, path: &str, body: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        if path == "invocation/next" {
            self.seen.lock().unwrap().first_poll.get_or_insert_with(Instant::now);
            let event = loop {
                if let Some(event) = self.events.lock().unwrap().pop_front() {
                    break event;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            };
            let headers = [
                ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
                ("lambda-runtime-deadline-ms", "4102444800000"),
                ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:999988887777:function:test"),
                ("content-type", "application/json"),
            ];
            return (200, headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(), event.to_string().into_bytes());
        }
        let mut seen = self.seen.lock().unwrap();
        if path == "init/error" {
            seen.start_error = Some(json);
        } else if path.ends_with("/error") {
            seen.errors.push(json);
        } else {
            seen.answers.push(json);
        }
        (202, Vec::new(), Vec::new())
    }

    /// Other services with the same queue.
    pub fn later(&self) -> Services {
        Services { queue: Arc::clone(&self.queue), ..Services::default() }
    }

    /// Puts a message into the queue.
    pub fn leave(&self, body: String) {
        let mut queue = self.queue.lock().unwrap();
        let id = format!("m{}", queue.len());
        queue.push(Waiting { id, body, is_hidden: false });
    }

    /// The bodies of the messages that are in the queue. The time for which they were hidden has passed.
    pub fn left(&self) -> Vec<String> {
        let mut queue = self.queue.lock().unwrap();
        queue.iter_mut().for_each(|message| message.is_hidden = false);
        queue.iter().map(|message| message.body.clone()).collect()
    }

    fn sqs(&self, operation: &str, body: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut queue = self.queue.lock().unwrap();
        match operation {
            "GetQueueAttributes" => {
                let hidden = queue.iter().filter(|message| message.is_hidden).count();
                let attributes = json!({"ApproximateNumberOfMessages": (queue.len() - hidden).to_string(),
                    "ApproximateNumberOfMessagesNotVisible": hidden.to_string()});
                return (200, Vec::new(), json!({"Attributes": attributes}).to_string().into_bytes());
            }
            "ReceiveMessage" => {
                let received = queue.iter_mut().filter(|message| !message.is_hidden).take(10).map(|message| {
                    message.is_hidden = true;
                    json!({"MessageId": message.id, "ReceiptHandle": message.id, "Body": message.body})
                });
                return (200, Vec::new(), json!({"Messages": received.collect::<Vec<_>>()}).to_string().into_bytes());
            }
            "DeleteMessageBatch" => {
                let deleted: Vec<&str> =
                    json["Entries"].as_array().unwrap().iter().map(|entry| entry["ReceiptHandle"].as_str().unwrap()).collect();
                queue.retain(|message| !deleted.contains(&message.id.as_str()));
                return (200, Vec::new(), json!({"Successful": [], "Failed": []}).to_string().into_bytes());
            }
            _ => {}
        }
        let mut seen = self.seen.lock().unwrap();
        let of = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let entries = json["Entries"].as_array().cloned().unwrap_or_default();
        match operation {
            "SendMessageBatch" => seen.sent.extend(
                entries.iter().map(|entry| (of(entry, "MessageGroupId"), of(entry, "MessageDeduplicationId"), of(entry, "MessageBody"))),
            ),
            _ => seen.hidden.extend(json["VisibilityTimeout"].as_u64()),
        }
        let sent: Vec<Value> = entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""})).collect();
        (200, Vec::new(), json!({"Successful": sent, "Failed": []}).to_string().into_bytes())
    }

    fn s3(&self, method: &str, rest: &str, body: Vec<u8>) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let mut objects = self.objects.lock().unwrap();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let key = path.trim_start_matches('/').replace("%40", "@");
        if key.is_empty() {
            let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or_default().replace("%2F", "/");
            let contents: String = objects
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix))
                .map(|(key, content)| format!("<Contents><Key>{key}</Key><ETag>{}</ETag></Contents>", audit_aws::fact::digest(content)))
                .collect();
            let xml = format!(
                "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
            );
            return (200, Vec::new(), xml.into_bytes());
        }
        match method {
            "PUT" => {
                objects.insert(key, body);
                (200, Vec::new(), Vec::new())
            }
            _ => match objects.get(&key) {
                Some(content) => (200, Vec::new(), content.clone()),
                None => (404, Vec::new(), b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            },
        }
    }

    /// Starts a function in an environment like Lambda's.
    pub async fn start(&self, name: &str, dynamodb: &str, variables: &[(&str, &str)]) -> Function {
        let address = self.serve().await;
        let mut command = Command::new(binaries().join(name));
        command.env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        for (name, value) in [
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "group"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "999988887777"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", &format!("http://{address}")),
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            command.env(name, value);
        }
        command.envs(variables.iter().copied());
        let started = Instant::now();
        Function { child: command.spawn().unwrap(), started, services: self.clone() }
    }
}

impl Function {
    /// Sends it an event, and waits for its answer or error.
    pub async fn invoke(&self, event: Value) -> Result<Value, Value> {
        let before = {
            let seen = self.services.seen.lock().unwrap();
            (seen.answers.len(), seen.errors.len())
        };
        self.services.events.lock().unwrap().push_back(event);
        self.until("an answer", |seen| {
            let answer = seen.answers.get(before.0).cloned().map(Ok);
            answer.or_else(|| seen.errors.get(before.1).cloned().map(Err))
        })
        .await
    }

    /// Sends it an event without waiting for an answer.
    pub fn begin(&self, event: Value) {
        self.services.events.lock().unwrap().push_back(event);
    }

    /// Whether it fetched all events that were sent.
    pub async fn until_taken(&self) {
        while !self.services.events.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until a condition holds.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&Received) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_mins(5);
        loop {
            if let Some(seen) = look(&self.services.seen.lock().unwrap()) {
                return seen;
            }
            assert!(Instant::now() < deadline, "waited too long for {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The time from its start to the request for its first event.
    pub async fn time_to_first_poll(&self) -> Duration {
        self.until("the first poll", |seen| seen.first_poll).await - self.started
    }

    /// Its peak memory, in MB.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    /// Its exit status.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The answer of STS to whoever assumes a role.
const ROLE: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>AROA:guardrail-audit</AssumedRoleId><Arn>arn:aws:sts::222233334444:assumed-role/r/guardrail-audit</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>scripted</SecretAccessKey><SessionToken>scripted</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"#;
