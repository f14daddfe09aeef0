//! Does clippy, at the levels of the workspace, have nothing to say?

use super::{FEATURES, Step, starting_with};
use crate::command::{cargo, run};

pub(super) static STEP: Step = Step {
    name: "lints",
    what: "clippy, warnings are errors",
    run: || {
        run(
            cargo().args(["clippy", "--workspace", "--features", FEATURES, "--all-targets", "--locked", "--", "--deny", "warnings"]),
            starting_with("error"),
        )
    },
};
