//! How a report as a table is arranged.

use clap::{Args, ValueEnum};

use super::output::Format;
use crate::exit::UsageError;

/// How a report as a table is arranged. Other formats hold everything, in one order.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ViewArgs {
    /// In a table, group findings by this [default: rule]
    #[arg(long, value_name = "BY")]
    pub(crate) group_by: Option<GroupBy>,

    /// In a table, what comes first [default: severity]
    #[arg(long, value_name = "ORDER")]
    pub(crate) sort: Option<Sort>,

    /// In a table, list at most N accounts, N OUs, N groups (but every rule) and N findings of a group; 0 for all [default: 20, and 5 of a
    /// group if there are more than 30 findings]
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
}

impl ViewArgs {
    pub(crate) fn group_by(&self) -> GroupBy {
        self.group_by.unwrap_or_default()
    }

    pub(crate) fn sort(&self) -> Sort {
        self.sort.unwrap_or_default()
    }

    /// Returns whether the user gave any of these options, which formats without a view refuse.
    pub(crate) fn is_given(&self) -> bool {
        self.given().is_some()
    }

    fn given(&self) -> Option<&'static str> {
        let options = [("--group-by", self.group_by.is_some()), ("--sort", self.sort.is_some()), ("--top", self.top.is_some())];
        options.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
    }

    /// Refuses to arrange what is no table, which would be ignored in silence.
    pub(crate) fn check(&self, format: Format) -> Result<(), UsageError> {
        match self.given() {
            Some(option) if format != Format::Table => {
                Err(UsageError(format!("{option} arranges the table: other formats hold everything, in one order")))
            }
            _ => Ok(()),
        }
    }
}

/// What findings are grouped by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupBy {
    /// The rule
    #[default]
    Rule,
    /// The account
    Account,
    /// The organizational unit
    Ou,
    /// The Region
    Region,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// The most severe findings
    #[default]
    Severity,
    /// The findings with most calls, the accounts with most unguarded calls
    Calls,
    /// The groups that concern most accounts
    Accounts,
    /// The findings that were seen last
    Recent,
}
