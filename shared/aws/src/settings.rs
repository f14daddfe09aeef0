//! Settings from environment variables. Wrong settings stop a function's initialization, not its first event.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, str::FromStr};

use audit_core::severity::Severity;

/// Days that facts may be kept.
pub const FACTS_TTL_DAYS: RangeInclusive<i64> = 1..=3_650;

/// The object in the hub's bucket that holds the configuration, unless a setting names another.
pub const CONFIGURATION_KEY: &str = "configuration/guardrail-audit.toml";

/// Environment variables.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

/// The reasons why a setting is unusable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// It is missing or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// It has a value that can't be used.
    #[error("the environment variable {name} is `{value}`: {problem}")]
    Wrong {
        /// The name of the variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with the value.
        problem: String,
    },
}

impl Environment {
    /// The environment of the process.
    #[must_use]
    pub fn of_process() -> Self {
        Environment(std::env::vars().collect())
    }

    /// These variables, for tests.
    #[must_use]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Environment(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A variable that may be missing. Empty counts as missing, because templates can't leave a variable out.
    #[must_use]
    pub fn optional(&self, name: &'static str) -> Option<String> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// A required variable.
    pub fn required(&self, name: &'static str) -> Result<String, SettingError> {
        self.optional(name).ok_or(SettingError::Missing(name))
    }

    /// A required variable that holds an account id.
    pub fn account(&self, name: &'static str) -> Result<String, SettingError> {
        check_account(name, self.required(name)?)
    }

    /// A variable that may be missing, and otherwise holds an account id.
    pub fn optional_account(&self, name: &'static str) -> Result<Option<String>, SettingError> {
        self.optional(name).map(|value| check_account(name, value)).transpose()
    }

    /// A variable with a default.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &'static str, default: T) -> Result<T, SettingError> {
        match self.optional(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|error: T::Err| SettingError::Wrong { name, problem: error.to_string(), value }),
        }
    }

    /// A variable with `true` or `false`; false by default.
    pub fn flag(&self, name: &'static str) -> Result<bool, SettingError> {
        self.parsed(name, false)
    }

    /// A variable that names a severity, with a default.
    pub fn severity(&self, name: &'static str, default: Severity) -> Result<Severity, SettingError> {
        match self.optional(name) {
            None => Ok(default),
            Some(value) => Severity::parse(&value).ok_or(SettingError::Wrong { name, value, problem: "not a severity".to_owned() }),
        }
    }

    /// A variable with a list, separated by commas.
    #[must_use]
    pub fn list(&self, name: &'static str) -> Vec<String> {
        let value = self.optional(name).unwrap_or_default();
        value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// The Region of the function.
    pub fn region(&self) -> Result<String, SettingError> {
        self.required("AWS_REGION")
    }

    /// Days that facts are kept.
    pub fn facts_ttl_days(&self) -> Result<i64, SettingError> {
        const NAME: &str = "FACTS_TTL_DAYS";
        match self.parsed(NAME, 400)? {
            days if FACTS_TTL_DAYS.contains(&days) => Ok(days),
            days => Err(SettingError::Wrong { name: NAME, value: days.to_string(), problem: "not from 1 to 3650".to_owned() }),
        }
    }
}

fn check_account(name: &'static str, value: String) -> Result<String, SettingError> {
    if value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit()) {
        Ok(value)
    } else {
        Err(SettingError::Wrong { name, value, problem: "not an account id of twelve digits".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let environment = Environment::of(&[("HUB_ACCOUNT", "12"), ("FACTS_TTL_DAYS", "soon"), ("EMPTY", " ")]);
        assert_eq!(
            environment.account("HUB_ACCOUNT").unwrap_err().to_string(),
            "the environment variable HUB_ACCOUNT is `12`: not an account id of twelve digits"
        );
        assert!(environment.facts_ttl_days().unwrap_err().to_string().contains("FACTS_TTL_DAYS is `soon`"));
        assert_eq!(environment.required("EMPTY"), Err(SettingError::Missing("EMPTY")));
        assert_eq!(environment.parsed("ABSENT", 7), Ok(7));
    }
}
