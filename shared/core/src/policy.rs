//! Policies of AWS Organizations: documents with inheritance operators, the effective policy that they combine to for an account, and the
//! guardrails that a Bedrock policy demands (docs/aws/bedrock-policies.md).

mod document;
mod effective;
pub mod files;
mod inherit;
pub mod lint;
mod text;
mod weaker;

/// The policy types that have an effective policy (docs/aws/bedrock-policies.md#policy-type). AWS may have added others.
pub const EFFECTIVE_POLICY_TYPES: &[&str] = &[
    BEDROCK_POLICY,
    "TAG_POLICY",
    "BACKUP_POLICY",
    "AISERVICES_OPT_OUT_POLICY",
    "CHATBOT_POLICY",
    "DECLARATIVE_POLICY_EC2",
    "SECURITYHUB_POLICY",
    "SECURITYHUB_CSPM_POLICY",
    "INSPECTOR_POLICY",
    "UPGRADE_ROLLOUT_POLICY",
    "S3_POLICY",
    "NETWORK_SECURITY_DIRECTOR_POLICY",
    "GUARDDUTY_POLICY",
];

pub use document::{Document, Node, OperatorSet};
pub use effective::{EffectivePolicy, GuardrailInference, Identifier, Unusable};
pub use inherit::{Attached, Inherited, Origin, inherit};
pub use weaker::{CompareGuardrails, Weakening, weakening, weakening_of};

/// The policy type that enforces guardrails.
pub const BEDROCK_POLICY: &str = "BEDROCK_POLICY";
