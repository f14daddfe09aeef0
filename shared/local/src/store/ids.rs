//! Request ids and event ids as a store keeps them: a UUID in its 16 bytes, and any other text as it is.

use std::borrow::Cow;

use audit_core::uuid::{uuid, uuid_text};
use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};

/// A request id or an event id.
pub(super) enum Id<'t> {
    Uuid([u8; 16]),
    Text(Cow<'t, str>),
}

impl<'t> Id<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        uuid(text).map_or_else(|| Id::Text(text.into()), |bits| Id::Uuid(bits.to_be_bytes()))
    }

    pub(super) fn into_text(self) -> String {
        match self {
            Id::Uuid(bytes) => uuid_text(u128::from_be_bytes(bytes)),
            Id::Text(text) => text.into_owned(),
        }
    }
}

impl ToSql for Id<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, rusqlite::Error> {
        Ok(ToSqlOutput::Borrowed(match self {
            Id::Uuid(bytes) => ValueRef::Blob(bytes),
            Id::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl FromSql for Id<'static> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => bytes.try_into().map(Id::Uuid).map_err(|_| FromSqlError::InvalidType),
            value => value.as_str().map(|text| Id::Text(text.to_owned().into())),
        }
    }
}
