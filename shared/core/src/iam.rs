//! Policies of IAM, read and evaluated as IAM does it.
//!
//! An explicit Deny anywhere decides; every level of the organization must allow; inside an account the identity's policy or the
//! resource's must allow, across accounts both (docs/aws/iam.md#evaluation).
//! What a statement says of an action, a resource, a principal and each condition key can also be asked one by one.

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
