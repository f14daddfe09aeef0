//! Guardrails as GetGuardrail shows them: a canonical form, and the partial order *weaker than* (facts/07).

mod canonical;
mod diff;
pub mod sharing;

pub use canonical::{Canonical, Control, Effect, Side};
pub use diff::{Comparison, Difference, Direction, attribute_changes, compare, diff};
