//! IAM policies, parsed and evaluated as IAM does it.
//!
//! An explicit Deny anywhere decides; every level of the organization must allow; within an account the policy of the identity or of the
//! resource must allow, across accounts both (docs/aws/iam.md#evaluation).
//!
//! Other modules also ask single questions: whether a statement matches an action, a resource, a principal, or a condition key's values.

mod condition;
mod decision;
mod pattern;
mod statement;

pub use condition::{Condition, Quantifier, Test};
pub(crate) use condition::{filled as with_variables, network_ends, seconds_around};
pub use decision::{Call, Decision, Policies, Principal};
pub use pattern::{arn_matches, matches};
pub(crate) use statement::percent_decoded;
pub use statement::{Document, Effect, Names, Principals, Statement};
