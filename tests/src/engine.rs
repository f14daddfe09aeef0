//! Runs ministack, an engine of AWS's APIs in a local process, with a small client for it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::tools::{MINISTACK, target};

/// A running engine. It ends when this value is dropped, and also when the process of the test ends in any way.
#[derive(Debug)]
pub struct Engine {
    port: u16,
    child: Child,
    /// The shell around the engine ends it when this end of the pipe is closed.
    stdin: Option<ChildStdin>,
}

impl Engine {
    /// Starts an empty engine.
    #[must_use]
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = MINISTACK.folder().join("ministack");
        let log = std::fs::File::create(target().join(format!("tools/ministack-{port}.log"))).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", r#""$0" & engine=$!; read -r _; kill "$engine"; wait "$engine""#]).arg(program);
        // The engine runs functions, which must not inherit this machine's environment.
        shell.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", std::env::temp_dir());
        shell.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1").env("IOT_MTLS_ENABLED", "false");
        // Seconds before it tries an asynchronous invocation again, where Lambda waits for a minute.
        shell.env("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.1");
        shell.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
        shell.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = shell.spawn().unwrap();
        let stdin = child.stdin.take();
        let engine = Engine { port, child, stdin };
        until(Duration::from_mins(5), "the engine answers", || TcpStream::connect(("127.0.0.1", port)).ok());
        engine
    }

    /// The URL of the engine.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client with credentials of an account.
    #[must_use]
    pub fn client(&self, account: &str) -> Client {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_mins(5)));
        let agent = config.build().into();
        Client { agent, endpoint: self.endpoint(), account: account.to_owned(), region: "us-east-1".to_owned() }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Calls the engine as an account: an access key of twelve digits is the account id.
#[derive(Clone, Debug)]
pub struct Client {
    /// Keeps connections open for the next requests: some tests make thousands.
    agent: ureq::Agent,
    endpoint: String,
    /// The account whose credentials are used.
    pub account: String,
    /// The Region that is called.
    pub region: String,
}

impl Client {
    /// The same account in another Region.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        Client { region: region.to_owned(), ..self.clone() }
    }

    /// A client with the same credentials for another endpoint.
    #[must_use]
    pub fn at(&self, endpoint: &str) -> Self {
        Client { endpoint: endpoint.to_owned(), ..self.clone() }
    }

    /// Creates a stack from the template at a URL, waits until it is complete, and returns its outputs.
    #[must_use]
    pub fn create_stack(&self, name: &str, template_url: &str, parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut fields = vec![("Action".to_owned(), "CreateStack".to_owned()), ("StackName".to_owned(), name.to_owned())];
        fields.push(("TemplateURL".to_owned(), template_url.to_owned()));
        fields.push(("Capabilities.member.1".to_owned(), "CAPABILITY_NAMED_IAM".to_owned()));
        for (index, (key, value)) in parameters.iter().enumerate() {
            fields.push((format!("Parameters.member.{}.ParameterKey", index + 1), (*key).to_owned()));
            fields.push((format!("Parameters.member.{}.ParameterValue", index + 1), (*value).to_owned()));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.query("cloudformation", &fields).unwrap_or_else(|error| panic!("{name}: {error}"));
        until(Duration::from_mins(5), "the stack is complete", || {
            let stack = self.query("cloudformation", &[("Action", "DescribeStacks"), ("StackName", name)]).unwrap();
            let status = between(&stack, "<StackStatus>", "</StackStatus>").unwrap_or_default().to_owned();
            if status == "CREATE_COMPLETE" {
                return Some(outputs(&stack));
            }
            let events = || self.query("cloudformation", &[("Action", "DescribeStackEvents"), ("StackName", name)]);
            assert_eq!(status, "CREATE_IN_PROGRESS", "{name}: {:?}", events());
            None
        })
    }

    /// Reads the outputs of a stack.
    #[must_use]
    pub fn outputs(&self, stack: &str) -> BTreeMap<String, String> {
        outputs(&self.query("cloudformation", &[("Action", "DescribeStacks"), ("StackName", stack)]).unwrap())
    }

    /// Calls an operation of a service with the JSON protocol (`X-Amz-Target`). The error is the service's response.
    pub fn json(&self, service: &str, target: &str, body: &Value) -> Result<Value, String> {
        let version = if matches!(service, "dynamodb" | "sqs") { "1.0" } else { "1.1" };
        let headers = [("Content-Type", format!("application/x-amz-json-{version}")), ("X-Amz-Target", target.to_owned())];
        let answer = self.send(service, "POST", "/", &headers, body.to_string().as_bytes())?;
        if answer.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&answer).map_err(|error| error.to_string()) }
    }

    /// Calls an operation of a service with the Query protocol: forms in, XML out.
    pub fn query(&self, service: &str, fields: &[(&str, &str)]) -> Result<String, String> {
        let form: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let headers = [("Content-Type", "application/x-www-form-urlencoded".to_owned())];
        self.send(service, "POST", "/", &headers, form.join("&").as_bytes()).map(|xml| String::from_utf8_lossy(&xml).into_owned())
    }

    /// Sends a request. The error is the response to a request that was refused.
    pub fn send(&self, service: &str, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Result<Vec<u8>, String> {
        let credential = format!("{}/20260101/{}/{service}/aws4_request", self.account, self.region);
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.endpoint));
        request = request.header("Authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = self.agent.run(request.body(body.to_vec()).unwrap()).map_err(|error| format!("{method} {path}: {error}"))?;
        let bytes = response.body_mut().with_config().limit(64 << 20).read_to_vec().map_err(|error| error.to_string())?;
        if response.status().is_success() { Ok(bytes) } else { Err(format!("{} {}", response.status(), String::from_utf8_lossy(&bytes))) }
    }
}

fn outputs(stack: &str) -> BTreeMap<String, String> {
    let outputs = stack.split("<OutputKey>").skip(1);
    outputs
        .map(|output| {
            let key = output.split("</OutputKey>").next().unwrap_or_default();
            (key.to_owned(), between(output, "<OutputValue>", "</OutputValue>").unwrap_or_default().to_owned())
        })
        .collect()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(inside, _)| inside)
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            other => write!(out, "%{other:02X}").unwrap(),
        }
    }
    out
}

/// Calls a function again and again until it returns a value, and panics after this time.
pub fn until<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "after {limit:?} still not: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
