//! `cargo xtask publish`: builds the members' functions once, uploads them to a bucket in each Region, writes the packaged template of a
//! member, and prints the commands that roll it out.
//!
//! Lambda takes code only from its own Region, hence a bucket for each: `<prefix>-<hub account>-<region>`, where the account keeps others
//! from squatting the name. Objects are named by their content and pinned by version, so that an earlier template always brings back
//! exactly the code that it was published with.

mod package;
mod partition;
mod template;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, bail};
use package::Package;
use partition::Partition;
use serde_json::json;

use crate::command::{cargo, root, target};

/// The functions that run in members.
const FUNCTIONS: [&str; 2] = ["audit-invocations", "audit-changes"];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Account of the hub, which owns the buckets
    #[arg(long, value_name = "ACCOUNT", value_parser = account_id)]
    hub_account: String,
    /// The organization that may read them (o-…)
    #[arg(long, value_name = "ID")]
    organization_id: String,
    /// Regions in which members are audited; the hub's first
    #[arg(long, value_name = "REGION", value_delimiter = ',', required = true)]
    regions: Vec<String>,
    /// Start of the buckets' names
    #[arg(long, value_name = "NAME", default_value = "guardrail-audit-code")]
    prefix: String,
    /// Name of the hub's stack, whose outputs the members' parameters are taken from
    #[arg(long, value_name = "NAME", default_value = "guardrail-audit")]
    stack: String,
    /// What the functions run on
    #[arg(long, default_value = "arm64", value_parser = ["arm64", "x86_64"])]
    architecture: String,
    /// Take built functions from here (`<function>/bootstrap`) instead of building them
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Where the packaged template is written
    #[arg(short, long, value_name = "FILE", default_value = "target/publish/member.yaml")]
    output: PathBuf,
    /// Print what would be done, and change nothing in AWS
    #[arg(long)]
    dry_run: bool,
}

fn account_id(text: &str) -> Result<String, String> {
    let valid = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { Ok(text.to_owned()) } else { Err("an account id has twelve digits".to_owned()) }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let [home, ..] = args.regions.as_slice() else { bail!("no Region") };
    let partition = Partition::of(&args.regions)?;
    if !args.regions.iter().any(|region| region == partition.global) {
        eprintln!("warning: {} is not among the Regions: what is changed in IAM and Organizations is seen only there", partition.global);
    }
    let binaries = args.binaries.clone().map_or_else(|| build(&args.architecture), Ok)?;
    let packages: Vec<_> = FUNCTIONS.iter().map(|name| Package::of(name, &binaries)).collect::<anyhow::Result<_>>()?;
    let aws = Aws { dry_run: args.dry_run };
    let mut versions = Vec::new();
    for region in &args.regions {
        let bucket = format!("{}-{}-{region}", args.prefix, args.hub_account);
        aws.bucket(&bucket, region, partition, args)?;
        for package in &packages {
            let version = aws.upload(&bucket, region, &args.hub_account, &package.key, &package.file)?;
            versions.push(template::Version { region, function: package.function, version });
        }
    }
    let source = root().join("member.yaml");
    let source = std::fs::read_to_string(&source).with_context(|| format!("failed to read {}", source.display()))?;
    let bucket = format!("{}-{}", args.prefix, args.hub_account);
    let text = template::packaged(&source, &bucket, &packages, &versions)?;
    let output = root().join(&args.output);
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&output, &text)?;
    let bucket = format!("{bucket}-{home}");
    let key = format!("member/{}.yaml", package::digest(text.as_bytes()));
    aws.upload(&bucket, home, &args.hub_account, &key, &output)?;
    eprintln!("wrote {}", output.display());
    let url = format!("https://{bucket}.s3.{home}.{}/{key}", partition.suffix);
    roll_out(args, home, &url, &aws.outputs(&args.stack, home)?, &template::parameters_in(&source));
    Ok(ExitCode::SUCCESS)
}

/// Builds the members' functions and returns the folder that they are in.
fn build(architecture: &str) -> anyhow::Result<PathBuf> {
    let mut command = cargo();
    command.args(["lambda", "build", "--release"]);
    command.args(if architecture == "arm64" { &["--arm64"][..] } else { &["--x86-64"] });
    for function in FUNCTIONS {
        command.args(["--package", function]);
    }
    let status = command.status().context("failed to start `cargo lambda`")?;
    if !status.success() {
        bail!("`cargo lambda build` failed: {status}; it needs cargo-lambda and zig (`pip install cargo-lambda==1.9.2 ziglang`)");
    }
    Ok(target().join("lambda"))
}

/// The AWS command line.
struct Aws {
    dry_run: bool,
}

impl Aws {
    fn command(region: &str, args: &[&str]) -> Command {
        let mut command = Command::new("aws");
        command.args(args).args(["--region", region]);
        command
    }

    /// Runs a command that changes something, and returns its output.
    fn change(&self, region: &str, args: &[&str]) -> anyhow::Result<String> {
        let mut command = Self::command(region, args);
        println!("$ {}", shown(&command));
        if self.dry_run {
            return Ok(String::new());
        }
        let output = command.output().context("failed to start `aws`, the AWS command line")?;
        if !output.status.success() {
            bail!("`aws` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs a command that reads something. Returns `None` if that doesn't exist.
    fn ask(&self, region: &str, args: &[&str]) -> anyhow::Result<Option<String>> {
        if self.dry_run {
            return Ok(None);
        }
        let output = Self::command(region, args).output().context("failed to start `aws`, the AWS command line")?;
        if output.status.success() {
            return Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()));
        }
        let error = String::from_utf8_lossy(&output.stderr);
        if ["404", "Not Found", "NoSuchKey", "NoSuchBucket", "does not exist"].iter().any(|absent| error.contains(absent)) {
            return Ok(None);
        }
        bail!("`aws` failed: {}", error.trim())
    }

    /// Creates the bucket of a Region, unless it exists.
    fn bucket(&self, bucket: &str, region: &str, partition: Partition, args: &Args) -> anyhow::Result<()> {
        // A bucket of this name that belongs to another account is refused, never used.
        let owner = args.hub_account.as_str();
        if self.ask(region, &["s3api", "head-bucket", "--bucket", bucket, "--expected-bucket-owner", owner])?.is_none() {
            let location = format!("LocationConstraint={region}");
            let mut create = vec!["s3api", "create-bucket", "--bucket", bucket];
            if region != "us-east-1" {
                create.extend(["--create-bucket-configuration", &location]);
            }
            self.change(region, &create)?;
        }
        let set = |operation, setting, value: &str| {
            self.change(region, &["s3api", operation, "--bucket", bucket, "--expected-bucket-owner", owner, setting, value])
        };
        let blocked = "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true";
        set("put-public-access-block", "--public-access-block-configuration", blocked)?;
        set("put-bucket-versioning", "--versioning-configuration", "Status=Enabled")?;
        set("put-bucket-policy", "--policy", &bucket_policy(bucket, partition, &args.organization_id).to_string())?;
        Ok(())
    }

    /// Uploads a file, unless it is there, and returns the version of the object.
    fn upload(&self, bucket: &str, region: &str, owner: &str, key: &str, file: &Path) -> anyhow::Result<String> {
        let object = ["--bucket", bucket, "--expected-bucket-owner", owner, "--key", key, "--query", "VersionId", "--output", "text"];
        let there = self.ask(region, &[&["s3api", "head-object"], &object[..]].concat())?;
        let version = if let Some(version) = there {
            version
        } else {
            let body = file.display().to_string();
            self.change(region, &[&["s3api", "put-object", "--body", &body], &object[..]].concat())?
        };
        match version.as_str() {
            "" if self.dry_run => Ok("VERSION".to_owned()),
            "" | "None" | "null" => bail!("{bucket} doesn't keep versions"),
            _ => Ok(version),
        }
    }

    /// Reads the outputs of the hub's stack.
    fn outputs(&self, stack: &str, region: &str) -> anyhow::Result<serde_json::Value> {
        let described = ["cloudformation", "describe-stacks", "--stack-name", stack, "--query", "Stacks[0].Outputs", "--output", "json"];
        Ok(match self.ask(region, &described)? {
            Some(outputs) => serde_json::from_str(&outputs)?,
            None => json!([]),
        })
    }
}

/// The bucket's policy: the organization may read the code, nobody else may, and nobody without TLS.
fn bucket_policy(bucket: &str, partition: Partition, organization: &str) -> serde_json::Value {
    let arn = format!("arn:{}:s3:::{bucket}", partition.name);
    let objects = format!("{arn}/*");
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "TheOrganizationReads", "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": objects,
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": organization}}},
        {"Sid": "OnlyTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, objects],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]})
}

/// Prints the commands that bring the template to the members and to the management account. An update keeps every parameter that an
/// operator has set and that isn't printed here; `all` are the template's parameters.
fn roll_out(args: &Args, home: &str, url: &str, outputs: &serde_json::Value, all: &[&str]) {
    // An output of the hub's stack that isn't known is left as a placeholder for the operator.
    let output = |key: &str| {
        let found = outputs.as_array().into_iter().flatten().find(|output| output["OutputKey"] == key);
        found.and_then(|output| output["OutputValue"].as_str()).map_or_else(|| format!("<{key}>"), str::to_owned)
    };
    let regions = args.regions.join(" ");
    let parameter = |name: &str, value: &str| format!("ParameterKey={name},ParameterValue={value}");
    let given = [
        ("OrganizationId", args.organization_id.clone()),
        ("HubAccountId", args.hub_account.clone()),
        ("HubRegion", home.to_owned()),
        ("HubKeyArn", output("KeyArn")),
        ("ObservationsTableName", output("ObservationsTableName")),
        ("Architecture", args.architecture.clone()),
    ];
    let parameters = given.iter().map(|(name, value)| parameter(name, value)).collect::<Vec<_>>().join(" ");
    let others = all.iter().filter(|name| !given.iter().any(|(given, _)| given == *name));
    let previous = others.map(|name| format!("ParameterKey={name},UsePreviousValue=true")).collect::<Vec<_>>().join(" ");
    let queue = parameter("ReconcileQueueUrl", &output("ReconcileQueueUrl"));
    let stack_set = format!("--stack-set-name guardrail-audit --region {home}");
    let (order, one_by_one) = (args.regions.join(","), "--operation-preferences RegionConcurrencyType=SEQUENTIAL");
    println!(
        "
# Once, in the management account, or in a delegated administrator of CloudFormation, which adds --call-as DELEGATED_ADMIN to each command
# of a StackSet. The hub's account may be among the targets: where the hub itself runs, the template makes nothing.
aws cloudformation create-stack-set {stack_set} --template-url {url} \\
  --permission-model SERVICE_MANAGED --auto-deployment Enabled=true,RetainStacksOnAccountRemoval=false \\
  --managed-execution Active=true --capabilities CAPABILITY_NAMED_IAM --parameters {parameters}
aws cloudformation create-stack-instances {stack_set} \\
  --deployment-targets OrganizationalUnitIds=<root or OU ids> --regions {regions} \\
  {one_by_one},MaxConcurrentPercentage=100,FailureTolerancePercentage=10,RegionOrder={order}

# From then on, to upgrade; with an earlier template's URL, to go back. A parameter that only one of the two templates has is left out.
aws cloudformation update-stack-set {stack_set} --template-url {url} \\
  --capabilities CAPABILITY_NAMED_IAM --parameters {parameters} \\
  {previous} \\
  {one_by_one},MaxConcurrentPercentage=25,FailureTolerancePercentage=10,RegionOrder={order}

# In the management account, which StackSets never reach, in each Region:"
    );
    for region in &args.regions {
        println!(
            "aws cloudformation create-stack --stack-name guardrail-audit --region {region} --template-url {url} \\
  --capabilities CAPABILITY_NAMED_IAM --parameters {parameters} ParameterKey=ManagementAccount,ParameterValue=true {queue}"
        );
    }
    println!("\n# And to upgrade it:");
    for region in &args.regions {
        println!(
            "aws cloudformation update-stack --stack-name guardrail-audit --region {region} --template-url {url} \\
  --capabilities CAPABILITY_NAMED_IAM --parameters {parameters} \\
  {previous}"
        );
    }
}

/// Formats a command as an operator would type it.
fn shown(command: &Command) -> String {
    let quoted = |part: &std::ffi::OsStr| {
        let part = part.to_string_lossy();
        let plain = part.chars().all(|character| character.is_ascii_alphanumeric() || "-_./:=,@".contains(character));
        if plain { part.into_owned() } else { format!("'{part}'") }
    };
    std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect::<Vec<_>>().join(" ")
}
