//! Checks that every file is formatted as rustfmt writes it.

use super::{Step, starting_with};
use crate::command::{cargo, run};

pub(super) static STEP: Step =
    Step { name: "format", what: "rustfmt", run: || run(cargo().args(["fmt", "--all", "--check"]), starting_with("Diff in")) };
