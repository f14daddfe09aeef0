//! Compares the product's evaluation of policies with an evaluator that others maintain: both evaluate the same calls with the same
//! documents.
//!
//! <https://github.com/cloud-copilot/iam-simulate>. Documents and calls are generated, the same ones in every run.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

use audit_core::iam::{Call, Condition, Decision, Policies, Quantifier, Test};
use end_to_end::{
    documents::{document, full_access},
    template::root,
    tools::{IAM_SIMULATE, output_of},
};
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use serde_json::{Map, Value, json};

/// The number of calls that are compared.
const CASES: usize = 4_000;

const ACCOUNT: &str = "222233334444";
const ROLE: &str = "arn:aws:iam::222233334444:role/team/app";

/// A call, and the policies that decide about it.
#[derive(Clone, Debug)]
struct Case {
    action: &'static str,
    resource: &'static str,
    context: BTreeMap<&'static str, Vec<&'static str>>,
    identity: Vec<Value>,
    service_control: Vec<Vec<Value>>,
    resource_control: Vec<Vec<Value>>,
    boundary: Option<Value>,
}

/// A condition key, with the operators of its family and the values that policies and calls have for it.
struct Key {
    name: &'static str,
    spelled: &'static [&'static str],
    operators: &'static [&'static str],
    values: &'static [&'static str],
    actual: &'static [&'static str],
    /// Whether a call may have several values for it.
    is_many: bool,
}

const STRINGS: &[&str] =
    &["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"];
const ARNS: &[&str] =
    &["ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike", "StringLike", "StringNotLike", "StringEquals", "StringNotEquals"];

const KEYS: &[Key] = &[
    Key {
        name: "bedrock:GuardrailIdentifier",
        spelled: &["bedrock:GuardrailIdentifier", "Bedrock:guardrailidentifier"],
        operators: ARNS,
        values: &[
            "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc:1",
            "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc*",
            "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc:?",
            "arn:aws:bedrock:*:*:guardrail/*",
            "arn:aws:bedrock:us-east-1:${aws:PrincipalAccount}:guardrail/abc",
            "arn:*",
            "*",
        ],
        actual: &[
            "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc:1",
            "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc:12",
            "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc",
            "arn:aws:bedrock:eu-west-1:111122223333:guardrail/def:1",
        ],
        is_many: false,
    },
    Key {
        name: "aws:PrincipalTag/team",
        spelled: &["aws:PrincipalTag/team", "AWS:principaltag/team"],
        operators: STRINGS,
        values: &["red", "RED", "r*", "r?d", "b${*}", "${aws:username}", "${aws:username, 'red'}", "green"],
        actual: &["red", "Red", "b*", "blue", "green"],
        is_many: false,
    },
    Key {
        name: "aws:username",
        spelled: &["aws:username"],
        operators: STRINGS,
        values: &["red", "*"],
        actual: &["red", "blue"],
        is_many: false,
    },
    Key {
        name: "aws:TagKeys",
        spelled: &["aws:TagKeys", "aws:tagkeys"],
        operators: STRINGS,
        values: &["a", "b", "a*", "?"],
        actual: &["a", "b", "ab", "c"],
        is_many: true,
    },
    Key {
        name: "aws:MultiFactorAuthAge",
        spelled: &["aws:MultiFactorAuthAge"],
        operators: &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        values: &["5", "300", "-1", "4.5"],
        actual: &["5", "299", "300", "4.5"],
        is_many: false,
    },
    Key {
        name: "aws:TokenIssueTime",
        spelled: &["aws:TokenIssueTime"],
        operators: &["DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"],
        values: &["2026-01-01T00:00:00Z", "2026-01-01", "2027-06-01T10:00:00Z", "1767225600"],
        actual: &["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2025-01-01T00:00:00Z"],
        is_many: false,
    },
    Key {
        name: "aws:ViaAWSService",
        spelled: &["aws:ViaAWSService"],
        operators: &["Bool"],
        values: &["true", "false", "TRUE"],
        actual: &["true", "false"],
        is_many: false,
    },
    Key {
        name: "aws:SourceIp",
        spelled: &["aws:SourceIp"],
        operators: &["IpAddress", "NotIpAddress"],
        values: &["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32"],
        actual: &["10.1.2.3", "192.0.2.7", "192.0.2.8", "2001:db8::1"],
        is_many: false,
    },
    Key {
        name: "aws:Digest",
        spelled: &["aws:Digest"],
        operators: &["BinaryEquals"],
        values: &["QUJD", "REVG"],
        actual: &["QUJD", "R0hJ"],
        is_many: false,
    },
];

const ACTIONS: &[&str] =
    &["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:UpdateGuardrail", "cloudtrail:StopLogging"];
const ACTION_PATTERNS: &[&str] = &[
    "bedrock:InvokeModel",
    "bedrock:InvokeModel*",
    "BEDROCK:invokemodel",
    "bedrock:?nvokeModel",
    "bedrock:*Guardrail",
    "bedrock:*",
    "cloudtrail:Stop*",
    "s3:*",
    "*",
];
const RESOURCES: &[&str] = &[
    "arn:aws:bedrock:us-east-1::foundation-model/vendor.model-v1:0",
    "arn:aws:bedrock:us-east-1:222233334444:application-inference-profile/red",
    "arn:aws:bedrock:us-east-1:222233334444:guardrail/abc",
];
const RESOURCE_PATTERNS: &[&str] = &[
    "*",
    "arn:aws:bedrock:*::foundation-model/*",
    "arn:aws:bedrock:us-east-1::foundation-model/vendor.model-v?:0",
    "arn:aws:bedrock:us-east-1:222233334444:application-inference-profile/${aws:PrincipalTag/team}",
    "arn:aws:bedrock:*:222233334444:*",
    "arn:aws:s3:::bucket/*",
];

/// One value in the forms that IAM accepts: alone, or as a list of one.
fn one_or_many(values: Vec<&'static str>) -> impl Strategy<Value = Value> {
    any::<bool>().prop_map(move |alone| match values.as_slice() {
        [one] if alone => json!(one),
        many => json!(many),
    })
}

fn some_of(all: &'static [&'static str], most: usize) -> impl Strategy<Value = Value> {
    subsequence(all, 1..=most.min(all.len())).prop_flat_map(one_or_many)
}

fn condition() -> impl Strategy<Value = (String, String, Value)> {
    (0..KEYS.len(), 0..10_u8).prop_flat_map(|(key, shape)| {
        let key = &KEYS[key];
        let values = if shape == 0 {
            select(vec![json!("true"), json!(true), json!(["false"]), json!(false), json!(["true", "false"])]).boxed()
        } else {
            some_of(key.values, 3).boxed()
        };
        let quantifier = select(if key.is_many {
            vec!["ForAnyValue:", "ForAllValues:", ""]
        } else {
            vec!["", "", "", "", "ForAnyValue:", "ForAllValues:"]
        });
        let if_exists = select(vec!["", "", "IfExists"]);
        (quantifier, select(key.operators), if_exists, select(key.spelled), values).prop_map(
            move |(quantifier, operator, if_exists, key, values)| {
                let operator = if shape == 0 { "Null".to_owned() } else { format!("{quantifier}{operator}{if_exists}") };
                (operator, key.to_owned(), values)
            },
        )
    })
}

fn statement(is_for_resources: bool) -> impl Strategy<Value = Value> {
    let named = |this: &'static str, other: &'static str| select(vec![this, this, this, other]);
    let conditions = prop::collection::vec(condition(), 0..3);
    (
        select(vec!["Allow", "Allow", "Deny"]),
        (named("Action", "NotAction"), some_of(ACTION_PATTERNS, 3)),
        (named("Resource", "NotResource"), some_of(RESOURCE_PATTERNS, 2)),
        conditions,
    )
        .prop_map(move |(effect, (action, actions), (resource, resources), conditions)| {
            let mut statement = json!({"Effect": effect, action: actions, resource: resources});
            if is_for_resources {
                statement["Principal"] = json!("*");
            }
            let mut all = Map::new();
            for (operator, key, values) in conditions {
                all.entry(operator).or_insert_with(|| json!({}))[key] = values;
            }
            if !all.is_empty() {
                statement["Condition"] = Value::Object(all);
            }
            statement
        })
}

fn policy(is_for_resources: bool) -> impl Strategy<Value = Value> {
    prop::collection::vec(statement(is_for_resources), 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

fn levels(is_for_resources: bool) -> impl Strategy<Value = Vec<Vec<Value>>> {
    let full = move || {
        let mut full = full_access();
        if is_for_resources {
            full["Statement"][0]["Principal"] = json!("*");
        }
        full
    };
    let level = (any::<bool>(), policy(is_for_resources)).prop_map(
        move |(beside_full, policy)| {
            if beside_full { vec![full(), policy] } else { vec![policy] }
        },
    );
    let one_level = prop::collection::vec(level, 1..3);
    prop_oneof![3 => Just(Vec::new()), 1 => one_level]
}

fn case() -> impl Strategy<Value = Case> {
    let context = KEYS
        .iter()
        .map(|key| {
            let most = if key.is_many { 3 } else { 1 };
            (any::<bool>(), subsequence(key.actual, 1..=most)).prop_map(move |(is_there, values)| is_there.then_some((key.name, values)))
        })
        .collect::<Vec<_>>()
        .prop_map(|keys| keys.into_iter().flatten().collect());
    let identity = (any::<bool>(), prop::collection::vec(policy(false), 1..3)).prop_map(|(beside_full, mut policies)| {
        if beside_full {
            policies.push(full_access());
        }
        policies
    });
    let boundary = prop_oneof![3 => Just(None), 1 => policy(false).prop_map(Some)];
    (select(ACTIONS), select(RESOURCES), context, identity, levels(false), levels(true), boundary).prop_map(
        |(action, resource, context, identity, service_control, resource_control, boundary)| Case {
            action,
            resource,
            context,
            identity,
            service_control,
            resource_control,
            boundary,
        },
    )
}

impl Case {
    fn call(&self) -> Call {
        let call = Call::by(ROLE, self.action, self.resource).in_account(ACCOUNT);
        self.context.iter().fold(call, |call, (key, values)| call.with(key, values))
    }

    fn decide(&self) -> Decision {
        let all = |levels: &[Vec<Value>]| levels.iter().map(|level| level.iter().map(document).collect()).collect();
        let policies = Policies {
            identity: self.identity.iter().map(document).collect(),
            resource: None,
            service_control: all(&self.service_control),
            resource_control: all(&self.resource_control),
            boundary: self.boundary.as_ref().map(document),
        };
        policies.decide(&self.call())
    }

    fn conditions(&self) -> Vec<Condition> {
        let levels = self.service_control.iter().chain(&self.resource_control).flatten();
        let all = self.identity.iter().chain(levels).chain(&self.boundary);
        all.flat_map(|policy| document(policy).statements).flat_map(|statement| statement.conditions).collect()
    }

    fn to_json(&self) -> Value {
        let call = self.call();
        let context: Map<String, Value> = call
            .context()
            .map(|(key, values)| {
                let is_many = KEYS.iter().any(|known| known.is_many && known.name.eq_ignore_ascii_case(key));
                (key.to_owned(), if is_many { json!(values) } else { json!(values[0]) })
            })
            .collect();
        json!({"action": self.action, "resource": self.resource, "principal": ROLE, "account": ACCOUNT, "context": context,
            "identity": self.identity, "serviceControl": self.service_control, "resourceControl": self.resource_control,
            "boundary": self.boundary})
    }
}

/// Whether a condition of a case is of a known kind.
type IsOfKind = fn(&Condition, &Case) -> bool;

/// The kinds of conditions for which the other evaluator is known to decide differently, with the reason why the product doesn't follow it.
const KNOWN: &[(&str, IsOfKind)] = &[
    // `…IfExists` makes an element true whose key isn't there, and ForAnyValue doesn't hold then. The other evaluator applies ForAnyValue,
    // here the result is unknown (docs/aws/iam.md#conditions).
    ("ForAnyValue with IfExists on a key that isn't there", |condition, case| {
        let is_there = case.context.keys().any(|key| key.eq_ignore_ascii_case(&condition.key));
        condition.quantifier == Some(Quantifier::ForAnyValue) && condition.if_exists && !is_there
    }),
    // The other evaluator rejects them as invalid and lets them match nothing. Taking them as prefixes overlooks no statement that allows
    // more.
    ("an ARN with fewer than six parts", |condition, _| {
        condition.test == Test::Arn && condition.values.iter().any(|value| value.split(':').count() < 6)
    }),
    // An IPv6 address is in no IPv4 network, and the reverse; the other evaluator finds it neither in nor not in the network.
    ("an address of another family", |condition, case| {
        let is_v6 = |address: &str| address.contains(':');
        let actual = case.context.get("aws:SourceIp").map(|actual| is_v6(actual[0]));
        condition.test == Test::Address && condition.negated && condition.values.iter().any(|value| Some(is_v6(value)) != actual)
    }),
    // `${*}` is the character wherever a policy variable can stand; the other evaluator knows it only beside wildcards
    // (docs/aws/iam.md#patterns).
    ("an escaped character without wildcards", |condition, _| {
        matches!(condition.test, Test::Equals | Test::EqualsIgnoreCase) && condition.values.iter().any(|value| value.contains("${*}"))
    }),
    // The other evaluator compares seconds since 1970 with milliseconds.
    ("a date as a number", |condition, _| {
        matches!(condition.test, Test::Date(_)) && condition.values.iter().any(|value| value.parse::<i64>().is_ok())
    }),
];

#[test]
fn policies_are_evaluated_as_others_do() {
    let mut runner = TestRunner::deterministic();
    let strategy = case();
    let cases: Vec<Case> = (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let results = simulated(&cases);
    assert_eq!(results.len(), cases.len());
    let mut differences: BTreeMap<&str, usize> = BTreeMap::new();
    let mut decisions: BTreeSet<String> = BTreeSet::new();
    let mut unexplained: Vec<String> = Vec::new();
    let mut allowed = 0;
    for (case, result) in cases.iter().zip(&results) {
        let (mine, theirs) = (case.decide(), if result == "Allowed" { Decision::Allowed } else { Decision::Denied });
        decisions.insert(result.clone());
        allowed += usize::from(mine == Decision::Allowed);
        if mine == theirs {
            continue;
        }
        let conditions = case.conditions();
        let known = KNOWN.iter().find(|(_, is_it)| conditions.iter().any(|condition| is_it(condition, case)));
        match known {
            Some((why, _)) => *differences.entry(why).or_default() += 1,
            None => unexplained.push(format!("{mine:?} here, {result} there: {}", case.to_json())),
        }
    }
    assert!(unexplained.is_empty(), "{} of {CASES}, among them\n{}", unexplained.len(), unexplained[..unexplained.len().min(5)].join("\n"));
    // The cases are meaningful: neither decision is rare, and each known difference occurs.
    assert!(allowed > CASES / 10 && allowed < CASES * 9 / 10, "{allowed} of {CASES} allowed");
    assert_eq!(decisions.iter().map(String::as_str).collect::<Vec<_>>(), ["Allowed", "ExplicitlyDenied", "ImplicitlyDenied"]);
    let met: BTreeSet<&str> = differences.keys().copied().collect();
    assert_eq!(met, KNOWN.iter().map(|(why, _)| *why).collect(), "a difference that isn't met any more leaves the list");
    assert!(differences.values().sum::<usize>() < CASES / 20, "{differences:?}");
}

/// The decisions of the other evaluator, which runs in one process.
fn simulated(cases: &[Case]) -> Vec<String> {
    let mut node = Command::new("node")
        .arg(root().join("tests/tests/simulator/simulate.mjs"))
        .arg(IAM_SIMULATE.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = cases.iter().map(|case| case.to_json().to_string() + "\n").collect();
    let mut input = node.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output_of(&output));
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
