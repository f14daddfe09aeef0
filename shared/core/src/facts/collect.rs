//! Reads JSON values and adds what they show to [`EvidenceRows`].

use std::{borrow::Cow, collections::BTreeSet, fmt::Write as _};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    EvidenceRows, Form, Kind, Requested,
    rows::{Columns, PackedId, PackedTime, Row},
    strings::Symbol24,
};
use crate::{
    api,
    arn::GuardrailKey,
    change::{self, Change, ChangeKey},
    cloudtrail::{EventType, HIDDEN, InferenceParameters, Item, Record, UnreadableRecord, wanted::Wanted},
    invocation_log::{BODY_ELSEWHERE, ENFORCED, InvocationLog, UNNAMED},
    json::{Text, percent_decoded},
    model::Model,
    operations::{self, Mediator, OperationCoverage, Role},
};

/// Reads values into [`EvidenceRows`].
#[derive(Debug)]
pub struct Collector<'w> {
    wanted: &'w Wanted,
    keep_session_names: bool,
    reject_early: bool,
    facts: EvidenceRows,
    /// A buffer for names of principals, reused to save allocations.
    buffer: String,
}

/// The result for one value.
#[derive(Debug)]
pub enum Taken {
    /// The record is judged.
    Judged,
    /// The record isn't judged.
    Ignored(Ignored),
    /// The value can't be read.
    Unreadable(UnreadableRecord),
}

/// Why a record isn't judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ignored {
    /// No rule needs this operation.
    NotWanted,
    /// It is an operation of Bedrock's services that this version doesn't know, and its name doesn't suggest that it runs a model.
    NewOperation,
    /// A service reports an event that is no call, such as the end of a stream (docs/aws/cloudtrail-records.md#ends-of-streams).
    NotACall,
    /// A VPC endpoint allowed a request, which the service records itself.
    NetworkActivity,
    /// A CloudTrail Insight.
    Insight,
    /// A digest file, which holds no record.
    Digest,
    /// An EventBridge event from another service.
    BusEvent,
    /// CloudWatch Logs' test of a subscription's destination.
    ControlMessage,
    /// A model's request or response in an object of its own.
    Body,
    /// A line between records, without JSON.
    Text,
    /// A record that the user's selection excludes.
    NotSelected,
    /// A copy of a call or of evidence that was read before.
    Duplicate,
    /// A record of a day that the store has compacted. Whether it is a copy can't be told any more.
    Compacted,
}

impl Ignored {
    /// The reason as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Ignored::NotWanted => "no rule wants this operation",
            Ignored::NewOperation => "operation of Bedrock that this version doesn't know, and that doesn't look like a call of a model",
            Ignored::NotACall => "reported by the service itself, not a call",
            Ignored::NetworkActivity => "network activity of a VPC endpoint; the service's own record counts",
            Ignored::Insight => "CloudTrail Insight",
            Ignored::Digest => "digest file of CloudTrail's log file validation",
            Ignored::BusEvent => "an event of EventBridge, not of CloudTrail",
            Ignored::ControlMessage => "control message of CloudWatch Logs",
            Ignored::Body => "body of a model call, no record",
            Ignored::Text => "line of text between records",
            Ignored::NotSelected => "outside of the selected accounts, Regions or times",
            Ignored::Duplicate => "copy of a record that was read already",
            Ignored::Compacted => "of days that the store has compacted",
        }
    }
}

impl<'w> Collector<'w> {
    /// Makes an empty collector.
    #[must_use]
    pub fn new(wanted: &'w Wanted) -> Self {
        Collector { wanted, keep_session_names: false, reject_early: true, facts: EvidenceRows::default(), buffer: String::new() }
    }

    /// Keeps the names of sessions, which are often e-mail addresses.
    #[must_use]
    pub fn keeping_session_names(self, keep_session_names: bool) -> Self {
        Collector { keep_session_names, ..self }
    }

    /// Parses every value, including those that [`Wanted`] rejects: for the test that rejection changes no result.
    #[must_use]
    pub fn without_early_rejection(self) -> Self {
        Collector { reject_early: false, ..self }
    }

    /// Returns the collected facts.
    #[must_use]
    pub fn into_facts(self) -> EvidenceRows {
        self.facts
    }

    /// Reads one JSON value that holds one item. Of several items, the worst result is returned.
    pub fn value(&mut self, bytes: &[u8]) -> Taken {
        let mut worst = Taken::Ignored(Ignored::NotWanted);
        self.each(bytes, |taken| match (&worst, &taken) {
            (Taken::Unreadable(_), _) | (Taken::Judged, Taken::Ignored(_)) => {}
            _ => worst = taken,
        });
        worst
    }

    /// Reads one JSON value and calls `with` for each item in it.
    pub fn each(&mut self, bytes: &[u8], mut with: impl FnMut(Taken)) {
        if self.reject_early && self.wanted.rejects(bytes) {
            return with(Taken::Ignored(Ignored::NotWanted));
        }
        Item::each(bytes, &mut |found| with(self.item(found.item)));
    }

    /// Reads a line of text that begins neither with `{` nor with `[`.
    pub fn each_in_line(&mut self, line: &[u8], mut with: impl FnMut(Taken)) {
        Item::each_in_line(line, &mut |found| with(self.item(found.item)));
    }

    /// Reads a row of a table, given by its columns.
    pub fn each_in_row(&mut self, row: Map<String, Value>, mut with: impl FnMut(Taken)) {
        Item::each_in_row(row, &mut |found| with(self.item(found.item)));
    }

    fn item(&mut self, item: Result<Item<'_>, UnreadableRecord>) -> Taken {
        match item {
            Ok(Item::Record(record)) => self.record(&record),
            Ok(Item::InvocationLog(log)) => self.log(&log),
            Ok(Item::Insight) => Taken::Ignored(Ignored::Insight),
            Ok(Item::Digest) => Taken::Ignored(Ignored::Digest),
            Ok(Item::BusEvent) => Taken::Ignored(Ignored::BusEvent),
            Ok(Item::ControlMessage) => Taken::Ignored(Ignored::ControlMessage),
            Ok(Item::Body) => Taken::Ignored(Ignored::Body),
            Err(error) => Taken::Unreadable(error),
        }
    }

    /// Adds one record.
    pub fn record(&mut self, record: &Record<'_>) -> Taken {
        let name = record.event_name.or_empty();
        let event_type = record.event_type();
        let source = record.event_source.get().map(operations::source);
        let is_evaluation = source.and_then(|source| operations::role(source, name)) == Some(Role::Evaluates);
        let reach = OperationCoverage::of(record);
        if reach.is_none() && !is_evaluation {
            return match Change::from_record_if(record, |parameters| self.wanted.concerns(parameters)) {
                Some(change) => self.change(record, &change),
                None if event_type == EventType::EndpointPassage && change::kept_operation(record).is_some() => {
                    Taken::Ignored(Ignored::NetworkActivity)
                }
                None if api::is_new(record) && !api::runs_nothing_by_its_name(name) => Taken::Ignored(Ignored::NewOperation),
                None => Taken::Ignored(Ignored::NotWanted),
            };
        }
        match event_type {
            EventType::ApiCall | EventType::EndpointRefusal => {}
            EventType::EndpointPassage => return Taken::Ignored(Ignored::NetworkActivity),
            EventType::ServiceEvent | EventType::Other => return Taken::Ignored(Ignored::NotACall),
        }
        match reach {
            Some(reach) => self.call(record, reach),
            None => self.evaluation(record),
        }
        Taken::Judged
    }

    fn change(&mut self, record: &Record<'_>, change: &Change) -> Taken {
        let Some(time) = record.time() else {
            return Taken::Unreadable(UnreadableRecord::NoEventTime);
        };
        let event_id = record.event_id.get().or(record.request_id.get()).unwrap_or_default().to_owned();
        self.facts.add_change(&ChangeKey { time, event_id, account: record.account().to_string() }, change);
        Taken::Judged
    }

    /// The role or user, followed by a blank and the session's name if the configuration asks for it.
    fn principal(&mut self, record: &Record<'_>) -> Symbol24 {
        let identity = &record.user_identity.0;
        if !self.keep_session_names
            && let Some(issuer) = identity.session_context.0.session_issuer.0.arn.get()
        {
            return self.facts.texts.intern_long(issuer);
        }
        let principal = identity.principal();
        self.buffer.clear();
        self.buffer.push_str(&principal.entity);
        if let Some(session) = principal.session.filter(|_| self.keep_session_names) {
            self.buffer.push(' ');
            self.buffer.push_str(&session);
        }
        self.facts.texts.intern_long(&self.buffer)
    }

    fn call(&mut self, record: &Record<'_>, reach: OperationCoverage) {
        let parameters: InferenceParameters<'_> = record.parameters();
        // A request that names no guardrail differs from one whose parameters aren't shown.
        let may_name = matches!(reach, OperationCoverage::Covered | OperationCoverage::Ambiguous);
        let is_hidden = may_name && (!record.shows_parameters() || parameters.hide_guardrail());
        let (guardrail, version) = parameters.guardrail().unwrap_or(if is_hidden { (HIDDEN, "") } else { ("", "") });
        let guardrail = percent_decoded(guardrail);
        let subject = match reach {
            OperationCoverage::Mediated(Mediator::Agent) => parameters.agent_id.get().or_else(|| resource_id(record, ":agent-alias/")),
            OperationCoverage::Mediated(Mediator::Flow) => {
                parameters.flow_identifier.get().map(last_part).or_else(|| resource_id(record, ":flow/"))
            }
            OperationCoverage::Mediated(Mediator::AgentCore) => resource_of_agentcore(record),
            _ => parameters.model(),
        };
        let subject = percent_decoded(subject.unwrap_or_default());
        let subject = if Kind::Call(reach).is_mediated() { subject } else { with_models_behind(subject, record) };
        let refusal = record.error_code.get().and(record.error_message.get()).filter(|message| speaks_of_guardrails(message));
        let bearer_key = record.additional_event_data.0.call_with_bearer_token.is_set() || parameters.call_with_bearer_token.is_set();
        let texts = &mut self.facts.texts;
        let requested = Requested {
            guardrail: texts.intern(&guardrail),
            version: texts.intern(version),
            refusing: texts.intern(refusal.and_then(guardrail_arn_in).unwrap_or_default()),
        };
        let form = Form {
            kind: Kind::Call(reach),
            api: texts.intern(record.event_name.or_empty()),
            error: texts.intern(record.error_code.or_empty()),
            bearer_key,
            refused_by_guardrail: refusal.is_some(),
            by_event_id: record.request_id.get().is_none(),
            ..Form::default()
        };
        let columns = Columns {
            form: texts.intern_form(form),
            subject: texts.intern_long(&subject),
            requested: texts.intern_requested(requested),
            principal: self.principal(record),
        };
        self.push(record, columns);
    }

    fn evaluation(&mut self, record: &Record<'_>) {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Parameters<'a> {
            #[serde(borrow)]
            guardrail_identifier: Text<'a>,
            #[serde(borrow)]
            guardrail_version: Text<'a>,
            /// `INPUT` or `OUTPUT`.
            #[serde(borrow)]
            source: Text<'a>,
        }
        // A failed evaluation evaluated nothing.
        let failed = record.error_code.get().is_some();
        let arns: BTreeSet<&str> = record.resources.0.iter().filter_map(|resource| resource.0.arn()).filter(|_| !failed).collect();
        let parameters: Parameters<'_> = if failed { Parameters::default() } else { record.parameters() };
        let guardrails = self.join(arns.into_iter());
        let texts = &mut self.facts.texts;
        let requested = Requested {
            guardrail: texts.intern(parameters.guardrail_identifier.or_empty()),
            version: texts.intern(parameters.guardrail_version.or_empty()),
            ..Requested::default()
        };
        let form = Form {
            kind: Kind::Evaluation,
            by_event_id: record.request_id.get().is_none(),
            partially_guarded: parameters.source.or_empty().eq_ignore_ascii_case("OUTPUT"),
            ..Form::default()
        };
        let columns = Columns {
            form: texts.intern_form(form),
            subject: guardrails,
            requested: texts.intern_requested(requested),
            principal: self.principal(record),
        };
        self.push(record, columns);
    }

    /// Adds an invocation log.
    pub fn log(&mut self, log: &InvocationLog) -> Taken {
        let lines: Vec<String> = log
            .guardrails
            .iter()
            .map(|traced| {
                let mut line = traced.id.clone();
                let arn = traced.key.as_ref().map(GuardrailKey::arn).unwrap_or_default();
                let version = traced.version.map(|version| version.to_string()).unwrap_or_default();
                let origin = if traced.enforced { ENFORCED } else { "" };
                // Writing to a String can't fail.
                let _ = write!(line, " {arn} {version} {origin}");
                line
            })
            .chain(log.shows_unnamed.then(|| UNNAMED.to_owned()))
            .chain(log.body_elsewhere.then(|| BODY_ELSEWHERE.to_owned()))
            .collect();
        let subject = self.join(lines.iter().map(String::as_str));
        let texts = &mut self.facts.texts;
        let form = Form { kind: Kind::Log, partially_guarded: log.partially_guarded, ..Form::default() };
        let columns = Columns {
            form: texts.intern_form(form),
            subject,
            requested: texts.intern_requested(Requested::default()),
            principal: Symbol24::default(),
        };
        let request = PackedId::pack(&log.request_id, &mut texts.strings);
        let event = PackedId::pack("", &mut texts.strings);
        let time = PackedTime::pack(log.time, &mut texts.strings);
        let (account, region) = (log.account.as_deref().unwrap_or("unknown"), log.region.as_deref().unwrap_or("unknown"));
        self.facts.push(account, region, Row::new(request, columns, time, event));
        Taken::Judged
    }

    fn join<'t>(&mut self, lines: impl Iterator<Item = &'t str>) -> Symbol24 {
        self.buffer.clear();
        for line in lines {
            if !self.buffer.is_empty() {
                self.buffer.push('\n');
            }
            self.buffer.push_str(line);
        }
        self.facts.texts.intern_long(&self.buffer)
    }

    fn push(&mut self, record: &Record<'_>, columns: Columns) {
        let event_id = record.event_id.get();
        let request_id = record.request_id.get();
        let time = record.time();
        let (account, region) = (record.account_id(), record.region_code());
        let strings = &mut self.facts.texts.strings;
        let request = if let Some(id) = request_id.or(event_id) {
            PackedId::pack(id, strings)
        } else {
            // A record without any id is identified by everything that is kept of it.
            let texts = &self.facts.texts;
            let (principal, subject, api) =
                (texts.long(columns.principal), texts.long(columns.subject), texts.get(texts.form(&columns).api));
            let id = format!("{account} {region} {principal} {api} {subject} {time:?}");
            PackedId::pack(&id, &mut self.facts.texts.strings)
        };
        let strings = &mut self.facts.texts.strings;
        let event = PackedId::pack(event_id.unwrap_or_default(), strings);
        let time = PackedTime::pack(time, strings);
        self.facts.push(account, region, Row::new(request, columns, time, event));
    }
}

/// The model of a call; for an alias, followed by the models that the record lists among the accessed resources.
fn with_models_behind<'t>(model: Cow<'t, str>, record: &Record<'_>) -> Cow<'t, str> {
    if record.resources.0.is_empty() || !matches!(Model::parse(&model), Model::Alias(..)) {
        return model;
    }
    let named = record.resources.0.iter().filter_map(|resource| resource.0.arn()).map(Model::parse);
    let models: BTreeSet<Model> = named.filter(|model| matches!(model, Model::Foundation(_) | Model::Deployed(..))).collect();
    if models.is_empty() { model } else { Model::alias_of(&model, &models).into() }
}

/// The id behind a resource type in the ARN of one of the record's resources: `arn:…:agent-alias/<agent>/<alias>`.
fn resource_id<'r>(record: &'r Record<'_>, kind: &str) -> Option<&'r str> {
    let arn = record.resources.0.iter().filter_map(|resource| resource.0.arn()).find(|arn| arn.contains(kind))?;
    arn.split_once(kind)?.1.split('/').next()
}

/// The resource of AgentCore that was called: `runtime/<id>` of `arn:…:runtime/<id>/runtime-endpoint/<name>`.
fn resource_of_agentcore<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    let arn = record.resources.0.iter().filter_map(|resource| resource.0.arn()).find(|arn| arn.contains(":bedrock-agentcore:"))?;
    let resource = arn.splitn(6, ':').nth(5)?;
    let end = resource.match_indices('/').nth(1).map_or(resource.len(), |(at, _)| at);
    resource.get(..end)
}

fn last_part(id_or_arn: &str) -> &str {
    id_or_arn.rsplit('/').next().unwrap_or(id_or_arn)
}

/// Whether an error message is about guardrails (docs/aws/cloudtrail-records.md#errors): `… not authorized to perform:
/// bedrock:ApplyGuardrail on resource: …`.
fn speaks_of_guardrails(message: &str) -> bool {
    // These messages contain no model ids and no texts of users, but names of roles, which are cut off.
    let about = message.split_once("perform:").map_or(message, |(_, what)| what);
    about.to_ascii_lowercase().contains("guardrail")
}

fn guardrail_arn_in(message: &str) -> Option<&str> {
    let start = message.match_indices("arn:").map(|(at, _)| at).find(|&at| {
        let arn = message.get(at..).unwrap_or_default();
        arn.split_whitespace().next().is_some_and(|arn| arn.contains(":guardrail/"))
    })?;
    let arn = message.get(start..)?.split_whitespace().next()?;
    Some(arn.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_guardrail_that_could_not_be_applied() {
        let message = "User: arn:aws:sts::1:assumed-role/guardrail-admin/x is not authorized to perform: bedrock:ApplyGuardrail on resource: \
            arn:aws:bedrock:us-east-1:111122223333:guardrail/abc because no resource-based policy allows it";
        assert!(speaks_of_guardrails(message));
        assert_eq!(guardrail_arn_in(message), Some("arn:aws:bedrock:us-east-1:111122223333:guardrail/abc"));
        let other = "User: arn:aws:sts::1:assumed-role/guardrail-admin/x is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/a.b";
        assert!(!speaks_of_guardrails(other), "the role's name says nothing");
        assert!(speaks_of_guardrails("The guardrail identifier or version provided in the request does not exist."));
    }
}
