//! Checks that the documentation of the code builds, with every link leading somewhere.

use super::{FEATURES, Step, starting_with};
use crate::command::{cargo, run};

pub(super) static STEP: Step = Step {
    name: "documentation",
    what: "rustdoc, warnings are errors",
    run: || {
        let mut command = cargo();
        command.args(["doc", "--workspace", "--features", FEATURES, "--no-deps", "--document-private-items", "--locked"]);
        run(command.env("RUSTDOCFLAGS", "--deny warnings"), starting_with("error"))
    },
};
