//! Each reading of the organization leaves what it shows, although only the accounts in which it differs from what was known are computed
//! anew.

use proptest::prelude::*;

use super::{
    super::super::{Entity, SnapshotPath},
    *,
};

const ACCOUNTS: [&str; 3] = ["222233334444", "333344445555", "444455556666"];
const TARGETS: [&str; 7] = ["r-1", "ou-1", "ou-2", "ou-3", "ou-9", "222233334444", "333344445555"];
const POLICIES: [&str; 3] = ["p-1", "p-2", "p-scp"];

/// A step of a history, with the numbers that it is made from.
#[derive(Clone, Debug)]
enum Step {
    Reading(Vec<usize>),
    Change(usize, usize, usize),
    Policy(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let numbers = proptest::collection::vec(0_usize..12, 12);
    prop_oneof![
        3 => numbers.prop_map(Step::Reading),
        4 => (0_usize..12, 0_usize..8, 0_usize..8).prop_map(|(kind, one, other)| Step::Change(kind, one, other)),
        1 => (0_usize..3).prop_map(Step::Policy),
    ]
}

fn picked<'a>(of: &[&'a str], number: usize) -> &'a str {
    of[number % of.len()]
}

/// The organization that these numbers stand for: mostly the same one.
fn read(numbers: &[usize]) -> Value {
    let parent = |number: usize| ["ou-1", "ou-1", "ou-1", "ou-2", "ou-2", "r-1", "ou-3", "ou-9"].get(number).copied().unwrap_or("ou-1");
    let accounts = ACCOUNTS.iter().zip(numbers).filter(|(_, number)| **number < 11);
    let accounts: Vec<Value> = accounts.map(|(id, number)| json!({"Id": id, "Name": "a", "ParentId": parent(*number)})).collect();
    let attachments = numbers[3..7].iter().filter(|number| **number < 9);
    let attachments: Vec<Value> = attachments
        .map(|number| json!({"PolicyId": picked(&POLICIES, *number), "TargetId": picked(&["r-1", "ou-1", "ou-2", "222233334444"], number / 3)}))
        .chain((numbers[7] == 0).then(|| json!({"PolicyId": "p-1", "TargetId": "ou-gone"})))
        .collect();
    let mut units = vec![
        json!({"Id": "ou-1", "Name": "one", "ParentId": "r-1"}),
        json!({"Id": "ou-2", "Name": "two", "ParentId": if numbers[8] == 0 { "ou-1" } else { "r-1" }}),
    ];
    if numbers[9] < 2 {
        units.push(json!({"Id": "ou-3", "Name": "three", "ParentId": "ou-2"}));
    }
    let types: &[Value] = if numbers[10] == 0 { &[] } else { &[json!({"Type": "BEDROCK_POLICY", "Status": "ENABLED"})] };
    json!({"Organization": {"Id": "o-1", "MasterAccountId": "111122223333"}, "Roots": [{"Id": "r-1", "PolicyTypes": types}],
        "OrganizationalUnits": units, "Accounts": accounts, "Attachments": attachments})
}

fn changed(kind: usize, one: usize, other: usize) -> OrganizationChange {
    use OrganizationChange as Change;
    let (policy, target): (PolicyId, crate::arn::TargetId) = (picked(&POLICIES, one).into(), picked(&TARGETS, other).into());
    let account: AccountId = picked(&ACCOUNTS, one).into();
    match kind {
        0 | 1 => Change::AttachPolicy { policy, target },
        2 | 3 => Change::DetachPolicy { policy, target },
        4 => Change::MoveAccount { account, destination: target },
        5 => Change::AccountLeft { account },
        6 => Change::CreateOrganizationalUnit { unit: picked(&["ou-3", "ou-9"], one).into(), name: "new".to_owned(), parent: "r-1".into() },
        7 => {
            let content = Some(demands("created").to_string());
            Change::CreatePolicy { policy: "p-2".into(), policy_type: BEDROCK_POLICY.to_owned(), name: "two".to_owned(), content }
        }
        8 => Change::UpdatePolicy { policy, content: (other > 1).then(|| demands(&format!("update{other}")).to_string()) },
        9 => Change::DeletePolicy { policy },
        10 if other > 3 => Change::EnablePolicyType { root: "r-1".into(), policy_type: BEDROCK_POLICY.to_owned() },
        10 => Change::DisablePolicyType { root: "r-1".into(), policy_type: BEDROCK_POLICY.to_owned() },
        _ if other == 0 => Change::NotReadable { event_name: "MoveAccount".to_owned() },
        _ => Change::MoveAccount { account, destination: "ou-2".into() },
    }
}

/// The world after these steps, one in each ten seconds. If `lost`, the organization is lost right before each reading, so that every
/// account has to be computed anew.
fn lived(steps: &[Step], lost: bool) -> World {
    let mut world = world(&[
        ("policies/p-1.json", policy("BEDROCK_POLICY", &demands("first"))),
        ("policies/p-scp.json", policy("SERVICE_CONTROL_POLICY", &json!({"Statement": []}))),
    ]);
    for (number, step) in (1..).zip(steps) {
        let time = time_of(number);
        let at = |entity, time| SnapshotPath { entity, time };
        match step {
            Step::Reading(numbers) => {
                if lost {
                    world.add(&at(Entity::Organization, Timestamp::from_micros(time.as_micros() - 1_000_000)), b"").unwrap_err();
                }
                world.add(&at(Entity::Organization, time), read(numbers).to_string().as_bytes()).unwrap();
            }
            Step::Change(kind, one, other) => {
                world.apply(time, &format!("event-{number}"), &WorldChange::Organization(changed(*kind, *one, *other)));
            }
            Step::Policy(one) => {
                let read = policy(if *one == 2 { "SERVICE_CONTROL_POLICY" } else { "BEDROCK_POLICY" }, &demands(&format!("read{number}")));
                world.add(&at(Entity::Policy(picked(&POLICIES, *one).into()), time), read.to_string().as_bytes()).unwrap();
            }
        }
    }
    world
}

fn time_of(number: i64) -> Timestamp {
    Timestamp::from_micros(hour(1).as_micros() + 10_000_000 * number)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_reading_leaves_what_it_shows(steps in proptest::collection::vec(step(), 1..24)) {
        let (state, anew) = (lived(&steps, false).resolve(), lived(&steps, true).resolve());
        let is_reading = |step: &Step| matches!(step, Step::Reading(_));
        let begun = steps.iter().position(is_reading).unwrap_or(steps.len());
        for (number, step) in (1..).zip(&steps).skip(begun) {
            for account in ACCOUNTS {
                let of = |state: &State| {
                    let policy = state.computed_policy(&account.into(), time_of(number));
                    policy.map(|policy| policy.map(|policy| policy.document.clone()))
                };
                prop_assert_eq!(of(&state), of(&anew), "{} after step {}", account, number);
                if let Step::Reading(numbers) = step {
                    let organization = Organization::from_json(&read(numbers)).unwrap();
                    let placed = match state.placement(&account.into(), time_of(number)) {
                        InForce::Known(placed) => Some(placed.path.clone()),
                        InForce::Assumed(_) | InForce::NotKnown => None,
                    };
                    prop_assert_eq!(placed, organization.path_to(&account.into()), "{} after step {}", account, number);
                }
            }
        }
    }
}
