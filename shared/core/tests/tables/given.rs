//! Builds small inputs of an audit, and shows its results as lines.

use audit_core::{
    auditor::{self, Audit, AuditOptions, Selection},
    config::Configuration,
    facts::{Collector, EvidenceRows},
    finding::Finding,
    timestamp::Timestamp,
    world::{SnapshotPath, World},
};
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "222233334444";
pub(crate) const HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";

/// The guardrail that the organization's policy demands in us-east-1.
pub(crate) const REQUIRED: &str = "arn:aws:bedrock:us-east-1:111122223333:guardrail/org";

/// Records and the world that they were made in: an account whose effective policy demands [`REQUIRED`] in us-east-1, and that enforces
/// nothing of its own there. All times are of 2026-11-20.
#[derive(Clone, Default)]
pub(crate) struct Given {
    files: Vec<(String, Value)>,
    records: Vec<Value>,
    configuration: String,
    selection: Selection,
}

/// The time on 2026-11-20 at this time of day: `12:00`, `12:00:30`.
pub(crate) fn at(time: &str) -> Timestamp {
    Timestamp::parse(&timestamp(time)).unwrap()
}

fn timestamp(time: &str) -> String {
    let seconds = if time.len() == 5 { ":00" } else { "" };
    format!("2026-11-20T{time}{seconds}Z")
}

/// The time of day this many minutes after midnight.
pub(crate) fn minute(minute: usize) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

impl Given {
    /// Nothing is known.
    pub(crate) fn nothing() -> Self {
        Given::default()
    }

    /// The account's effective policy demands the guardrail, and its configurations are known to be none.
    pub(crate) fn demanded() -> Self {
        let demanded = json!({"bedrock": {"guardrail_inference": {"us-east-1": {"config_1": {"identifier": format!("{REQUIRED}:2")}}}}});
        Given::unconfigured().policy("00:00", Some(&demanded))
    }

    /// The account has no effective policy, and its configurations are known to be none.
    pub(crate) fn undemanded() -> Self {
        Given::unconfigured().policy("00:00", None)
    }

    /// Adds an answer of DescribeEffectivePolicy at a time. One at midnight holds from the beginning.
    pub(crate) fn policy(self, time: &str, content: Option<&Value>) -> Self {
        let policy = content.map(|content| json!({"PolicyContent": content.to_string(), "PolicyType": "BEDROCK_POLICY"}));
        let stamp = if time == "00:00" { String::new() } else { format!("@20261120T{}00Z", time.replace(':', "")) };
        self.file(&format!("effective-policies/{ACCOUNT}{stamp}.json"), json!({ "EffectivePolicy": policy }))
    }

    /// The account's configurations are known to be none; nothing else is known.
    pub(crate) fn unconfigured() -> Self {
        let path = |region: &str| format!("enforced-configurations/{ACCOUNT}/{region}.json");
        let none = json!({"guardrailsConfig": []});
        Given::nothing().file(&path("us-east-1"), none.clone()).file(&path("eu-west-1"), none)
    }

    /// Adds a trail of the account that records management events, and on request evaluations.
    pub(crate) fn trail(self, evaluations: bool) -> Self {
        let selector = |category: &str, more: &[Value]| {
            let category = json!({"Field": "eventCategory", "Equals": [category]});
            let fields = [&[category][..], more].concat();
            json!({ "FieldSelectors": fields })
        };
        let mut selectors = vec![selector("Management", &[])];
        if evaluations {
            selectors.push(selector("Data", &[json!({"Field": "resources.type", "Equals": ["AWS::Bedrock::Guardrail"]})]));
        }
        let trail = "arn:aws:cloudtrail:us-east-1:111122223333:trail/o";
        let answer = json!({"TrailARN": trail, "IsLogging": true, "AdvancedEventSelectors": selectors});
        self.file(&format!("telemetry/{ACCOUNT}/us-east-1.json"), answer)
    }

    /// Invocation logs of the account are known to be delivered, texts and all, to the bucket `logs`.
    pub(crate) fn logged(self) -> Self {
        let config = json!({"textDataDeliveryEnabled": true, "s3Config": {"bucketName": "logs"}});
        self.file(&format!("telemetry/{ACCOUNT}/us-east-1.json"), json!({ "loggingConfig": config }))
    }

    pub(crate) fn file(mut self, path: &str, answer: Value) -> Self {
        self.files.push((path.to_owned(), answer));
        self
    }

    pub(crate) fn records(mut self, records: impl IntoIterator<Item = Record>) -> Self {
        self.records.extend(records.into_iter().map(|record| record.0));
        self
    }

    /// The text of `guardrail-audit.toml`.
    pub(crate) fn configured(self, toml: &str) -> Self {
        Given { configuration: self.configuration + toml, ..self }
    }

    pub(crate) fn selecting(self, selection: Selection) -> Self {
        Given { selection, ..self }
    }

    fn world(&self) -> World {
        let mut world = World::default();
        for (path, json) in &self.files {
            world.add(&SnapshotPath::parse(path).unwrap_or_else(|| panic!("{path}")), json.to_string().as_bytes()).unwrap();
        }
        world
    }

    pub(crate) fn with_terms<T>(&self, with: impl FnOnce(EvidenceRows, World, &AuditOptions<'_>) -> T) -> T {
        let configuration = Configuration::parse(&self.configuration).unwrap();
        let wanted = auditor::wanted_in(&configuration, &self.world());
        let mut collector = Collector::new(&wanted);
        for record in &self.records {
            collector.value(record.to_string().as_bytes());
        }
        let now = Timestamp::parse("2026-11-22T00:00:00Z").unwrap();
        with(
            collector.into_facts(),
            self.world(),
            &AuditOptions { configuration: &configuration, selection: &self.selection, now, threads: 1 },
        )
    }

    pub(crate) fn audit(&self) -> Audit {
        self.with_terms(auditor::audit)
    }

    /// A line for each finding: rule, severity, status, count, and those of `attempted`, `expected`, `reopened` and `resolved` that apply.
    pub(crate) fn findings(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.audit().findings.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// The finding of a rule.
    pub(crate) fn finding(&self, rule: &str) -> Finding {
        let findings = self.audit().findings;
        let of_rule: Vec<&Finding> = findings.iter().filter(|finding| finding.rule == rule).collect();
        assert_eq!(of_rule.len(), 1, "{rule}: {:?}", findings.iter().map(line).collect::<Vec<_>>());
        of_rule[0].clone()
    }

    /// The line of the rule's finding; empty if there is none.
    pub(crate) fn line_of(&self, rule: &str) -> String {
        self.findings().into_iter().filter(|line| line.starts_with(&format!("{rule} "))).collect::<Vec<_>>().join("; ")
    }

    /// A line for each row of coverage: operation, model, verdict/grade, reason, count.
    pub(crate) fn coverage(&self) -> Vec<String> {
        let rows = self.audit().coverage;
        let reason = |reason: Option<audit_core::verdict::Reason>| reason.map(|reason| format!(" {reason}")).unwrap_or_default();
        let line = |row: &audit_core::report::CoverageRow| {
            format!("{} {} {}/{}{} ×{}", row.api, row.model, row.verdict, row.grade, reason(row.reason), row.count)
        };
        rows.iter().map(line).collect()
    }

    /// The number of calls by verdict.
    pub(crate) fn verdicts(&self) -> [(&'static str, u64); 4] {
        let counted = self.audit().invocations;
        [
            ("compliant", counted.compliant),
            ("violation", counted.violation),
            ("not_provable", counted.not_provable),
            ("not_applicable", counted.not_applicable),
        ]
    }

    /// The missing evidence, by its names in JSON.
    pub(crate) fn blind(&self) -> Vec<&'static str> {
        self.audit().blind.iter().map(|row| row.missing.as_str()).collect()
    }

    /// The explanation of the rule's finding.
    pub(crate) fn explained(&self, rule: &str) -> Vec<String> {
        let finding = self.finding(rule);
        self.with_terms(|facts, world, options| {
            auditor::explain_finding(&finding.id, facts, world, options).unwrap_or_else(|| auditor::explain_change(&finding, options))
        })
    }
}

fn line(finding: &Finding) -> String {
    let Finding { rule, severity, status, count, .. } = finding;
    let attempted = if finding.attempted { " attempted" } else { "" };
    let expected = if finding.expected { " expected" } else { "" };
    let reopened = if finding.reopened > 0 { format!(" reopened {}", finding.reopened) } else { String::new() };
    let resolved = finding.resolved_at.map(|at| format!(" resolved {at}")).unwrap_or_default();
    format!("{rule} {severity} {} ×{count}{attempted}{expected}{reopened}{resolved}", status.as_str())
}

/// A CloudTrail record.
#[derive(Clone)]
pub(crate) struct Record(Value);

/// A call of Converse with a model, by the role `app`, with ids of its own for each number.
pub(crate) fn call(number: usize, time: &str) -> Record {
    Record(json!({
        "eventVersion": "1.11", "eventSource": "bedrock.amazonaws.com", "eventName": "Converse", "eventType": "AwsApiCall",
        "eventTime": timestamp(time), "awsRegion": "us-east-1", "recipientAccountId": ACCOUNT, "eventCategory": "Management",
        "userIdentity": identity("app"),
        "requestParameters": {"modelId": HAIKU},
        "requestID": format!("00000000-0000-4000-a000-{number:012}"), "eventID": format!("00000000-0000-4000-b000-{number:012}")
    }))
}

/// The evaluation by the required guardrail, as enforced, of the call with the same number.
pub(crate) fn evaluation(number: usize, time: &str) -> Record {
    let named = json!({"guardrailIdentifier": "ENFORCED", "guardrailVersion": "ENFORCED", "source": "INPUT"});
    let resources = json!([{"type": "AWS::Bedrock::Guardrail", "ARN": REQUIRED}]);
    let event = json!(format!("00000000-0000-4000-c000-{number:012}"));
    call(number, time).of("ApplyGuardrail").with("requestParameters", named).with("resources", resources).with("eventID", event)
}

/// The record of a change in the control plane of Bedrock, by the role `admin`.
pub(crate) fn change(number: usize, time: &str, operation: &str, parameters: Value) -> Record {
    call(number, time).of(operation).with("requestParameters", parameters).by("admin")
}

/// The invocation log of the call with the same number.
pub(crate) fn log(number: usize, time: &str) -> Record {
    Record(json!({
        "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": timestamp(time), "accountId": ACCOUNT,
        "region": "us-east-1", "requestId": format!("00000000-0000-4000-a000-{number:012}"), "operation": "Converse", "modelId": HAIKU,
        "output": {"outputBodyJson": {"trace": {"guardrail": {"inputAssessment": {"org": {}}}}}},
    }))
}

fn identity(role: &str) -> Value {
    json!({
        "type": "AssumedRole", "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session"), "accountId": ACCOUNT,
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}")}}
    })
}

impl Record {
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.0[field] = value;
        self
    }

    pub(crate) fn json(&self) -> &Value {
        &self.0
    }

    pub(crate) fn of(self, operation: &str) -> Self {
        self.with("eventName", json!(operation))
    }

    pub(crate) fn of_service(self, service: &str) -> Self {
        self.with("eventSource", json!(format!("{service}.amazonaws.com")))
    }

    pub(crate) fn by(self, role: &str) -> Self {
        self.with("userIdentity", identity(role))
    }

    pub(crate) fn model(self, model: &str) -> Self {
        self.asking("modelId", json!(model))
    }

    pub(crate) fn asking(mut self, parameter: &str, value: Value) -> Self {
        self.0["requestParameters"][parameter] = value;
        self
    }

    pub(crate) fn requesting(self, guardrail: &str, version: &str) -> Self {
        self.asking("guardrailConfig", json!({"guardrailIdentifier": guardrail, "guardrailVersion": version}))
    }

    pub(crate) fn in_region(self, region: &str) -> Self {
        self.with("awsRegion", json!(region))
    }

    pub(crate) fn refused(self) -> Self {
        self.with("errorCode", json!("AccessDenied"))
    }

    pub(crate) fn answering(self, answer: Value) -> Self {
        self.with("responseElements", answer)
    }
}
