//! CloudTrail's digest files: parsing them, and verifying that CloudTrail wrote them.
//!
//! A digest lists the log files of an hour with their hashes, and names the digest before it. CloudTrail signs it with a key of the Region,
//! and puts the signature into the object's metadata. The signed text includes the object's bucket and key, so that no digest can stand in
//! for another (docs/aws/delivery.md#digests; `aws cloudtrail validate-logs` takes the same steps). Everything here is a pure function of
//! bytes.

use std::io::Read as _;

use audit_core::timestamp::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// A parsed digest file. Nothing in it is trustworthy before its signature is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The start of the period that it covers.
    pub start: Timestamp,
    /// The end of that period.
    pub end: Timestamp,
    /// The log files that CloudTrail delivered in that time.
    pub files: Vec<LogFile>,
    /// The digest before this one; `None` for the first after validation was turned on.
    pub previous: Option<Previous>,
    /// The fingerprint of the public key that verifies its signature.
    pub fingerprint: String,
    bucket: String,
    object: String,
    end_text: String,
    previous_signature: Option<String>,
    algorithm: String,
    hash: String,
}

/// A log file that a digest lists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogFile {
    /// The bucket.
    #[serde(rename = "s3Bucket")]
    pub bucket: String,
    /// The key.
    #[serde(rename = "s3Object")]
    pub object: String,
    /// The hash of the uncompressed content, in hexadecimal digits.
    pub hash_value: String,
    /// The algorithm of the hash.
    pub hash_algorithm: String,
}

/// The fields of a digest that identify the one before it in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub object: String,
    /// The hash of the uncompressed content, in hexadecimal digits.
    pub hash: String,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

/// The reasons why a digest or a log file doesn't verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It is no valid gzip stream.
    #[error("can't be unpacked")]
    Packed,
    /// Bytes follow the gzip stream, which the hash doesn't cover.
    #[error("has something behind its end")]
    Trailing,
    /// It unpacks to more than CloudTrail writes.
    #[error("is too large")]
    TooLarge,
    /// It isn't the JSON of a digest.
    #[error("is no digest: {0}")]
    Format(String),
    /// It doesn't lie at the bucket and key that it names.
    #[error("was moved from where CloudTrail put it")]
    Moved,
    /// The object's metadata holds no signature.
    #[error("has no signature")]
    Unsigned,
    /// The signature's algorithm is unknown.
    #[error("is signed by {0}, which isn't known")]
    Algorithm(String),
    /// CloudTrail lists no public key with this fingerprint.
    #[error("is signed with a key that CloudTrail doesn't have: {0}")]
    Key(String),
    /// The signature doesn't belong to this text.
    #[error("has a signature that isn't CloudTrail's")]
    Signature,
    /// The hash's algorithm is unknown.
    #[error("is hashed by {0}, which isn't known")]
    HashAlgorithm(String),
    /// Its content has another hash than the digest lists.
    #[error("was altered")]
    Altered,
    /// There is no such object any more.
    #[error("was deleted")]
    Deleted,
    /// The previous digest ends before this one begins.
    #[error("leaves out what was from {0} on")]
    Gap(Timestamp),
}

/// The algorithm with which CloudTrail signs digests.
const ALGORITHM: &str = "SHA256withRSA";

/// The algorithm with which CloudTrail hashes files.
const HASH_ALGORITHM: &str = "SHA-256";

/// Bytes that a file may unpack to. CloudTrail's files unpack to 50 MB at most (docs/aws/delivery.md#trails).
const LARGEST: u64 = 256 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    digest_start_time: String,
    digest_end_time: String,
    #[serde(rename = "digestS3Bucket")]
    bucket: String,
    #[serde(rename = "digestS3Object")]
    object: String,
    digest_public_key_fingerprint: String,
    #[serde(default)]
    digest_signature_algorithm: Option<String>,
    // `null` in a chain's first digest. A digest without this member is rejected: absence doesn't mean "none".
    #[serde(deserialize_with = "Option::deserialize")]
    previous_digest_signature: Option<String>,
    #[serde(rename = "previousDigestS3Bucket", default)]
    previous_bucket: Option<String>,
    #[serde(rename = "previousDigestS3Object", default)]
    previous_object: Option<String>,
    #[serde(default)]
    previous_digest_hash_value: Option<String>,
    #[serde(default)]
    previous_digest_hash_algorithm: Option<String>,
    log_files: Vec<LogFile>,
}

impl Digest {
    /// Parses the compressed content of a digest's object.
    pub fn read(packed: &[u8]) -> Result<Self, Broken> {
        let json = unpack(packed)?;
        let format = |problem: &str| Broken::Format(problem.to_owned());
        let document: Document = serde_json::from_slice(&json).map_err(|error| Broken::Format(error.to_string()))?;
        let time = |text: &str| Timestamp::parse(text).ok_or_else(|| Broken::Format(format!("`{text}` is no time")));
        let (start, end) = (time(&document.digest_start_time)?, time(&document.digest_end_time)?);
        if end <= start {
            return Err(format("it ends before it begins"));
        }
        let previous = match (document.previous_bucket, document.previous_object, document.previous_digest_hash_value) {
            (None, None, None) if document.previous_digest_signature.is_none() => None,
            (Some(bucket), Some(object), Some(hash)) => {
                let algorithm = document.previous_digest_hash_algorithm.unwrap_or_default();
                if algorithm != HASH_ALGORITHM {
                    return Err(Broken::HashAlgorithm(algorithm));
                }
                let signature = document.previous_digest_signature.clone().ok_or_else(|| format("the one before has no signature"))?;
                Some(Previous { bucket, object, hash, signature })
            }
            _ => return Err(format("it says only in part which one was before")),
        };
        Ok(Digest {
            start,
            end,
            files: document.log_files,
            previous,
            fingerprint: document.digest_public_key_fingerprint,
            bucket: document.bucket,
            object: document.object,
            end_text: document.digest_end_time,
            previous_signature: document.previous_digest_signature,
            algorithm: document.digest_signature_algorithm.unwrap_or_else(|| ALGORITHM.to_owned()),
            hash: hash(&json),
        })
    }

    /// Checks that the digest lies at the bucket and key that it names.
    pub fn is_at(&self, bucket: &str, key: &str) -> Result<(), Broken> {
        if self.bucket == bucket && self.object == key { Ok(()) } else { Err(Broken::Moved) }
    }

    /// Checks CloudTrail's signature: `signature` in hexadecimal digits, `public_key` an RSAPublicKey (PKCS#1) in DER.
    pub fn verify(&self, signature: Option<&str>, public_key: &[u8]) -> Result<(), Broken> {
        if self.algorithm != ALGORITHM {
            return Err(Broken::Algorithm(self.algorithm.clone()));
        }
        let signature = hex::decode(signature.ok_or(Broken::Unsigned)?).map_err(|_| Broken::Signature)?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key);
        key.verify(self.text_to_sign().as_bytes(), &signature).map_err(|_| Broken::Signature)
    }

    /// The text that CloudTrail signs.
    #[must_use]
    pub fn text_to_sign(&self) -> String {
        // CloudTrail writes the word `null` where a chain's first digest has no previous signature.
        let before = self.previous_signature.as_deref().unwrap_or("null");
        format!("{}\n{}/{}\n{}\n{before}", self.end_text, self.bucket, self.object, self.hash)
    }

    /// Checks that `before` is the unaltered previous digest, and that it ends no earlier than this one begins.
    pub fn follows(&self, before: &[u8], signature: Option<&str>) -> Result<(), Broken> {
        let Some(previous) = &self.previous else { return Ok(()) };
        let is = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let json = unpack(before)?;
        if !is(&hash(&json), &previous.hash) || !signature.is_some_and(|signature| is(signature, &previous.signature)) {
            return Err(Broken::Altered);
        }
        let before = Digest::read(before)?;
        if before.end < self.start { Err(Broken::Gap(before.end)) } else { Ok(()) }
    }
}

impl LogFile {
    /// Checks that the content of the object has the hash that the digest lists.
    pub fn is_unaltered(&self, packed: &[u8]) -> Result<(), Broken> {
        if self.hash_algorithm != HASH_ALGORITHM {
            return Err(Broken::HashAlgorithm(self.hash_algorithm.clone()));
        }
        if hash(&unpack(packed)?).eq_ignore_ascii_case(&self.hash_value) { Ok(()) } else { Err(Broken::Altered) }
    }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Unpacks exactly one gzip stream. Bytes behind it are an error: the hash doesn't cover them, and other readers would read on.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut unpacked = Vec::new();
    let mut decoder = flate2::bufread::GzDecoder::new(packed);
    (&mut decoder).take(LARGEST).read_to_end(&mut unpacked).map_err(|_| Broken::Packed)?;
    if unpacked.len() as u64 >= LARGEST {
        return Err(Broken::TooLarge);
    }
    if decoder.into_inner().is_empty() { Ok(unpacked) } else { Err(Broken::Trailing) }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, sync::LazyLock};

    use rsa::{Generate as _, PrivateKey, pkcs1::EncodeRsaPublicKey as _};
    use serde_json::{Value, json};

    use super::*;

    static KEYS: LazyLock<(PrivateKey, Vec<u8>)> = LazyLock::new(|| {
        let key = PrivateKey::generate();
        let public = key.to_public_key().to_pkcs1_der().unwrap().into_vec();
        (key, public)
    });

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const LOG: &[u8] = br#"{"Records": []}"#;

    fn first() -> Value {
        json!({"awsAccountId": "222233334444", "digestStartTime": "2026-11-20T10:12:00Z", "digestEndTime": "2026-11-20T11:12:00Z",
            "digestS3Bucket": "trail", "digestS3Object": "a/1.json.gz", "digestPublicKeyFingerprint": "f1",
            "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": null, "oldestEventTime": null,
            "previousDigestS3Bucket": null, "previousDigestS3Object": null, "previousDigestHashValue": null,
            "previousDigestHashAlgorithm": null, "previousDigestSignature": null,
            "logFiles": [{"s3Bucket": "trail", "s3Object": "a/l.json.gz", "hashValue": hash(LOG), "hashAlgorithm": "SHA-256"}]})
    }

    /// The object's content and its signature, made as CloudTrail makes it.
    fn signed(digest: &Value) -> (Vec<u8>, String) {
        let json = digest.to_string();
        let text = |key: &str| digest[key].as_str().unwrap().to_owned();
        let before = digest["previousDigestSignature"].as_str().unwrap_or("null");
        let to_sign = format!(
            "{}\n{}/{}\n{}\n{before}",
            text("digestEndTime"),
            text("digestS3Bucket"),
            text("digestS3Object"),
            hash(json.as_bytes())
        );
        (pack(json.as_bytes()), hex::encode(KEYS.0.pkcs1v15_sign::<Sha256>(to_sign.as_bytes()).unwrap()))
    }

    fn second(before: &Value) -> Value {
        let (content, signature) = signed(before);
        let mut digest = first();
        for (key, value) in [
            ("digestStartTime", "2026-11-20T11:12:00Z"),
            ("digestEndTime", "2026-11-20T12:12:00Z"),
            ("digestS3Object", "a/2.json.gz"),
            ("previousDigestS3Bucket", "trail"),
            ("previousDigestS3Object", "a/1.json.gz"),
            ("previousDigestHashAlgorithm", "SHA-256"),
            ("previousDigestHashValue", &hash(&unpack(&content).unwrap())),
            ("previousDigestSignature", &signature),
        ] {
            digest[key] = json!(value);
        }
        digest
    }

    #[test]
    fn what_cloudtrail_signed_is_verified() {
        for digest in [first(), second(&first())] {
            let (content, signature) = signed(&digest);
            let read = Digest::read(&content).unwrap();
            assert_eq!(read.verify(Some(&signature), &KEYS.1), Ok(()));
            assert_eq!(read.verify(Some(&signature.to_uppercase()), &KEYS.1), Ok(()));
            assert_eq!(read.is_at("trail", digest["digestS3Object"].as_str().unwrap()), Ok(()));
            assert_eq!(read.files.len(), 1);
        }
    }

    #[test]
    fn nothing_of_it_can_be_changed() {
        let digest = second(&first());
        let (_, signature) = signed(&digest);
        for (key, value) in [
            ("digestStartTime", json!("2026-11-20T11:13:00Z")),
            ("digestEndTime", json!("2026-11-20T12:13:00Z")),
            ("digestS3Object", json!("a/3.json.gz")),
            ("digestS3Bucket", json!("other")),
            ("previousDigestSignature", json!("00")),
            ("previousDigestHashValue", json!("00")),
            ("logFiles", json!([])),
            ("awsAccountId", json!("333344445555")),
        ] {
            let mut altered = digest.clone();
            altered[key] = value;
            let read = Digest::read(&pack(altered.to_string().as_bytes())).unwrap();
            assert_eq!(read.verify(Some(&signature), &KEYS.1), Err(Broken::Signature), "{key}");
        }
    }

    #[test]
    fn a_signature_of_another_key_or_none_is_no_signature() {
        let (content, signature) = signed(&first());
        let read = Digest::read(&content).unwrap();
        let another = PrivateKey::generate();
        let another_signature = hex::encode(another.pkcs1v15_sign::<Sha256>(read.text_to_sign().as_bytes()).unwrap());
        assert_eq!(read.verify(Some(&another_signature), &KEYS.1), Err(Broken::Signature));
        assert_eq!(read.verify(Some(&signature), b"no key"), Err(Broken::Signature));
        assert_eq!(read.verify(Some("nonsense"), &KEYS.1), Err(Broken::Signature));
        assert_eq!(read.verify(Some(""), &KEYS.1), Err(Broken::Signature));
        assert_eq!(read.verify(None, &KEYS.1), Err(Broken::Unsigned));
        let mut weaker = first();
        weaker["digestSignatureAlgorithm"] = json!("SHA1withRSA");
        let (content, signature) = signed(&weaker);
        let read = Digest::read(&content).unwrap();
        assert_eq!(read.verify(Some(&signature), &KEYS.1), Err(Broken::Algorithm("SHA1withRSA".to_owned())));
    }

    #[test]
    fn a_digest_follows_the_one_that_it_names() {
        let (before, signature) = signed(&first());
        let read = Digest::read(&signed(&second(&first())).0).unwrap();
        assert_eq!(read.follows(&before, Some(&signature)), Ok(()));
        assert_eq!(read.follows(&before, Some("00")), Err(Broken::Altered));
        assert_eq!(read.follows(&before, None), Err(Broken::Altered));
        let mut altered = first();
        altered["logFiles"] = json!([]);
        let (altered, signature) = signed(&altered);
        assert_eq!(read.follows(&altered, Some(&signature)), Err(Broken::Altered), "signed well, and not the one that was there");
        let mut late = second(&first());
        late["digestStartTime"] = json!("2026-11-20T11:50:00Z");
        let (before, signature) = signed(&first());
        let end = Timestamp::parse("2026-11-20T11:12:00Z").unwrap();
        assert_eq!(Digest::read(&signed(&late).0).unwrap().follows(&before, Some(&signature)), Err(Broken::Gap(end)));
    }

    #[test]
    fn what_is_no_digest_is_said() {
        let without = |key: &str| {
            let mut digest = first();
            digest.as_object_mut().unwrap().shift_remove(key);
            Digest::read(&pack(digest.to_string().as_bytes()))
        };
        for key in ["digestEndTime", "digestS3Object", "digestPublicKeyFingerprint", "previousDigestSignature", "logFiles"] {
            assert!(matches!(without(key), Err(Broken::Format(_))), "{key}");
        }
        let with = |key: &str, value: Value| {
            let mut digest = first();
            digest[key] = value;
            Digest::read(&pack(digest.to_string().as_bytes()))
        };
        assert!(matches!(with("digestEndTime", json!("soon")), Err(Broken::Format(_))));
        assert!(matches!(with("digestEndTime", json!("2026-11-20T10:12:00Z")), Err(Broken::Format(_))));
        assert!(matches!(with("previousDigestS3Object", json!("a/0.json.gz")), Err(Broken::Format(_))), "half a chain is none");
        assert_eq!(Digest::read(b"nonsense"), Err(Broken::Packed));
        assert_eq!(Digest::read(b""), Err(Broken::Packed));
    }

    #[test]
    fn a_log_file_is_what_it_was() {
        let file = Digest::read(&signed(&first()).0).unwrap().files.remove(0);
        assert_eq!(file.is_unaltered(&pack(LOG)), Ok(()));
        assert_eq!(file.is_unaltered(&pack(b"{}")), Err(Broken::Altered));
        assert_eq!(file.is_unaltered(LOG), Err(Broken::Packed), "the hash is of what is packed");
        for behind in [b"x".to_vec(), pack(br#"{"Records": [{}]}"#)] {
            let longer = [pack(LOG), behind].concat();
            assert_eq!(file.is_unaltered(&longer), Err(Broken::Trailing), "what the hash says nothing about");
        }
        let cut = pack(LOG);
        assert_eq!(file.is_unaltered(&cut[..cut.len() - 1]), Err(Broken::Packed));
        let weaker = LogFile { hash_algorithm: "MD5".to_owned(), ..file };
        assert_eq!(weaker.is_unaltered(&pack(LOG)), Err(Broken::HashAlgorithm("MD5".to_owned())));
    }
}
