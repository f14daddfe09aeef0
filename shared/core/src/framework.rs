//! The frameworks that security teams report against, and the entries of them that rules map to.
//!
//! A rule maps to an entry only if a finding of the rule is evidence about that entry. Entries are named by the ids of their publishers.

use std::fmt;

/// A framework of risks or controls.
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
    /// All frameworks, in the order of reports.
    pub const ALL: [Framework; 6] = [
        Framework::OwaspLlm,
        Framework::NistAiRmf,
        Framework::Iso42001,
        Framework::MitreAttack,
        Framework::MitreAtlas,
        Framework::AwsGenerativeAiLens,
    ];

    /// Its name on the command line, and before the colon in [`Control`]'s text.
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

    /// Its full name, for reports.
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

    /// The URL where its publisher publishes it.
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

    /// Parses a name of [`Framework::as_str`], in upper or lower case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|framework| framework.as_str().eq_ignore_ascii_case(word))
    }
}

/// An entry of a framework: a risk, a technique, a mitigation or a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Control {
    /// The framework.
    pub framework: Framework,
    /// The publisher's id of the entry, such as `LLM01`.
    pub id: &'static str,
    /// The publisher's title of the entry.
    pub title: &'static str,
}

/// The text in findings, such as `owasp-llm:LLM01`.
impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.framework.as_str(), self.id)
    }
}

const fn control(framework: Framework, id: &'static str, title: &'static str) -> Control {
    Control { framework, id, title }
}

/// A finding shows that content filters or prompt-attack filters, the controls against this risk, are missing.
pub const PROMPT_INJECTION: Control = control(Framework::OwaspLlm, "LLM01", "Prompt Injection");
/// A finding shows that sensitive-information filters, the control against this risk, are missing.
pub const SENSITIVE_INFORMATION: Control = control(Framework::OwaspLlm, "LLM02", "Sensitive Information Disclosure");
/// A finding shows that filters of model output, the control against this risk, are missing.
pub const OUTPUT_HANDLING: Control = control(Framework::OwaspLlm, "LLM05", "Improper Output Handling");
/// A finding shows an agent, flow or gateway that acts without the intended guardrail.
pub const EXCESSIVE_AGENCY: Control = control(Framework::OwaspLlm, "LLM06", "Excessive Agency");
/// A finding shows that access to models isn't limited as intended.
pub const UNBOUNDED_CONSUMPTION: Control = control(Framework::OwaspLlm, "LLM10", "Unbounded Consumption");

/// A finding shows that policies of the organization are bypassed, or not in force as intended.
pub const GOVERN_1_2: Control =
    control(Framework::NistAiRmf, "GOVERN 1.2", "Characteristics of trustworthy AI are integrated into organizational policies");
/// A finding shows a gap in the planned monitoring.
pub const GOVERN_1_5: Control = control(Framework::NistAiRmf, "GOVERN 1.5", "Ongoing monitoring and periodic review are planned");
/// A finding shows calls in production whose guardrail is missing, failing or not monitored.
pub const MEASURE_2_4: Control =
    control(Framework::NistAiRmf, "MEASURE 2.4", "Functionality and behavior are monitored when in production");
/// A finding shows a protection that got weaker.
pub const MEASURE_2_7: Control = control(Framework::NistAiRmf, "MEASURE 2.7", "Security and resilience are evaluated and documented");
/// A finding shows a gap in monitoring after deployment.
pub const MANAGE_4_1: Control = control(Framework::NistAiRmf, "MANAGE 4.1", "Post-deployment monitoring plans are implemented");

/// A finding shows a system in operation whose guardrail or monitoring doesn't work.
pub const ISO_OPERATION: Control = control(Framework::Iso42001, "A.6.2.6", "AI system operation and monitoring");
/// A finding shows that events aren't logged.
pub const ISO_EVENT_LOGS: Control = control(Framework::Iso42001, "A.6.2.8", "AI system recording of event logs");
/// A finding shows that the organization's processes for responsible use are bypassed.
pub const ISO_RESPONSIBLE_USE: Control = control(Framework::Iso42001, "A.9.2", "Processes for responsible use of AI systems");
/// A finding shows a use of models or guardrails that the organization doesn't manage.
pub const ISO_INTENDED_USE: Control = control(Framework::Iso42001, "A.9.4", "Intended use of the AI system");

/// A finding shows that a guardrail, an enforcement or the auditor was disabled or changed.
pub const IMPAIR_TOOLS: Control = control(Framework::MitreAttack, "T1562.001", "Impair Defenses: Disable or Modify Tools");
/// A finding shows that CloudTrail or invocation logging was disabled or changed.
pub const IMPAIR_CLOUD_LOGS: Control = control(Framework::MitreAttack, "T1562.008", "Impair Defenses: Disable or Modify Cloud Logs");
/// A finding shows a change of the organization's policies, or of who administers them.
pub const TENANT_POLICY: Control = control(Framework::MitreAttack, "T1484", "Domain or Tenant Policy Modification");
/// A finding shows a Region that was enabled and may be neither covered nor monitored.
pub const UNUSED_REGIONS: Control = control(Framework::MitreAttack, "T1535", "Unused/Unsupported Cloud Regions");
/// A finding shows that credentials were added.
pub const ADDITIONAL_CREDENTIALS: Control =
    control(Framework::MitreAttack, "T1098.001", "Account Manipulation: Additional Cloud Credentials");
/// A finding shows that permissions were added.
pub const ADDITIONAL_ROLES: Control = control(Framework::MitreAttack, "T1098.003", "Account Manipulation: Additional Cloud Roles");
/// A finding shows a bearer token in use instead of signed requests.
pub const ACCESS_TOKEN: Control =
    control(Framework::MitreAttack, "T1550.001", "Use Alternate Authentication Material: Application Access Token");
/// A finding shows that evidence was deleted, altered or withheld, or can be.
pub const INDICATOR_REMOVAL: Control = control(Framework::MitreAttack, "T1070", "Indicator Removal");

/// A finding shows that the mitigation, a guardrail, is missing or weaker.
pub const ATLAS_GUARDRAILS: Control = control(Framework::MitreAtlas, "AML.M0020", "Generative AI Guardrails");
/// A finding shows that access to models isn't controlled as intended.
pub const ATLAS_CONTROL_ACCESS: Control = control(Framework::MitreAtlas, "AML.M0019", "Control Access to AI Models and Data in Production");
/// A finding shows that requests to models aren't logged.
pub const ATLAS_TELEMETRY: Control = control(Framework::MitreAtlas, "AML.M0024", "AI Telemetry Logging");

/// A finding shows permissions on models beyond least privilege.
pub const LENS_LEAST_PRIVILEGE: Control =
    control(Framework::AwsGenerativeAiLens, "GENSEC01-BP01", "Grant least privilege access to foundation model endpoints");
/// A finding shows that a guardrail is missing or weaker.
pub const LENS_GUARDRAILS: Control =
    control(Framework::AwsGenerativeAiLens, "GENSEC02-BP01", "Implement guardrails to mitigate harmful or incorrect model responses");
/// A finding shows a gap in the monitoring of the control plane or of access to models.
pub const LENS_MONITORING: Control =
    control(Framework::AwsGenerativeAiLens, "GENSEC03-BP01", "Implement control plane and generative AI data access monitoring");

/// The entries for rules about calls without the required guardrail.
pub const UNCOVERED_CALL: &[Control] =
    &[PROMPT_INJECTION, SENSITIVE_INFORMATION, OUTPUT_HANDLING, MEASURE_2_4, ISO_OPERATION, ATLAS_GUARDRAILS, LENS_GUARDRAILS];
/// The entries for rules about a protection that got weaker or was removed.
pub const PROTECTION_WEAKENED: &[Control] =
    &[PROMPT_INJECTION, SENSITIVE_INFORMATION, OUTPUT_HANDLING, MEASURE_2_7, IMPAIR_TOOLS, ATLAS_GUARDRAILS, LENS_GUARDRAILS];
/// The entries for rules about policies of the organization that require less than before.
pub const POLICY_WEAKENED: &[Control] = &[GOVERN_1_2, ISO_RESPONSIBLE_USE, TENANT_POLICY, ATLAS_GUARDRAILS, LENS_GUARDRAILS];
/// The entries for rules about evidence that is no longer recorded.
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
