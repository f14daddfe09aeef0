//! What the environment says. What is wrong with it stops the start, not the first event.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, str::FromStr};

use audit_core::severity::Severity;

/// For how many days facts may be kept.
pub const FACTS_TTL_DAYS: RangeInclusive<i64> = 1..=3_650;

/// Environment variables, from wherever.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

/// A variable that is missing or makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Not there, or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// There, and wrong.
    #[error("the environment variable {name} is `{value}`: {problem}")]
    Wrong {
        /// Which.
        name: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with that.
        problem: String,
    },
}

impl Environment {
    /// The process's.
    #[must_use]
    pub fn of_process() -> Self {
        Environment(std::env::vars().collect())
    }

    /// Of these variables.
    #[must_use]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Environment(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// A variable that may be missing. Empty is missing: templates can't leave one out.
    #[must_use]
    pub fn optional(&self, name: &'static str) -> Option<String> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// A variable that must be there.
    pub fn required(&self, name: &'static str) -> Result<String, SettingError> {
        self.optional(name).ok_or(SettingError::Missing(name))
    }

    /// A variable that must be there and be an account id.
    pub fn account(&self, name: &'static str) -> Result<String, SettingError> {
        check_account(name, self.required(name)?)
    }

    /// A variable that may be there and then is an account id.
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

    /// `true` or `false`; false by default.
    pub fn flag(&self, name: &'static str) -> Result<bool, SettingError> {
        self.parsed(name, false)
    }

    /// A severity, with a default.
    pub fn severity(&self, name: &'static str, default: Severity) -> Result<Severity, SettingError> {
        match self.optional(name) {
            None => Ok(default),
            Some(value) => Severity::parse(&value).ok_or(SettingError::Wrong { name, value, problem: "not a severity".to_owned() }),
        }
    }

    /// A list with commas.
    #[must_use]
    pub fn list(&self, name: &'static str) -> Vec<String> {
        let value = self.optional(name).unwrap_or_default();
        value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// The Region that the function runs in.
    pub fn region(&self) -> Result<String, SettingError> {
        self.required("AWS_REGION")
    }

    /// How long facts are kept.
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
