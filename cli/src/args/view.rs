//! How a report as a table is arranged.

use clap::{Args, ValueEnum};

/// How a report as a table is arranged. Other formats hold everything, in one order.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ViewArgs {
    /// In a table, group findings by this
    #[arg(long, value_name = "BY", default_value = "rule")]
    pub(crate) group_by: GroupBy,

    /// In a table, what comes first
    #[arg(long, value_name = "ORDER", default_value = "severity")]
    pub(crate) sort: Sort,

    /// In a table, list at most N accounts, N OUs and N findings of a group; 0 for all [default: 20, and 5 of a group if there are more than
    /// 30 findings]
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
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
