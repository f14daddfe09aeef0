//! Guardrails as GetGuardrail returns them: a canonical form, and the partial order *weaker than* over it
//! (docs/aws/guardrails.md#strength).

mod canonical;
mod control;
mod diff;
pub mod form;
mod reader;
pub mod sharing;

pub use canonical::CanonicalGuardrail;
pub use control::{Control, Effect, Side};
pub use diff::{Comparison, Difference, Direction, attribute_changes, compare, diff};
