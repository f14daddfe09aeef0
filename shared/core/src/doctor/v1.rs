//! Version 1 of an examination as JSON, which programs read. It stands apart from the types that the examination works with, so that those
//! can change without changing what is written. Fields are only ever added.

use serde::Serialize;

use super::{check, inspection};

/// A whole examination.
#[derive(Debug, Serialize)]
pub struct Examination<'e> {
    /// The version of the format: 1.
    pub schema_version: u32,
    /// The checks of what the auditor receives.
    pub checks: Vec<Check<'e>>,
    /// What the records show of undocumented behaviour of AWS.
    pub answers: Vec<Answer<'e>>,
    /// The records that the answers rest on.
    pub records: Records,
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub struct Check<'e> {
    /// The name of the check.
    pub check: &'e str,
    /// The account that was checked.
    pub account: &'e str,
    /// The Region that was checked.
    pub region: &'e str,
    /// `ok`, `warn`, `fail` or `unknown`.
    pub status: &'e str,
    /// What was found.
    pub saw: &'e str,
    /// What to do about it.
    pub remedy: Option<&'e str>,
}

/// The answer to one question.
#[derive(Debug, Serialize)]
pub struct Answer<'e> {
    /// The id of the question.
    pub id: &'e str,
    /// The question.
    pub question: &'e str,
    /// `yes`, `no`, `both` or `not_seen`.
    pub settled: &'e str,
    /// The number of records or calls that show yes.
    pub yes: u64,
    /// The event id of one of them.
    pub yes_example: Option<&'e str>,
    /// The number of records or calls that show no.
    pub no: u64,
    /// The event id of one of them.
    pub no_example: Option<&'e str>,
    /// Further details.
    pub detail: Option<&'e str>,
    /// The evidence that would answer the question.
    pub needs: &'e str,
}

/// The number of records that were examined.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Records {
    /// Calls of models.
    pub calls: u64,
    /// Evaluations by guardrails.
    pub evaluations: u64,
    /// Calls and evaluations beyond those that are examined.
    pub left_out: u64,
    /// Records and files that could not be read.
    pub unreadable: u64,
}

impl<'e> Examination<'e> {
    /// An examination, as JSON shows it.
    #[must_use]
    pub fn new(checks: &'e [check::Check], answers: &'e [inspection::Answer], records: Records) -> Self {
        Examination {
            schema_version: 1,
            checks: checks.iter().map(Check::from).collect(),
            answers: answers.iter().map(Answer::from).collect(),
            records,
        }
    }
}

impl<'e> From<&'e check::Check> for Check<'e> {
    fn from(check: &'e check::Check) -> Self {
        Check {
            check: check.check,
            account: &check.account,
            region: &check.region,
            status: check.status.as_str(),
            saw: &check.saw,
            remedy: check.remedy,
        }
    }
}

impl<'e> From<&'e inspection::Answer> for Answer<'e> {
    fn from(answer: &'e inspection::Answer) -> Self {
        Answer {
            id: answer.id,
            question: answer.question,
            settled: match answer.conclusion {
                inspection::Conclusion::Yes => "yes",
                inspection::Conclusion::No => "no",
                inspection::Conclusion::Both => "both",
                inspection::Conclusion::NotSeen => "not_seen",
            },
            yes: answer.yes,
            yes_example: answer.yes_example.as_deref(),
            no: answer.no,
            no_example: answer.no_example.as_deref(),
            detail: answer.detail.as_deref(),
            needs: answer.needs,
        }
    }
}
