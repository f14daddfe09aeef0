//! Which clients can't call the Responses API of bedrock-runtime, by the user agent that they send.
//!
//! Creating a response authorises `bedrock:InvokeModel`, and guardrails don't reach it
//! (docs.aws.amazon.com/bedrock/latest/userguide/inference-responses-api.html). The AWS SDKs and the AWS CLI have no operation for it, and
//! Anthropic's clients for Bedrock call `/model/<id>/invoke`. Whatever else calls InvokeModel may have created a response. A user agent
//! can be forged: whoever names an AWS SDK gets the answer that the record alone would give.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// The first parts of user agents by which a client is one of Anthropic's for Bedrock.
const ANTHROPIC_BEDROCK: &[&str] = &["anthropicbedrock", "asyncanthropicbedrock"];

/// Products of AWS: as a whole, or as a beginning where the language follows.
const AWS: &[&str] = &["boto3", "botocore", "aiobotocore", "aioboto3", "aws-cli", "aws-internal"];
const AWS_BEGINNINGS: &[&str] = &["aws-sdk-", "awspowershell", "aws.tools"];

/// Clients that call models by an OpenAI-compatible interface, and gateways that do for others; the SDK that they get credentials from
/// may stand beside them.
const SPEAK_OPENAI: &[&str] = &["openai", "litellm"];

/// AWS itself, on behalf of somebody.
const AWS_SERVICE: &str = ".amazonaws.com";
/// Its harnesses and gateways create responses too.
const AGENTCORE: &str = "bedrock-agentcore";

/// Finds the names of [`SPEAK_OPENAI`] anywhere: this is asked of every call, and nearly none has one.
static OPENAI: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(SPEAK_OPENAI).ok());

/// Whether the client is one of OpenAI's own, or speaks their interfaces, whatever it calls.
pub(super) fn speaks_openai(user_agent: Option<&str>) -> bool {
    let Some(agent) = user_agent else { return false };
    // OpenAI's SDK for agents: `Agents/Python 0.4.2`.
    if products(agent).next().is_some_and(|first| first.eq_ignore_ascii_case(b"agents")) {
        return true;
    }
    // What finds the names is made of a constant; without it every product is looked at.
    let may_be = OPENAI.as_ref().is_none_or(|names| names.is_match(agent));
    may_be && products(agent).any(|product| SPEAK_OPENAI.iter().any(|name| contains(product, name.as_bytes())))
}

fn contains(product: &[u8], name: &[u8]) -> bool {
    product.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name))
}

/// Whether the client can't have created a response. `None` is a record without the member, which CloudTrail's own records always have:
/// a sample that somebody cut down says no more of its client than it did before, and is taken as any other call.
pub(super) fn cannot_create_responses(user_agent: Option<&str>) -> bool {
    let Some(agent) = user_agent else { return true };
    if speaks_openai(user_agent) {
        return false;
    }
    if let Some(service) = service_of(agent) {
        return !service.starts_with(AGENTCORE);
    }
    let is_one_of = |product: &[u8], names: &[&str]| names.iter().any(|name| product.eq_ignore_ascii_case(name.as_bytes()));
    let begins = |product: &[u8], beginning: &str| {
        product.get(..beginning.len()).is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
    };
    products(agent).any(|product| {
        is_one_of(product, AWS)
            || AWS_BEGINNINGS.iter().any(|beginning| begins(product, beginning))
            || is_one_of(product, ANTHROPIC_BEDROCK)
    })
}

/// The service of AWS that made the call itself, as `bedrock.amazonaws.com` or `AWS Internal`.
fn service_of(user_agent: &str) -> Option<String> {
    let agent = user_agent.trim();
    // No host has a space in it, and nearly every user agent of a client has.
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

/// The products that a user agent names, without versions: `[Boto3/1.41.2 md/Botocore#1.41.2 …]` is `Boto3`, `md`, ….
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
            assert!(cannot_create_responses(Some(agent)), "{agent}");
        }
        assert!(cannot_create_responses(None), "a record that was cut down");
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
            assert!(!cannot_create_responses(Some(agent)), "{agent}");
        }
    }
}
