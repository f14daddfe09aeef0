//! The operations of Bedrock Data Automation, which extracts data from documents, images, audio and video with models that AWS chooses.

use super::role::{Api, ENDS, Group, OperationCoverage, READS, Role, SETS_UP, TAGS};

/// The control plane: projects, blueprints and libraries.
pub(super) const DATA_AUTOMATION: Api = Api {
    name: "bedrock-data-automation",
    source: "bedrock",
    is_modelled: true,
    groups: &[
        Group::of(
            Role::Runs(OperationCoverage::Uncovered),
            &["InvokeBlueprintOptimizationAsync", "InvokeDataAutomationLibraryIngestionJob"],
        ),
        TAGS,
        Group::of(
            Role::Nothing(SETS_UP),
            &[
                "CopyBlueprintStage",
                "CreateBlueprint",
                "CreateBlueprintVersion",
                "CreateDataAutomationLibrary",
                "CreateDataAutomationProject",
                "UpdateBlueprint",
                "UpdateDataAutomationLibrary",
                "UpdateDataAutomationProject",
            ],
        ),
        Group::of(Role::Nothing(ENDS), &["DeleteBlueprint", "DeleteDataAutomationLibrary", "DeleteDataAutomationProject"]),
        Group::of(
            Role::Nothing(READS),
            &[
                "GetBlueprint",
                "GetBlueprintOptimizationStatus",
                "GetDataAutomationLibrary",
                "GetDataAutomationLibraryEntity",
                "GetDataAutomationLibraryIngestionJob",
                "GetDataAutomationProject",
                "ListBlueprints",
                "ListDataAutomationLibraries",
                "ListDataAutomationLibraryEntities",
                "ListDataAutomationLibraryIngestionJobs",
                "ListDataAutomationProjects",
                "ListTagsForResource",
            ],
        ),
    ],
};

/// The data plane, which runs the models.
pub(super) const DATA_AUTOMATION_RUNTIME: Api = Api {
    name: "bedrock-data-automation-runtime",
    source: "bedrock",
    is_modelled: true,
    groups: &[
        Group::of(Role::Runs(OperationCoverage::Uncovered), &["InvokeDataAutomation", "InvokeDataAutomationAsync"]),
        TAGS,
        Group::of(Role::Nothing(READS), &["GetDataAutomationStatus", "ListTagsForResource"]),
    ],
};
