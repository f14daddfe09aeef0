//! Names of AWS resources: account ids, Regions, ARNs, guardrails. Each is a type of its own that checks its text once, when it is parsed.

use std::{
    borrow::Borrow,
    fmt,
    ops::{Deref, RangeInclusive},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

pub use crate::region::looks_like_a_region;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: AsRef<str>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(Arc::from(text.as_ref()))
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// An account id. AWS's have twelve digits; log pipelines and anonymised records carry other texts, which are accepted.
    AccountId
}
name! {
    /// A Region's code. Unknown codes are accepted.
    Region
}
name! {
    /// The id of an Organizations policy, such as `p-examplepolicyid111`.
    PolicyId
}
name! {
    /// The id of a root, an organizational unit or an account: what a policy can be attached to.
    TargetId
}

impl PolicyId {
    /// Whether AWS owns the policy, such as `p-FullAWSAccess`. AWS's policies are SCPs and RCPs. Ids of other policies are letters and
    /// digits of one case.
    #[must_use]
    pub fn is_of_aws(&self) -> bool {
        self.starts_with("p-") && self.bytes().skip(2).any(|byte| byte.is_ascii_uppercase())
    }
}

/// The parts of `arn:partition:service:region:account:resource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// The partition: `aws`, `aws-cn`, `aws-us-gov`, or one that is not known yet.
    pub partition: &'a str,
    /// The service's prefix, such as `bedrock`.
    pub service: &'a str,
    /// The Region; empty for global resources.
    pub region: &'a str,
    /// The account; empty for resources of AWS itself, such as foundation models.
    pub account: &'a str,
    /// Everything behind the account, such as `guardrail/abcd1234efgh`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Splits an ARN into its parts; `None` if the text is not of that form.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        let [partition, service, region, account, resource] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        (!resource.is_empty()).then_some(Arn { partition, service, region, account, resource })
    }

    /// The resource's type and id: `("guardrail", "abcd1234efgh")`.
    #[must_use]
    pub fn resource_type_and_id(&self) -> Option<(&'a str, &'a str)> {
        self.resource.split_once('/')
    }
}

/// The last part of an ARN's resource or of a path: what follows the last slash.
#[must_use]
pub fn short(name: &str) -> &str {
    let resource = if name.starts_with("arn:") { name.splitn(6, ':').nth(5).unwrap_or(name) } else { name };
    resource.rsplit('/').next().unwrap_or(resource)
}

/// The first ten of some accounts, and how many more there are, as a finding names them.
#[must_use]
pub(crate) fn listed(accounts: &[AccountId]) -> String {
    let shown: Vec<&str> = accounts.iter().take(10).map(AccountId::as_str).collect();
    let more = accounts.len().saturating_sub(10);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// Whether a text has the form of AWS's account ids: twelve digits.
#[must_use]
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The partition that a Region belongs to, derived from the start of its code.
#[must_use]
pub fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// The identity of a guardrail without a version: account, Region and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GuardrailKey {
    /// The account that owns it.
    pub account: AccountId,
    /// The Region that it belongs to.
    pub region: Region,
    /// Its id: lower-case letters and digits; texts from records may also contain hyphens.
    pub id: Arc<str>,
}

impl GuardrailKey {
    /// Parses a record's `guardrailIdentifier`: an ARN, whose version is dropped, or an id in the caller's own account and Region.
    #[must_use]
    pub fn from_identifier(identifier: &str, account: &AccountId, region: &Region) -> Option<Self> {
        if identifier.starts_with("arn:") {
            return GuardrailVersionArn::split(identifier).map(|(key, _)| key);
        }
        is_guardrail_id(identifier).then(|| GuardrailKey { account: account.clone(), region: region.clone(), id: identifier.into() })
    }

    /// Parses the ARN of a resource that a resource policy of Bedrock can belong to: a guardrail or a guardrail profile
    /// (docs/aws/enforcement.md#resource-policies). `None` for other resources.
    #[must_use]
    pub fn of_shared(arn: &str) -> Option<Self> {
        if let Some((key, _)) = GuardrailVersionArn::split(arn) {
            return Some(key);
        }
        let arn = Arn::parse(arn).filter(|arn| arn.service == "bedrock")?;
        let (kind, id) = arn.resource_type_and_id()?;
        (kind == "guardrail-profile").then(|| GuardrailKey { account: arn.account.into(), region: arn.region.into(), id: id.into() })
    }

    /// Whether the id has the form of AWS's guardrail ids.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        is_plain(&self.id)
    }

    /// The ARN of one of its versions.
    #[must_use]
    pub fn version(&self, version: GuardrailVersion) -> GuardrailVersionArn {
        GuardrailVersionArn { key: self.clone(), version }
    }

    /// The range of all versions that it may have, in order.
    #[must_use]
    pub fn versions(&self) -> RangeInclusive<GuardrailVersionArn> {
        self.version(GuardrailVersion::Draft)..=self.version(GuardrailVersion::Numbered(u32::MAX))
    }

    /// The guardrail's ARN, without a version.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:{}:bedrock:{}:{}:guardrail/{}", partition_of(&self.region), self.region, self.account, self.id)
    }
}

impl fmt::Display for GuardrailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn())
    }
}

/// Whether a text from a record may be a guardrail id. AWS's ids are lower-case letters and digits
/// (docs/aws/enforcement.md#resource-policies). Records may have hyphens in them too, but neither a masked value nor the name of a version
/// is an id.
fn is_guardrail_id(text: &str) -> bool {
    !text.starts_with('-') && is_plain(&text.replace('-', ""))
}

fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// A version of a guardrail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GuardrailVersion {
    /// The working draft. Each `UpdateGuardrail` changes it, and it can't be enforced (docs/aws/enforcement.md#account-configuration).
    Draft,
    /// A published, immutable version. Numbers start at 1.
    Numbered(u32),
}

impl GuardrailVersion {
    /// Parses `DRAFT`, or a number from 1 with at most eight digits and without leading zeros or a sign
    /// (docs/aws/enforcement.md#account-configuration).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "DRAFT" => Some(GuardrailVersion::Draft),
            number if number.len() <= 8 && number.starts_with(|first: char| first.is_ascii_digit() && first != '0') => {
                number.parse().ok().map(GuardrailVersion::Numbered)
            }
            _ => None,
        }
    }
}

impl fmt::Display for GuardrailVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GuardrailVersion::Draft => f.pad("DRAFT"),
            GuardrailVersion::Numbered(number) => f.pad(&number.to_string()),
        }
    }
}

impl From<GuardrailVersion> for String {
    fn from(version: GuardrailVersion) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for GuardrailVersion {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a guardrail version"))
    }
}

/// A guardrail with its version, as the `identifier` of a Bedrock policy names it: `arn:…:guardrail/<id>:<version>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GuardrailVersionArn {
    /// The guardrail.
    pub key: GuardrailKey,
    /// The version.
    pub version: GuardrailVersion,
}

impl GuardrailVersionArn {
    /// Parses a guardrail ARN that ends with a version. The id must have the form of AWS's ids, because AWS enforces nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match Self::split(text) {
            Some((key, Some(version))) if key.is_well_formed() => Some(GuardrailVersionArn { key, version }),
            _ => None,
        }
    }

    /// Splits a guardrail ARN into guardrail and version. The version may be missing; a malformed one makes this `None`.
    #[must_use]
    pub fn split(text: &str) -> Option<(GuardrailKey, Option<GuardrailVersion>)> {
        let arn = Arn::parse(text).filter(|arn| arn.service == "bedrock" && !arn.region.is_empty() && !arn.account.is_empty())?;
        let (kind, rest) = arn.resource_type_and_id()?;
        let (id, version) = match rest.split_once(':') {
            Some((id, version)) => (id, Some(GuardrailVersion::parse(version)?)),
            None => (rest, None),
        };
        (kind == "guardrail" && is_guardrail_id(id))
            .then(|| (GuardrailKey { account: arn.account.into(), region: arn.region.into(), id: id.into() }, version))
    }
}

impl fmt::Display for GuardrailVersionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key.arn(), self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_identifier_is_a_guardrail_arn_with_a_version() {
        let named = GuardrailVersionArn::parse("arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:3").unwrap();
        assert_eq!((&*named.key.account, &*named.key.region, &*named.key.id), ("111122223333", "us-east-1", "abcd1234efgh"));
        assert_eq!(named.version, GuardrailVersion::Numbered(3));
        assert_eq!(named.to_string(), "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:3");
        for malformed in [
            "abcd1234efgh",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:0",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:01",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:+1",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:123456789",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:1x",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/abcd1234efgh:latest",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/ABCD:1",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail/ab-cd:1",
            "arn:aws:bedrock:us-east-1:111122223333:guardrail-profile/abcd:1",
            "arn:aws:bedrock:us-east-1::guardrail/abcd1234efgh:1",
            "arn:aws:s3:us-east-1:111122223333:guardrail/abcd1234efgh:1",
        ] {
            assert_eq!(GuardrailVersionArn::parse(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn a_short_identifier_means_the_callers_own_guardrail() {
        let (account, region) = (AccountId::from("222233334444"), Region::from("eu-west-1"));
        let short = GuardrailKey::from_identifier("abcd1234efgh", &account, &region).unwrap();
        assert_eq!(short.arn(), "arn:aws:bedrock:eu-west-1:222233334444:guardrail/abcd1234efgh");
        let full =
            GuardrailKey::from_identifier("arn:aws:bedrock:eu-west-1:222233334444:guardrail/abcd1234efgh:7", &account, &region).unwrap();
        assert_eq!(short, full);
        assert_eq!(&*GuardrailKey::from_identifier("gr-abcd1234", &account, &region).unwrap().id, "gr-abcd1234");
        assert_eq!(GuardrailKey::from_identifier("-", &account, &region), None);
        assert_eq!(GuardrailKey::from_identifier("ENFORCED", &account, &region), None);
        assert_eq!(GuardrailKey::from_identifier("HIDDEN_DUE_TO_SECURITY_REASONS", &account, &region), None);
    }

    #[test]
    fn arns_show_their_partition() {
        let key = GuardrailKey { account: "1".into(), region: "us-gov-west-1".into(), id: "abc".into() };
        assert_eq!(key.arn(), "arn:aws-us-gov:bedrock:us-gov-west-1:1:guardrail/abc");
    }

    #[test]
    fn a_name_and_an_arn_have_the_same_subject() {
        for (name, expected) in [
            ("arn:aws:bedrock:us-east-1:111122223333:guardrail/abc", "abc"),
            ("abc", "abc"),
            ("arn:aws:cloudtrail:us-east-1:1:trail/main", "main"),
            ("arn:aws:iam::1:role/team/app", "app"),
            ("arn:aws:logs:us-east-1:1:log-group:x", "log-group:x"),
        ] {
            assert_eq!(short(name), expected);
        }
    }
}
