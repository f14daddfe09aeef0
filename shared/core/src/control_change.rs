//! One control of a guardrail or policy, with its setting before and after a change, as findings and simulations list it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A control whose setting changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlChange {
    /// The name of the control, such as `content filter HATE on TEXT`.
    pub control: String,
    /// `input` or `output` for a guardrail's control, `system` or `messages` for guarding; `None` for controls without sides.
    pub side: Option<String>,
    /// The setting before the change; `None` if there was none.
    pub before: Option<String>,
    /// The setting after the change; `None` if there is none.
    pub after: Option<String>,
}

/// The phrase in a finding, such as `content filter HATE on TEXT (input) from HIGH to LOW`.
impl fmt::Display for ControlChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = self.side.as_ref().map(|side| format!(" ({side})")).unwrap_or_default();
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{}{side} from {} to {}", self.control, word(&self.before), word(&self.after))
    }
}
