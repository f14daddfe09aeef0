//! `report`: answers queries for findings over HTTPS (a function URL), and writes reports to S3 on a schedule.

mod csv;
mod dashboard;
pub(crate) mod missing;
pub(crate) mod page;
mod query;
mod scoreboard;
pub(crate) mod sums;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use audit_core::{
    report::{BlindRow, Unreadable, v1},
    timestamp::Timestamp,
};
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::scoreboard::{Coverage, Score};
use self::{
    csv::{findings_csv, scoreboard_csv},
    page::{Parts, whole},
    query::{INDEXES, Query, Token},
    scoreboard::scoreboard,
    sums::{CallSums, Days, Period},
};
use crate::{
    aws::Aws,
    bucket::{Bucket, S3Bucket},
    clock::{Clock, hour_of},
    connections,
    error::{self, BoxError, CallError, ErrorKind},
    findings::{Basis, Findings, Page, Quarantine, Stored},
    lambda::{Handler, Invocation, half_until},
    metrics::Metrics,
    observations::Item,
    settings::Environment,
    world,
};

/// Answers queries, and writes reports.
#[derive(Debug)]
pub struct Reports<B> {
    findings: Findings,
    bucket: B,
    prefix: String,
    metrics: Metrics,
    clock: Clock,
}

/// The event of the function.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Input {
    /// From a schedule.
    Scheduled(Scheduled),
    /// A request over HTTPS.
    Http(Box<LambdaFunctionUrlRequest>),
}

/// The request of a schedule.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scheduled {
    /// Write the reports.
    Scheduled,
}

/// The response of a function URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The HTTP status.
    pub status_code: u16,
    /// The HTTP headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// The name of the function in its metrics.
const FUNCTION: &str = "report";

/// Pages of an index that are read for one response. What remains is behind the token.
const PAGES: usize = 20;

/// Findings in a report at most, the worst ones. What is written about more would fill the function's memory.
const MOST_FINDINGS: usize = 20_000;

/// Findings in a page of an index that is read for a report.
const PAGE: i32 = 500;

/// Rows in an answer at most. An answer of Lambda holds 6 MB
/// ([quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)).
const MOST_ROWS: usize = 20_000;

/// The time after which an answer over HTTPS is given with what was read by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// The reasons why a query can't be answered: it is wrong, or AWS failed.
#[derive(Debug)]
enum Problem {
    BadQuery(String),
    Failed(CallError),
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        Problem::Failed(error)
    }
}

impl Reports<S3Bucket> {
    /// Makes the function from its environment variables.
    pub async fn from_environment(environment: Environment) -> Result<Self, BoxError> {
        let table = environment.required("FINDINGS_TABLE")?;
        let bucket = environment.required("WORLD_BUCKET")?;
        let prefix = environment.parsed("REPORTS_PREFIX", "reports/".to_owned())?;
        let hub_region = environment.optional("HUB_REGION");
        let aws = Aws::from_environment().await;
        let aws = Arc::new(hub_region.map_or_else(|| aws.in_own_region(), |region| aws.in_region(&region)));
        connections::open_to_dynamodb(&aws).await;
        let metrics = Metrics::new(environment.parsed("METRICS_NAMESPACE", "GuardrailAudit".to_owned())?, FUNCTION, Clock::System);
        let reports = Self::new(Findings::new(Arc::clone(&aws), table), S3Bucket::new(aws, bucket), prefix, Clock::System);
        Ok(Reports { metrics, ..reports })
    }
}

impl<B: Bucket> Reports<B> {
    /// Reports about these findings, written to this bucket below the prefix, without metrics.
    pub fn new(findings: Findings, bucket: B, prefix: String, clock: Clock) -> Self {
        let metrics = Metrics::new(String::new(), FUNCTION, clock).silent();
        Reports { findings, bucket, prefix, metrics, clock }
    }

    /// Answers a query, given the path and parameters of its URL. What can't be read before it is `enough` is missing from the answer, which
    /// says so.
    pub async fn answer(&self, path: &str, parameters: &BTreeMap<String, String>, enough: Instant) -> Answer {
        let answered = match path.trim_matches('/') {
            "" | "findings" => self.answer_findings(parameters).await,
            "scoreboard" => self.answer_scoreboard(parameters, enough).await,
            "coverage" => self.answer_coverage(parameters, enough).await,
            "blind" => self.answer_blind().await,
            other => Err(Problem::BadQuery(format!("there is no `{other}`; ask for findings, scoreboard, coverage or blind"))),
        };
        match answered {
            Ok(answer) => answer,
            Err(Problem::BadQuery(problem)) => json_answer(400, &json!({"error": problem})),
            Err(Problem::Failed(error)) => {
                error::warn("a question could not be answered", &error);
                json_answer(503, &json!({"error": "try again later"}))
            }
        }
    }

    async fn answer_findings(&self, parameters: &BTreeMap<String, String>) -> Result<Answer, Problem> {
        let query = Query::parse(parameters).map_err(Problem::BadQuery)?;
        let (found, token) = self.find(&query).await?;
        let incomplete = missing::unjudged(&self.findings.quarantined().await?);
        if query.csv {
            let mut answer = csv_answer(findings_csv(&found)?);
            if let Some(token) = token {
                answer.headers.insert("x-next-token".to_owned(), token);
            }
            return Ok(answer.marked(&incomplete));
        }
        let findings: Vec<FindingOfHub<'_>> = found.iter().map(FindingOfHub::from).collect();
        Ok(self.json(&incomplete, "findings", &json!(findings), ("next_token", json!(token))))
    }

    /// A page of findings, and the token of the next page.
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

    async fn answer_scoreboard(&self, parameters: &BTreeMap<String, String>, enough: Instant) -> Result<Answer, Problem> {
        let quarantined = self.findings.quarantined().await?;
        let mut incomplete = missing::unjudged(&quarantined);
        let scores = scoreboard(&self.all(enough, &mut incomplete).await?, &quarantined);
        if parameters.get("format").is_some_and(|format| format == "csv") {
            return Ok(csv_answer(scoreboard_csv(&scores)?).marked(&incomplete));
        }
        Ok(self.json(&incomplete, "accounts", &json!(scores), ("truncated", json!(false))))
    }

    async fn answer_coverage(&self, parameters: &BTreeMap<String, String>, enough: Instant) -> Result<Answer, Problem> {
        let account = parameters.get("account").map(String::as_str);
        let period = if parameters.get("by").is_some_and(|by| by == "hour") { Period::Hour } else { Period::Day };
        let time = |name: &str| {
            let parse = |text: &String| Timestamp::parse(text).ok_or_else(|| Problem::BadQuery(format!("`{name}` is no time: {text}")));
            parameters.get(name).map(parse).transpose()
        };
        let (since, until) = (time("since")?, time("until")?);
        let mut incomplete = missing::unjudged(&self.findings.quarantined().await?);
        let mut account_regions = self.findings.account_regions().await?;
        account_regions.retain(|account_region| account.is_none_or(|account| account == account_region.account));
        let sums = CallSums::of(&self.findings, account_regions, period, (since, until), enough, self.days(false)).await?;
        incomplete.extend(sums.missing());
        let mut coverage = sums.over_time();
        let is_truncated = coverage.len() > MOST_ROWS;
        if is_truncated {
            coverage.truncate(MOST_ROWS);
            incomplete.push(format!("only the first {MOST_ROWS} rows are in this answer; ask with `since`, `until` or `account`"));
        }
        Ok(self.json(&incomplete, "coverage", &json!(coverage), ("truncated", json!(is_truncated))))
    }

    async fn answer_blind(&self) -> Result<Answer, Problem> {
        let quarantined = self.findings.quarantined().await?;
        let mut incomplete = missing::unjudged(&quarantined);
        let mut blind = self.blind(&quarantined).await?;
        let is_truncated = blind.len() > MOST_ROWS;
        if is_truncated {
            blind.truncate(MOST_ROWS);
            incomplete.push(format!("only the first {MOST_ROWS} rows are in this answer"));
        }
        let blind: Vec<v1::BlindRow<'_>> = blind.iter().map(v1::BlindRow::from).collect();
        Ok(self.json(&incomplete, "blind", &json!(blind), ("truncated", json!(is_truncated))))
    }

    /// How sums of days are used: answers use those that are there, and reports make those that are missing.
    fn days(&self, are_made: bool) -> Days {
        Days { now: hour_of(self.clock.now()), are_made }
    }

    /// An answer as JSON, with what is missing from it.
    fn json(&self, incomplete: &[String], name: &str, value: &Value, (other, of_other): (&str, Value)) -> Answer {
        json_answer(
            200,
            &json!({"schema_version": 1, "generated_at": self.clock.now(), "incomplete": incomplete, name: value, other: of_other}),
        )
    }

    /// What can't be seen, by account and Region; of an account that isn't judged, nothing that it does.
    async fn blind(&self, quarantined: &[(String, Quarantine)]) -> Result<Vec<BlindRow>, CallError> {
        let account_regions = self.findings.account_regions().await?;
        let accounts: std::collections::BTreeSet<&String> = account_regions.iter().map(|account_region| &account_region.account).collect();
        let mut blind = Vec::new();
        for account in accounts {
            blind.extend(self.findings.blind(account).await?);
        }
        blind.extend(missing::unseen_calls(quarantined, &account_regions));
        blind.sort();
        blind.dedup();
        Ok(blind)
    }

    /// All findings, the worst first, as many as there is time and memory for.
    async fn all(&self, enough: Instant, incomplete: &mut Vec<String>) -> Result<Vec<Stored>, CallError> {
        let mut all = Vec::new();
        for (status, severity) in INDEXES {
            let (value, mut start) = (format!("{}#{severity}", status.as_str()), None);
            loop {
                let page = Page { index: "by_status", value: &value, since: None, until: None, limit: PAGE, start };
                let (stored, last) = self.findings.page(&page).await?;
                all.extend(stored);
                start = last;
                if start.is_none() {
                    break;
                }
                if all.len() >= MOST_FINDINGS || Instant::now() >= enough {
                    incomplete.push(format!(
                        "only the {} worst findings were read, of which the last are {} and {severity}",
                        all.len(),
                        status.as_str()
                    ));
                    all.sort_by(|a, b| a.finding.order(&b.finding));
                    return Ok(all);
                }
            }
        }
        all.sort_by(|a, b| a.finding.order(&b.finding));
        Ok(all)
    }

    /// Writes all reports, in a folder of the day and in the folder `latest`, with what can be read before it is `enough`. Returns the number of
    /// findings.
    pub async fn write(&self, enough: Instant) -> Result<usize, CallError> {
        let quarantined = self.findings.quarantined().await?;
        let mut incomplete = missing::unjudged(&quarantined);
        let all = self.all(half_until(enough), &mut incomplete).await?;
        let scores = scoreboard(&all, &quarantined);
        let account_regions = self.findings.account_regions().await?;
        let sums = CallSums::of(&self.findings, account_regions, Period::Day, (None, None), enough, self.days(true)).await?;
        let coverage = sums.over_time();
        let organization = world::organization(&self.bucket).await.unwrap_or_else(|error| {
            // A report without names is better than none.
            error::warn("the organization could not be read", &error);
            incomplete.push("the organization could not be read, so that accounts and organizational units have no names".to_owned());
            None
        });
        let findings = all.iter().map(|stored| stored.finding.clone()).collect();
        let blind = self.blind(&quarantined).await?;
        let parts = Parts { findings, blind, unreadable: Vec::new(), organization, incomplete, now: self.clock.now() };
        let whole = whole(sums, parts);
        for why in &whole.incomplete {
            tracing::warn!(why, "the report is not whole");
        }
        self.show_on_dashboard(&whole);
        let page = audit_page::html(&whole).map_err(|error| CallError::new("write the report as a page", ErrorKind::Refused, error))?;
        let blind: Vec<v1::BlindRow<'_>> = whole.blind.iter().map(v1::BlindRow::from).collect();
        let timeline: Vec<v1::TimelineRow<'_>> = whole.timeline.iter().map(v1::TimelineRow::from).collect();
        let now = whole.generated_at;
        let findings: Vec<FindingOfHub<'_>> = all.iter().map(FindingOfHub::from).collect();
        let report = WrittenReport {
            schema_version: 1,
            tool: json!({"name": whole.tool.name, "version": whole.tool.version}),
            generated_at: whole.generated_at,
            incomplete: &whole.incomplete,
            unreadable: &whole.unreadable,
            findings,
            scoreboard: &scores,
            coverage_over_time: coverage,
            timeline,
            blind,
        };
        let report = serde_json::to_vec(&report).map_err(|error| CallError::new("write the report", ErrorKind::Refused, error))?;
        let day: String = now.to_string().chars().take(10).collect();
        self.put_both(&day, "report.json", report).await?;
        self.put_both(&day, "report.html", page.into_bytes()).await?;
        self.put_both(&day, "findings.csv", findings_csv(&all)?.into_bytes()).await?;
        self.put_both(&day, "scoreboard.csv", scoreboard_csv(&scores)?.into_bytes()).await?;
        Ok(all.len())
    }

    /// Writes a file of a report to the folder of the day and to `latest`.
    async fn put_both(&self, day: &str, name: &str, content: Vec<u8>) -> Result<(), CallError> {
        self.bucket.put(&format!("{}{day}/{name}", self.prefix), content.clone()).await?;
        self.bucket.put(&format!("{}latest/{name}", self.prefix), content).await
    }
}

fn texts(item: &Item) -> BTreeMap<String, String> {
    item.iter().filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect()
}

/// The JSON of a report. It is written as it stands: as a [`Value`], the rows of a year of a thousand accounts would fill the function's memory.
#[derive(Serialize)]
struct WrittenReport<'r> {
    schema_version: u32,
    tool: Value,
    generated_at: Timestamp,
    incomplete: &'r [String],
    unreadable: &'r [Unreadable],
    findings: Vec<FindingOfHub<'r>>,
    scoreboard: &'r [Score],
    coverage_over_time: Vec<Coverage>,
    timeline: Vec<v1::TimelineRow<'r>>,
    blind: Vec<v1::BlindRow<'r>>,
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

impl Answer {
    /// Says in a header in how many ways the answer isn't whole: a table has no place for it.
    fn marked(mut self, incomplete: &[String]) -> Self {
        if !incomplete.is_empty() {
            self.headers.insert("x-incomplete".to_owned(), incomplete.len().to_string());
        }
        self
    }
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
    async fn handle(&self, input: Input, invocation: Invocation<'_>) -> Result<Answer, BoxError> {
        match input {
            Input::Scheduled(Scheduled::Scheduled) => {
                let findings = self.write(invocation.enough()).await?;
                tracing::info!(findings, "wrote the reports");
                Ok(json_answer(200, &json!({"findings": findings})))
            }
            Input::Http(request) => {
                let method = request.request_context.http.method.as_deref().unwrap_or("GET");
                if method != "GET" {
                    return Ok(json_answer(405, &json!({"error": "only GET"})));
                }
                let parameters = request.query_string_parameters.into_iter().collect();
                let enough = invocation.enough().min(Instant::now() + PATIENCE);
                Ok(self.answer(request.raw_path.as_deref().unwrap_or("/"), &parameters, enough).await)
            }
        }
    }
}
