//! Policies of AWS Organizations: documents with inheritance operators, the effective policy that they amount to for an account, and
//! what a Bedrock policy demands (facts/01).

mod document;
mod effective;
mod inherit;
pub mod lint;
mod weaker;

pub use document::{Document, Node, OperatorSet};
pub use effective::{EffectivePolicy, GuardrailInference, Identifier, Unusable};
pub use inherit::{Attached, Inherited, Origin, inherit};
pub use weaker::{CompareGuardrails, Weakening, weakening, weakening_of};

/// The policy type that this product is about.
pub const BEDROCK_POLICY: &str = "BEDROCK_POLICY";
