//! Decides by its user agent whether a client can call the Responses API of bedrock-runtime.
//!
//! Creating a response is authorised as `bedrock:InvokeModel`, and guardrails don't apply to it
//! (docs/aws/cloudtrail-records.md#responses). The AWS SDKs and the AWS CLI have no operation for it, and
//! Anthropic's clients for Bedrock call `/model/<id>/invoke`. Any other client whose call is recorded as InvokeModel may have created a
//! response. A user agent can be forged: a client that poses as an AWS SDK is judged as if the record had no user agent.

use std::sync::LazyLock;

use aho_corasick::packed;
use memchr::memmem;

/// The first products in user agents of Anthropic's clients for Bedrock.
const ANTHROPIC_BEDROCK: &[&str] = &["anthropicbedrock", "asyncanthropicbedrock"];

/// Products of AWS: whole names here, and below beginnings that the language follows.
const AWS: &[&str] = &["boto3", "botocore", "aiobotocore", "aioboto3", "aws-cli", "aws-internal"];
const AWS_BEGINNINGS: &[&str] = &["aws-sdk-", "awspowershell", "aws.tools"];

/// Names of clients and gateways that call models through an OpenAI-compatible interface. A user agent may name an AWS SDK beside them,
/// from which they get credentials.
const SPEAK_OPENAI: [&str; 6] = ["OpenAI", "openai", "OPENAI", "LiteLLM", "litellm", "LITELLM"];

/// The end of a user agent of an AWS service that calls on somebody's behalf.
const AWS_SERVICE: &str = ".amazonaws.com";
/// The service whose harnesses and gateways can create responses too.
const AGENTCORE: &str = "bedrock-agentcore";

/// Searches for all of [`SPEAK_OPENAI`] at once, because every call is checked and nearly none has such a name. `None` on processors that
/// have no instructions for it.
static NAMES: LazyLock<Option<packed::Searcher>> = LazyLock::new(|| packed::Searcher::new(SPEAK_OPENAI));

/// What a user agent shows about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// A client of OpenAI or of an OpenAI-compatible interface, whatever API it calls.
    SpeaksOpenAi,
    /// A client that can't create a response.
    WithoutResponses,
    /// A client that may or may not create responses.
    Other,
}

impl Client {
    /// Classifies a user agent. `None` is a record without the member. CloudTrail's own records always have it, so somebody reduced the
    /// record; it is judged like a call of an AWS SDK.
    pub(super) fn of(user_agent: Option<&str>) -> Self {
        let Some(agent) = user_agent else { return Client::WithoutResponses };
        if speaks_openai(agent) {
            return Client::SpeaksOpenAi;
        }
        let is_without = match service_of(agent) {
            Some(service) => !service.starts_with(AGENTCORE),
            None => products(agent).any(is_of_aws_or_anthropic),
        };
        if is_without { Client::WithoutResponses } else { Client::Other }
    }
}

fn speaks_openai(agent: &str) -> bool {
    // OpenAI's SDK for agents sends `Agents/Python 0.4.2`.
    if products(agent).next().is_some_and(|first| first.eq_ignore_ascii_case(b"agents")) {
        return true;
    }
    let may_be = NAMES.as_ref().is_none_or(|names| names.find(agent).is_some());
    // Only names of products count; a version may contain any text.
    may_be && products(agent).any(|product| SPEAK_OPENAI.iter().any(|name| memmem::find(product, name.as_bytes()).is_some()))
}

fn is_of_aws_or_anthropic(product: &[u8]) -> bool {
    let begins = |beginning: &&str| product.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()));
    let is_one_of = |names: &[&str]| names.iter().any(|name| product.eq_ignore_ascii_case(name.as_bytes()));
    is_one_of(AWS) || AWS_BEGINNINGS.iter().any(begins) || is_one_of(ANTHROPIC_BEDROCK)
}

/// The AWS service that made the call itself, from a user agent such as `bedrock.amazonaws.com` or `AWS Internal`.
fn service_of(user_agent: &str) -> Option<String> {
    let agent = user_agent.trim();
    // A host name contains no space, but nearly every user agent of a client does.
    if agent.contains(' ') && !agent.eq_ignore_ascii_case("aws internal") {
        return None;
    }
    let agent = agent.to_ascii_lowercase();
    if agent == "aws internal" {
        return Some(agent);
    }
    let service = agent.trim_end_matches(".cn").strip_suffix(AWS_SERVICE)?;
    let is_host = !service.is_empty() && service.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    is_host.then(|| service.to_owned())
}

/// The names of the products in a user agent, without versions: `[Boto3/1.41.2 md/Botocore#1.41.2 …]` yields `Boto3`, `md`, ….
fn products(user_agent: &str) -> impl Iterator<Item = &[u8]> {
    let words =
        user_agent.as_bytes().split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'[' | b']' | b'(' | b')' | b',' | b';' | b'"'));
    words.filter(|word| !word.is_empty()).map(|word| memchr::memchr(b'/', word).and_then(|end| word.get(..end)).unwrap_or(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_without_the_responses_api_are_certain() {
        for agent in [
            "Boto3/1.41.2",
            "Boto3/1.26.0 Python/3.9.1 Linux/5.10 Botocore/1.29.0",
            "[Boto3/1.40.1 md/Botocore#1.40.1 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.12 cfg/retry-mode#legacy]",
            "Botocore/1.34.0",
            "aiobotocore/2.13.0 md/Botocore#1.34.0",
            "aws-cli/2.17.0 md/awscrt#0.20.11 ua/2.0 os/macos",
            "[aws-cli/2.15.0 Python/3.11.6 Linux/6.1 exe/x86_64.amzn.2023]",
            "aws-sdk-java/2.25.1 Linux/5.10 OpenJDK_64-Bit_Server_VM/17",
            "aws-sdk-java/1.12.700",
            "aws-sdk-js/3.600.0 ua/2.0 os/linux lang/js md/nodejs#20 api/bedrock-runtime#3.600.0",
            "aws-sdk-nodejs/2.1500.0 linux/v18 promise",
            "aws-sdk-go/1.50.0 (go1.21; linux; amd64)",
            "aws-sdk-go-v2/1.30.0 os/linux lang/go#1.22 md/GOOS#linux api/bedrockruntime#1.13.0",
            "aws-sdk-rust/1.3.3 os/linux lang/rust/1.78.0",
            "aws-sdk-ruby3/3.196.1 ua/2.0 lang/ruby",
            "aws-sdk-php/3.300.0 OS/Linux lang/php#8.2",
            "aws-sdk-dotnet-coreclr/3.7.400 ua/2.0",
            "aws-sdk-net/4.0.1",
            "aws-sdk-cpp/1.11.300",
            "aws-sdk-kotlin/1.2.0",
            "aws-sdk-swift/1.0",
            "AWSPowerShell.NetCore/4.1.500",
            "AWSPowerShell/4.1",
            "APN/1.0 HashiCorp/1.0 Terraform/1.9.0 (+https://www.terraform.io) terraform-provider-aws/5.60 aws-sdk-go-v2/1.30.0",
            "S3Console/0.4, aws-internal/3 aws-sdk-java/1.12",
            "aws-internal/3",
            "AWS Internal",
            "bedrock.amazonaws.com",
            "cloudformation.amazonaws.com",
            "AnthropicBedrock/Python 0.40.0",
            "AsyncAnthropicBedrock/Python 0.40.0",
            "AnthropicBedrock/JS 0.12.0",
        ] {
            assert_eq!(Client::of(Some(agent)), Client::WithoutResponses, "{agent}");
        }
        assert_eq!(Client::of(None), Client::WithoutResponses, "a record that was cut down");
    }

    #[test]
    fn every_other_client_may_create_responses() {
        for agent in [
            "",
            "-",
            "OpenAI/Python 1.99.0",
            "AsyncOpenAI/Python 1.99.0",
            "BedrockOpenAI/Python 2.1.0",
            "AsyncBedrockOpenAI/Python 2.1.0",
            "Agents/Python 0.4.2",
            "OpenAI/JS 5.0.0",
            "myapp/1.0 OpenAI/Python 1.99.0",
            "OpenAI/Python 1.99.0 Boto3/1.41.2",
            "litellm/1.70.0",
            "litellm/1.70.0 Boto3/1.41.2",
            "curl/8.5.0",
            "python-requests/2.32.0",
            "python-httpx/0.27.0",
            "axios/1.7.0",
            "Go-http-client/2.0",
            "okhttp/4.12.0",
            "ai-sdk/amazon-bedrock/3.0.0 runtime/node.js/22",
            "Anthropic/Python 0.40.0",
            "AnthropicBedrockMantle/Python 0.60.0",
            "Mozilla/5.0 (X11; Linux x86_64)",
            "bedrock-agentcore.amazonaws.com",
            "evil bedrock.amazonaws.com",
            "myboto3/1.0",
            "app/boto3",
        ] {
            assert_ne!(Client::of(Some(agent)), Client::WithoutResponses, "{agent}");
        }
    }
}
