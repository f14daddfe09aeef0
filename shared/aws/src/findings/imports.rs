//! What Security Hub was given of each finding, so that it is given what is new and what it would soon forget, and nothing twice.

use std::collections::BTreeMap;

use audit_core::{finding::Finding, timestamp::Timestamp};
use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Findings,
    items::{from_json, key, number, text, timestamp, to_json, written},
};
use crate::{
    error::{CallError, failed},
    observations::{Item, query_all},
};

/// A finding as Security Hub was given it last.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The finding. One that was withdrawn is resolved here.
    pub finding: Finding,
    /// The `UpdatedAt` that it had.
    pub at: Timestamp,
    /// The note with which the hub suppressed it there; `None` if it didn't.
    pub note: Option<String>,
}

impl Findings {
    /// What Security Hub was given of an account's findings, by id.
    pub async fn imported_of(&self, account: &str) -> Result<BTreeMap<String, Imported>, CallError> {
        let mut all = BTreeMap::new();
        for table in self.tables_of_notes() {
            for item in query_all(&self.aws, table, &imports_key(account), None, true).await? {
                // An earlier release kept this in the table of findings. If both tables have a note, the one in the table of notes is newer.
                all.entry(text(&item, "sk").unwrap_or_default().to_owned()).or_insert(imported(&item)?);
            }
        }
        Ok(all)
    }

    /// What Security Hub was given of a finding.
    pub async fn imported(&self, account: &str, id: &str) -> Result<Option<Imported>, CallError> {
        self.get_noted(&imports_key(account), id).await?.as_ref().map(imported).transpose()
    }

    /// Notes what Security Hub was given of a finding, unless something later is noted.
    pub async fn put_imported(&self, account: &str, id: &str, imported: &Imported) -> Result<(), CallError> {
        let mut item = key(&imports_key(account), id);
        item.insert("imported".to_owned(), AttributeValue::S(to_json(&imported.finding)?));
        item.insert("imported_at".to_owned(), number(imported.at));
        if let Some(note) = &imported.note {
            item.insert("note".to_owned(), AttributeValue::S(note.clone()));
        }
        let request = self.aws.dynamodb().put_item().table_name(&self.notes_table).set_item(Some(item));
        let request = request.condition_expression("attribute_not_exists(pk) OR imported_at <= :at");
        let request = request.expression_attribute_values(":at", number(imported.at));
        written(request.send().await.map_err(failed("note what Security Hub was given"))).map(|_| ())
    }

    /// Forgets what Security Hub was given of a finding, unless something was noted after this time.
    pub async fn forget_imported(&self, account: &str, id: &str, at: Timestamp) -> Result<(), CallError> {
        for table in self.tables_of_notes() {
            let request = self.aws.dynamodb().delete_item().table_name(table).set_key(Some(key(&imports_key(account), id)));
            let request = request.condition_expression("imported_at <= :at").expression_attribute_values(":at", number(at));
            written(request.send().await.map_err(failed("forget what Security Hub was given")))?;
        }
        Ok(())
    }
}

fn imports_key(account: &str) -> String {
    format!("SECURITYHUB#{account}")
}

fn imported(item: &Item) -> Result<Imported, CallError> {
    Ok(Imported {
        finding: from_json(text(item, "imported").unwrap_or_default())?,
        at: timestamp(item, "imported_at").unwrap_or(Timestamp::BEGINNING),
        note: text(item, "note").map(str::to_owned),
    })
}
