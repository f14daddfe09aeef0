//! The table of operations is complete: it has every operation in the service models of the AWS SDKs, and none that they no longer have. The
//! parameters that it keeps of changes are members of the operations' requests and responses.
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

/// Prints the members of the requests and responses of each operation, by the service in records and the operation.
const MEMBERS: &str = "
import json, botocore.session
session = botocore.session.get_session()
names = 'organizations cloudtrail iam kms logs s3 events lambda sqs dynamodb sns cloudformation scheduler account'.split()
names += [name for name in session.get_available_services() if 'bedrock' in name]
members = {}
for name in names:
    model = session.get_service_model(name)
    source = 'bedrock-agentcore' if 'agentcore' in name else 'bedrock' if 'bedrock' in name else name
    for operation in model.operation_names:
        shapes = model.operation_model(operation)
        found = members.setdefault(source + ' ' + operation, [])
        for shape in (shapes.input_shape, shapes.output_shape):
            found += shape.members if shape else []
print(json.dumps(members))
";

/// Names in records that no service model has: CloudTrail writes these as the services' REST APIs or their consoles do.
const IN_RECORDS_ONLY: &[(&str, &str)] = &[
    ("bedrock", "inferenceProfileId"),
    ("lambda", "uuid"),
    ("s3", "VersioningConfiguration"),
    ("s3", "bucketName"),
    ("scheduler", "groupname"),
];

#[test]
fn kept_parameters_are_members_of_requests_and_responses() {
    let output = succeed(Command::new(BOTOCORE.folder().join("python")).args(["-c", MEMBERS]));
    let members: BTreeMap<String, Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    let first_small = |name: &str| name.chars().take(1).flat_map(char::to_lowercase).chain(name.chars().skip(1)).collect::<String>();
    let mut unknown = BTreeSet::new();
    for (source, operation) in operations::changes() {
        let group = operations::group(source, operation).unwrap();
        let modelled = group.operations.iter().filter_map(|operation| members.get(&format!("{source} {operation}")));
        let modelled: BTreeSet<String> = modelled.flatten().map(|name| first_small(name)).collect();
        if modelled.is_empty() {
            continue;
        }
        let is_known = |name: &&str| modelled.contains(*name) || IN_RECORDS_ONLY.contains(&(source, *name));
        unknown.extend(
            group.kept().filter(|name| !is_known(name)).map(|name| format!("{source}: no operation like {operation} has `{name}`")),
        );
    }
    assert!(unknown.is_empty(), "{}", unknown.into_iter().collect::<Vec<_>>().join("\n"));
}
