//! The frameworks that security teams report against, and the entries of them that rules map to.
//!
//! A rule maps to an entry only if a finding of the rule is evidence about that entry. Entries are named by the ids of their publishers.

use std::fmt;

/// A framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Framework {
    /// OWASP Top 10 for LLM Applications 2025.
    OwaspLlm,
    /// NIST AI Risk Management Framework 1.0.
    NistAiRmf,
    /// ISO/IEC 42001:2023, Annex A.
    Iso42001,
    /// MITRE ATT&CK for Enterprise.
    MitreAttack,
    /// MITRE ATLAS.
    MitreAtlas,
    /// AWS Well-Architected Framework, Generative AI Lens.
    AwsGenerativeAiLens,
}

impl Framework {
    /// All, in the order of reports.
    pub const ALL: [Framework; 6] = [
        Framework::OwaspLlm,
        Framework::NistAiRmf,
        Framework::Iso42001,
        Framework::MitreAttack,
        Framework::MitreAtlas,
        Framework::AwsGenerativeAiLens,
    ];

    /// The word for it on the command line and at the head of a control's id.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Framework::OwaspLlm => "owasp-llm",
            Framework::NistAiRmf => "nist-ai-rmf",
            Framework::Iso42001 => "iso-42001",
            Framework::MitreAttack => "mitre-attack",
            Framework::MitreAtlas => "mitre-atlas",
            Framework::AwsGenerativeAiLens => "aws-genai-lens",
        }
    }

    /// Its name.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Framework::OwaspLlm => "OWASP Top 10 for LLM Applications 2025",
            Framework::NistAiRmf => "NIST AI Risk Management Framework 1.0",
            Framework::Iso42001 => "ISO/IEC 42001:2023 Annex A",
            Framework::MitreAttack => "MITRE ATT&CK for Enterprise",
            Framework::MitreAtlas => "MITRE ATLAS",
            Framework::AwsGenerativeAiLens => "AWS Well-Architected Generative AI Lens",
        }
    }

    /// Where it is published.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Framework::OwaspLlm => "https://genai.owasp.org/llm-top-10/",
            Framework::NistAiRmf => "https://doi.org/10.6028/NIST.AI.100-1",
            Framework::Iso42001 => "https://www.iso.org/standard/42001",
            Framework::MitreAttack => "https://attack.mitre.org/",
            Framework::MitreAtlas => "https://atlas.mitre.org/",
            Framework::AwsGenerativeAiLens => "https://docs.aws.amazon.com/wellarchitected/latest/generative-ai-lens/security.html",
        }
    }

    /// By its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|framework| framework.as_str().eq_ignore_ascii_case(word))
    }
}

/// An entry of a framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Control {
    /// Of which.
    pub framework: Framework,
    /// Its id there.
    pub id: &'static str,
    /// Its title there.
    pub title: &'static str,
}

/// As findings carry it: `owasp-llm:LLM01`.
impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.framework.as_str(), self.id)
    }
}

const fn control(framework: Framework, id: &'static str, title: &'static str) -> Control {
    Control { framework, id, title }
}

/// Content filters and prompt-attack filters are the control against it.
pub const PROMPT_INJECTION: Control = control(Framework::OwaspLlm, "LLM01", "Prompt Injection");
/// Sensitive-information filters are the control against it.
pub const SENSITIVE_INFORMATION: Control = control(Framework::OwaspLlm, "LLM02", "Sensitive Information Disclosure");
/// Output filters are the control against it.
pub const OUTPUT_HANDLING: Control = control(Framework::OwaspLlm, "LLM05", "Improper Output Handling");
/// Agents that act without filters.
pub const EXCESSIVE_AGENCY: Control = control(Framework::OwaspLlm, "LLM06", "Excessive Agency");
/// Who may run models, and how much, is not under control.
pub const UNBOUNDED_CONSUMPTION: Control = control(Framework::OwaspLlm, "LLM10", "Unbounded Consumption");

/// Policies and procedures are in place.
pub const GOVERN_1_2: Control =
    control(Framework::NistAiRmf, "GOVERN 1.2", "Characteristics of trustworthy AI are integrated into organizational policies");
/// Monitoring is planned, and who does it is defined.
pub const GOVERN_1_5: Control = control(Framework::NistAiRmf, "GOVERN 1.5", "Ongoing monitoring and periodic review are planned");
/// What runs in production is monitored.
pub const MEASURE_2_4: Control =
    control(Framework::NistAiRmf, "MEASURE 2.4", "Functionality and behavior are monitored when in production");
/// Security and resilience.
pub const MEASURE_2_7: Control = control(Framework::NistAiRmf, "MEASURE 2.7", "Security and resilience are evaluated and documented");
/// Monitoring after deployment.
pub const MANAGE_4_1: Control = control(Framework::NistAiRmf, "MANAGE 4.1", "Post-deployment monitoring plans are implemented");

/// Operation and monitoring.
pub const ISO_OPERATION: Control = control(Framework::Iso42001, "A.6.2.6", "AI system operation and monitoring");
/// Event logs.
pub const ISO_EVENT_LOGS: Control = control(Framework::Iso42001, "A.6.2.8", "AI system recording of event logs");
/// Responsible use.
pub const ISO_RESPONSIBLE_USE: Control = control(Framework::Iso42001, "A.9.2", "Processes for responsible use of AI systems");
/// Intended use.
pub const ISO_INTENDED_USE: Control = control(Framework::Iso42001, "A.9.4", "Intended use of the AI system");

/// A tool of defence is switched off or changed.
pub const IMPAIR_TOOLS: Control = control(Framework::MitreAttack, "T1562.001", "Impair Defenses: Disable or Modify Tools");
/// Logs of the cloud are switched off or changed.
pub const IMPAIR_CLOUD_LOGS: Control = control(Framework::MitreAttack, "T1562.008", "Impair Defenses: Disable or Modify Cloud Logs");
/// Policies of the whole organization are changed.
pub const TENANT_POLICY: Control = control(Framework::MitreAttack, "T1484", "Domain or Tenant Policy Modification");
/// Regions that nobody watches.
pub const UNUSED_REGIONS: Control = control(Framework::MitreAttack, "T1535", "Unused/Unsupported Cloud Regions");
/// Credentials are added.
pub const ADDITIONAL_CREDENTIALS: Control =
    control(Framework::MitreAttack, "T1098.001", "Account Manipulation: Additional Cloud Credentials");
/// Permissions are added.
pub const ADDITIONAL_ROLES: Control = control(Framework::MitreAttack, "T1098.003", "Account Manipulation: Additional Cloud Roles");
/// Tokens instead of credentials.
pub const ACCESS_TOKEN: Control =
    control(Framework::MitreAttack, "T1550.001", "Use Alternate Authentication Material: Application Access Token");
/// Evidence is destroyed.
pub const INDICATOR_REMOVAL: Control = control(Framework::MitreAttack, "T1070", "Indicator Removal");

/// The mitigation that guardrails are.
pub const ATLAS_GUARDRAILS: Control = control(Framework::MitreAtlas, "AML.M0020", "Generative AI Guardrails");
/// Control of access to models.
pub const ATLAS_CONTROL_ACCESS: Control = control(Framework::MitreAtlas, "AML.M0019", "Control Access to AI Models and Data in Production");
/// Logs of what models are asked.
pub const ATLAS_TELEMETRY: Control = control(Framework::MitreAtlas, "AML.M0024", "AI Telemetry Logging");

/// Least privilege on models.
pub const LENS_LEAST_PRIVILEGE: Control =
    control(Framework::AwsGenerativeAiLens, "GENSEC01-BP01", "Grant least privilege access to foundation model endpoints");
/// Guardrails.
pub const LENS_GUARDRAILS: Control =
    control(Framework::AwsGenerativeAiLens, "GENSEC02-BP01", "Implement guardrails to mitigate harmful or incorrect model responses");
/// Monitoring of control plane and access.
pub const LENS_MONITORING: Control =
    control(Framework::AwsGenerativeAiLens, "GENSEC03-BP01", "Implement control plane and generative AI data access monitoring");

/// A call that a guardrail didn't cover.
pub const UNCOVERED_CALL: &[Control] =
    &[PROMPT_INJECTION, SENSITIVE_INFORMATION, OUTPUT_HANDLING, MEASURE_2_4, ISO_OPERATION, ATLAS_GUARDRAILS, LENS_GUARDRAILS];
/// A protection that was weakened or removed.
pub const PROTECTION_WEAKENED: &[Control] =
    &[PROMPT_INJECTION, SENSITIVE_INFORMATION, OUTPUT_HANDLING, MEASURE_2_7, IMPAIR_TOOLS, ATLAS_GUARDRAILS, LENS_GUARDRAILS];
/// A policy of the organization that no longer does what it should.
pub const POLICY_WEAKENED: &[Control] = &[GOVERN_1_2, ISO_RESPONSIBLE_USE, TENANT_POLICY, ATLAS_GUARDRAILS, LENS_GUARDRAILS];
/// Evidence that is no longer recorded.
pub const LOGS_IMPAIRED: &[Control] = &[GOVERN_1_5, MANAGE_4_1, ISO_EVENT_LOGS, IMPAIR_CLOUD_LOGS, ATLAS_TELEMETRY, LENS_MONITORING];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_framework_is_found_by_its_word() {
        for framework in Framework::ALL {
            assert_eq!(Framework::parse(framework.as_str()), Some(framework));
        }
        assert_eq!(Framework::parse("nonsense"), None);
    }
}
