//! One control of a guardrail or policy, with what it did before a change and does after it: what findings and simulations list.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A control that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlChange {
    /// Which.
    pub control: String,
    /// `input` or `output` of a guardrail's control, `system` or `messages` of guarding; absent where there are no sides.
    pub side: Option<String>,
    /// What it did.
    pub before: Option<String>,
    /// What it does.
    pub after: Option<String>,
}

/// `content filter HATE on TEXT (input) from HIGH to LOW`.
impl fmt::Display for ControlChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = self.side.as_ref().map(|side| format!(" ({side})")).unwrap_or_default();
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{}{side} from {} to {}", self.control, word(&self.before), word(&self.after))
    }
}
