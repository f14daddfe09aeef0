//! Builds the templates by `sam build` and deploys them by `sam deploy`, as an operator would.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    engine::{Client, Engine, until},
    template::root,
    tools::{CARGO_LAMBDA, SAM, path_with, succeed, target, without_variables_of_cargo},
};

/// The output folder of `sam build`.
#[derive(Clone, Debug)]
pub struct Built(PathBuf);

/// Builds all functions for this machine, because the engine runs them here, and without optimisation, because a release has the same code.
/// `tests/programs/cargo` stands before the real cargo, so that nothing is compiled twice.
#[must_use]
pub fn build() -> Built {
    let folder = target().join("sam");
    let mut sam = SAM.command();
    sam.args(["build", "--no-cached", "--build-dir"]).arg(&folder);
    sam.args(["--parameter-overrides", &format!("Architecture={}", architecture())]);
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    sam.env("PATH", path_with(&[&programs, &CARGO_LAMBDA.folder()])).env("SAM_BUILD_MODE", "debug").env("CARGO_LAMBDA_COMPILER", "cargo");
    sam.env("CARGO_OF_TESTS", env!("CARGO")).env("TARGET_OF_TESTS", target());
    succeed(without_variables_of_cargo(&mut sam));
    for template in ["template.yaml", "Member/template.yaml", "Forwarded/template.yaml"] {
        pack(&folder.join(template));
    }
    Built(folder)
}

/// Packs the functions of a built template into archives, and names these in the template instead of the folders. `sam deploy` would pack every
/// function each time, which takes longer than the rest of a deployment.
fn pack(template: &Path) {
    let folder = template.parent().unwrap();
    let mut text = std::fs::read_to_string(template).unwrap();
    for function in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let program = function.join("bootstrap");
        if program.exists() {
            let mut archive = ZipWriter::new(File::create(function.with_extension("zip")).unwrap());
            archive.start_file("bootstrap", SimpleFileOptions::default().compression_level(Some(1)).unix_permissions(0o755)).unwrap();
            std::io::copy(&mut File::open(program).unwrap(), &mut archive).unwrap();
            archive.finish().unwrap();
            let name = function.file_name().unwrap().to_str().unwrap();
            let named = [format!("CodeUri: {name}\n"), format!("Code: {name}\n")];
            assert!(named.iter().any(|line| text.contains(line)), "{}: {name}", template.display());
            for line in named {
                text = text.replace(&line, &line.replace('\n', ".zip\n"));
            }
        }
    }
    std::fs::write(template, text).unwrap();
}

/// The command line, built with the feature `aws`. Nothing is compiled for it that the tests don't compile.
#[must_use]
pub fn command_line() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    // With a test among what is built, features of dependencies are those that tests need.
    cargo.args(["build", "--workspace", "--features", "guardrail-audit/aws", "--locked", "--test", "stack", "--bin", "guardrail-audit"]);
    succeed(without_variables_of_cargo(cargo.current_dir(root())));
    target().join("debug/guardrail-audit")
}

/// The architecture of this machine, by Lambda's name.
#[must_use]
pub fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

impl Built {
    /// The built template of the hub.
    #[must_use]
    pub fn hub(&self) -> PathBuf {
        self.0.join("template.yaml")
    }

    /// The built template of a member.
    #[must_use]
    pub fn member(&self) -> PathBuf {
        self.0.join("Member/template.yaml")
    }
}

/// Deploys a built template in an account, and returns the outputs of its stack.
#[must_use]
pub fn deploy(engine: &Engine, account: &str, template: &Path, parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    let client = engine.client(account);
    let mut sam: Command = SAM.command();
    sam.current_dir(root()).args(["deploy", "--stack-name", "guardrail-audit", "--no-confirm-changeset", "--no-progressbar"]);
    sam.arg("--template-file").arg(template).arg("--config-file").arg(root().join("samconfig.toml"));
    let architecture = [("Architecture", architecture())];
    let overrides = parameters.iter().chain(&architecture).map(|(name, value)| format!("{name}={value}"));
    sam.arg("--parameter-overrides").args(overrides);
    as_account(&mut sam, engine, account);
    succeed(&mut sam);
    let_mappings_run(&client);
    client.outputs("guardrail-audit")
}

/// Lets a tool call the engine with the credentials of an account.
pub fn as_account(command: &mut Command, engine: &Engine, account: &str) {
    command.env("AWS_ENDPOINT_URL", engine.endpoint()).env("AWS_REGION", "us-east-1").env("AWS_DEFAULT_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", account).env("AWS_SECRET_ACCESS_KEY", "x").env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN");
}

/// Sets `MaximumConcurrency` again as a number. The engine takes it from a parameter as text, with which it can't count.
fn let_mappings_run(client: &Client) {
    const PATH: &str = "/2015-03-31/event-source-mappings/";
    let mappings: Value = serde_json::from_slice(&client.send("lambda", "GET", PATH, &[], &[]).unwrap()).unwrap();
    for mapping in mappings["EventSourceMappings"].as_array().unwrap() {
        if mapping["ScalingConfig"]["MaximumConcurrency"].is_string() {
            let path = format!("{PATH}{}", mapping["UUID"].as_str().unwrap());
            let body = json!({"ScalingConfig": {"MaximumConcurrency": 2}}).to_string();
            client.send("lambda", "PUT", &path, &[("Content-Type", "application/json".to_owned())], body.as_bytes()).unwrap();
        }
    }
}

impl Client {
    /// Creates a queue and returns its URL.
    #[must_use]
    pub fn create_queue(&self, name: &str) -> String {
        let queue = self.json("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": name})).unwrap();
        queue["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// The URL of an existing queue.
    #[must_use]
    pub fn queue_url(&self, name: &str) -> String {
        let queue = self.json("sqs", "AmazonSQS.GetQueueUrl", &json!({"QueueName": name})).unwrap();
        queue["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// Sends a message to a queue.
    pub fn send_message(&self, queue: &str, body: &str) {
        self.json("sqs", "AmazonSQS.SendMessage", &json!({"QueueUrl": queue, "MessageBody": body})).unwrap();
    }

    /// Waits for the next message of a queue, and deletes it.
    #[must_use]
    pub fn receive(&self, queue: &str, limit: Duration) -> String {
        until(limit, "a message comes", || self.received(queue))
    }

    /// The next message of a queue, which is deleted; `None` if there is none yet.
    #[must_use]
    pub fn received(&self, queue: &str) -> Option<String> {
        let answer = self.json("sqs", "AmazonSQS.ReceiveMessage", &json!({"QueueUrl": queue, "MaxNumberOfMessages": 1})).unwrap();
        let message = answer["Messages"].as_array()?.first()?.clone();
        let handle = json!({"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]});
        self.json("sqs", "AmazonSQS.DeleteMessage", &handle).unwrap();
        Some(message["Body"].as_str().unwrap().to_owned())
    }

    /// The number of messages in a queue, including those in flight.
    #[must_use]
    pub fn messages_in(&self, queue: &str) -> u64 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer = self.json("sqs", "AmazonSQS.GetQueueAttributes", &json!({"QueueUrl": queue, "AttributeNames": names})).unwrap();
        names.iter().map(|name| answer["Attributes"][*name].as_str().unwrap_or("0").parse::<u64>().unwrap()).sum()
    }

    /// Sets an environment variable of a function.
    pub fn set_variable(&self, function: &str, name: &str, value: &str) {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let configuration: Value = serde_json::from_slice(&self.send("lambda", "GET", &path, &[], &[]).unwrap()).unwrap();
        let mut variables = configuration["Environment"]["Variables"].clone();
        variables[name] = json!(value);
        let body = json!({"Environment": {"Variables": variables}}).to_string();
        self.send("lambda", "PUT", &path, &[("Content-Type", "application/json".to_owned())], body.as_bytes()).unwrap();
    }

    /// Invokes a function and waits for its response.
    pub fn invoke(&self, function: &str, event: &Value) -> Result<Value, String> {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let answer =
            self.send("lambda", "POST", &path, &[("Content-Type", "application/json".to_owned())], event.to_string().as_bytes())?;
        serde_json::from_slice(&answer).map_err(|error| error.to_string())
    }

    /// Invokes a function asynchronously, as a rule of EventBridge does. The engine lets nobody put events of AWS on a bus, so that this stands
    /// for the rule; tests/tests/patterns.rs tests what rules match. Like Lambda, the engine tries it three times and then leaves it in the
    /// function's destination of failures.
    pub fn deliver(&self, function: &str, event: &Value) {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let headers = [("Content-Type", "application/json".to_owned()), ("X-Amz-Invocation-Type", "Event".to_owned())];
        self.send("lambda", "POST", &path, &headers, event.to_string().as_bytes()).unwrap();
    }

    /// Writes an object.
    pub fn put_object(&self, bucket: &str, key: &str, content: &[u8]) {
        self.send("s3", "PUT", &format!("/{bucket}/{key}"), &[], content).unwrap();
    }

    /// The items of a table with this partition key.
    #[must_use]
    pub fn items(&self, table: &str, partition: &str) -> Vec<Value> {
        let query =
            json!({"TableName": table, "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": partition}}});
        self.json("dynamodb", "DynamoDB_20120810.Query", &query).unwrap()["Items"].as_array().unwrap().clone()
    }
}
