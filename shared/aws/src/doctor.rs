//! `guardrail-audit doctor`: asks AWS whether the auditor can see what happens, and hands CloudTrail's event history to an inspection of
//! its records.
//!
//! The answers are judged in [`audit_core::doctor`]. EventBridge rules are read directly, because the auditor's metrics only show that
//! something arrived, not whether state, pattern or target keeps the rest away.

use std::{collections::BTreeSet, sync::Arc};

use audit_core::{
    arn::partition_of,
    doctor::{Check, Heartbeat, Inspection, RuleSeen, check::Station},
    timestamp::Timestamp,
};
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use serde_json::Value;

use crate::{
    aws::Aws,
    clock::{Clock, hour_of, seconds},
    error::{CallError, ErrorKind, chain, failed},
    fact::Content,
    invocations::HEARTBEAT_MODEL,
    observations::Observations,
    partition::{AccountRegion, Partition, Source},
    snapshot::{assumed, identity},
    state::{AwsState, Question, ReadState as _},
};

/// What to check.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the role in other accounts, with its path if it has one.
    pub role: String,
    /// The accounts; none means the caller's.
    pub accounts: Vec<String>,
    /// The Regions; none means the configured one.
    pub regions: Vec<String>,
    /// Days of event history to read.
    pub days: i64,
    /// Minutes between heartbeats.
    pub heartbeat_minutes: i64,
    /// The hub's table of observations, if heartbeats are to be looked for in it. It is read with the caller's own credentials, in the
    /// configured Region.
    pub observations_table: Option<String>,
}

/// Operations whose records answer an open question about CloudTrail. LookupEvents takes one attribute at a time, so each is a lookup of
/// its own.
const LOOKED_UP: &[&str] = &[
    "InvokeModel",
    "InvokeModelWithResponseStream",
    "Converse",
    "ConverseStream",
    "CreateModelInvocationJob",
    "PutEnforcedGuardrailConfiguration",
    "PutResourcePolicy",
    "CreateGuardrail",
    "UpdateGuardrail",
];

/// Pages of 50 events that are read for each operation, at fewer than two a second.
const PAGES: usize = 6;

/// Pages that are read to find a heartbeat. Other calls of the auditor's roles share its session name, so it may be far back.
const PAGES_TO_A_HEARTBEAT: usize = 40;

/// The session name of the heartbeat role. LookupEvents takes it as the attribute `Username`.
const HEARTBEAT_SESSION: &str = "guardrail-audit";

/// Seconds of event history that are searched for a heartbeat.
const HEARTBEATS_SINCE: i64 = 24 * 60 * 60;

/// Checks all accounts and Regions. A check that can't be made is reported as such; an error means that there are no credentials.
pub async fn doctor(aws: Arc<Aws>, options: &Options, inspection: &mut Inspection, clock: Clock) -> Result<Vec<Check>, CallError> {
    let own = identity(&aws).await?;
    let home = aws.region().unwrap_or("us-east-1").to_owned();
    let accounts: BTreeSet<String> =
        if options.accounts.is_empty() { BTreeSet::from([own.clone()]) } else { options.accounts.iter().cloned().collect() };
    let regions: BTreeSet<String> =
        if options.regions.is_empty() { BTreeSet::from([home.clone()]) } else { options.regions.iter().cloned().collect() };
    let mut checks = Vec::new();
    for account in accounts {
        let of_account = if account == own {
            Arc::clone(&aws)
        } else {
            let role = format!("arn:{}:iam::{account}:role/{}", partition_of(&home), options.role.trim_start_matches('/'));
            match assumed(&aws.in_region(&home), &role, &home).await {
                Ok(aws) => Arc::new(aws),
                Err(error) => {
                    checks.push(Station { account: &account, region: &home }.unknown("account", chain(&error)));
                    continue;
                }
            }
        };
        for region in &regions {
            let probe = Probe {
                aws: Arc::new(of_account.in_region(region)),
                hub: Arc::new(aws.in_region(&home)),
                account_region: AccountRegion::new(account.as_str(), region.as_str()),
                options,
                now: clock.now(),
            };
            probe.run(inspection, &mut checks).await;
        }
    }
    Ok(checks)
}

/// The checks of one account and Region.
struct Probe<'o> {
    aws: Arc<Aws>,
    hub: Arc<Aws>,
    account_region: AccountRegion,
    options: &'o Options,
    now: Timestamp,
}

impl Probe<'_> {
    fn station(&self) -> Station<'_> {
        Station { account: &self.account_region.account, region: &self.account_region.region }
    }

    async fn run(&self, inspection: &mut Inspection, checks: &mut Vec<Check>) {
        let unknown = |check: &'static str, error: &CallError| vec![self.station().unknown(check, chain(error))];
        checks.extend(self.trails().await.unwrap_or_else(|error| unknown("trail", &error)));
        checks.extend(match self.rules().await {
            Ok(rules) => self.station().rules(&rules),
            Err(error) => unknown("rule", &error),
        });
        checks.extend(self.heartbeat_in_history().await.map_or_else(|error| unknown("heartbeat", &error), |check| vec![check]));
        if let Some(table) = &self.options.observations_table {
            let check = self.heartbeat_in_table(table).await;
            checks.extend(check.map_or_else(|error| unknown("heartbeat-arrived", &error), |check| vec![check]));
        }
        let since = self.now.plus_seconds(-self.options.days * 24 * 60 * 60);
        for name in LOOKED_UP {
            match self.history(LookupAttributeKey::EventName, name, since, PAGES, |_| false).await {
                Ok(records) => records.iter().for_each(|record| inspection.value(record.as_bytes())),
                Err(error) => {
                    checks.extend(unknown("event-history", &error));
                    return;
                }
            }
        }
    }

    async fn trails(&self) -> Result<Vec<Check>, CallError> {
        let state = AwsState(Arc::clone(&self.aws));
        let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
        let described = json(state.read(&Question::Trails).await?);
        let telemetry = json(state.read(&Question::Telemetry).await?);
        Ok(self.station().trails(&described, &telemetry))
    }

    async fn rules(&self) -> Result<Vec<RuleSeen>, CallError> {
        let eventbridge = self.aws.eventbridge();
        let (mut rules, mut token) = (Vec::new(), None);
        loop {
            let page = eventbridge.list_rules().set_next_token(token).send().await.map_err(failed("ListRules"))?;
            rules.extend(page.rules().iter().map(|rule| RuleSeen {
                name: rule.name().unwrap_or_default().to_owned(),
                state: rule.state().map_or_else(String::new, |state| state.as_str().to_owned()),
                pattern: rule.event_pattern().and_then(|pattern| serde_json::from_str(pattern).ok()).unwrap_or_default(),
                targets: None,
            }));
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        for rule in rules.iter_mut().filter(|rule| rule.matches("Converse")) {
            let answer = eventbridge.list_targets_by_rule().rule(&rule.name).send().await;
            rule.targets = answer.map(|targets| targets.targets().len()).ok();
        }
        Ok(rules)
    }

    /// Whether a recent heartbeat is in CloudTrail's event history.
    async fn heartbeat_in_history(&self) -> Result<Check, CallError> {
        let since = self.now.plus_seconds(-HEARTBEATS_SINCE);
        let heartbeat = |record: &String| {
            let record: Value = serde_json::from_str(record).ok()?;
            let model = record.pointer("/requestParameters/modelId")?.as_str()?;
            let refused = record.get("errorCode").and_then(Value::as_str).is_some_and(|code| code.starts_with("AccessDenied"));
            (model == HEARTBEAT_MODEL && refused).then(|| Timestamp::parse(record.get("eventTime")?.as_str()?)).flatten()
        };
        let enough = |records: &[String]| records.iter().any(|record| heartbeat(record).is_some());
        let records = self.history(LookupAttributeKey::Username, HEARTBEAT_SESSION, since, PAGES_TO_A_HEARTBEAT, enough).await?;
        let heartbeats = records.iter().filter_map(heartbeat);
        Ok(self.heartbeat("heartbeat", "event history", heartbeats.max(), since))
    }

    /// Whether a recent heartbeat reached the hub's table.
    async fn heartbeat_in_table(&self, table: &str) -> Result<Check, CallError> {
        let since = self.now.plus_seconds(-2 * self.options.heartbeat_minutes * 60 - 60 * 60);
        let observations = Observations::new(Arc::clone(&self.hub), table.to_owned(), 1);
        let mut last = None;
        for hour in hour_of(since)..=hour_of(self.now) {
            let partition = Partition { source: Source::Account, account_region: self.account_region.clone(), hour: Some(hour) };
            for read in observations.query(&partition, Some("heartbeat#")).await? {
                if let Ok(Content::Heartbeat(heartbeat)) = read.fact.map(|fact| fact.content) {
                    last = last.max(Some(heartbeat.time));
                }
            }
        }
        Ok(self.heartbeat("heartbeat-arrived", "the table of observations", last, since))
    }

    fn heartbeat(&self, check: &'static str, seen_in: &str, last: Option<Timestamp>, since: Timestamp) -> Check {
        self.station().heartbeat(&Heartbeat { check, seen_in, last, since, now: self.now, minutes: self.options.heartbeat_minutes })
    }

    /// Records of CloudTrail's event history, newest first, until `enough` is satisfied or the pages are used up.
    async fn history(
        &self,
        key: LookupAttributeKey,
        value: &str,
        since: Timestamp,
        pages: usize,
        enough: impl Fn(&[String]) -> bool,
    ) -> Result<Vec<String>, CallError> {
        let attribute = LookupAttribute::builder().attribute_key(key).attribute_value(value).build();
        let attribute = attribute.map_err(|error| CallError::new("LookupEvents", ErrorKind::Refused, error))?;
        let start = aws_smithy_types::DateTime::from_secs(seconds(since));
        let (mut records, mut token): (Vec<String>, _) = (Vec::new(), None);
        for _ in 0..pages {
            let request = self.aws.cloudtrail().lookup_events().lookup_attributes(attribute.clone()).start_time(start);
            let page = request.set_next_token(token).send().await.map_err(failed("LookupEvents"))?;
            records.extend(page.events().iter().filter_map(|event| event.cloud_trail_event().map(str::to_owned)));
            token = page.next_token;
            if token.is_none() || enough(&records) {
                break;
            }
        }
        Ok(records)
    }
}
