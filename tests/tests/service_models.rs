//! The table of operations is complete: it has every operation in the service models of the AWS SDKs, and none that they no longer have.
//!
//! To list what a new release of the SDKs adds, raise the version of [`BOTOCORE`]: this test then names each operation that needs an entry
//! in `shared/core/src/operations/`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use audit_core::operations::{self, Api};
use end_to_end::tools::{BOTOCORE, succeed};

/// Prints each service model whose name contains Bedrock or Anthropic, with its operations.
const LIST: &str = "
import json, botocore.session
session = botocore.session.get_session()
names = [name for name in session.get_available_services() if 'bedrock' in name or 'anthropic' in name]
print(json.dumps({name: list(session.get_service_model(name).operation_names) for name in names}))
";

fn models() -> BTreeMap<String, BTreeSet<String>> {
    let output = succeed(Command::new(BOTOCORE.folder().join("python")).args(["-c", LIST]));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn operations_of(api: &Api) -> BTreeSet<String> {
    api.groups.iter().flat_map(|group| group.operations.iter().map(ToString::to_string)).collect()
}

#[test]
fn the_table_has_what_the_service_models_have() {
    let models = models();
    let modelled: BTreeMap<String, BTreeSet<String>> =
        operations::bedrock_apis().iter().filter(|api| api.is_modelled).map(|api| (api.name.to_owned(), operations_of(api))).collect();
    assert_eq!(models.keys().collect::<Vec<_>>(), modelled.keys().collect::<Vec<_>>(), "service models, and those that the table has");
    let mut differences = Vec::new();
    for (name, published) in &models {
        let listed = modelled.get(name).unwrap();
        differences.extend(published.difference(listed).map(|operation| format!("{name} has {operation}, and the table lacks it")));
        differences.extend(listed.difference(published).map(|operation| format!("the table has {operation}, and {name} no longer does")));
    }
    assert!(differences.is_empty(), "shared/core/src/operations/:\n{}", differences.join("\n"));
    // An operation that the table has in addition to the models must not be in a model too.
    for api in operations::bedrock_apis().iter().filter(|api| !api.is_modelled) {
        for operation in operations_of(api) {
            let of_model = operations::bedrock_apis().iter().find(|other| {
                other.is_modelled && other.source == api.source && models.get(other.name).is_some_and(|model| model.contains(&operation))
            });
            assert!(of_model.is_none(), "{operation} has a place in a service model now: {}", of_model.map_or("", |model| model.name));
        }
    }
}
