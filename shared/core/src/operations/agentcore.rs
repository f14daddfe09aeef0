//! The operations of AgentCore's data plane: gateways, harnesses and runtimes, which may call models of any provider.

use super::role::{Api, ENDS, Group, Mediator, OperationCoverage, READS, Role, SETS_UP};

/// The operations in the SDKs' service model.
pub(super) const AGENTCORE: Api = Api {
    name: "bedrock-agentcore",
    source: "bedrock-agentcore",
    is_modelled: true,
    groups: &[
        Group::of(
            Role::Runs(OperationCoverage::Uncovered),
            &[
                "Evaluate",
                "IngestData",
                "StartBatchEvaluation",
                "StartDatasetGeneration",
                "StartMemoryExtractionJob",
                "StartRecommendation",
            ],
        ),
        Group::of(
            Role::Runs(OperationCoverage::Mediated(Mediator::AgentCore)),
            &[
                "CreateABTest",
                "CreateEvent",
                "InvokeAgentRuntime",
                "InvokeAgentRuntimeCommand",
                "InvokeHarness",
                "RetrieveMemoryRecords",
                "SearchRegistryRecords",
                "UpdateABTest",
            ],
        ),
        Group::of(
            Role::Nothing("runs code or drives a browser, not a model"),
            &[
                "InvokeBrowser",
                "InvokeCodeInterpreter",
                "SaveBrowserSessionProfile",
                "StartBrowserSession",
                "StartCodeInterpreterSession",
                "UpdateBrowserStream",
            ],
        ),
        Group::of(Role::Nothing("searches the web, without a model"), &["InvokeWebSearch"]),
        Group::of(
            Role::Nothing(SETS_UP),
            &[
                "BatchCreateMemoryRecords",
                "BatchUpdateMemoryRecords",
                "CompleteResourceTokenAuth",
                "CreatePaymentInstrument",
                "CreatePaymentSession",
                "ProcessPayment",
                "UpdateAgentInsight",
            ],
        ),
        Group::of(
            Role::Nothing(ENDS),
            &[
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
        ),
        Group::of(
            Role::Nothing(READS),
            &[
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
        ),
    ],
};

/// Operations that CloudTrail records or IAM authorises, and that the SDKs' service models lack.
pub(super) const RECORDED: Api = Api {
    name: "bedrock-agentcore, in records only",
    source: "bedrock-agentcore",
    is_modelled: false,
    groups: &[
        Group::of(
            Role::Runs(OperationCoverage::Mediated(Mediator::AgentCore)),
            &[
                "InvokeGateway",
                "InvokeAgentRuntimeForUser",
                "InvokeAgentRuntimeCommandShell",
                "InvokeAgentRuntimeWithWebSocketStream",
                "InvokeAgentRuntimeWithWebSocketStreamForUser",
            ],
        ),
        Group::of(
            Role::Nothing("runs code or drives a browser, not a model"),
            &["ConnectBrowserAutomationStream", "ConnectBrowserLiveViewStream"],
        ),
        Group::of(Role::Nothing("looks up what a registry lists"), &["InvokeRegistryMcp"]),
        Group::of(Role::Nothing(READS), &["AuthorizeAction", "PartiallyAuthorizeActions"]),
    ],
};
