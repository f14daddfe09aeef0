//! Reads `organization.json` and reports its inconsistencies. Only what depends on an inconsistent part is not known; the rest is used.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use serde::{Deserialize, de::DeserializeOwned, de::Error as _};
use serde_json::{Map, Value, value::RawValue};

use super::{Account, Organization, Unit};
use crate::{
    arn::{AccountId, TargetId, is_account_id},
    nearest::nearest,
    timestamp::Timestamp,
};

/// The members of the file, of which it must have at least one.
const MEMBERS: [&str; 5] = ["Organization", "Roots", "OrganizationalUnits", "Accounts", "Attachments"];

/// The members of entries in its lists.
const FIELDS: [&str; 11] =
    ["Id", "MasterAccountId", "Name", "ParentId", "State", "Status", "PolicyTypes", "Type", "PolicyId", "TargetId", "AttachedAt"];

/// Names that a sentence lists at most for one kind of inconsistency.
const MOST_LISTED: usize = 5;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawOrganization {
    id: Option<String>,
    master_account_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawRoot {
    id: String,
    #[serde(default)]
    policy_types: Option<Vec<RawPolicyType>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawPolicyType {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawNode {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    parent_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawAttachment {
    policy_id: String,
    target_id: String,
    #[serde(default)]
    attached_at: Option<Timestamp>,
}

impl Organization {
    /// Reads `organization.json`: the responses of the list operations, joined, in AWS's own names of members.
    ///
    /// # Errors
    ///
    /// If the JSON has none of the file's members, or a list is of another type.
    pub fn from_json(json: &Value) -> Result<Self, serde_json::Error> {
        Ok(Self::with_loose_ends(json)?.0)
    }

    /// Like [`Organization::from_json`], and returns a sentence for each inconsistency: what depends on an inconsistent part is not known.
    ///
    /// # Errors
    ///
    /// If the JSON has none of the file's members, or a list is of another type.
    pub fn with_loose_ends(json: &Value) -> Result<(Self, Vec<String>), serde_json::Error> {
        read(json)
    }
}

/// The members of a file that had no inconsistency, as texts, with what they say: the next reading of an organization mostly differs in one of them.
#[derive(Clone, Debug)]
pub(crate) struct LastReading {
    units_and_above: [Arc<str>; 3],
    accounts: Arc<str>,
    attachments: Arc<str>,
    organization: Organization,
}

/// The members of a file, not read yet. It has all of them and no other.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Texts<'j> {
    #[serde(borrow)]
    organization: &'j RawValue,
    #[serde(borrow)]
    roots: &'j RawValue,
    #[serde(borrow)]
    organizational_units: &'j RawValue,
    #[serde(borrow)]
    accounts: &'j RawValue,
    #[serde(borrow)]
    attachments: &'j RawValue,
}

impl LastReading {
    /// The members of a file in which `organization` was read without any inconsistency; `None` if it hasn't just these members.
    pub(crate) fn of(json: &[u8], organization: &Organization) -> Option<Self> {
        let texts: Texts<'_> = serde_json::from_slice(json).ok()?;
        let units_and_above = [texts.organization, texts.roots, texts.organizational_units].map(|text| text.get().into());
        let [accounts, attachments] = [texts.accounts, texts.attachments].map(|text| text.get().into());
        Some(LastReading { units_and_above, accounts, attachments, organization: organization.clone() })
    }

    /// Reads the next file: of the accounts and the attachments only what differs. `None` if it differs in more, or has an inconsistency; then
    /// it has to be read as a whole.
    pub(crate) fn next(&mut self, json: &[u8]) -> Option<Organization> {
        let texts: Texts<'_> = serde_json::from_slice(json).ok()?;
        let above = [texts.organization, texts.roots, texts.organizational_units];
        if self.units_and_above.iter().zip(above).any(|(before, now)| **before != *now.get()) {
            return None;
        }
        let (are_same, is_same) = (*self.accounts == *texts.accounts.get(), *self.attachments == *texts.attachments.get());
        if are_same && is_same {
            return Some(self.organization.clone());
        }
        let mut reading = Reading { read: self.organization.clone(), ..Reading::default() };
        let mut differing = Map::from_iter([("Attachments".to_owned(), serde_json::from_str(texts.attachments.get()).ok()?)]);
        if !are_same {
            let (removed, added) = differing_entries(&self.accounts, texts.accounts.get())?;
            let accounts = Arc::make_mut(&mut reading.read.accounts);
            for entry in removed {
                accounts.remove(serde_json::from_str::<RawNode>(entry.get()).ok()?.id.as_str());
            }
            let added = added.into_iter().map(|entry| serde_json::from_str(entry.get()).ok());
            differing.insert("Accounts".to_owned(), Value::Array(added.collect::<Option<_>>()?));
        }
        let differing = Value::Object(differing);
        let differing = reading.in_our_spelling(&differing);
        if !are_same {
            reading.accounts(&differing).ok()?;
            reading.parents();
        }
        reading.read.attachments = Arc::default();
        reading.attachments(&differing).ok()?;
        if !reading.loose.is_empty() {
            return None;
        }
        let organization = reading.read.sharing(&self.organization);
        (self.accounts, self.attachments) = (texts.accounts.get().into(), texts.attachments.get().into());
        self.organization = organization.clone();
        Some(organization)
    }
}

/// The entries that only the first of two lists has, and those that only the second has, but for entries at both ends that are equal. An account that moves,
/// comes or goes is all that differs between two readings.
fn differing_entries<'l>(before: &'l str, now: &'l str) -> Option<(Vec<&'l RawValue>, Vec<&'l RawValue>)> {
    let [mut before, mut now]: [Vec<&RawValue>; 2] = [serde_json::from_str(before).ok()?, serde_json::from_str(now).ok()?];
    while before.last().zip(now.last()).is_some_and(|(before, now)| before.get() == now.get()) {
        before.pop();
        now.pop();
    }
    let equal = before.iter().zip(&now).take_while(|(before, now)| before.get() == now.get()).count();
    Some((before.split_off(equal), now.split_off(equal)))
}

/// Reads the file and returns a sentence for each inconsistency.
fn read(json: &Value) -> Result<(Organization, Vec<String>), serde_json::Error> {
    let mut reading = Reading::default();
    let json = reading.in_our_spelling(json);
    // Serde deserialises a struct from a list too, and every member is optional, so without this check any list would be an empty
    // organization.
    if !json.as_object().is_some_and(|members| MEMBERS.iter().any(|member| members.contains_key(*member))) {
        return Err(serde_json::Error::custom(format_args!("none of {}", MEMBERS.join(", "))));
    }
    reading.organization(&json)?;
    reading.roots(&json)?;
    reading.units(&json)?;
    reading.accounts(&json)?;
    reading.parents();
    reading.attachments(&json)?;
    Ok((reading.read, reading.loose))
}

#[derive(Default)]
struct Reading {
    read: Organization,
    loose: Vec<String>,
}

impl Reading {
    /// The JSON with its members renamed to AWS's spelling, because other tools write `accounts` or `parent_id`.
    fn in_our_spelling<'j>(&mut self, json: &'j Value) -> Cow<'j, Value> {
        let mut renamed = BTreeSet::new();
        let spelt = if Spelling::default().is_ours(json) { Cow::Borrowed(json) } else { Cow::Owned(respelt(json, &mut renamed)) };
        if let Some(members) = spelt.as_object() {
            for key in members.keys().filter(|key| !MEMBERS.contains(&key.as_str())) {
                if let Some(meant) = nearest(key, MEMBERS).first() {
                    self.loose.push(format!("`{key}` is not read: is `{meant}` meant?"));
                }
            }
        }
        self.loose.extend(renamed.into_iter().map(|(key, name)| format!("`{key}` is read as `{name}`, as AWS spells it")));
        spelt
    }

    fn organization(&mut self, json: &Value) -> Result<(), serde_json::Error> {
        let organization = json.get("Organization").filter(|organization| !organization.is_null());
        let raw = organization.map(RawOrganization::deserialize).transpose()?.unwrap_or_default();
        if let Some(id) = raw.master_account_id.as_deref().filter(|id| !is_account_id(id)) {
            self.loose.push(format!("`MasterAccountId` is `{id}`, which is no account id of twelve digits"));
        }
        self.read.id = raw.id;
        self.read.management_account = raw.master_account_id.map(AccountId::from);
        Ok(())
    }

    fn roots(&mut self, json: &Value) -> Result<(), serde_json::Error> {
        let roots: Vec<RawRoot> = self.list(json, "Roots", "no account's way to the root is known")?;
        for root in roots {
            self.shape("a root", &root.id, root.id.starts_with("r-"), "r-…");
            let enabled = |kind: &RawPolicyType| kind.status.as_deref().is_none_or(|status| status == "ENABLED");
            let types = root.policy_types.map(|types| types.into_iter().filter(enabled).map(|kind| kind.kind).collect());
            if self.read.policy_types.insert(root.id.as_str().into(), types).is_some() {
                self.loose.push(format!("root `{}` is listed twice: the last one counts", root.id));
            }
        }
        Ok(())
    }

    fn units(&mut self, json: &Value) -> Result<(), serde_json::Error> {
        let units: Vec<RawNode> = match json.get("OrganizationalUnits") {
            None | Some(Value::Null) => Vec::new(),
            Some(_) => self.list(json, "OrganizationalUnits", "")?,
        };
        for RawNode { id, name, parent_id, .. } in units {
            self.shape("an OU", &id, id.starts_with("ou-"), "ou-…");
            let unit = Unit { name: printable(&name), parent: parent_id.unwrap_or_default().into() };
            let before = Arc::make_mut(&mut self.read.units).insert(id.as_str().into(), unit.clone());
            if let Some(parent) = before.and_then(|before| self.again("OU", &id, &before.parent, &unit.parent))
                && let Some(unit) = Arc::make_mut(&mut self.read.units).get_mut(id.as_str())
            {
                unit.parent = parent;
            }
        }
        Ok(())
    }

    fn accounts(&mut self, json: &Value) -> Result<(), serde_json::Error> {
        let accounts: Vec<RawNode> = self.list(json, "Accounts", "no account is known")?;
        for RawNode { id, name, state, status, parent_id } in accounts {
            self.shape("an account", &id, is_account_id(&id), "twelve digits");
            // Before 2026-09-09 the member `State` was named `Status` (docs/aws/bedrock-policies.md#api).
            let active = state.or(status).is_none_or(|state| state == "ACTIVE");
            let account = Arc::new(Account { name: printable(&name), parent: parent_id.unwrap_or_default().into(), active });
            let before = Arc::make_mut(&mut self.read.accounts).insert(id.as_str().into(), Arc::clone(&account));
            if let Some(parent) = before.and_then(|before| self.again("account", &id, &before.parent, &account.parent))
                && let Some(account) = Arc::make_mut(&mut self.read.accounts).get_mut(id.as_str())
            {
                Arc::make_mut(account).parent = parent;
            }
        }
        Ok(())
    }

    /// The parent of an entry that is listed twice: the parent if both agree, otherwise it isn't known.
    fn again(&mut self, kind: &str, id: &str, before: &TargetId, now: &TargetId) -> Option<TargetId> {
        if before == now {
            self.loose.push(format!("{kind} `{id}` is listed twice"));
            return None;
        }
        self.loose
            .push(format!("{kind} `{id}` is listed twice, with `{before}` and `{now}` as its `ParentId`: where it hangs is not known"));
        Some(TargetId::from(""))
    }

    /// Checks that the parents of accounts and OUs are listed.
    fn parents(&mut self) {
        let is_there = |parent: &TargetId| self.read.units.contains_key(parent) || self.read.policy_types.contains_key(parent);
        let mut by_parent: BTreeMap<&TargetId, Vec<String>> = BTreeMap::new();
        for (id, account) in self.read.accounts.iter().filter(|(_, account)| !is_there(&account.parent)) {
            by_parent.entry(&account.parent).or_default().push(format!("account {}", named(id, &account.name)));
        }
        for (id, unit) in self.read.units.iter().filter(|(_, unit)| !is_there(&unit.parent)) {
            by_parent.entry(&unit.parent).or_default().push(format!("OU {}", named(id, &unit.name)));
        }
        let mut loose: Vec<String> = by_parent
            .into_iter()
            .map(|(parent, who)| match parent.as_str() {
                "" => format!("no `ParentId`, or no certain one, of {}: what policies come to there is not known", listed(&who)),
                parent => {
                    format!(
                        "`{parent}` is listed nowhere, and is the `ParentId` of {}: what policies come to there is not known",
                        listed(&who)
                    )
                }
            })
            .collect();
        for circle in self.circles() {
            let names: Vec<String> = circle.iter().map(|unit| format!("`{unit}`")).collect();
            loose.push(match names.as_slice() {
                [own] => format!("OU {own} is its own `ParentId`: what policies come to below it is not known"),
                names => format!("the OUs {} hang on each other in a circle: what policies come to below them is not known", listed(names)),
            });
        }
        self.loose.append(&mut loose);
    }

    /// The cycles among OUs: sets of OUs that are above themselves.
    fn circles(&self) -> BTreeSet<BTreeSet<TargetId>> {
        let mut circles = BTreeSet::new();
        let mut through: BTreeSet<&TargetId> = BTreeSet::new();
        for start in self.read.units.keys() {
            let mut way: Vec<&TargetId> = Vec::new();
            let mut passed: BTreeMap<&TargetId, usize> = BTreeMap::new();
            let mut at = start;
            while !through.contains(at) {
                if let Some(from) = passed.get(at) {
                    circles.insert(way.iter().skip(*from).map(|unit| (*unit).clone()).collect());
                    break;
                }
                let Some(unit) = self.read.units.get(at) else { break };
                passed.insert(at, way.len());
                way.push(at);
                at = &unit.parent;
            }
            // A path that was followed once isn't followed again.
            through.extend(way);
        }
        circles
    }

    fn attachments(&mut self, json: &Value) -> Result<(), serde_json::Error> {
        let before = self.loose.len();
        let attachments: Vec<RawAttachment> = self.list(json, "Attachments", "which policies are attached is not known")?;
        if self.loose.len() > before {
            self.read.loose.push((TargetId::from(""), None));
        }
        let mut at: BTreeMap<(String, String), Option<Timestamp>> = BTreeMap::new();
        let mut nowhere: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for RawAttachment { policy_id, target_id, attached_at } in attachments {
            self.shape("a policy", &policy_id, policy_id.starts_with("p-"), "p-…");
            match at.get(&(policy_id.clone(), target_id.clone())) {
                Some(earlier) if *earlier != attached_at => {
                    self.loose.push(format!("`{policy_id}` is listed twice for `{target_id}`, with two times: the first one counts"));
                }
                _ => {}
            }
            at.entry((policy_id.clone(), target_id.clone())).or_insert(attached_at);
            let target = TargetId::from(&target_id);
            let is_there = self.read.units.contains_key(&target)
                || self.read.policy_types.contains_key(&target)
                || self.read.accounts.contains_key(target_id.as_str());
            if is_there {
                self.read.attach(&target, policy_id.into(), attached_at);
            } else {
                nowhere.entry(target_id).or_default().push(format!("`{policy_id}`"));
                self.read.loose.push((target, Some(policy_id.into())));
            }
        }
        for attachments in Arc::make_mut(&mut self.read.attachments).values_mut() {
            attachments.sort_by_key(|attachment| attachment.attached_at);
        }
        let targets = self.read.units.keys().chain(self.read.policy_types.keys()).map(TargetId::as_str);
        let targets: Vec<&str> = targets.chain(self.read.accounts.keys().map(AccountId::as_str)).collect();
        for (target, policies) in nowhere {
            let meant = nearest(&target, targets.iter().copied());
            let meant = if meant.is_empty() { String::new() } else { format!(" (is `{}` meant?)", meant.join("` or `")) };
            let policies = listed(&policies);
            self.loose.push(format!(
                "{policies} attached to `{target}`, which is no root, OU or account that is listed{meant}: who has it is not known"
            ));
        }
        Ok(())
    }

    /// The readable entries of a list. Unreadable ones are reported.
    fn list<T: DeserializeOwned>(&mut self, json: &Value, name: &str, without: &str) -> Result<Vec<T>, serde_json::Error> {
        let Some(list) = json.get(name).filter(|list| !list.is_null()) else {
            self.loose.push(format!("`{name}` is not there: {without}"));
            return Ok(Vec::new());
        };
        let entries = list.as_array().ok_or_else(|| serde_json::Error::custom(format_args!("`{name}` is no list")))?;
        let mut read = Vec::with_capacity(entries.len());
        let mut first_error = None;
        for (number, entry) in (1..).zip(entries) {
            match T::deserialize(entry) {
                Ok(entry) => read.push(entry),
                Err(error) => {
                    self.loose.push(format!("entry {number} of `{name}` can't be read: {error}"));
                    first_error.get_or_insert(error);
                }
            }
        }
        match first_error {
            Some(error) if read.is_empty() => Err(error),
            _ => Ok(read),
        }
    }

    fn shape(&mut self, kind: &str, id: &str, is_right: bool, form: &str) {
        if !is_right {
            self.loose.push(format!("`{id}` is no id of {kind} ({form})"));
        }
    }
}

/// Recognises the members that [`respelt`] would rename. Of a thousand accounts all have the same members, so each is compared with the names
/// once.
#[derive(Default)]
struct Spelling<'j> {
    /// Whether each member that was met is spelt like none of the names, or just as AWS spells it.
    known: HashMap<&'j str, bool>,
}

impl<'j> Spelling<'j> {
    fn is_ours(&mut self, json: &'j Value) -> bool {
        match json {
            Value::Array(items) => items.iter().all(|item| self.is_ours(item)),
            Value::Object(members) => members.iter().all(|(key, value)| {
                let is_ours = *self.known.entry(key).or_insert_with(|| meant(key).is_none_or(|name| name == key));
                is_ours && self.is_ours(value)
            }),
            _ => true,
        }
    }
}

/// The name of the file that a member has, but for case and separators.
fn meant(key: &str) -> Option<&'static str> {
    let folded = |key: &str| key.replace(['_', '-'], "").to_lowercase();
    let key = folded(key);
    MEMBERS.iter().chain(&FIELDS).find(|name| folded(name) == key).copied()
}

/// Renames the members that differ from AWS's names only in spelling, and collects which those are.
fn respelt(json: &Value, renamed: &mut BTreeSet<(String, &'static str)>) -> Value {
    match json {
        Value::Array(items) => items.iter().map(|item| respelt(item, renamed)).collect(),
        Value::Object(members) => {
            let mut spelt = Map::new();
            for (key, value) in members {
                let value = respelt(value, renamed);
                match meant(key) {
                    Some(name) if name != key && !members.contains_key(name) => {
                        renamed.insert((key.clone(), name));
                        spelt.insert(name.to_owned(), value);
                    }
                    _ => {
                        spelt.insert(key.clone(), value);
                    }
                }
            }
            Value::Object(spelt)
        }
        other => other.clone(),
    }
}

fn printable(name: &str) -> String {
    crate::json::printable(name).into_owned()
}

/// An id, followed by the name.
fn named(id: &str, name: &str) -> String {
    if name.is_empty() { id.to_owned() } else { format!("{id} ({name})") }
}

/// Joins names for a sentence, [`MOST_LISTED`] at most.
fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(MOST_LISTED).map(String::as_str).collect();
    let mut listed = shown.join(", ");
    if names.len() > MOST_LISTED {
        let _ = write!(listed, " and {} more", names.len() - MOST_LISTED);
    }
    listed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A consistent organization in which one member is replaced.
    fn with(member: &str, value: Value) -> Value {
        let mut json = json!({
            "Organization": {"Id": "o-exampleorgid", "MasterAccountId": "111122223333"},
            "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "BEDROCK_POLICY", "Status": "ENABLED"}]}],
            "OrganizationalUnits": [{"Id": "ou-ab12-prod", "Name": "prod", "ParentId": "r-ab12"}],
            "Accounts": [{"Id": "222233334444", "Name": "shop", "ParentId": "ou-ab12-prod"}, {"Id": "111122223333", "ParentId": "r-ab12"}],
            "Attachments": [{"PolicyId": "p-1", "TargetId": "r-ab12"}]});
        if value.is_null() {
            json.as_object_mut().unwrap().remove(member);
        } else if !member.is_empty() {
            json[member] = value;
        }
        json
    }

    fn loose(json: &Value) -> Vec<String> {
        read(json).unwrap().1
    }

    #[test]
    fn nothing_hangs_loose_where_all_is_told() {
        assert_eq!(loose(&with("", json!(0))), Vec::<String>::new());
        assert_eq!(loose(&with("OrganizationalUnits", json!(null))).len(), 1, "the account's parent");
        assert!(read(&with("", json!(0))).unwrap().0.loose.is_empty());
    }

    #[test]
    fn every_loose_end_is_told() {
        let account = |id: &str, parent: Value| json!([{"Id": id, "Name": "lost", "ParentId": parent}, {"Id": "222233334444", "ParentId": "ou-ab12-prod"}]);
        for (member, value, says) in [
            ("Accounts", account("333344445555", json!(null)), "no `ParentId`, or no certain one, of account 333344445555 (lost)"),
            ("Accounts", account("333344445555", json!("ou-ab12-none")), "`ou-ab12-none` is listed nowhere"),
            ("Accounts", account("33334444555", json!("r-ab12")), "`33334444555` is no id of an account"),
            ("Accounts", account("222233334444", json!("r-ab12")), "account `222233334444` is listed twice, with `r-ab12`"),
            ("Accounts", account("222233334444", json!("ou-ab12-prod")), "account `222233334444` is listed twice"),
            ("Accounts", json!([{"Name": "x"}, {"Id": "222233334444", "ParentId": "r-ab12"}]), "entry 1 of `Accounts` can't be read"),
            ("Accounts", json!([{"id": "222233334444", "parentId": "r-ab12"}]), "`id` is read as `Id`"),
            ("Accounts", json!(null), "`Accounts` is not there"),
            ("Roots", json!(null), "`Roots` is not there"),
            ("Attachments", json!(null), "which policies are attached is not known"),
            ("OrganizationalUnits", json!([{"Id": "ou-ab12-prod", "ParentId": "ou-ab12-prod"}]), "OU `ou-ab12-prod` is its own `ParentId`"),
            (
                "OrganizationalUnits",
                json!([{"Id": "ou-ab12-prod", "ParentId": "ou-b"}, {"Id": "ou-b", "ParentId": "ou-ab12-prod"}]),
                "the OUs `ou-ab12-prod`, `ou-b` hang on each other in a circle",
            ),
            ("OrganizationalUnits", json!([{"Id": "prod", "ParentId": "r-ab12"}]), "`prod` is no id of an OU"),
            (
                "Attachments",
                json!([{"PolicyId": "p-1", "TargetId": "r-ab13"}]),
                "`p-1` attached to `r-ab13`, which is no root, OU or account that is listed (is `r-ab12` meant?)",
            ),
            (
                "Attachments",
                json!([{"PolicyId": "p-1", "TargetId": "r-ab12"}, {"PolicyId": "p-2"}]),
                "entry 2 of `Attachments` can't be read",
            ),
            ("Attachments", json!([{"PolicyId": "guardrails", "TargetId": "r-ab12"}]), "`guardrails` is no id of a policy"),
            ("Acounts", json!([]), "`Acounts` is not read: is `Accounts` meant?"),
            ("Organization", json!({"MasterAccountId": "1111"}), "`MasterAccountId` is `1111`"),
        ] {
            let shown = loose(&with(member, value.clone()));
            assert!(shown.iter().any(|shown| shown.contains(says)), "{value}: {shown:?}");
        }
    }

    #[test]
    fn keys_in_another_case_are_read() {
        let json: Value = serde_json::from_str(
            &with("", json!(0)).to_string().replace("\"Accounts\"", "\"accounts\"").replace("\"ParentId\"", "\"parent_id\""),
        )
        .unwrap();
        let (organization, loose) = read(&json).unwrap();
        assert_eq!(organization.path_to(&"222233334444".into()).map(|path| path.len()), Some(3));
        assert_eq!(loose, ["`accounts` is read as `Accounts`, as AWS spells it", "`parent_id` is read as `ParentId`, as AWS spells it"]);
    }

    #[test]
    fn ten_thousand_units_in_a_row_are_walked_once() {
        let unit = |number: u32| json!({"Id": format!("ou-{number}"), "ParentId": format!("ou-{}", number + 1)});
        let units: Vec<Value> = (0..10_000).map(unit).collect();
        assert_eq!(loose(&with("OrganizationalUnits", json!(units))).len(), 2, "the last one hangs nowhere, and neither does the account");
    }
}
