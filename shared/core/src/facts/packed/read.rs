//! Reads packets from any sender, trusting nothing in them.

use super::{
    BEARER_KEY, BY_EVENT_ID, EVENT_ID_EACH, Id, KINDS, MILLIS_AN_HOUR, PARTIALLY_GUARDED, PLAIN_IDS, PackedError, REFUSED_BY_GUARDRAIL,
    TEXT, Unpacked, VERSION, WHOLE_SECONDS,
};
use crate::{
    facts::{EvidenceRows, StoredRecord},
    timestamp::Timestamp,
    verdict::Invocations,
};

/// The unread rest of a packet.
struct In<'b> {
    bytes: &'b [u8],
    texts: Vec<String>,
}

impl<'b> In<'b> {
    fn byte(&mut self) -> Result<u8, PackedError> {
        let (first, rest) = self.bytes.split_first().ok_or(PackedError::Length)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, PackedError> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(PackedError::Number)
    }

    /// Reads the number of items that follow. Each takes at least a byte, so more than the remaining bytes is an error.
    fn count(&mut self) -> Result<usize, PackedError> {
        let count = usize::try_from(self.number()?).map_err(|_| PackedError::TooLarge)?;
        if count > self.bytes.len() { Err(PackedError::Length) } else { Ok(count) }
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], PackedError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(PackedError::Length)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn text(&mut self) -> Result<&str, PackedError> {
        let number = usize::try_from(self.number()?).map_err(|_| PackedError::Number)?;
        match number.checked_sub(1) {
            None => Ok(""),
            Some(index) => self.texts.get(index).map(String::as_str).ok_or(PackedError::Number),
        }
    }

    fn plain_id(&mut self) -> Result<String, PackedError> {
        let bytes = self.take(16)?;
        Ok(Id::Plain(<[u8; 16]>::try_from(bytes).map_err(|_| PackedError::Length)?).text())
    }

    fn id(&mut self) -> Result<String, PackedError> {
        match self.byte()? {
            1 => self.plain_id(),
            0 => self.text().map(str::to_owned),
            _ => Err(PackedError::Number),
        }
    }
}

impl EvidenceRows {
    /// Adds the records of a packet. The account and Region come from the packet's address, never from its content.
    pub fn unpack(
        &mut self,
        account: &str,
        region: &str,
        hour: Option<i64>,
        bytes: &[u8],
        self_reported: bool,
    ) -> Result<Unpacked, PackedError> {
        read(bytes, hour, &mut |record| self.restore(&StoredRecord { account, region, self_reported, ..record }))
    }
}

/// Reads a packet without storing anything.
///
/// # Errors
///
/// If the packet can't be read.
pub fn check(bytes: &[u8]) -> Result<Unpacked, PackedError> {
    read(bytes, Some(0), &mut |_| {})
}

/// The time of the latest record in a packet. `None` if no record has one, or if the packet can't be read.
#[must_use]
pub fn latest(bytes: &[u8], hour: Option<i64>) -> Option<Timestamp> {
    let mut latest = None;
    read(bytes, hour, &mut |record| latest = latest.max(record.event_time)).ok()?;
    latest
}

/// Calls a function with each record of a packet.
fn read(bytes: &[u8], hour: Option<i64>, with: &mut dyn FnMut(StoredRecord<'_>)) -> Result<Unpacked, PackedError> {
    let mut input = In { bytes, texts: Vec::new() };
    match input.byte()? {
        VERSION => {}
        version => return Err(PackedError::Version(version)),
    }
    let claimed = Invocations {
        compliant: input.number()?,
        violation: input.number()?,
        not_provable: input.number()?,
        not_applicable: input.number()?,
    };
    let mut unpacked = Unpacked { claimed, ..Unpacked::default() };
    let mut total = 0;
    for _ in 0..input.count()? {
        let (same, length) = (input.count()?, input.count()?);
        let rest = std::str::from_utf8(input.take(length)?).map_err(|_| PackedError::Text)?;
        let same = match input.texts.last() {
            None if same == 0 => "",
            None => return Err(PackedError::Number),
            Some(before) => before.get(..same).ok_or(PackedError::Number)?,
        };
        let text = format!("{same}{rest}");
        total += text.len();
        if text.len() > TEXT || total > 16 * bytes.len().max(TEXT) {
            return Err(PackedError::TooLarge);
        }
        input.texts.push(text);
    }
    for _ in 0..input.count()? {
        read_group(&mut input, hour, &mut unpacked, with)?;
    }
    if input.bytes.is_empty() { Ok(unpacked) } else { Err(PackedError::Length) }
}

fn read_group(
    input: &mut In<'_>,
    hour: Option<i64>,
    unpacked: &mut Unpacked,
    with: &mut dyn FnMut(StoredRecord<'_>),
) -> Result<(), PackedError> {
    let (kind, flags) = (input.byte()?, input.byte()?);
    let (kind, reach) = KINDS.get(usize::from(kind)).copied().ok_or(PackedError::Number)?;
    let mut texts = Vec::with_capacity(7);
    for _ in 0..7 {
        texts.push(input.text()?.to_owned());
    }
    let rows = input.count()?;
    let ends = if flags & EVENT_ID_EACH == 0 { Some((input.id()?, input.id()?)) } else { None };
    let mut own = Vec::with_capacity(rows);
    let mut millis = 0_i64;
    for _ in 0..rows {
        let since = i64::try_from(input.number()?).map_err(|_| PackedError::Number)?;
        millis = since
            .checked_mul(if flags & WHOLE_SECONDS == 0 { 1 } else { 1000 })
            .and_then(|since| millis.checked_add(since))
            .ok_or(PackedError::Number)?;
        if millis >= MILLIS_AN_HOUR {
            return Err(PackedError::Number);
        }
        let request = if flags & PLAIN_IDS == 0 { input.text()?.to_owned() } else { input.plain_id()? };
        let event = if flags & EVENT_ID_EACH == 0 { None } else { Some(input.id()?) };
        own.push((millis, request, event));
    }
    let last = own.last().map_or(0, |(millis, ..)| *millis);
    let [event_name, error_code, principal, subject, guardrail_identifier, guardrail_version, refusing_guardrail] = texts.as_slice() else {
        return Err(PackedError::Number);
    };
    for (index, (millis, request_id, event)) in own.into_iter().enumerate() {
        // Records between the first and the latest get the first's event id, and so do those at its time, so that the order of records
        // stays.
        let event_id = event.or_else(|| {
            let (first_event, last_event) = ends.as_ref()?;
            Some(if index > 0 && millis == last { last_event.clone() } else { first_event.clone() })
        });
        let event_time =
            hour.map(|hour| Timestamp::from_micros(hour.saturating_mul(MILLIS_AN_HOUR).saturating_add(millis).saturating_mul(1000)));
        unpacked.records += 1;
        unpacked.calls += u64::from(kind == "call");
        with(StoredRecord {
            kind,
            reach,
            request_id,
            event_id: event_id.unwrap_or_default(),
            event_time,
            principal,
            event_name,
            subject,
            guardrail_identifier,
            guardrail_version,
            refusing_guardrail,
            error_code,
            bearer_key: flags & BEARER_KEY != 0,
            refused_by_guardrail: flags & REFUSED_BY_GUARDRAIL != 0,
            partially_guarded: flags & PARTIALLY_GUARDED != 0,
            by_event_id: flags & BY_EVENT_ID != 0,
            ..StoredRecord::default()
        });
    }
    Ok(())
}
