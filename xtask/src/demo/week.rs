//! What happens in the week: `events/demo/README.md` tells it in words, account by account, and so does this.

#![expect(clippy::indexing_slicing, reason = "a JSON value answers null for what it lacks, and takes what is new to it")]

use serde_json::{Value, json};

use super::{
    chance::Chance,
    record::{Caller, Origin, Record, Request, Time, Who},
};

const SONNET: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";
const SONNET_EU: &str = "eu.anthropic.claude-sonnet-4-20250514-v1:0";
const HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";
const NOVA: &str = "amazon.nova-pro-v1:0";

const MANAGEMENT: &str = "111122223333";
const SHOP_PROD: &str = "222233334444";
const CLAIMS_PROD: &str = "333344445555";
const SUPPORT_CHAT: &str = "444455556666";
const SEARCH_PROD: &str = "555566667777";
const ML_PLATFORM: &str = "666677778888";
const DATA_LAKE: &str = "777788889999";
const EMPTY: &str = "888899990000";
const SANDBOX_ALICE: &str = "999900001111";
const SANDBOX_RESEARCH: &str = "101010101010";
const ACQUIRED_STARTUP: &str = "121212121212";
const PARTNER_API: &str = "131313131313";
const STRANGER: &str = "141414141414";
const HR_TOOLS: &str = "161616161616";

/// Monday to Sunday.
const DAYS: std::ops::RangeInclusive<u32> = 9..=15;
const START: &str = "2026-11-09T00:00:00Z";

/// The guardrail of the organization's policy, and of the policy that replaces it in search-prod for two days.
const CORPORATE: &str = "corpguard001";
const OF_SEARCH: &str = "searchguard1";
const REPLACED: std::ops::Range<Time> = Time::at(12, 9, 30, 0)..Time::at(14, 8, 0, 0);

/// A call of a model.
#[derive(Clone)]
struct Call {
    who: Who,
    operations: &'static [&'static str],
    region: &'static str,
    model: String,
    guardrail: Option<&'static str>,
    error: Option<(&'static str, &'static str)>,
}

impl Call {
    fn new(who: Who, operations: &'static [&'static str], model: &str) -> Self {
        Call { who, operations, region: "us-east-1", model: model.to_owned(), guardrail: None, error: None }
    }
}

/// What has happened so far.
pub(super) struct Week {
    chance: Chance,
    pub(super) records: Vec<Record>,
    /// Invocation logs, with the names that their files end with.
    pub(super) logs: Vec<(Time, Value)>,
}

impl Week {
    /// The whole week.
    pub(super) fn new(chance: Chance) -> Self {
        let mut week = Week { chance, records: Vec::new(), logs: Vec::new() };
        week.shop_prod();
        week.claims_prod();
        week.support_chat();
        week.search_prod();
        week.ml_platform();
        week.data_lake();
        week.sandboxes();
        week.accounts_without_the_policy();
        week.operations();
        week.changes();
        week
    }

    /// What the names of files are drawn from.
    pub(super) fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    fn shop_prod(&mut self) {
        let assistant = Call::new(Who::Role(SHOP_PROD, "shop-assistant"), &["Converse", "ConverseStream"], SONNET);
        let embeddings = Call::new(Who::Role(SHOP_PROD, "shop-catalog-embeddings"), &["InvokeModel"], "amazon.titan-embed-text-v2:0");
        for day in DAYS {
            for hour in 7..16 {
                self.evaluated(&assistant, day, hour);
            }
            for hour in [9, 13] {
                self.call(&embeddings, day, hour);
            }
        }
        for day in [11, 13] {
            self.call(&Call::new(Who::Role(SHOP_PROD, "shop-summaries"), &["InvokeModel"], "amazon.titan-text-lite-v1"), day, 14);
        }
    }

    fn claims_prod(&mut self) {
        let triage = Call::new(Who::Role(CLAIMS_PROD, "claims-triage"), &["InvokeModel"], HAIKU);
        for (number, day) in DAYS.enumerate() {
            for hour in 8..15 {
                self.call(&triage, day, hour);
            }
            self.stream_with_its_end(day);
            self.batch_job(number, day);
        }
        let not_authorized = "User: arn:aws:sts::333344445555:assumed-role/claims-letters/letters is not authorized to perform: \
            bedrock:ApplyGuardrail on resource: arn:aws:bedrock:us-east-1:111122223333:guardrail/corpguard001 because no identity-based policy \
            allows the bedrock:ApplyGuardrail action";
        let letters = Call {
            error: Some(("AccessDeniedException", not_authorized)),
            ..Call::new(Who::Role(CLAIMS_PROD, "claims-letters"), &["Converse"], HAIKU)
        };
        for day in [14, 15] {
            for _ in 0..3 {
                self.call(&letters, day, 16);
            }
        }
        let no_access = "You don't have access to the model with the specified model ID.";
        let llama = Call { model: "meta.llama3-70b-instruct-v1:0".to_owned(), error: Some(("AccessDeniedException", no_access)), ..triage };
        self.call(&llama, 12, 11);
    }

    /// A streamed call, whose end the service tells as an event of its own.
    fn stream_with_its_end(&mut self, day: u32) {
        let (caller, time, record) = self.call(&Call::new(Who::Role(CLAIMS_PROD, "claims-chat"), &["ConverseStream"], HAIKU), day, 13);
        let of_call = record["requestID"].clone();
        let tokens = json!({"additionalEntries": {"inputTokens": "10", "outputTokens": "90"}});
        let model = format!("arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}");
        let end = Request {
            reads: true,
            event_type: "AwsServiceEvent",
            more: vec![
                ("serviceEventDetails", json!({"parentRequestId": of_call, "AdditionalEventData": tokens})),
                ("resources", json!([{"type": "AWS::Bedrock::Model", "ARN": model}])),
            ],
            ..Request::new("bedrock", "ConverseStream")
        };
        self.record(&caller, time.later(8), end);
    }

    fn batch_job(&mut self, number: usize, day: u32) {
        let time = Time::at(day, 2, 10, self.chance.below(60));
        let caller = self.caller(Who::Role(CLAIMS_PROD, "batch-summaries"));
        let job = format!("arn:aws:bedrock:us-east-1:{CLAIMS_PROD}:model-invocation-job/ab{:010x}", self.chance.bits(40));
        let role = format!("arn:aws:iam::{CLAIMS_PROD}:role/batch-summaries");
        let request = Request {
            parameters: json!({"jobName": format!("claims-{number}"), "modelId": HAIKU, "roleArn": role}),
            response: json!({"jobArn": job}),
            ..Request::new("bedrock", "CreateModelInvocationJob").to("bedrock.us-east-1.amazonaws.com")
        };
        self.record(&caller, time, request);
    }

    fn support_chat(&mut self) {
        let bot = Call::new(Who::Role(SUPPORT_CHAT, "support-bot"), &["Converse"], SONNET);
        let of_europe = Call { region: "eu-west-1", ..Call::new(Who::Role(SUPPORT_CHAT, "support-bot-eu"), &["Converse"], SONNET_EU) };
        for day in DAYS {
            for hour in 9..14 {
                self.evaluated(&bot, day, hour);
            }
            for hour in [9, 11, 13] {
                let (caller, time, record) = self.call(&of_europe, day, hour);
                if day >= 13 && hour == 11 {
                    self.logs.push((time, invocation_log(&caller, time, &record)));
                }
            }
        }
        let pilot = Call { region: "ap-southeast-2", ..Call::new(Who::Role(SUPPORT_CHAT, "support-apac-pilot"), &["Converse"], NOVA) };
        for day in 12..=14 {
            self.call(&pilot, day, 3);
        }
    }

    fn search_prod(&mut self) {
        let answers = Call::new(Who::Role(SEARCH_PROD, "search-answers"), &["Converse"], NOVA);
        for day in DAYS {
            for hour in (7..18).step_by(2) {
                self.evaluated(&answers, day, hour);
            }
        }
        let key = self.chance.below(1_000_000_000);
        let dana = Who::session(MANAGEMENT, "OrganizationAdmin", ("AROAEXAMPLEORGANIZATI", "dana"), Some(key), START);
        for (operation, time) in [("AttachPolicy", REPLACED.start), ("DetachPolicy", REPLACED.end)] {
            let request = Request {
                parameters: json!({"policyId": "p-searchovrd1", "targetId": SEARCH_PROD}),
                ..Request::new("organizations", operation).to("organizations.us-east-1.amazonaws.com")
            };
            self.record(&dana, time, request);
        }
    }

    fn ml_platform(&mut self) {
        let profile = format!("arn:aws:bedrock:us-east-1:{ML_PLATFORM}:application-inference-profile/abc123def456");
        let caller = self.caller(Who::Role(ML_PLATFORM, "ml-deployer"));
        let model = format!("arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}");
        let request = Request {
            parameters: json!({"inferenceProfileName": "team-b", "modelSource": {"copyFrom": model}}),
            response: json!({"inferenceProfileArn": profile, "status": "ACTIVE"}),
            ..Request::new("bedrock", "CreateInferenceProfile").to("bedrock.us-east-1.amazonaws.com")
        };
        self.record(&caller, Time::at(9, 6, 0, 0), request);
        let tagger = Call::new(Who::Role(ML_PLATFORM, "feature-tagger"), &["Converse"], &profile);
        let imported = format!("arn:aws:bedrock:us-east-1:{ML_PLATFORM}:imported-model/ft0abc12def3");
        let experiments = Call::new(Who::Role(ML_PLATFORM, "experiments"), &["InvokeModel"], &imported);
        for day in DAYS {
            for hour in 10..14 {
                self.call(&tagger, day, hour);
            }
            self.call(&experiments, day, 15);
        }
    }

    fn data_lake(&mut self) {
        let descriptions = Call::new(Who::Role(DATA_LAKE, "lake-descriptions"), &["InvokeModel"], HAIKU);
        for day in DAYS {
            for hour in 11..14 {
                self.call(&descriptions, day, hour);
            }
        }
        for day in [10, 11, 12, 15] {
            for minute in [0, 7, 14, 21] {
                let time = Time::at(day, 20, minute, self.chance.below(60));
                let caller = self.caller(Who::User(DATA_LAKE, "BedrockAPIKey-q7xa"));
                let key = json!({"model": "openai.gpt-oss-120b", "stream": false, "callWithBearerToken": true, "bearerTokenType": "ABSK"});
                let project = format!("arn:aws:bedrock-mantle:us-east-1:{DATA_LAKE}:project/default");
                let mut request = Request { parameters: key, is_data: true, ..Request::new("bedrock-mantle", "CreateInference") }
                    .to("bedrock-mantle.us-east-1.api.aws");
                request.more.push(("resources", json!([{"accountId": DATA_LAKE, "type": "AWS::BedrockMantle::Project", "ARN": project}])));
                self.record(&caller, time, request);
            }
        }
    }

    fn sandboxes(&mut self) {
        let alice = Call::new(Who::User(SANDBOX_ALICE, "alice"), &["Converse"], NOVA);
        let with_draft = Call { guardrail: Some("sandboxguard"), ..alice.clone() };
        for day in DAYS {
            self.call(&alice, day, 10);
            self.call(&with_draft, day, 13);
        }
        let notebook = Call::new(Who::Role(SANDBOX_RESEARCH, "notebook"), &["Converse"], SONNET);
        for day in DAYS {
            for hour in 9..13 {
                self.evaluated(&notebook, day, hour);
            }
        }
        let harness = Call::new(Who::Role(SANDBOX_RESEARCH, "evaluation-harness"), &["Converse"], SONNET);
        for call in 0..11 {
            let time = Time::at(14, 22, 3 * call, self.chance.below(60));
            self.call_at(&harness, time);
        }
    }

    fn accounts_without_the_policy(&mut self) {
        let startup = Call::new(Who::Role(ACQUIRED_STARTUP, "startup-backend"), &["InvokeModel"], HAIKU);
        for day in DAYS {
            for hour in (8..19).step_by(2) {
                self.call(&startup, day, hour);
            }
        }
        let caller = self.caller(Who::Role(ACQUIRED_STARTUP, "platform-onboarding"));
        let time = Time::at(13, 7, 0, 0);
        let guardrail = format!("arn:aws:bedrock:us-east-1:{ACQUIRED_STARTUP}:guardrail/startguard01");
        let by = format!("arn:aws:iam::{ACQUIRED_STARTUP}:role/platform-onboarding");
        let request = Request {
            parameters: json!({"guardrailInferenceConfig": {"guardrailIdentifier": guardrail, "guardrailVersion": "1"}}),
            response: json!({"configId": "cfg1startup", "updatedAt": time.to_string(), "updatedBy": by}),
            ..Request::new("bedrock", "PutEnforcedGuardrailConfiguration").to("bedrock.us-east-1.amazonaws.com")
        };
        self.record(&caller, time, request);
        let partner =
            Call { guardrail: Some("partnerguard"), ..Call::new(Who::Role(PARTNER_API, "partner-gateway"), &["Converse"], HAIKU) };
        for day in DAYS {
            for hour in [9, 12, 15] {
                self.call(&partner, day, hour);
            }
        }
        self.call(&Call::new(Who::User(MANAGEMENT, "dana"), &["Converse"], SONNET), 11, 17);
        for day in 13..=15 {
            self.call(&Call::new(Who::Role(STRANGER, "unknown-app"), &["Converse"], NOVA), day, 18);
        }
        for day in [14, 15] {
            self.call(&Call::new(Who::Role(HR_TOOLS, "hr-assistant"), &["Converse"], HAIKU), day, 12);
        }
    }

    /// What has nothing to do with guardrails, in every account that is in the organization.
    fn operations(&mut self) {
        const ACCOUNTS: [&str; 13] = [
            MANAGEMENT,
            SHOP_PROD,
            CLAIMS_PROD,
            SUPPORT_CHAT,
            SEARCH_PROD,
            ML_PLATFORM,
            DATA_LAKE,
            EMPTY,
            SANDBOX_ALICE,
            SANDBOX_RESEARCH,
            ACQUIRED_STARTUP,
            PARTNER_API,
            HR_TOOLS,
        ];
        const OPERATIONS: [(&str, &str); 6] = [
            ("s3", "GetObject"),
            ("sts", "AssumeRole"),
            ("ec2", "DescribeInstances"),
            ("logs", "CreateLogStream"),
            ("kms", "Decrypt"),
            ("bedrock", "ListGuardrails"),
        ];
        for account in ACCOUNTS {
            for day in DAYS {
                for _ in 0..3 + self.chance.below(6) {
                    let (service, operation) = self.chance.one_of(&OPERATIONS).unwrap_or_default();
                    let hour = self.chance.below(24);
                    let time = self.within(day, hour);
                    let caller = self.caller(Who::Role(account, "operations"));
                    let request = Request {
                        parameters: json!({"maxResults": 50}),
                        reads: operation != "CreateLogStream",
                        is_data: operation == "GetObject",
                        ..Request::new(service, operation).to(&format!("{service}.us-east-1.amazonaws.com"))
                    };
                    self.record(&caller, time, request);
                }
            }
        }
    }

    /// What people change, or try to, with the AWS CLI. Their files are named apart.
    fn changes(&mut self) {
        let denied = "User is not authorized to perform this operation with an explicit deny in a service control policy";
        let refused = Some(("AccessDenied", denied));
        let guardrail = format!("arn:aws:bedrock:us-east-1:{MANAGEMENT}:guardrail/{CORPORATE}");
        let weakened = Request {
            parameters: json!({"guardrailIdentifier": CORPORATE, "name": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
            response: json!({
                "guardrailId": CORPORATE,
                "guardrailArn": guardrail,
                "updatedAt": "Nov 12, 2026, 9:15:00 AM",
                "version": "DRAFT",
            }),
            ..Request::new("bedrock", "UpdateGuardrail")
        };
        let disabled =
            || Request { parameters: json!({"name": "guardrail-audit-calls"}), error: refused, ..Request::new("events", "DisableRule") };
        let agent = Request {
            parameters: json!({"agentName": "release-notes", "foundationModel": HAIKU}),
            response: json!({"agent": {"agentId": "AGENTDEMO1", "agentName": "release-notes"}}),
            ..Request::new("bedrock", "CreateAgent")
        };
        let left = Request { error: refused, ..Request::new("organizations", "LeaveOrganization") };
        let logging = Request::new("bedrock", "DeleteModelInvocationLoggingConfiguration");
        let mut changes = vec![
            (DATA_LAKE, "lake-admin", Time::at(12, 19, 40, 11), logging),
            (MANAGEMENT, "guardrail-admin", Time::at(12, 9, 15, 0), weakened),
        ];
        changes.extend(TRIES.map(|minute| (SANDBOX_RESEARCH, "evaluation-harness", Time::at(14, 21, minute, 10), disabled())));
        changes.push((ML_PLATFORM, "ml-engineer", Time::at(11, 14, 20, 0), agent));
        changes.push((SANDBOX_ALICE, "alice", Time::at(13, 8, 5, 0), left));
        for (number, (account, role, time, request)) in (1..).zip(changes) {
            let id = format!("AROAEXAMPLE{number:05}");
            let caller = Who::session(account, role, (&id, "session"), None, &time.to_string());
            let origin = Origin {
                address: 10 + number,
                agent: "aws-cli/2.31.3",
                request: format!("0000004d-0000-4000-b000-{number:012}"),
                event: format!("0000004e-0000-4000-b000-{number:012}"),
            };
            self.records.push(Record::new(&caller, time, &origin, request));
        }
    }

    /// A second of an hour.
    fn within(&mut self, day: u32, hour: u32) -> Time {
        let minute = self.chance.below(60);
        Time::at(day, hour, minute, self.chance.below(60))
    }

    fn caller(&mut self, who: Who) -> Caller {
        match who {
            Who::Role(account, role) => {
                let session = format!("{role}-{:06x}", self.chance.bits(24));
                let key = self.chance.below(1_000_000_000);
                let short: String = role.to_uppercase().chars().filter(|c| *c != '-').take(10).collect();
                Who::session(account, role, (&format!("AROAEXAMPLE{short}"), &session), Some(key), START)
            }
            Who::User(account, name) => Who::user(account, name, self.chance.below(1_000_000_000)),
        }
    }

    /// A call of a model some time within an hour: who it was, when, and its record.
    fn call(&mut self, call: &Call, day: u32, hour: u32) -> (Caller, Time, Value) {
        let time = self.within(day, hour);
        self.call_at(call, time)
    }

    fn call_at(&mut self, call: &Call, time: Time) -> (Caller, Time, Value) {
        let caller = self.caller(call.who);
        let operation = match call.operations {
            [only] => only,
            several => self.chance.one_of(several).unwrap_or_default(),
        };
        let mut parameters = json!({"modelId": call.model});
        if let Some(guardrail) = call.guardrail {
            parameters["guardrailConfig"] = json!({"guardrailIdentifier": guardrail, "guardrailVersion": "DRAFT"});
        }
        let mut request = Request { region: call.region, error: call.error, parameters, reads: true, ..Request::new("bedrock", operation) }
            .to(&format!("bedrock-runtime.{}.amazonaws.com", call.region));
        if call.error.is_none() {
            let (input, output) = (50 + self.chance.below(3950), 20 + self.chance.below(880));
            request.more.push(("additionalEventData", json!({"inputTokens": input, "outputTokens": output})));
        }
        let record = self.record(&caller, time, request);
        (caller, time, record)
    }

    /// A call of which CloudTrail shows that what is enforced was evaluated, on the way in and on the way out.
    fn evaluated(&mut self, call: &Call, day: u32, hour: u32) {
        let (caller, time, record) = self.call(call, day, hour);
        let replaced = caller.account == SEARCH_PROD && REPLACED.contains(&time);
        let guardrail = format!("arn:aws:bedrock:us-east-1:{MANAGEMENT}:guardrail/{}", if replaced { OF_SEARCH } else { CORPORATE });
        for (source, seconds) in [("INPUT", 1), ("OUTPUT", 3)] {
            let request = Request {
                parameters: json!({"guardrailIdentifier": "ENFORCED", "guardrailVersion": "ENFORCED", "source": source}),
                response: json!({"action": "NONE", "assessments": [{}]}),
                reads: true,
                is_data: true,
                more: vec![("resources", json!([{"accountId": MANAGEMENT, "type": "AWS::Bedrock::Guardrail", "ARN": guardrail}]))],
                ..Request::new("bedrock", "ApplyGuardrail")
            };
            let address = self.address();
            let of_call = record["requestID"].as_str().unwrap_or_default().to_owned();
            let origin = Origin { address, agent: PYTHON, request: of_call, event: self.chance.uuid() };
            self.records.push(Record::new(&caller, time.later(seconds), &origin, request));
        }
    }

    fn address(&mut self) -> u32 {
        1 + self.chance.below(254)
    }

    fn record(&mut self, caller: &Caller, time: Time, request: Request) -> Value {
        let origin = Origin { address: self.address(), agent: PYTHON, request: self.chance.uuid(), event: self.chance.uuid() };
        let record = Record::new(caller, time, &origin, request);
        let json = record.json.clone();
        self.records.push(record);
        json
    }
}

const PYTHON: &str = "Boto3/1.41.2 md/Botocore#1.41.2 ua/2.1 lang/python#3.13.1";

/// The minutes of the hour in which one role tries to disable the auditor's rule.
const TRIES: [u32; 5] = [2, 9, 15, 31, 48];

/// What Bedrock logs of a call: a guardrail that covered few of its characters.
fn invocation_log(caller: &Caller, time: Time, record: &Value) -> Value {
    let coverage = json!({"textCharacters": {"guarded": 180, "total": 1240}});
    let assessment = json!({"corpguardeu1": {"invocationMetrics": {"guardrailCoverage": coverage}}});
    json!({
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": time.to_string(),
        "accountId": caller.account,
        "region": record["awsRegion"],
        "requestId": record["requestID"],
        "operation": record["eventName"],
        "modelId": record["requestParameters"]["modelId"],
        "identity": {"arn": caller.identity["arn"]},
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": {"messages": [{"role": "user", "content": [{"text": "(left out)"}]}]},
            "inputTokenCount": 20,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": {"stopReason": "end_turn", "trace": {"guardrail": {"inputAssessment": assessment}}},
            "outputTokenCount": 40,
        },
    })
}
