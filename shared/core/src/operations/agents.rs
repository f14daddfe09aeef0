//! The operations of Bedrock's agents, flows, knowledge bases and prompts.

use super::role::{Api, ENDS, Group, Mediator, OperationCoverage, READS, RESOURCE_POLICIES, Role, SETS_UP, TAGS};

/// The control plane, which creates and changes them.
pub(super) const AGENTS: Api = Api {
    name: "bedrock-agent",
    source: "bedrock",
    is_modelled: true,
    groups: &[
        Group::of(Role::ChangesState, &["CreateFlowVersion", "UpdateFlowAlias"])
            .named_by(&["flowIdentifier", "name"])
            .answered_by(&["/id"])
            .keeping(&["definition", "status", "version"]),
        Group::of(Role::Runs(OperationCoverage::Uncovered), &["IngestKnowledgeBaseDocuments", "StartIngestionJob"]),
        Group::of(Role::Changes, &["CreateFlow", "UpdateFlow", "PrepareFlow", "CreateFlowAlias"])
            .named_by(&["flowIdentifier", "name"])
            .answered_by(&["/id"])
            .keeping(&["definition", "status", "version", "tags"]),
        Group::of(Role::Changes, &["CreateAgent", "UpdateAgent"]).named_by(&["agentId"]).answered_by(&["/agent/agentId"]).keeping(&[
            "foundationModel",
            "guardrailConfiguration",
            "tags",
        ]),
        Group::of(Role::Changes, &["AssociateAgentCollaborator", "UpdateAgentCollaborator"])
            .named_by(&["agentId"])
            .keeping(&["agentDescriptor"]),
        RESOURCE_POLICIES,
        TAGS,
        Group::of(
            Role::Nothing(SETS_UP),
            &[
                "PrepareAgent",
                "CreateAgentAlias",
                "UpdateAgentAlias",
                "AssociateAgentKnowledgeBase",
                "CreateAgentActionGroup",
                "CreateDataSource",
                "CreateKnowledgeBase",
                "CreatePrompt",
                "CreatePromptVersion",
                "CreateRetrievalInstruction",
                "CreateRetrievalInstructionVersion",
                "CreateVpcConfiguration",
                "UpdateAgentActionGroup",
                "UpdateAgentKnowledgeBase",
                "UpdateDataSource",
                "UpdateKnowledgeBase",
                "UpdatePrompt",
                "UpdateRetrievalInstruction",
            ],
        ),
        Group::of(
            Role::Nothing(ENDS),
            &[
                "DeleteAgent",
                "DeleteAgentActionGroup",
                "DeleteAgentAlias",
                "DeleteAgentVersion",
                "DeleteDataSource",
                "DeleteFlow",
                "DeleteFlowAlias",
                "DeleteFlowVersion",
                "DeleteKnowledgeBase",
                "DeleteKnowledgeBaseDocuments",
                "DeletePrompt",
                "DeleteRetrievalInstruction",
                "DeleteVpcConfiguration",
                "DisassociateAgentCollaborator",
                "DisassociateAgentKnowledgeBase",
                "StopIngestionJob",
            ],
        ),
        Group::of(
            Role::Nothing(READS),
            &[
                "GetAgent",
                "GetAgentActionGroup",
                "GetAgentAlias",
                "GetAgentCollaborator",
                "GetAgentKnowledgeBase",
                "GetAgentVersion",
                "GetDataSource",
                "GetFlow",
                "GetFlowAlias",
                "GetFlowVersion",
                "GetIngestionJob",
                "GetKnowledgeBase",
                "GetKnowledgeBaseDocuments",
                "GetPrompt",
                "GetResourcePolicy",
                "GetRetrievalInstruction",
                "GetVpcConfiguration",
                "ListAgentActionGroups",
                "ListAgentAliases",
                "ListAgentCollaborators",
                "ListAgentKnowledgeBases",
                "ListAgentVersions",
                "ListAgents",
                "ListDataSources",
                "ListFlowAliases",
                "ListFlowVersions",
                "ListFlows",
                "ListIngestionJobs",
                "ListKnowledgeBaseDocuments",
                "ListKnowledgeBases",
                "ListPrompts",
                "ListRetrievalInstructionVersions",
                "ListRetrievalInstructions",
                "ListTagsForResource",
                "ListVpcConfigurations",
                "ValidateFlowDefinition",
            ],
        ),
    ],
};

/// The data plane, which runs them.
pub(super) const AGENTS_RUNTIME: Api = Api {
    name: "bedrock-agent-runtime",
    source: "bedrock",
    is_modelled: true,
    groups: &[
        Group::of(Role::Runs(OperationCoverage::Uncovered), &["GenerateQuery", "OptimizePrompt", "Rerank"]),
        Group::of(Role::Runs(OperationCoverage::Mediated(Mediator::Agent)), &["InvokeAgent"]),
        Group::of(Role::Runs(OperationCoverage::Mediated(Mediator::Flow)), &["InvokeFlow", "StartFlowExecution"]),
        Group::of(
            Role::Runs(OperationCoverage::Mediated(Mediator::Request)),
            &["AgenticRetrieveStream", "InvokeInlineAgent", "Retrieve", "RetrieveAndGenerate", "RetrieveAndGenerateStream"],
        ),
        TAGS,
        Group::of(Role::Nothing("keeps a conversation that a client had elsewhere"), &["CreateInvocation", "PutInvocationStep"]),
        Group::of(Role::Nothing(SETS_UP), &["CreateSession", "UpdateSession"]),
        Group::of(Role::Nothing(ENDS), &["DeleteAgentMemory", "DeleteSession", "EndSession", "StopFlowExecution"]),
        Group::of(
            Role::Nothing(READS),
            &[
                "CheckIngestedDocumentAcl",
                "GetAgentMemory",
                "GetDocumentContent",
                "GetExecutionFlowSnapshot",
                "GetFlowExecution",
                "GetIngestedDocumentAcl",
                "GetInvocationStep",
                "GetSession",
                "ListFlowExecutionEvents",
                "ListFlowExecutions",
                "ListInvocationSteps",
                "ListInvocations",
                "ListSessions",
                "ListTagsForResource",
            ],
        ),
    ],
};
