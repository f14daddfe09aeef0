//! Reads the configuration from the text of `guardrail-audit.toml`.
//!
//! The types here mirror the tables of the file and validate each value while it is parsed, so that an error shows its line. The result is
//! a [`Configuration`].

mod quoted;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error as _};
use wildmatch::WildMatch;

use crate::{
    arn::{GuardrailVersion, GuardrailVersionArn, Region, is_account_id},
    config::{Auditor, Configuration, DEFAULT_API_KEY_DAYS, Day, Exception},
    enforcement::{Guarding, GuardingMode, ModelScope},
    requirement::{AccountSelector, Requirement},
    rules,
    severity::Severity,
    timestamp::Timestamp,
};

/// An error in the text of a configuration. It is displayed with the line quoted, and a caret below the mistake.
#[derive(Debug, thiserror::Error)]
#[error("{quoted}")]
pub struct ConfigurationError {
    quoted: String,
    /// What is wrong, in one line.
    pub message: String,
    /// The byte of the text at which the mistake begins; `None` if the parser doesn't say.
    pub at: Option<usize>,
}

impl ConfigurationError {
    fn of(error: &toml::de::Error, text: &str) -> Self {
        ConfigurationError { quoted: quoted::quoted(error, text), message: quoted::message(error), at: quoted::start(error, text) }
    }
}

impl Configuration {
    /// Parses the text of a configuration.
    pub fn parse(text: &str) -> Result<Self, ConfigurationError> {
        let file: File = toml::from_str(text).map_err(|error| ConfigurationError::of(&error, text))?;
        let lines = Lines::of(text);
        Ok(Configuration {
            requirements: file.require.into_iter().map(|require| require_of(require, &lines)).collect(),
            exceptions: file.exception.into_iter().map(|exception| exception_of(exception, &lines)).collect(),
            severities: file.rules.into_iter().filter_map(|(rule, setting)| Some((rule.0, setting.severity?))).collect(),
            keep_session_names: file.privacy.keep_session_names,
            administrators: file.administrators.iter().map(|role| WildMatch::new(&role.0)).collect(),
            auditor: file.auditor.into_auditor(),
            access_tags: file.guardrails.access_tags.into_iter().map(|tag| tag.0).collect(),
            api_key_days: file.api_keys.maximum_days.unwrap_or(DEFAULT_API_KEY_DAYS),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    administrators: Vec<RoleArn>,
    auditor: AuditorTable,
    guardrails: GuardrailsTable,
    api_keys: ApiKeysTable,
    require: Vec<toml::Spanned<Require>>,
    exception: Vec<toml::Spanned<ExceptionTable>>,
    rules: BTreeMap<RuleId, RuleSetting>,
    privacy: Privacy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Require {
    accounts: Option<Vec<Selector>>,
    regions: Option<Vec<Text>>,
    guardrail: Option<GuardrailName>,
    minimum_version: Option<Version>,
    models: Models,
    #[serde(deserialize_with = "required_guarding")]
    guarding: Guarding,
}

/// Parses one mode for both the system prompt and the messages, or one for each: `{ system = "selective", messages = "comprehensive" }`.
fn required_guarding<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Guarding, D::Error> {
    let guarding = Guarding::deserialize(deserializer)?;
    let is_word = |(_, mode)| mode != GuardingMode::NotKnown;
    if guarding.sides().into_iter().all(is_word) {
        Ok(guarding)
    } else {
        Err(D::Error::custom("guarding is `comprehensive` or `selective`"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Models {
    include: Vec<Text>,
    exclude: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionTable {
    rule: RuleId,
    #[serde(default)]
    accounts: Option<Vec<Selector>>,
    #[serde(default)]
    regions: Vec<Text>,
    #[serde(default)]
    principals: Vec<Text>,
    until: Until,
    reason: Text,
    owner: Text,
    #[serde(default)]
    ticket: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuleSetting {
    severity: Option<Severity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Privacy {
    keep_session_names: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditorTable {
    names: Option<Vec<Text>>,
    deployment_role: Option<RoleArn>,
    heartbeat_role: Option<RoleArn>,
    heartbeat_minutes: Option<std::num::NonZeroU32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GuardrailsTable {
    access_tags: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ApiKeysTable {
    maximum_days: Option<u64>,
}

impl AuditorTable {
    fn into_auditor(self) -> Auditor {
        let default = Auditor::default();
        let role = |role: Option<RoleArn>| role.map(|role| WildMatch::new(&role.0));
        Auditor {
            names: self.names.map_or(default.names, |names| names.iter().map(|name| WildMatch::new(&name.0)).collect()),
            deployment_role: role(self.deployment_role),
            heartbeat_role: role(self.heartbeat_role),
            heartbeat_minutes: self.heartbeat_minutes.map_or(default.heartbeat_minutes, |minutes| i64::from(minutes.get())),
        }
    }
}

/// The full ARN of a role or user. A bare name is refused: it would also select a role of that name in another account.
#[derive(Debug)]
struct RoleArn(String);

impl<'de> Deserialize<'de> for RoleArn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("arn:") && text.contains(":iam::") {
            Ok(RoleArn(text))
        } else {
            Err(D::Error::custom(format_args!("`{text}` is not the full ARN of a role (arn:aws:iam::<account>:role/<name>)")))
        }
    }
}

impl Require {
    fn into_requirement(self) -> Requirement {
        let texts = |list: &[Text]| list.iter().map(|text| text.0.clone()).collect::<Vec<_>>();
        let (included, excluded) = (texts(&self.models.include), texts(&self.models.exclude));
        let (guardrail, version) = self.guardrail.map(|named| (named.0, named.1)).unzip();
        Requirement {
            accounts: selector(self.accounts),
            regions: self.regions.map(|regions| regions.iter().map(|region| Region::from(&region.0)).collect()),
            models: ModelScope::new(included.iter().map(String::as_str), excluded.iter().map(String::as_str)),
            guardrail,
            minimum_version: self.minimum_version.map(|version| version.0).or(version.flatten()),
            guarding: self.guarding,
            line: 0,
        }
    }
}

/// The byte offsets of the line feeds in a text.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Lines(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The number of the line on which a value starts, from 1.
    fn of_start<T>(&self, spanned: &toml::Spanned<T>) -> usize {
        self.0.partition_point(|end| *end < spanned.span().start) + 1
    }
}

fn require_of(require: toml::Spanned<Require>, lines: &Lines) -> Requirement {
    let line = lines.of_start(&require);
    Requirement { line, ..require.into_inner().into_requirement() }
}

fn exception_of(exception: toml::Spanned<ExceptionTable>, lines: &Lines) -> Exception {
    let line = lines.of_start(&exception);
    let table = exception.into_inner();
    Exception {
        rule: table.rule.0.to_owned(),
        accounts: selector(table.accounts),
        regions: table.regions.iter().map(|region| Region::from(&region.0)).collect(),
        principals: table.principals.iter().map(|pattern| WildMatch::new(&pattern.0)).collect(),
        until: table.until.0,
        reason: table.reason.0,
        owner: table.owner.0,
        ticket: table.ticket.map(|ticket| ticket.0),
        line,
    }
}

fn selector(accounts: Option<Vec<Selector>>) -> AccountSelector {
    accounts.map_or_else(AccountSelector::default, |accounts| AccountSelector::new(accounts.into_iter().map(|selector| selector.0)))
}

/// A string that isn't blank.
#[derive(Debug)]
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() { Err(D::Error::custom("must not be empty")) } else { Ok(Text(text)) }
    }
}

/// An account id, an OU or root id, or `*`.
#[derive(Debug)]
struct Selector(String);

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if is_account_id(&text) || text == "*" || text.starts_with("ou-") || text.starts_with("r-") {
            Ok(Selector(text))
        } else {
            Err(D::Error::custom(format_args!("`{text}` is neither a 12-digit account id nor an OU id (ou-…), a root id (r-…) or \"*\"")))
        }
    }
}

/// The ARN of a guardrail, and the version at its end, if any, which is the lowest that meets the requirement.
#[derive(Debug)]
struct GuardrailName(crate::arn::GuardrailKey, Option<u32>);

impl<'de> Deserialize<'de> for GuardrailName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match GuardrailVersionArn::split(&text).filter(|(key, _)| key.is_well_formed()) {
            Some((key, None)) => Ok(GuardrailName(key, None)),
            Some((key, Some(GuardrailVersion::Numbered(version)))) => Ok(GuardrailName(key, Some(version))),
            Some((_, Some(GuardrailVersion::Draft))) => Err(D::Error::custom("DRAFT can't be required: it can't be enforced")),
            None => {
                Err(D::Error::custom(format_args!("`{text}` is not a guardrail ARN (arn:aws:bedrock:<region>:<account>:guardrail/<id>)")))
            }
        }
    }
}

#[derive(Debug)]
struct Version(u32);

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        if number == 0 { Err(D::Error::custom("guardrail versions start at 1")) } else { Ok(Version(number)) }
    }
}

/// The id of an existing rule. Any other is refused, since an exception with a typo would have no effect.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RuleId(&'static str);

impl<'de> Deserialize<'de> for RuleId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let rule = rules::find(&text).map(|rule| RuleId(rule.id));
        rule.ok_or_else(|| D::Error::custom(format_args!("there is no rule `{text}`; `guardrail-audit rules` lists them")))
    }
}

/// A date, as a TOML date or as a string.
#[derive(Debug)]
struct Until(Day);

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Date(toml::value::Datetime),
            Text(String),
        }
        let text = match Raw::deserialize(deserializer)? {
            Raw::Date(date) => date.to_string(),
            Raw::Text(text) => text,
        };
        let day = text.get(..10).filter(|_| text.len() == 10 || text.get(10..11) == Some("T"));
        let day = day.and_then(Timestamp::parse).ok_or_else(|| D::Error::custom(format_args!("`{text}` is not a date (YYYY-MM-DD)")))?;
        Ok(Until(Day(day)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        Timestamp::parse(time).unwrap()
    }

    #[test]
    fn the_example_of_the_documentation_is_read() {
        let configuration = Configuration::parse(
            r#"
            [[require]]
            accounts = ["*"]
            regions = ["us-east-1"]
            guardrail = "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh"
            minimum_version = 3
            models = { include = ["ALL"], exclude = ["cohere.embed-english-v3"] }
            guarding = "comprehensive"

            [[exception]]
            rule = "api-not-covered"
            accounts = ["222233334444"]
            principals = ["arn:aws:iam::222233334444:role/batch-*"]
            until = "2027-01-31"
            reason = "nightly batch summaries, reviewed"
            owner = "ml-platform"
            ticket = "SEC-4821"

            [rules.draft-guardrail-used]
            severity = "CRITICAL"
            "#,
        )
        .unwrap();
        let [requirement] = configuration.requirements.as_slice() else { panic!() };
        assert_eq!((requirement.minimum_version, requirement.guarding), (Some(3), Guarding::COMPREHENSIVE));
        assert_eq!(requirement.models.excluded.len(), 1);
        let guarding = |words: &str| {
            Configuration::parse(&format!("[[require]]\nguarding = {words}")).map(|configuration| configuration.requirements[0].guarding)
        };
        assert_eq!(guarding("\"selective\"").unwrap(), Guarding::SELECTIVE);
        let system_selective = Guarding { system: GuardingMode::Selective, ..Guarding::COMPREHENSIVE };
        assert_eq!(guarding("{ system = \"selective\", messages = \"comprehensive\" }").unwrap(), system_selective);
        assert_eq!(guarding("{ system = \"selective\" }").unwrap(), system_selective, "the other is comprehensive");
        for odd in ["\"not_known\"", "\"lax\"", "1", "{ sytem = \"selective\" }", "{ system = \"not_known\" }"] {
            assert!(guarding(odd).is_err(), "{odd}");
        }
        let [exception] = &configuration.exceptions[..] else { panic!() };
        assert!(exception.selects("api-not-covered", &"222233334444".into(), &"us-east-1".into(), None));
        assert!(exception.selects_principal("arn:aws:iam::222233334444:role/batch-nightly"));
        assert!(exception.selects_principal("arn:aws:iam::222233334444:role/batch-nightly some-session"));
        assert!(!exception.selects_principal("arn:aws:iam::222233334444:role/web"));
        assert_eq!(exception.line, 10);
        assert_eq!(configuration.severities["draft-guardrail-used"], Severity::Critical);
        assert!(exception.is_live(at("2027-01-31T23:59:59Z")) && !exception.is_live(at("2027-02-01T00:00:00Z")));
        assert_eq!(configuration.warnings(at("2027-02-01T00:00:00Z")).len(), 1);
    }

    #[test]
    fn who_may_and_what_is_the_auditors_is_named_in_full() {
        let configuration = Configuration::parse(
            r#"
            administrators = ["arn:aws:iam::111122223333:role/guardrail-admin"]
            [auditor]
            names = ["sec-audit-*"]
            deployment_role = "arn:aws:iam::*:role/deploy"
            heartbeat_role = "arn:aws:iam::*:role/sec-audit-heartbeat"
            heartbeat_minutes = 30
            [guardrails]
            access_tags = ["team"]
            [api_keys]
            maximum_days = 30
            "#,
        )
        .unwrap();
        assert!(configuration.is_administrator("arn:aws:iam::111122223333:role/guardrail-admin"));
        assert!(!configuration.is_administrator("arn:aws:iam::222233334444:role/guardrail-admin"), "another account's role of that name");
        assert!(configuration.auditor.is_heartbeat_role("arn:aws:iam::222233334444:role/sec-audit-heartbeat"));
        assert_eq!((configuration.auditor.heartbeat_minutes, configuration.api_key_days), (30, 30));
        assert!(Configuration::parse("administrators = [\"guardrail-admin\"]").unwrap_err().to_string().contains("full ARN"));
    }

    #[test]
    fn the_line_of_each_exception_is_known_however_many_there_are() {
        let one = "[[exception]]\nrule = \"api-not-covered\"\nuntil = 2027-01-31\nreason = \"r\"\nowner = \"o\"\n";
        let configuration = Configuration::parse(&one.repeat(3000)).unwrap();
        assert!(configuration.exceptions.iter().enumerate().all(|(number, exception)| exception.line == 5 * number + 1));
        // By construction: the text is gone through once, whatever it holds.
        assert_eq!(Lines::of("a\nb\n").0, [1, 3]);
    }

    #[test]
    fn a_long_line_is_quoted_around_the_mistake() {
        let ids: Vec<String> = (0..20_000).map(|number| format!("\"{:012}\"", 100_000_000_000_u64 + number)).collect();
        let accounts = |wrong: &str| format!("# ours\n[[require]]\naccounts = [{}, \"{wrong}\", {}]\n", ids.join(", "), ids.join(", "));
        let message = Configuration::parse(&accounts("prod")).unwrap_err().to_string();
        let lines: Vec<&str> = message.lines().collect();
        assert!(
            message.len() < 1000 && message.contains("line 3, column") && message.contains("neither a 12-digit account id"),
            "{message}"
        );
        let [_, _, quoted, caret, ..] = lines.as_slice() else { panic!("{message}") };
        let at = caret.chars().position(|c| c == '^').unwrap();
        assert!(quoted.chars().skip(at).collect::<String>().starts_with("\"prod\""), "{message}");
        assert!(quoted.contains('…'), "{message}");
        let long = Configuration::parse(&accounts(&"ö".repeat(100_000))).unwrap_err().to_string();
        assert!(long.len() < 2000, "{} bytes", long.len());
    }

    #[test]
    fn everything_has_a_default() {
        let configuration = Configuration::parse("[[require]]").unwrap();
        assert_eq!(configuration.requirements, [Requirement::default()]);
        assert!(Configuration::parse("").unwrap().requirements.is_empty());
    }

    #[test]
    fn a_mistake_is_shown_with_its_line_and_a_caret() {
        for (text, line, message) in [
            ("[[require]]\nguardrial = \"x\"", 2, "unknown field `guardrial`"),
            ("[[exception]]\nrule = \"api-not-covered\"\nuntil = \"2027-01-31\"\nowner = \"me\"", 1, "missing field `reason`"),
            ("[[exception]]\nrule = \"api-not-covered\"\nuntil = \"2027-01-31\"\nreason = \"r\"", 1, "missing field `owner`"),
            ("[[exception]]\nrule = \"api-not-covered\"\nuntil = 2027-01-31\nreason = \" \"\nowner = \"me\"", 4, "must not be empty"),
            (
                "[[exception]]\nrule = \"api-not-covred\"\nuntil = 2027-01-31\nreason = \"r\"\nowner = \"me\"",
                2,
                "there is no rule `api-not-covred`",
            ),
            ("[[exception]]\nrule = \"api-not-covered\"\nuntil = \"soon\"\nreason = \"r\"\nowner = \"me\"", 3, "`soon` is not a date"),
            ("[rules.nonsense]\nseverity = \"HIGH\"", 1, "there is no rule `nonsense`"),
            ("[rules.api-not-covered]\nseverity = \"SEVERE\"", 2, "unknown variant `SEVERE`"),
            ("[[require]]\naccounts = [\"prod\"]", 2, "neither a 12-digit account id"),
            ("[[require]]\nguardrail = \"abc\"", 2, "is not a guardrail ARN"),
            ("[[require]]\nguardrail = \"arn:aws:bedrock:us-east-1:111122223333:guardrail/ab-cd\"", 2, "is not a guardrail ARN"),
            ("[[require]]\nminimum_version = 0", 2, "start at 1"),
        ] {
            let error = Configuration::parse(text).unwrap_err().to_string();
            assert!(error.contains(message) && error.contains(&format!("line {line},")) && error.contains('^'), "{text}\n{error}");
        }
    }

    #[test]
    fn a_mistake_in_a_list_begins_at_the_value() {
        let text = "[[require]]\naccounts = [\n  \"222233334444\",\n  \"*\", \"prod\",\n]";
        let error = Configuration::parse(text).unwrap_err();
        assert_eq!(error.at, text.find("\"prod\""));
        assert!(error.message.starts_with("`prod` is neither") && !error.message.contains('\n'), "{}", error.message);
        assert_eq!(Configuration::parse("owner = ").unwrap_err().at, Some(8));
    }
}
