//! Checks that the documentation of the code builds, with every link leading somewhere.

use super::{FEATURES, Step, starting_with};
use crate::command::{cargo, run};

pub(super) static STEP: Step = Step {
    name: "documentation",
    what: "rustdoc, warnings are errors",
    run: || {
        let mut command = cargo();
        command.args(["doc", "--workspace", "--features", FEATURES, "--no-deps", "--document-private-items", "--locked"]);
        // With examples among what is documented, of which there are none, features of dependencies are those that tests need. With fewer, the
        // SDK and all that depends on it would be checked a second time after clippy.
        command.args(["--lib", "--bins", "--examples"]);
        run(command.env("RUSTDOCFLAGS", "--deny warnings"), starting_with("error"))
    },
};
