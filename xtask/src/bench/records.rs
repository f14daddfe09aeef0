//! Generates CloudTrail records, in the mix of an organization that uses Bedrock a lot.
//!
//! Of a hundred records, 70 have nothing to do with Bedrock, 28 are calls and evaluations, and 2 are changes.

use std::fmt::Write as _;

use super::{manifest::Manifest, rng::Rng};

const ROLES: &[&str] = &["rag-service", "chatbot", "batch-summaries", "claims-triage", "etl", "ci-deployer", "node", "reader"];
const AGENTS: &[&str] = &[
    "Boto3/1.40.11 md/Botocore#1.40.11 ua/2.1 os/linux#5.10.240 md/arch#x86_64 lang/python#3.13.5 md/pyimpl#CPython exec-env/AWS_Lambda_python3.13 cfg/retry-mode#standard",
    "aws-sdk-js/3.870.0 ua/2.1 os/linux#6.1.147 lang/js md/nodejs#22.18.0 api/bedrock-runtime#3.870.0 exec-env/AWS_ECS_FARGATE",
    "aws-sdk-java/2.32.20 ua/2.1 os/Linux#6.1.147 lang/java#21.0.8 md/OpenJDK_64-Bit_Server_VM#21.0.8+9-LTS md/vendor#Amazon.com_Inc. md/en",
    "aws-cli/2.28.8 md/awscrt#0.27.2 ua/2.1 os/macos#24.6.0 md/arch#arm64 lang/python#3.13.4 cfg/retry-mode#standard md/prompt#off",
];
const MODELS: &[&str] = &[
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-sonnet-4-20250514-v1:0",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "amazon.nova-pro-v1:0",
    "us.amazon.nova-micro-v1:0",
    "meta.llama3-70b-instruct-v1:0",
    "mistral.mistral-large-2407-v1:0",
];

/// The model that the world's policy excludes.
pub(super) const EXEMPT_MODEL: &str = "amazon.titan-embed-text-v2:0";

/// Generates the records of one file: of one account and Region and five minutes.
pub(super) struct Records<'m> {
    pub(super) rng: Rng,
    pub(super) account: String,
    pub(super) region: String,
    /// The hour, up to the minutes: `2026-11-20T13`.
    pub(super) hour: String,
    /// The first of the five minutes.
    pub(super) minute: u64,
    pub(super) manifest: &'m mut Manifest,
}

/// The values in which one record differs from another.
#[derive(Default)]
struct Event {
    source: &'static str,
    name: &'static str,
    host: &'static str,
    parameters: String,
    response: String,
    /// Further members of the record, each followed by a comma.
    more: String,
    read_only: bool,
    data: bool,
}

impl Records<'_> {
    /// Returns `{"Records":[…]}` with this many records.
    pub(super) fn file(mut self, count: u64) -> String {
        let mut file = String::from("{\"Records\":[");
        for number in 0..count {
            if number > 0 {
                file.push(',');
            }
            let (seconds, event) = (number * 300 / count, self.event());
            self.write(&mut file, seconds, &event);
            self.manifest.records += 1;
        }
        file + "]}"
    }

    fn event(&mut self) -> Event {
        match self.rng.below(100) {
            0..70 => self.unrelated(),
            70..97 => self.call(),
            97 => self.evaluation(),
            _ => self.change(),
        }
    }

    fn unrelated(&mut self) -> Event {
        match self.rng.below(10) {
            0..3 => self.object(),
            3..5 => self.assumed_role(),
            5 => self.instances(),
            6 => Event {
                source: "kms",
                name: self.rng.pick(&["Decrypt", "GenerateDataKey"]),
                parameters: format!(
                    r#"{{"encryptionContext":{{"aws:s3:arn":"arn:aws:s3:::{}"}},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}}"#,
                    self.rng.word(20)
                ),
                read_only: true,
                ..Event::default()
            },
            7 => self.role_policy(),
            _ => Event {
                source: "logs",
                name: "CreateLogStream",
                parameters: format!(r#"{{"logGroupName":"/aws/lambda/{}","logStreamName":"{}"}}"#, self.rng.word(12), self.rng.uuid()),
                ..Event::default()
            },
        }
    }

    fn object(&mut self) -> Event {
        let (bucket, key) = (self.rng.word(16), format!("{}/{}.parquet", self.rng.word(10), self.rng.uuid()));
        let name = if self.rng.percent(60) { "GetObject" } else { "PutObject" };
        let parameters = format!(
            r#"{{"bucketName":"{bucket}","Host":"{bucket}.s3.{}.amazonaws.com","key":"{key}","x-id":"{name}","range":"bytes=0-{}"}}"#,
            self.region,
            self.rng.below(1 << 24)
        );
        let more = format!(
            r#""additionalEventData":{{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"SSEApplied":"SSE_KMS","AuthenticationMethod":"AuthHeader","x-amz-id-2":"{}","bytesTransferredOut":{}}},"resources":[{{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::{bucket}/{key}"}},{{"accountId":"{}","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::{bucket}"}}],"#,
            self.rng.word(76),
            self.rng.below(1 << 24),
            self.account
        );
        Event { source: "s3", name, parameters, more, read_only: name == "GetObject", data: true, ..Event::default() }
    }

    fn assumed_role(&mut self) -> Event {
        let (role, session) = (self.rng.pick(ROLES), self.rng.word(8));
        Event {
            source: "sts",
            name: "AssumeRole",
            parameters: format!(
                r#"{{"roleArn":"arn:aws:iam::{0}:role/{role}","roleSessionName":"{role}-{session}","durationSeconds":3600}}"#,
                self.account
            ),
            response: format!(
                r#"{{"credentials":{{"accessKeyId":"ASIA{}","sessionToken":"{}","expiration":"Nov 20, 2026, 5:05:00 PM"}},"assumedRoleUser":{{"assumedRoleId":"AROAEXAMPLEEXAMPLE000:{role}-{session}","arn":"arn:aws:sts::{}:assumed-role/{role}/{role}-{session}"}}}}"#,
                self.rng.word(16),
                self.rng.word(500),
                self.account
            ),
            read_only: true,
            ..Event::default()
        }
    }

    fn instances(&mut self) -> Event {
        let mut response =
            format!(r#"{{"requestId":"{}","reservationId":"r-{}","instancesSet":{{"items":["#, self.rng.uuid(), self.rng.word(17));
        for number in 0..3 {
            let comma = if number > 0 { "," } else { "" };
            // Writing to a String can't fail.
            let _ = write!(
                response,
                r#"{comma}{{"instanceId":"i-{0}","imageId":"ami-{1}","instanceState":{{"code":0,"name":"pending"}},"privateDnsName":"ip-10-1-2-{number}.{2}.compute.internal","amiLaunchIndex":{number},"instanceType":"m7g.xlarge","placement":{{"availabilityZone":"{2}a","tenancy":"default"}},"monitoring":{{"state":"disabled"}},"subnetId":"subnet-{1}","vpcId":"vpc-{0}","privateIpAddress":"10.1.2.{number}","architecture":"arm64","rootDeviceType":"ebs","virtualizationType":"hvm","hypervisor":"xen","tagSet":{{"items":[{{"key":"Name","value":"worker-{1}"}},{{"key":"team","value":"platform"}}]}},"groupSet":{{"items":[{{"groupId":"sg-{0}","groupName":"workers"}}]}},"ebsOptimized":true,"enaSupport":true}}"#,
                self.rng.word(17),
                self.rng.word(17),
                self.region
            );
        }
        response += "]}}";
        Event {
            source: "ec2",
            name: "RunInstances",
            parameters: r#"{"instancesSet":{"items":[{"minCount":3,"maxCount":3}]},"instanceType":"m7g.xlarge","blockDeviceMapping":{}}"#
                .into(),
            response,
            ..Event::default()
        }
    }

    fn role_policy(&mut self) -> Event {
        let document = format!(
            r#"{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:ListBucket\"],\"Resource\":\"arn:aws:s3:::{}/*\"}}]}}"#,
            self.rng.word(16)
        );
        Event {
            source: "iam",
            name: "PutRolePolicy",
            parameters: format!(
                r#"{{"roleName":"{}","policyName":"{}","policyDocument":"{document}"}}"#,
                self.rng.pick(ROLES),
                self.rng.word(12)
            ),
            ..Event::default()
        }
    }

    fn call(&mut self) -> Event {
        const NAMES: [&str; 4] = ["Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream"];
        self.manifest.calls += 1;
        let name = self.rng.pick(&NAMES);
        let refused = self.rng.percent(6);
        let exempt = self.rng.percent(10);
        let model = if exempt { EXEMPT_MODEL } else { self.rng.pick(MODELS) };
        let named = match self.rng.below(10) {
            0 => format!("arn:aws:bedrock:{}:{}:inference-profile/{model}", self.region, self.account),
            1 => format!("arn:aws:bedrock:{}::foundation-model/{model}", self.region),
            _ => model.to_owned(),
        };
        let mut parameters = format!(r#"{{"modelId":"{named}""#);
        if self.rng.percent(50) {
            let version = if self.rng.percent(5) { "DRAFT" } else { "1" };
            let guardrail = format!(r#""guardrailIdentifier":"gr{}","guardrailVersion":"{version}""#, &self.account);
            // Writing to a String can't fail.
            let _ = if name.starts_with("Converse") {
                write!(parameters, r#","guardrailConfig":{{{guardrail}}}"#)
            } else {
                write!(parameters, ",{guardrail}")
            };
        }
        parameters += r#","inferenceConfig":{"maxTokens":1024,"temperature":0.2,"topP":0.9}}"#;
        let more = if refused {
            self.manifest.refused += 1;
            r#""errorCode":"ThrottlingException","errorMessage":"Too many tokens, please wait before trying again.","#.to_owned()
        } else {
            self.manifest.exempt += u64::from(exempt);
            let (input, output) = (self.rng.below(4096), self.rng.below(1024));
            format!(r#""additionalEventData":{{"inputTokens":{input},"outputTokens":{output},"inferenceRegion":"{}"}},"#, self.region)
        };
        Event { source: "bedrock", name, host: "bedrock-runtime", parameters, more, read_only: true, ..Event::default() }
    }

    fn evaluation(&mut self) -> Event {
        self.manifest.evaluations += 1;
        Event {
            source: "bedrock",
            name: "ApplyGuardrail",
            host: "bedrock-runtime",
            parameters: format!(r#"{{"guardrailIdentifier":"gr{}","guardrailVersion":"1","source":"INPUT"}}"#, self.account),
            read_only: true,
            data: true,
            ..Event::default()
        }
    }

    fn change(&mut self) -> Event {
        const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
        self.manifest.changes += 1;
        let guardrail = format!("gr{}", self.account);
        match self.rng.below(3) {
            0 => Event {
                source: "bedrock",
                name: "UpdateGuardrail",
                parameters: format!(
                    r#"{{"guardrailIdentifier":"{guardrail}","name":"{HIDDEN}","contentPolicyConfig":{{"filtersConfig":[{{"type":"HATE","inputStrength":"HIGH","outputStrength":"HIGH"}},{{"type":"PROMPT_ATTACK","inputStrength":"HIGH","outputStrength":"NONE"}}]}},"topicPolicyConfig":{{"topicsConfig":[{{"name":"{}","definition":"{HIDDEN}","examples":["{HIDDEN}"],"type":"DENY"}}]}},"blockedInputMessaging":"{HIDDEN}","blockedOutputsMessaging":"{HIDDEN}"}}"#,
                    self.rng.word(12)
                ),
                response: format!(r#"{{"guardrailId":"{guardrail}","version":"DRAFT"}}"#),
                ..Event::default()
            },
            1 => Event {
                source: "bedrock",
                name: "CreateGuardrailVersion",
                parameters: format!(r#"{{"guardrailIdentifier":"{guardrail}","clientRequestToken":"{}"}}"#, self.rng.uuid()),
                response: format!(r#"{{"guardrailId":"{guardrail}","version":"2"}}"#),
                ..Event::default()
            },
            _ => Event {
                source: "bedrock",
                name: "PutModelInvocationLoggingConfiguration",
                parameters:
                    r#"{"loggingConfig":{"s3Config":{"bucketName":"model-logs","keyPrefix":"bedrock"},"textDataDeliveryEnabled":true}}"#
                        .into(),
                response: "{}".into(),
                ..Event::default()
            },
        }
    }

    fn write(&mut self, file: &mut String, seconds: u64, event: &Event) {
        let Event { source, name, host, parameters, response, more, read_only, data } = event;
        let (account, region, hour) = (&self.account, &self.region, &self.hour);
        let (role, session, key) = (self.rng.pick(ROLES), self.rng.word(8), self.rng.word(16).to_uppercase());
        let agent = self.rng.pick(AGENTS);
        let (address, request, id) = (self.rng.below(250), self.rng.uuid(), self.rng.uuid());
        let (start, minute, second) = (self.minute, self.minute + seconds / 60, seconds % 60);
        let response = if response.is_empty() { "null" } else { response };
        let host = if host.is_empty() { source } else { host };
        let category = if *data { "Data" } else { "Management" };
        let _ = write!(
            file,
            r#"{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLEEXAMPLE000:{role}-{session}","arn":"arn:aws:sts::{account}:assumed-role/{role}/{role}-{session}","accountId":"{account}","accessKeyId":"ASIA{key}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLEEXAMPLE000","arn":"arn:aws:iam::{account}:role/{role}","accountId":"{account}","userName":"{role}"}},"webIdFederationData":{{}},"attributes":{{"creationDate":"{hour}:{start:02}:00Z","mfaAuthenticated":"false"}}}}}},"eventTime":"{hour}:{minute:02}:{second:02}Z","eventSource":"{source}.amazonaws.com","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"192.0.2.{address}","userAgent":"{agent}","requestParameters":{parameters},"responseElements":{response},{more}"requestID":"{request}","eventID":"{id}","readOnly":{read_only},"eventType":"AwsApiCall","managementEvent":{},"recipientAccountId":"{account}","eventCategory":"{category}","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{host}.{region}.amazonaws.com"}}}}"#,
            !data
        );
    }
}
