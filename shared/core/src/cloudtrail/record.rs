//! The fields of a CloudTrail record that are read, as they stand in the JSON.

use std::cell::OnceCell;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::principal::Identity;
use crate::{
    arn::{AccountId, Region},
    json::{Flag, List, Object, Text, without_duplicates},
    moment::Moment,
};

/// A CloudTrail record, borrowed from the bytes it was read from (docs/aws/cloudtrail-records.md#common-members).
///
/// We own this type because the one that `aws_lambda_events` ships has no `errorCode`: a refused call would look like a change.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record<'a> {
    /// Unique per record, except that copies of it carry the same.
    #[serde(borrow, rename = "eventID")]
    pub event_id: Text<'a>,
    /// The request that the event reports; the key that joins copies, evaluations and invocation logs.
    #[serde(borrow, rename = "requestID")]
    pub request_id: Text<'a>,
    /// When the request was made.
    #[serde(borrow)]
    pub event_time: Text<'a>,
    /// The service, such as `bedrock.amazonaws.com`.
    #[serde(borrow)]
    pub event_source: Text<'a>,
    /// The operation.
    #[serde(borrow)]
    pub event_name: Text<'a>,
    /// `AwsApiCall`, `AwsServiceEvent`, …
    #[serde(borrow)]
    pub event_type: Text<'a>,
    /// `Management`, `Data`, `Insight`, …
    #[serde(borrow)]
    pub event_category: Text<'a>,
    /// Where the request was made.
    #[serde(borrow)]
    pub aws_region: Text<'a>,
    /// The account that the record was delivered to.
    #[serde(borrow)]
    pub recipient_account_id: Text<'a>,
    /// Who made the request.
    #[serde(borrow)]
    pub user_identity: Object<Identity<'a>>,
    /// Set if the request was refused or failed.
    #[serde(borrow)]
    pub error_code: Text<'a>,
    /// Why.
    #[serde(borrow)]
    pub error_message: Text<'a>,
    /// The client, in its own words.
    #[serde(borrow)]
    pub user_agent: Text<'a>,
    /// What was asked for; its shape depends on the operation.
    #[serde(borrow)]
    pub request_parameters: Option<&'a RawValue>,
    /// What was answered; its shape depends on the operation.
    #[serde(borrow)]
    pub response_elements: Option<&'a RawValue>,
    /// Details of the call that are no parameters.
    #[serde(borrow)]
    pub additional_event_data: Object<AdditionalEventData<'a>>,
    /// What `AwsServiceEvent`s report.
    #[serde(borrow)]
    pub service_event_details: Option<&'a RawValue>,
    /// What was accessed.
    #[serde(borrow)]
    pub resources: List<Object<Resource<'a>>>,
    /// The connection.
    #[serde(borrow)]
    pub tls_details: Object<TlsDetails<'a>>,
    /// Parameters and elements without what they say twice, once they were needed.
    #[serde(skip)]
    tidied: [OnceCell<Option<Box<str>>>; 2],
}

/// `additionalEventData` of an invocation (docs/aws/cloudtrail-records.md#invocations).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdditionalEventData<'a> {
    /// A Bedrock API key was used.
    pub call_with_bearer_token: Flag,
    /// Where inference ran, if not in the Region of the call.
    #[serde(borrow)]
    pub inference_region: Text<'a>,
}

/// `tlsDetails`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsDetails<'a> {
    /// The endpoint that the client addressed.
    #[serde(borrow)]
    pub client_provided_host_header: Text<'a>,
}

/// An entry of `resources`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resource<'a> {
    /// The owner.
    #[serde(borrow, rename = "accountId")]
    pub account_id: Text<'a>,
    /// Such as `AWS::Bedrock::Guardrail`.
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// Its ARN, as CloudTrail spells it.
    #[serde(borrow, rename = "ARN")]
    upper_arn: Text<'a>,
    /// As tables and some services do. One entry may have both.
    #[serde(borrow, rename = "arn")]
    lower_arn: Text<'a>,
}

impl Resource<'_> {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        self.upper_arn.get().or(self.lower_arn.get())
    }
}

/// What CloudTrail writes in the place of what it doesn't show (docs/aws/cloudtrail-records.md#invocations).
pub const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// What a record reports. Calls and changes are requests, refused or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// A request to an API, as the service recorded it.
    ApiCall,
    /// A VPC endpoint refused a request by its policy: the service never saw it and has no record of it
    /// (docs/aws/cloudtrail-records.md#errors).
    EndpointRefusal,
    /// A VPC endpoint let a request pass: the service's own record tells what became of it.
    EndpointPassage,
    /// The service reports something of its own accord, such as the end of a stream (docs/aws/cloudtrail-records.md#ends-of-streams).
    ServiceEvent,
    /// Anything else: console sign-in, Insight, …
    Other,
}

impl EventType {
    /// Whether it stands for a request to an API.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, EventType::ApiCall | EventType::EndpointRefusal)
    }
}

impl Record<'_> {
    /// What the record reports. A record that doesn't say is taken as a call, so that none is lost.
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

    /// What a VPC endpoint reports: it gives an error where its policy refused the request, and no other.
    fn endpoint_event(&self) -> EventType {
        if self.error_code.get().is_some() { EventType::EndpointRefusal } else { EventType::EndpointPassage }
    }

    /// The account that the record belongs to: the one it was delivered to, else the caller's.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.recipient_account_id.get().or(self.user_identity.0.account_id.get()).unwrap_or("unknown")
    }

    /// The Region of the call.
    #[must_use]
    pub fn region_code(&self) -> &str {
        self.aws_region.get().unwrap_or("unknown")
    }

    /// The account that the record belongs to, as a name of its own.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account_id().into()
    }

    /// The Region of the call, as a name of its own.
    #[must_use]
    pub fn region(&self) -> Region {
        self.region_code().into()
    }

    /// When, if the record says so in a form that can be read.
    #[must_use]
    pub fn time(&self) -> Option<Moment> {
        self.event_time.get().and_then(Moment::parse)
    }

    /// Whether the record shows the parameters of the request: it may leave them out or mask them
    /// (docs/aws/cloudtrail-records.md#invocations).
    #[must_use]
    pub fn shows_parameters(&self) -> bool {
        self.request_parameters.is_some_and(|raw| raw.get().trim_start().starts_with('{'))
    }

    /// The parameters of the request, read as the given shape; its default if they are missing or of another shape.
    #[must_use]
    pub fn parameters<'s, T: Deserialize<'s> + Default>(&'s self) -> T {
        read_tidied(self.request_parameters, self.tidied.first())
    }

    /// The elements of the response, read as the given shape; its default if they are missing or of another shape.
    #[must_use]
    pub fn response<'s, T: Deserialize<'s> + Default>(&'s self) -> T {
        read_tidied(self.response_elements, self.tidied.last())
    }

    /// Whether this is an Insight, or the summary of one.
    #[must_use]
    pub fn is_insight(&self) -> bool {
        self.event_category.get() == Some("Insight") || self.event_type.get() == Some("AwsCloudTrailInsight")
    }
}

/// Reads a shape. What is missing or of another type is its default; only what is said twice fails, and is read once more without.
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
    /// The model, as the caller put it.
    #[serde(borrow)]
    pub model_id: Text<'a>,
    /// The model of a bedrock-mantle call.
    #[serde(borrow)]
    pub model: Text<'a>,
    /// The model of an inline agent.
    #[serde(borrow)]
    pub foundation_model: Text<'a>,
    /// The model that a customisation starts from.
    #[serde(borrow)]
    pub base_model_identifier: Text<'a>,
    /// The guardrail that `InvokeModel*` names, should the record carry it, as is reported (docs/aws/cloudtrail-records.md#invocations).
    #[serde(borrow)]
    pub guardrail_identifier: Text<'a>,
    /// Its version.
    #[serde(borrow)]
    pub guardrail_version: Text<'a>,
    /// The guardrail that `Converse*` names, should the record carry it.
    #[serde(borrow)]
    pub guardrail_config: Stated<GuardrailParameters<'a>>,
    /// The guardrail that agents' operations name.
    #[serde(borrow)]
    pub guardrail_configuration: Stated<GuardrailParameters<'a>>,
    /// Where bedrock-mantle says that an API key was used.
    pub call_with_bearer_token: Flag,
    /// `InvokeAgent`.
    #[serde(borrow)]
    pub agent_id: Text<'a>,
    /// `InvokeFlow`.
    #[serde(borrow)]
    pub flow_identifier: Text<'a>,
    /// `RetrieveAndGenerate`.
    #[serde(borrow)]
    pub retrieve_and_generate_configuration: Object<RetrieveAndGenerate<'a>>,
}

/// An object, and whether something stands in its place: the object, or a mask.
#[derive(Debug, Default)]
pub struct Stated<T> {
    /// The object; the shape's default if it is masked or left out.
    pub value: T,
    /// Whether anything but null is there.
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
    /// An id or an ARN.
    #[serde(borrow)]
    guardrail_identifier: Text<'a>,
    /// What knowledge bases call the same.
    #[serde(borrow)]
    guardrail_id: Text<'a>,
    /// A number or `DRAFT`.
    #[serde(borrow)]
    pub guardrail_version: Text<'a>,
}

impl GuardrailParameters<'_> {
    /// An id or an ARN.
    #[must_use]
    pub fn identifier(&self) -> Option<&str> {
        self.guardrail_identifier.get().or(self.guardrail_id.get())
    }
}

/// Where `RetrieveAndGenerate` names its model and guardrail.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetrieveAndGenerate<'a> {
    /// Over a knowledge base.
    #[serde(borrow)]
    pub knowledge_base_configuration: Object<Generation<'a>>,
    /// Over documents of the request.
    #[serde(borrow)]
    pub external_sources_configuration: Object<Generation<'a>>,
}

/// What generates the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Generation<'a> {
    /// The model.
    #[serde(borrow)]
    pub model_arn: Text<'a>,
    /// Its settings.
    #[serde(borrow)]
    pub generation_configuration: Object<GenerationConfiguration<'a>>,
}

/// How the answer is generated.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GenerationConfiguration<'a> {
    /// The guardrail.
    #[serde(borrow)]
    pub guardrail_configuration: Object<GuardrailParameters<'a>>,
}

impl InferenceParameters<'_> {
    /// The model as the caller put it, wherever the operation puts it.
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

    /// The guardrail that the request names and its version, wherever the operation puts them.
    #[must_use]
    pub fn guardrail(&self) -> Option<(&str, &str)> {
        let generation = &self.retrieve_and_generate_configuration.0;
        let places = [
            &self.guardrail_config.value,
            &self.guardrail_configuration.value,
            &generation.knowledge_base_configuration.0.generation_configuration.0.guardrail_configuration.0,
            &generation.external_sources_configuration.0.generation_configuration.0.guardrail_configuration.0,
        ];
        self.guardrail_identifier
            .get()
            .map(|identifier| (identifier, self.guardrail_version.or_empty()))
            .or_else(|| places.into_iter().find_map(|place| Some((place.identifier()?, place.guardrail_version.or_empty()))))
    }

    /// Whether the parameters tell that a guardrail was named, and not which.
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
