//! Function `import-findings`: imports findings into Security Hub when they change, and on a schedule whatever it lacks or would soon
//! delete.

use audit_aws::{lambda, security_hub::ImportFindings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run("import-findings", ImportFindings::from_environment).await
}
