//! The operations of Bedrock Data Automation, which extracts data from documents, images, audio and video with models that AWS chooses.

use super::role::{Api, ENDS, Group, OperationCoverage, READS, Role, SETS_UP};

/// The control plane: projects, blueprints and libraries.
pub(super) const DATA_AUTOMATION: Api = Api {
    name: "bedrock-data-automation",
    source: "bedrock",
    is_modelled: true,
    groups: &[
        Group {
            role: Role::Runs(OperationCoverage::Uncovered),
            operations: &["InvokeBlueprintOptimizationAsync", "InvokeDataAutomationLibraryIngestionJob"],
        },
        Group { role: Role::Changes, operations: &["TagResource", "UntagResource"] },
        Group {
            role: Role::Nothing(SETS_UP),
            operations: &[
                "CopyBlueprintStage",
                "CreateBlueprint",
                "CreateBlueprintVersion",
                "CreateDataAutomationLibrary",
                "CreateDataAutomationProject",
                "UpdateBlueprint",
                "UpdateDataAutomationLibrary",
                "UpdateDataAutomationProject",
            ],
        },
        Group { role: Role::Nothing(ENDS), operations: &["DeleteBlueprint", "DeleteDataAutomationLibrary", "DeleteDataAutomationProject"] },
        Group {
            role: Role::Nothing(READS),
            operations: &[
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
        },
    ],
};

/// The data plane, which runs the models.
pub(super) const DATA_AUTOMATION_RUNTIME: Api = Api {
    name: "bedrock-data-automation-runtime",
    source: "bedrock",
    is_modelled: true,
    groups: &[
        Group { role: Role::Runs(OperationCoverage::Uncovered), operations: &["InvokeDataAutomation", "InvokeDataAutomationAsync"] },
        Group { role: Role::Changes, operations: &["TagResource", "UntagResource"] },
        Group { role: Role::Nothing(READS), operations: &["GetDataAutomationStatus", "ListTagsForResource"] },
    ],
};
