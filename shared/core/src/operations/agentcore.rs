//! The operations of AgentCore's data plane: gateways, harnesses and runtimes, which may call models of any provider.

use super::role::{Api, ENDS, Group, Mediator, OperationCoverage, READS, Role, SETS_UP};

/// The operations in the SDKs' service model.
pub(super) const AGENTCORE: Api = Api {
    name: "bedrock-agentcore",
    source: "bedrock-agentcore",
    is_modelled: true,
    groups: &[
        Group {
            role: Role::Runs(OperationCoverage::Uncovered),
            operations: &[
                "Evaluate",
                "IngestData",
                "StartBatchEvaluation",
                "StartDatasetGeneration",
                "StartMemoryExtractionJob",
                "StartRecommendation",
            ],
        },
        Group {
            role: Role::Runs(OperationCoverage::Mediated(Mediator::AgentCore)),
            operations: &[
                "CreateABTest",
                "CreateEvent",
                "InvokeAgentRuntime",
                "InvokeAgentRuntimeCommand",
                "InvokeHarness",
                "RetrieveMemoryRecords",
                "SearchRegistryRecords",
                "UpdateABTest",
            ],
        },
        Group {
            role: Role::Nothing("runs code or drives a browser, not a model"),
            operations: &[
                "InvokeBrowser",
                "InvokeCodeInterpreter",
                "SaveBrowserSessionProfile",
                "StartBrowserSession",
                "StartCodeInterpreterSession",
                "UpdateBrowserStream",
            ],
        },
        Group { role: Role::Nothing("searches the web, without a model"), operations: &["InvokeWebSearch"] },
        Group {
            role: Role::Nothing(SETS_UP),
            operations: &[
                "BatchCreateMemoryRecords",
                "BatchUpdateMemoryRecords",
                "CompleteResourceTokenAuth",
                "CreatePaymentInstrument",
                "CreatePaymentSession",
                "ProcessPayment",
                "UpdateAgentInsight",
            ],
        },
        Group {
            role: Role::Nothing(ENDS),
            operations: &[
                "BatchDeleteMemoryRecords",
                "DeleteABTest",
                "DeleteBatchEvaluation",
                "DeleteCapacityProviderSession",
                "DeleteDatasetGeneration",
                "DeleteEvent",
                "DeleteMemoryRecord",
                "DeletePaymentInstrument",
                "DeletePaymentSession",
                "DeleteRecommendation",
                "StopBatchEvaluation",
                "StopBrowserSession",
                "StopCodeInterpreterSession",
                "StopRuntimeSession",
            ],
        },
        Group {
            role: Role::Nothing(READS),
            operations: &[
                "GetABTest",
                "GetAgentCard",
                "GetAgentInsight",
                "GetBatchEvaluation",
                "GetBrowserSession",
                "GetCodeInterpreterSession",
                "GetDatasetGeneration",
                "GetEvent",
                "GetMemoryRecord",
                "GetPaymentInstrument",
                "GetPaymentInstrumentBalance",
                "GetPaymentSession",
                "GetRecommendation",
                "GetResourceApiKey",
                "GetResourceOauth2Token",
                "GetResourcePaymentToken",
                "GetWorkloadAccessToken",
                "GetWorkloadAccessTokenForJWT",
                "GetWorkloadAccessTokenForUserId",
                "ListABTests",
                "ListActors",
                "ListAgentInsights",
                "ListBatchEvaluations",
                "ListBrowserSessions",
                "ListCodeInterpreterSessions",
                "ListDatasetGenerations",
                "ListEvents",
                "ListMemoryExtractionJobs",
                "ListMemoryRecords",
                "ListPaymentInstruments",
                "ListPaymentSessions",
                "ListRecommendations",
                "ListSessions",
            ],
        },
    ],
};

/// Operations that CloudTrail records or IAM authorises, and that the SDKs' service models lack.
pub(super) const RECORDED: Api = Api {
    name: "bedrock-agentcore, in records only",
    source: "bedrock-agentcore",
    is_modelled: false,
    groups: &[
        Group {
            role: Role::Runs(OperationCoverage::Mediated(Mediator::AgentCore)),
            operations: &[
                "InvokeGateway",
                "InvokeAgentRuntimeForUser",
                "InvokeAgentRuntimeCommandShell",
                "InvokeAgentRuntimeWithWebSocketStream",
                "InvokeAgentRuntimeWithWebSocketStreamForUser",
            ],
        },
        Group {
            role: Role::Nothing("runs code or drives a browser, not a model"),
            operations: &["ConnectBrowserAutomationStream", "ConnectBrowserLiveViewStream"],
        },
        Group { role: Role::Nothing("looks up what a registry lists"), operations: &["InvokeRegistryMcp"] },
        Group { role: Role::Nothing(READS), operations: &["AuthorizeAction", "PartiallyAuthorizeActions"] },
    ],
};
