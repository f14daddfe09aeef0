//! `report`: answers questions about findings over HTTPS, and writes reports to S3.

use std::{collections::BTreeMap, sync::Arc};

use audit_core::{
    finding::{Finding, Status},
    moment::Moment,
    report::{
        BlindRow,
        csv::{self, LineEnding},
        v1,
    },
    rules::find,
    severity::Severity,
    verdict::Invocations,
};
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    aws::Aws,
    bucket::{Bucket, S3Bucket},
    clock::Clock,
    edge::Handler,
    error::{BoxError, CallError, ErrorKind},
    findings::{Basis, Findings, Page, Stored},
    observations::Item,
    settings::Environment,
};

/// Reports.
#[derive(Debug)]
pub struct Reports<B> {
    findings: Findings,
    bucket: B,
    prefix: String,
    clock: Clock,
}

/// What the function is called with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// On a schedule.
    Scheduled(Scheduled),
    /// Over HTTPS.
    Http(Box<LambdaFunctionUrlRequest>),
}

/// What is asked on a schedule.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scheduled {
    /// Write the reports.
    Scheduled,
}

/// An answer over HTTPS, in the shape of function URLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// HTTP status.
    pub status_code: u16,
    /// HTTP headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Query {
    account: Option<String>,
    ou: Option<String>,
    region: Option<String>,
    rule: Option<String>,
    severity: Option<Severity>,
    status: Option<Status>,
    since: Option<Moment>,
    until: Option<Moment>,
    principal: Option<String>,
    guardrail: Option<String>,
    csv: bool,
    limit: usize,
    token: Option<Token>,
}

/// Where a page ended. Opaque to whoever gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    /// The query that it belongs to.
    query: String,
    /// Which of the index's values, for questions that need several.
    step: usize,
    /// The last item's key.
    key: BTreeMap<String, String>,
}

/// An account's place on the scoreboard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Which.
    pub account: String,
    /// From 1, the worst first.
    pub rank: usize,
    /// Open findings, weighed by severity.
    pub score: u64,
    /// Open findings about calls that went around guardrails.
    pub bypasses: u64,
    /// Open findings about changes of guardrails, policies and what watches them.
    pub modifications: u64,
    /// Open findings by severity.
    pub open: BTreeMap<String, u64>,
}

/// The share of calls that were covered, of those that had to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// The day, or the hour.
    pub period: String,
    /// Whose.
    pub account: String,
    /// The calls.
    pub invocations: v1::Invocations,
    /// Compliant of all but those to which nothing applies. Absent if there are none.
    pub ratio: Option<f64>,
}

const INDEXES: [(Status, Severity); 15] = {
    use Severity::{Critical, High, Informational, Low, Medium};
    use Status::{Open, Resolved, Suppressed};
    [
        (Open, Critical),
        (Open, High),
        (Open, Medium),
        (Open, Low),
        (Open, Informational),
        (Suppressed, Critical),
        (Suppressed, High),
        (Suppressed, Medium),
        (Suppressed, Low),
        (Suppressed, Informational),
        (Resolved, Critical),
        (Resolved, High),
        (Resolved, Medium),
        (Resolved, Low),
        (Resolved, Informational),
    ]
};

/// So many pages are read for one answer; what is left is behind the token.
const PAGES: usize = 20;

/// Why a question can't be answered.
#[derive(Debug)]
enum Problem {
    Asked(String),
    Failed(CallError),
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        Problem::Failed(error)
    }
}

impl Reports<S3Bucket> {
    /// From the environment.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let table = environment.required("FINDINGS_TABLE")?;
        let bucket = environment.required("WORLD_BUCKET")?;
        let prefix = environment.parsed("REPORTS_PREFIX", "reports/".to_owned())?;
        let hub_region = environment.optional("HUB_REGION");
        let aws = Aws::from_environment().await;
        let aws = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        Ok(Self::new(Findings::new(Arc::clone(&aws), table), S3Bucket::new(aws, bucket), prefix, Clock::System))
    }
}

impl<B: Bucket> Reports<B> {
    /// Reports about these findings into this bucket.
    pub fn new(findings: Findings, bucket: B, prefix: String, clock: Clock) -> Self {
        Reports { findings, bucket, prefix, clock }
    }

    /// Answers a question.
    pub async fn answer(&self, path: &str, parameters: &BTreeMap<String, String>) -> Answer {
        let answered = match path.trim_matches('/') {
            "" | "findings" => self.answer_findings(parameters).await,
            "scoreboard" => self.answer_scoreboard(parameters).await,
            "coverage" => self.answer_coverage(parameters).await,
            "blind" => self.answer_blind().await,
            other => Err(Problem::Asked(format!("there is no `{other}`; ask for findings, scoreboard, coverage or blind"))),
        };
        match answered {
            Ok(answer) => answer,
            Err(Problem::Asked(problem)) => json_answer(400, &json!({"error": problem})),
            Err(Problem::Failed(error)) => {
                crate::edge::warn("a question could not be answered", &error);
                json_answer(503, &json!({"error": "try again later"}))
            }
        }
    }

    async fn answer_findings(&self, parameters: &BTreeMap<String, String>) -> Result<Answer, Problem> {
        let query = Query::parse(parameters).map_err(Problem::Asked)?;
        let (found, token) = self.find(&query).await?;
        if query.csv {
            let mut answer = csv_answer(findings_csv(&found)?);
            if let Some(token) = token {
                answer.headers.insert("x-next-token".to_owned(), token);
            }
            return Ok(answer);
        }
        let findings: Vec<FindingOfHub<'_>> = found.iter().map(FindingOfHub::from).collect();
        Ok(json_answer(200, &json!({"schema_version": 1, "generated_at": self.clock.now(), "findings": findings, "next_token": token})))
    }

    /// A page of findings, and the token of the next.
    async fn find(&self, query: &Query) -> Result<(Vec<Stored>, Option<String>), Problem> {
        let steps = query.steps();
        let mut token = query.token.clone().unwrap_or_default();
        let mut found: Vec<Stored> = Vec::new();
        for _ in 0..PAGES {
            let Some((index, value)) = steps.get(token.step) else { return Ok((found, None)) };
            let page = Page {
                index,
                value,
                since: query.since,
                until: query.until,
                limit: i32::try_from(query.limit - found.len()).unwrap_or(1),
                start: (!token.key.is_empty())
                    .then(|| token.key.iter().map(|(name, text)| (name.clone(), AttributeValue::S(text.clone()))).collect()),
            };
            let (stored, last) = self.findings.page(&page).await?;
            found.extend(stored.into_iter().filter(|stored| query.selects(stored)));
            token = match last {
                Some(key) => Token { query: query.name(), step: token.step, key: texts(&key) },
                None => Token { query: query.name(), step: token.step + 1, key: BTreeMap::new() },
            };
            if found.len() >= query.limit || token.step >= steps.len() {
                break;
            }
        }
        let more = token.step < steps.len();
        Ok((found, more.then(|| hex::encode(serde_json::to_vec(&token).unwrap_or_default()))))
    }

    async fn answer_scoreboard(&self, parameters: &BTreeMap<String, String>) -> Result<Answer, Problem> {
        let scores = scoreboard(&self.all().await?);
        if parameters.get("format").is_some_and(|format| format == "csv") {
            return Ok(csv_answer(scoreboard_csv(&scores)?));
        }
        Ok(json_answer(200, &json!({"schema_version": 1, "generated_at": self.clock.now(), "accounts": scores})))
    }

    async fn answer_coverage(&self, parameters: &BTreeMap<String, String>) -> Result<Answer, Problem> {
        let account = parameters.get("account").map(String::as_str);
        let hourly = parameters.get("by").is_some_and(|by| by == "hour");
        let mut coverage = self.coverage(account, hourly).await?;
        for (name, keep) in [("since", std::cmp::Ordering::Less), ("until", std::cmp::Ordering::Greater)] {
            if let Some(bound) = parameters.get(name) {
                let moment = Moment::parse(bound).ok_or_else(|| Problem::Asked(format!("`{name}` is no time: {bound}")))?.to_string();
                coverage.retain(|row| row.period.as_str().cmp(moment.get(..row.period.len()).unwrap_or_default()) != keep);
            }
        }
        Ok(json_answer(200, &json!({"schema_version": 1, "generated_at": self.clock.now(), "coverage": coverage})))
    }

    async fn answer_blind(&self) -> Result<Answer, Problem> {
        let blind = self.blind().await?;
        let blind: Vec<v1::BlindRow<'_>> = blind.iter().map(v1::BlindRow::from).collect();
        Ok(json_answer(200, &json!({"schema_version": 1, "generated_at": self.clock.now(), "blind": blind})))
    }

    async fn accounts(&self) -> Result<std::collections::BTreeSet<String>, CallError> {
        Ok(self.findings.places().await?.into_iter().map(|place| place.account).collect())
    }

    async fn blind(&self) -> Result<Vec<BlindRow>, CallError> {
        let mut blind = Vec::new();
        for account in self.accounts().await? {
            blind.extend(self.findings.blind(&account).await?);
        }
        Ok(blind)
    }

    async fn all(&self) -> Result<Vec<Stored>, CallError> {
        let mut all = Vec::new();
        for account in self.accounts().await? {
            all.extend(self.findings.of_account(&account).await?.into_values());
        }
        all.sort_by(|a, b| {
            (a.finding.status, std::cmp::Reverse(a.finding.severity), &a.finding.id).cmp(&(
                b.finding.status,
                std::cmp::Reverse(b.finding.severity),
                &b.finding.id,
            ))
        });
        Ok(all)
    }

    async fn coverage(&self, account: Option<&str>, hourly: bool) -> Result<Vec<Coverage>, CallError> {
        let mut by_period: BTreeMap<(String, String), Invocations> = BTreeMap::new();
        for place in self.findings.places().await?.into_iter().filter(|place| account.is_none_or(|account| account == place.account)) {
            for (hour, rollup) in self.findings.rollups(&place).await? {
                let period = if hourly { hour } else { hour.chars().take(10).collect() };
                by_period.entry((period, place.account.clone())).or_default().add_all(&rollup.invocations);
            }
        }
        Ok(by_period
            .into_iter()
            .map(|((period, account), invocations)| Coverage {
                period,
                account,
                ratio: ratio(&invocations),
                invocations: v1::Invocations::from(&invocations),
            })
            .collect())
    }

    /// Writes all reports, under the day and as the latest.
    pub async fn write(&self) -> Result<usize, CallError> {
        let all = self.all().await?;
        let scores = scoreboard(&all);
        let coverage = self.coverage(None, false).await?;
        let blind = self.blind().await?;
        let blind: Vec<v1::BlindRow<'_>> = blind.iter().map(v1::BlindRow::from).collect();
        let now = self.clock.now();
        let findings: Vec<FindingOfHub<'_>> = all.iter().map(FindingOfHub::from).collect();
        let report = json!({"schema_version": 1, "tool": {"name": "guardrail-audit", "version": env!("CARGO_PKG_VERSION")}, "generated_at": now,
            "findings": findings, "scoreboard": scores, "coverage_over_time": coverage, "blind": blind});
        let day: String = now.to_string().chars().take(10).collect();
        for folder in [day.as_str(), "latest"] {
            for (name, content) in
                [("report.json", report.to_string()), ("findings.csv", findings_csv(&all)?), ("scoreboard.csv", scoreboard_csv(&scores)?)]
            {
                self.bucket.put(&format!("{}{folder}/{name}", self.prefix), content.into_bytes()).await?;
            }
        }
        Ok(all.len())
    }
}

impl Query {
    fn parse(parameters: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut query = Query { limit: 100, ..Query::default() };
        for (name, value) in parameters {
            let wrong = |what: &str| format!("`{name}` is no {what}: {value}");
            let time = || Moment::parse(value).ok_or_else(|| wrong("time"));
            match name.as_str() {
                "account" => query.account = Some(value.clone()),
                "ou" => query.ou = Some(value.clone()),
                "region" => query.region = Some(value.clone()),
                "rule" => query.rule = Some(value.clone()),
                "severity" => query.severity = Some(Severity::parse(value).ok_or_else(|| wrong("severity"))?),
                "status" => query.status = Some(Status::parse(value).ok_or_else(|| wrong("status"))?),
                "since" => query.since = Some(time()?),
                "until" => query.until = Some(time()?),
                "principal" => query.principal = Some(value.clone()),
                "guardrail" => query.guardrail = Some(value.clone()),
                "limit" => {
                    query.limit =
                        value.parse().ok().filter(|limit| (1..=500).contains(limit)).ok_or_else(|| wrong("number from 1 to 500"))?;
                }
                "format" => {
                    query.csv = match value.as_str() {
                        "csv" => true,
                        "json" => false,
                        _ => return Err(wrong("format (json, csv)")),
                    }
                }
                "token" => {
                    let token = hex::decode(value).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                    query.token = Some(token.ok_or_else(|| wrong("token"))?);
                }
                other => return Err(format!("there is no parameter `{other}`")),
            }
        }
        if query.token.as_ref().is_some_and(|token| token.query != query.name()) {
            return Err("the token belongs to another question".to_owned());
        }
        Ok(query)
    }

    /// The question without its page.
    fn name(&self) -> String {
        let asked = Query { token: None, csv: false, limit: 0, ..self.clone() };
        crate::fact::digest(format!("{asked:?}").as_bytes())
    }

    /// The values of an index that together hold all that is asked for: the one that leaves least to look through.
    fn steps(&self) -> Vec<(&'static str, String)> {
        if let Some(account) = &self.account {
            return vec![("by_account", account.clone())];
        }
        if let Some(rule) = &self.rule {
            return vec![("by_rule", rule.clone())];
        }
        let by_status = INDEXES.iter().filter(|(status, severity)| {
            self.status.is_none_or(|asked| asked == *status) && self.severity.is_none_or(|asked| asked == *severity)
        });
        if let (Some(region), None, None) = (&self.region, self.status, self.severity) {
            return vec![("by_region", region.clone())];
        }
        by_status.map(|(status, severity)| ("by_status", format!("{}#{severity}", status.as_str()))).collect()
    }

    fn selects(&self, stored: &Stored) -> bool {
        let finding = &stored.finding;
        let is = |asked: &Option<String>, value: &str| asked.as_deref().is_none_or(|asked| asked == value);
        let guardrail = finding.policy.as_ref().and_then(|policy| policy.identifier.as_deref()).unwrap_or_default();
        is(&self.account, &finding.account)
            && is(&self.region, &finding.region)
            && is(&self.rule, &finding.rule)
            && self.severity.is_none_or(|asked| asked == finding.severity)
            && self.status.is_none_or(|asked| asked == finding.status)
            && self.ou.as_ref().is_none_or(|ou| stored.units.contains(ou))
            && self
                .principal
                .as_ref()
                .is_none_or(|asked| finding.principals.shown.iter().any(|principal| principal.contains(asked.as_str())))
            && self.guardrail.as_ref().is_none_or(|asked| guardrail.contains(asked.as_str()) || finding.resource.contains(asked.as_str()))
            && self.since.is_none_or(|since| finding.last_seen.is_some_and(|seen| seen >= since))
            && self.until.is_none_or(|until| finding.last_seen.is_some_and(|seen| seen < until))
    }
}

fn texts(item: &Item) -> BTreeMap<String, String> {
    item.iter().filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect()
}

/// A finding as version 1 has it, with what only the hub knows.
#[derive(Serialize)]
struct FindingOfHub<'r> {
    #[serde(flatten)]
    finding: v1::Finding<'r>,
    units: &'r [String],
    basis: Basis,
}

impl<'r> From<&'r Stored> for FindingOfHub<'r> {
    fn from(Stored { finding, units, basis, .. }: &'r Stored) -> Self {
        FindingOfHub { finding: finding.into(), units, basis: *basis }
    }
}

fn weight(severity: Severity) -> u64 {
    match severity {
        Severity::Critical => 100,
        Severity::High => 30,
        Severity::Medium => 10,
        Severity::Low => 3,
        Severity::Informational => 0,
    }
}

/// Accounts by what is open in them, the worst first.
fn scoreboard(all: &[Stored]) -> Vec<Score> {
    let mut by_account: BTreeMap<String, Score> = BTreeMap::new();
    for Finding { account, severity, rule, status, .. } in all.iter().map(|stored| &stored.finding) {
        let score = by_account.entry(account.to_string()).or_insert_with(|| Score { account: account.to_string(), ..Score::default() });
        if *status != Status::Open {
            continue;
        }
        score.score += weight(*severity);
        *score.open.entry(severity.to_string()).or_default() += 1;
        let about_calls = find(rule).is_some_and(|rule| rule.group == audit_core::rule::Group::Invocation);
        *if about_calls { &mut score.bypasses } else { &mut score.modifications } += 1;
    }
    let mut scores: Vec<Score> = by_account.into_values().collect();
    scores.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.account.cmp(&b.account)));
    for (index, score) in scores.iter_mut().enumerate() {
        score.rank = index + 1;
    }
    scores
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 52 bits")]
fn ratio(invocations: &Invocations) -> Option<f64> {
    let all = invocations.compliant + invocations.violation + invocations.not_provable;
    (all > 0).then(|| invocations.compliant as f64 / all as f64)
}

fn csv_of<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Result<String, CallError> {
    let failed = |error| CallError::new("write a table as CSV", ErrorKind::Refused, error);
    csv::text(LineEnding::CrLf, heading, rows).map_err(failed)
}

fn findings_csv(all: &[Stored]) -> Result<String, CallError> {
    let header = [
        "id",
        "rule",
        "severity",
        "status",
        "account",
        "region",
        "resource",
        "title",
        "detail",
        "principals",
        "models",
        "count",
        "first_seen",
        "last_seen",
        "reopened",
        "basis",
        "remediation",
    ];
    let time = |time: Option<Moment>| time.map(|time| time.to_string()).unwrap_or_default();
    csv_of(
        header,
        all.iter().map(|stored| {
            let finding = &stored.finding;
            [
                finding.id.clone(),
                finding.rule.clone(),
                finding.severity.to_string(),
                finding.status.as_str().to_owned(),
                finding.account.to_string(),
                finding.region.to_string(),
                finding.resource.clone(),
                finding.title.clone(),
                finding.detail.clone(),
                finding.principals.to_string(),
                finding.models.to_string(),
                finding.count.to_string(),
                time(finding.first_seen),
                time(finding.last_seen),
                finding.reopened.to_string(),
                serde_json::to_value(stored.basis).ok().and_then(|basis| basis.as_str().map(str::to_owned)).unwrap_or_default(),
                finding.remediation.clone(),
            ]
        }),
    )
}

fn scoreboard_csv(scores: &[Score]) -> Result<String, CallError> {
    let rows = scores.iter().map(|score| {
        let open = |severity: Severity| score.open.get(severity.as_str()).copied().unwrap_or(0).to_string();
        let [informational, low, medium, high, critical] = Severity::ALL.map(open);
        let (rank, account, weighed) = (score.rank.to_string(), score.account.clone(), score.score.to_string());
        let (bypasses, modifications) = (score.bypasses.to_string(), score.modifications.to_string());
        [rank, account, weighed, bypasses, modifications, critical, high, medium, low, informational]
    });
    csv_of(["rank", "account", "score", "bypasses", "modifications", "critical", "high", "medium", "low", "informational"], rows)
}

fn json_answer(status_code: u16, body: &Value) -> Answer {
    let headers =
        BTreeMap::from([("content-type".to_owned(), "application/json".to_owned()), ("cache-control".to_owned(), "no-store".to_owned())]);
    Answer { status_code, headers, body: body.to_string() }
}

fn csv_answer(body: String) -> Answer {
    let headers = BTreeMap::from([
        ("content-type".to_owned(), "text/csv; charset=utf-8".to_owned()),
        ("cache-control".to_owned(), "no-store".to_owned()),
    ]);
    Answer { status_code: 200, headers, body }
}

impl<B: Bucket> Handler<Input, Answer> for Reports<B> {
    async fn handle(&self, input: Input, _: &str) -> Result<Answer, BoxError> {
        match input {
            Input::Scheduled(Scheduled::Scheduled) => {
                let findings = self.write().await?;
                tracing::info!(findings, "wrote the reports");
                Ok(json_answer(200, &json!({"findings": findings})))
            }
            Input::Http(request) => {
                let method = request.request_context.http.method.as_deref().unwrap_or("GET");
                if method != "GET" {
                    return Ok(json_answer(405, &json!({"error": "only GET"})));
                }
                let parameters = request.query_string_parameters.into_iter().collect();
                Ok(self.answer(request.raw_path.as_deref().unwrap_or("/"), &parameters).await)
            }
        }
    }
}
