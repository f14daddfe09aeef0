//! The schema of fields whose Rust type says less than what is written: words of an enumeration, times, days.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{
    finding::Status,
    severity::Severity,
    verdict::{Grade, Missing, Reason, Verdict},
};

/// A text that is one of the words of an enumeration.
pub(super) struct EnumText<T>(PhantomData<T>);

macro_rules! words {
    ($($of:ty),*) => {
        $(impl JsonSchema for EnumText<$of> {
            fn schema_name() -> Cow<'static, str> {
                stringify!($of).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let words: Vec<&str> = <$of>::ALL.iter().map(|one| one.as_str()).collect();
                json_schema!({"type": "string", "enum": words})
            }
        })*
    };
}
words!(Severity, Status, Verdict, Grade, Reason, Missing);

/// A time in RFC 3339.
pub(super) struct Time;

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// A date in RFC 3339.
pub(super) struct Date;

impl JsonSchema for Date {
    fn schema_name() -> Cow<'static, str> {
        "Date".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date"})
    }
}
