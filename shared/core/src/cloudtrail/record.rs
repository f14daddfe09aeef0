//! The fields of a CloudTrail record that rules use, named and nested as in the JSON.

use std::cell::OnceCell;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::principal::Identity;
use crate::{
    arn::{AccountId, Region},
    json::{Flag, List, Object, Text, without_duplicates},
    timestamp::Timestamp,
};

/// A CloudTrail record, borrowed from the bytes it was read from (docs/aws/cloudtrail-records.md#common-members).
///
/// The crate defines this type itself because the one in `aws_lambda_events` has no `errorCode`: a refused call would look like a change.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record<'a> {
    /// The id of the record. Copies of one record have the same id.
    #[serde(borrow, rename = "eventID")]
    pub event_id: Text<'a>,
    /// The id of the request that the record reports. It joins copies, evaluations and invocation logs.
    #[serde(borrow, rename = "requestID")]
    pub request_id: Text<'a>,
    /// When the request was made, in UTC with whole seconds.
    #[serde(borrow)]
    pub event_time: Text<'a>,
    /// The service, such as `bedrock.amazonaws.com`.
    #[serde(borrow)]
    pub event_source: Text<'a>,
    /// The operation, such as `Converse`.
    #[serde(borrow)]
    pub event_name: Text<'a>,
    /// `AwsApiCall`, `AwsServiceEvent`, …
    #[serde(borrow)]
    pub event_type: Text<'a>,
    /// `Management`, `Data`, `Insight`, …
    #[serde(borrow)]
    pub event_category: Text<'a>,
    /// The Region where the request was made.
    #[serde(borrow)]
    pub aws_region: Text<'a>,
    /// The account that the record was delivered to.
    #[serde(borrow)]
    pub recipient_account_id: Text<'a>,
    /// Who made the request.
    #[serde(borrow)]
    pub user_identity: Object<Identity<'a>>,
    /// The error, if the request was refused or failed.
    #[serde(borrow)]
    pub error_code: Text<'a>,
    /// The text that belongs to `error_code`.
    #[serde(borrow)]
    pub error_message: Text<'a>,
    /// The name that the client gives itself.
    #[serde(borrow)]
    pub user_agent: Text<'a>,
    /// The request's parameters; their shape depends on the operation.
    #[serde(borrow)]
    pub request_parameters: Option<&'a RawValue>,
    /// The response; its shape depends on the operation.
    #[serde(borrow)]
    pub response_elements: Option<&'a RawValue>,
    /// Details of the call that are not parameters.
    #[serde(borrow)]
    pub additional_event_data: Object<AdditionalEventData<'a>>,
    /// What an `AwsServiceEvent` reports.
    #[serde(borrow)]
    pub service_event_details: Option<&'a RawValue>,
    /// The resources that the request accessed.
    #[serde(borrow)]
    pub resources: List<Object<Resource<'a>>>,
    /// The TLS connection of the request.
    #[serde(borrow)]
    pub tls_details: Object<TlsDetails<'a>>,
    /// `request_parameters` and `response_elements` without duplicate keys, computed when first needed.
    #[serde(skip)]
    tidied: [OnceCell<Option<Box<str>>>; 2],
}

/// `additionalEventData` of an invocation (docs/aws/cloudtrail-records.md#invocations).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdditionalEventData<'a> {
    /// The request was signed by a Bedrock API key (docs/aws/cloudtrail-records.md#api-keys).
    pub call_with_bearer_token: Flag,
    /// The Region where inference ran, if it differs from the Region of the call.
    #[serde(borrow)]
    pub inference_region: Text<'a>,
}

/// `tlsDetails`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsDetails<'a> {
    /// The host name of the endpoint that the client addressed.
    #[serde(borrow)]
    pub client_provided_host_header: Text<'a>,
}

/// An entry of `resources`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resource<'a> {
    /// The account that owns the resource.
    #[serde(borrow, rename = "accountId")]
    pub account_id: Text<'a>,
    /// The type, such as `AWS::Bedrock::Guardrail`.
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// The ARN under the name that CloudTrail uses.
    #[serde(borrow, rename = "ARN")]
    upper_arn: Text<'a>,
    /// The ARN under the name that tables and some services use. One entry may have both.
    #[serde(borrow, rename = "arn")]
    lower_arn: Text<'a>,
}

impl Resource<'_> {
    /// The resource's ARN, under either name.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        self.upper_arn.get().or(self.lower_arn.get())
    }
}

/// What a record reports. Calls and changes are requests, refused or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// A request to an API, as the service recorded it.
    ApiCall,
    /// A VPC endpoint refused a request by its policy: the service never saw it and has no record of it
    /// (docs/aws/cloudtrail-records.md#errors).
    EndpointRefusal,
    /// A VPC endpoint allowed a request: the service's own record reports the outcome.
    EndpointPassage,
    /// A service reports an event that nobody requested, such as the end of a stream (docs/aws/cloudtrail-records.md#ends-of-streams).
    ServiceEvent,
    /// Anything else: console sign-in, Insight, …
    Other,
}

impl EventType {
    /// Whether the event is a request to an API.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, EventType::ApiCall | EventType::EndpointRefusal)
    }
}

impl Record<'_> {
    /// The kind of event. A record without `eventType` counts as a call, so that no call is missed.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self.event_type.get() {
            Some("AwsServiceEvent") => EventType::ServiceEvent,
            Some("AwsVpceEvent") => self.endpoint_event(),
            _ if self.event_category.get() == Some("NetworkActivity") => self.endpoint_event(),
            None | Some("AwsApiCall") => EventType::ApiCall,
            Some(_) => EventType::Other,
        }
    }

    /// The kind of event that a VPC endpoint reports: with an error if the endpoint's policy refused the request, without one otherwise.
    fn endpoint_event(&self) -> EventType {
        if self.error_code.get().is_some() { EventType::EndpointRefusal } else { EventType::EndpointPassage }
    }

    /// The id of the account that the record belongs to: the account that received it, or else the caller's.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.recipient_account_id.get().or(self.user_identity.0.account_id.get()).unwrap_or("unknown")
    }

    /// The code of the Region where the request was made.
    #[must_use]
    pub fn region_code(&self) -> &str {
        self.aws_region.get().unwrap_or("unknown")
    }

    /// Like [`Record::account_id`], as an owned value.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account_id().into()
    }

    /// Like [`Record::region_code`], as an owned value.
    #[must_use]
    pub fn region(&self) -> Region {
        self.region_code().into()
    }

    /// The time of the request. `None` if it is missing or unreadable.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.event_time.get().and_then(Timestamp::parse)
    }

    /// Whether the record shows the parameters of the request. CloudTrail may leave them out or mask them
    /// (docs/aws/cloudtrail-records.md#invocations).
    #[must_use]
    pub fn shows_parameters(&self) -> bool {
        self.request_parameters.is_some_and(|raw| raw.get().trim_start().starts_with('{'))
    }

    /// Deserialises the request's parameters. Returns the type's default if they are missing or of another shape.
    #[must_use]
    pub fn parameters<'s, T: Deserialize<'s> + Default>(&'s self) -> T {
        read_tidied(self.request_parameters, self.tidied.first())
    }

    /// Deserialises the response. Returns the type's default if it is missing or of another shape.
    #[must_use]
    pub fn response<'s, T: Deserialize<'s> + Default>(&'s self) -> T {
        read_tidied(self.response_elements, self.tidied.last())
    }

    /// Whether this is a CloudTrail Insight or the summary of one.
    #[must_use]
    pub fn is_insight(&self) -> bool {
        self.event_category.get() == Some("Insight") || self.event_type.get() == Some("AwsCloudTrailInsight")
    }
}

/// Deserialises an object. Missing members, or members of another type, get their default. Only duplicate keys make this fail; then the
/// object is read once more with the last of each.
fn read_tidied<'s, T: Deserialize<'s> + Default>(raw: Option<&'s RawValue>, tidied: Option<&'s OnceCell<Option<Box<str>>>>) -> T {
    let Some(raw) = raw else { return T::default() };
    let shape = serde_json::from_str::<Object<T>>(raw.get()).or_else(|error| {
        let tidy = || without_duplicates(raw.get().as_bytes()).map(String::into_boxed_str);
        let once = tidied.and_then(|tidied| tidied.get_or_init(tidy).as_deref()).ok_or(error)?;
        serde_json::from_str::<Object<T>>(once)
    });
    shape.unwrap_or_default().0
}

/// `requestParameters` of an invocation, of every operation that runs a model (docs/aws/cloudtrail-records.md#invocations).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InferenceParameters<'a> {
    /// The model id or ARN, as the caller passed it.
    #[serde(borrow)]
    pub model_id: Text<'a>,
    /// The model of a bedrock-mantle call.
    #[serde(borrow)]
    pub model: Text<'a>,
    /// The model of an inline agent.
    #[serde(borrow)]
    pub foundation_model: Text<'a>,
    /// The model that a model customization job starts from.
    #[serde(borrow)]
    pub base_model_identifier: Text<'a>,
    /// The guardrail of `InvokeModel*`, if the record carries it, which is reported but not documented
    /// (docs/aws/cloudtrail-records.md#invocations).
    #[serde(borrow)]
    pub guardrail_identifier: Text<'a>,
    /// The version of that guardrail: a number or `DRAFT`.
    #[serde(borrow)]
    pub guardrail_version: Text<'a>,
    /// The guardrail of `Converse*`, if the record carries it.
    #[serde(borrow)]
    pub guardrail_config: Stated<GuardrailParameters<'a>>,
    /// The guardrail of operations of agents.
    #[serde(borrow)]
    pub guardrail_configuration: Stated<GuardrailParameters<'a>>,
    /// bedrock-mantle's flag for the use of an API key.
    pub call_with_bearer_token: Flag,
    /// The agent of `InvokeAgent`.
    #[serde(borrow)]
    pub agent_id: Text<'a>,
    /// The flow of `InvokeFlow`.
    #[serde(borrow)]
    pub flow_identifier: Text<'a>,
    /// The configuration of `RetrieveAndGenerate`, which holds its model and guardrail.
    #[serde(borrow)]
    pub retrieve_and_generate_configuration: Object<RetrieveAndGenerate<'a>>,
}

/// An object that CloudTrail may mask, with the information whether anything stands in its place.
#[derive(Debug, Default)]
pub struct Stated<T> {
    /// The object; the default of `T` if it is masked or missing.
    pub value: T,
    /// Whether the member has a value other than null: the object or a mask.
    pub is_stated: bool,
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Stated<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: Option<&'de RawValue> = Option::deserialize(deserializer)?;
        let value = raw.map(|raw| serde_json::from_str::<Object<T>>(raw.get())).transpose().map_err(D::Error::custom)?;
        Ok(Stated { is_stated: raw.is_some(), value: value.unwrap_or_default().0 })
    }
}

/// A guardrail named in a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GuardrailParameters<'a> {
    /// The guardrail's id or ARN.
    #[serde(borrow)]
    guardrail_identifier: Text<'a>,
    /// The guardrail's id or ARN, under the name that knowledge bases use.
    #[serde(borrow)]
    guardrail_id: Text<'a>,
    /// A number or `DRAFT`.
    #[serde(borrow)]
    pub guardrail_version: Text<'a>,
}

impl GuardrailParameters<'_> {
    /// The guardrail's id or ARN, under either name.
    #[must_use]
    pub fn identifier(&self) -> Option<&str> {
        self.guardrail_identifier.get().or(self.guardrail_id.get())
    }
}

/// The part of `RetrieveAndGenerate` that holds the model and the guardrail.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetrieveAndGenerate<'a> {
    /// Generation from a knowledge base.
    #[serde(borrow)]
    pub knowledge_base_configuration: Object<Generation<'a>>,
    /// Generation from documents in the request.
    #[serde(borrow)]
    pub external_sources_configuration: Object<Generation<'a>>,
}

/// How an answer is generated, and by which model.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Generation<'a> {
    /// The model.
    #[serde(borrow)]
    pub model_arn: Text<'a>,
    /// The settings of the generation.
    #[serde(borrow)]
    pub generation_configuration: Object<GenerationConfiguration<'a>>,
}

/// The settings of a generation that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GenerationConfiguration<'a> {
    /// The guardrail.
    #[serde(borrow)]
    pub guardrail_configuration: Object<GuardrailParameters<'a>>,
}

impl InferenceParameters<'_> {
    /// The model as the caller passed it, from the member that the operation uses for it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        let generation = &self.retrieve_and_generate_configuration.0;
        self.model_id
            .get()
            .or(self.model.get())
            .or(self.foundation_model.get())
            .or(self.base_model_identifier.get())
            .or(generation.knowledge_base_configuration.0.model_arn.get())
            .or(generation.external_sources_configuration.0.model_arn.get())
    }

    /// The guardrail's id or ARN and its version, from the member that the operation uses for them.
    #[must_use]
    pub fn guardrail(&self) -> Option<(&str, &str)> {
        let generation = &self.retrieve_and_generate_configuration.0;
        let members = [
            &self.guardrail_config.value,
            &self.guardrail_configuration.value,
            &generation.knowledge_base_configuration.0.generation_configuration.0.guardrail_configuration.0,
            &generation.external_sources_configuration.0.generation_configuration.0.guardrail_configuration.0,
        ];
        self.guardrail_identifier
            .get()
            .map(|identifier| (identifier, self.guardrail_version.or_empty()))
            .or_else(|| members.into_iter().find_map(|member| Some((member.identifier()?, member.guardrail_version.or_empty()))))
    }

    /// Whether the parameters show that the request named a guardrail, but mask which.
    #[must_use]
    pub fn hide_guardrail(&self) -> bool {
        let is_stated = self.guardrail_version.get().is_some() || self.guardrail_config.is_stated || self.guardrail_configuration.is_stated;
        is_stated && self.guardrail().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_record_is_read_and_answers_nothing() {
        let record: Record<'_> = serde_json::from_str("{}").unwrap();
        assert_eq!(record.event_type(), EventType::ApiCall);
        assert_eq!((record.time(), &*record.account(), &*record.region()), (None, "unknown", "unknown"));
        assert_eq!(record.parameters::<InferenceParameters<'_>>().model(), None);
    }

    #[test]
    fn a_vpc_endpoint_reports_refusals_and_what_it_let_pass() {
        for (record, expected) in [
            (
                r#"{"eventType":"AwsVpceEvent","eventCategory":"NetworkActivity","errorCode":"VpceAccessDenied"}"#,
                EventType::EndpointRefusal,
            ),
            (r#"{"eventType":"AwsVpceEvent","eventCategory":"NetworkActivity"}"#, EventType::EndpointPassage),
            (r#"{"eventCategory":"NetworkActivity","errorCode":"VpceAccessDenied"}"#, EventType::EndpointRefusal),
            (r#"{"eventType":"AwsApiCall","eventCategory":"NetworkActivity"}"#, EventType::EndpointPassage),
            (r#"{"eventType":"AwsApiCall","errorCode":"AccessDenied"}"#, EventType::ApiCall),
        ] {
            let read: Record<'_> = serde_json::from_str(record).unwrap();
            assert_eq!(read.event_type(), expected, "{record}");
        }
        assert!(EventType::EndpointRefusal.is_request() && !EventType::EndpointPassage.is_request());
    }

    #[test]
    fn nulls_and_wrong_types_do_not_make_a_record_unreadable() {
        let record: Record<'_> = serde_json::from_str(
            r#"{"eventID":null,"requestParameters":null,"responseElements":"x","userIdentity":null,"eventTime":7,"resources":null,
                "recipientAccountId":123456789012,"additionalEventData":{"callWithBearerToken":"true"},"tlsDetails":[]}"#,
        )
        .unwrap();
        assert_eq!(&*record.account(), "123456789012");
        assert!(record.additional_event_data.0.call_with_bearer_token.is_set());
        assert!(record.parameters::<InferenceParameters<'_>>().guardrail().is_none());
    }

    #[test]
    fn a_masked_guardrail_is_another_matter_than_none() {
        let hides = |parameters: &str| serde_json::from_str::<InferenceParameters<'_>>(parameters).unwrap().hide_guardrail();
        for hidden in [
            r#"{"modelId":"a.b","guardrailConfig":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
            r#"{"guardrailConfig":{"guardrailVersion":"1"}}"#,
            r#"{"guardrailConfig":{"guardrailIdentifier":null,"guardrailVersion":"1"}}"#,
            r#"{"guardrailVersion":"1"}"#,
        ] {
            assert!(hides(hidden), "{hidden}");
        }
        for shown in [r#"{"modelId":"a.b"}"#, r#"{"guardrailConfig":null}"#, r#"{"guardrailConfig":{"guardrailIdentifier":"abc"}}"#, "{}"] {
            assert!(!hides(shown), "{shown}");
        }
        for (record, shows) in [(r#"{"requestParameters":{}}"#, true), (r#"{"requestParameters":null}"#, false), ("{}", false)] {
            assert_eq!(serde_json::from_str::<Record<'_>>(record).unwrap().shows_parameters(), shows, "{record}");
        }
    }

    #[test]
    fn the_guardrail_of_a_request_is_found_in_each_of_its_places() {
        for parameters in [
            r#"{"guardrailIdentifier":"abc","guardrailVersion":"3"}"#,
            r#"{"guardrailIdentifier":"abc","guardrailVersion":3}"#,
            r#"{"guardrailConfig":{"guardrailIdentifier":"abc","guardrailVersion":"3","trace":"enabled"}}"#,
            r#"{"guardrailConfiguration":{"guardrailIdentifier":"abc","guardrailVersion":"3"}}"#,
            r#"{"retrieveAndGenerateConfiguration":{"knowledgeBaseConfiguration":{"generationConfiguration":{"guardrailConfiguration":{"guardrailId":"abc","guardrailVersion":"3"}}}}}"#,
        ] {
            let parameters: InferenceParameters<'_> = serde_json::from_str(parameters).unwrap();
            assert_eq!(parameters.guardrail(), Some(("abc", "3")));
        }
    }

    #[test]
    fn what_parameters_say_twice_is_read_once() {
        for parameters in [
            r#"{"modelId":"x.y","modelId":"a.b","guardrailConfig":{"guardrailIdentifier":"abc","guardrailVersion":"3"}}"#,
            r#"{"modelId":"a.b","guardrailConfig":{"guardrailIdentifier":"abc","guardrailIdentifier":"abc","guardrailVersion":"3"}}"#,
            r#"{"modelId":"a.b","guardrailConfig":{"guardrailIdentifier":"abc","guardrailId":"abc","guardrailVersion":"3"}}"#,
        ] {
            let record = format!(r#"{{"eventName":"Converse","requestParameters":{parameters}}}"#);
            let record: Record<'_> = serde_json::from_str(&record).unwrap();
            let parameters: InferenceParameters<'_> = record.parameters();
            assert_eq!((parameters.model(), parameters.guardrail()), (Some("a.b"), Some(("abc", "3"))));
        }
    }
}
