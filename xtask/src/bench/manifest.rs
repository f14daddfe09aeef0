//! The manifest of generated data. It lies beside the data, so that a later run can check the audit's counts against it.

use serde::{Deserialize, Serialize};

/// The counts of what was generated.
#[derive(Default, Deserialize, Serialize)]
pub(super) struct Manifest {
    pub(super) records: u64,
    /// Calls of the four operations that run a model, refused ones included.
    pub(super) calls: u64,
    pub(super) refused: u64,
    /// Calls, not refused, of the model that the policy excludes, in Regions that the policy covers.
    pub(super) exempt: u64,
    pub(super) evaluations: u64,
    pub(super) changes: u64,
}
