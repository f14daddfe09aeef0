//! Packets come back as the records that they were made of, whatever they are.

use proptest::prelude::*;

use super::*;
use crate::{facts::StoredRecord, timestamp::Timestamp};

const ACCOUNT: &str = "222233334444";

fn uuid(number: u64) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn call(number: u64, millis: i64) -> StoredRecord<'static> {
    StoredRecord {
        kind: "call",
        reach: "covered",
        request_id: uuid(number),
        event_id: uuid(number + 1_000_000),
        event_time: Some(Timestamp::from_micros((1_795_300_000_000 + millis) * 1000)),
        account: ACCOUNT,
        region: "us-east-1",
        principal: "arn:aws:iam::222233334444:role/application/team-backend-service",
        event_name: "Converse",
        subject: "anthropic.claude-3-haiku-20240307-v1:0",
        ..StoredRecord::default()
    }
}

fn facts<'s>(records: impl IntoIterator<Item = StoredRecord<'s>>) -> EvidenceRows {
    let mut facts = EvidenceRows::default();
    records.into_iter().for_each(|record| facts.restore(&record));
    facts
}

fn unpacked(packets: &[Packet]) -> Vec<StoredRecordOwned> {
    let mut facts = EvidenceRows::default();
    for packet in packets {
        facts.unpack(&packet.account, &packet.region, packet.hour, &packet.bytes, false).unwrap();
    }
    owned(&facts)
}

type StoredRecordOwned = String;

fn owned(facts: &EvidenceRows) -> Vec<StoredRecordOwned> {
    let mut records: Vec<String> = facts.stored_records().map(|record| format!("{record:?}")).collect();
    records.sort();
    records
}

#[test]
fn twenty_calls_alike_fit_into_one_write_unit_with_room_to_spare() {
    let facts = facts((0..20).map(|number| call(number, i64::try_from(number).unwrap() * 1000)));
    let [packet] = &*facts.pack(EventIds::FirstAndLast, &Invocations { compliant: 20, ..Invocations::default() }) else { panic!() };
    assert!(packet.bytes.len() <= 520, "{} bytes", packet.bytes.len());
    assert_eq!(
        check(&packet.bytes).unwrap(),
        Unpacked { records: 20, calls: 20, claimed: Invocations { compliant: 20, ..Invocations::default() } }
    );
}

#[test]
fn the_first_and_the_latest_event_keep_their_names() {
    let records = [call(3, 5000), call(1, 0), call(9, 0), call(4, 90_000), call(2, 90_000)];
    let packets = facts(records).pack(EventIds::FirstAndLast, &Invocations::default());
    let mut back = EvidenceRows::default();
    back.unpack(ACCOUNT, "us-east-1", packets[0].hour, &packets[0].bytes, false).unwrap();
    let mut seen: Vec<(Timestamp, String)> = back.stored_records().map(|record| (record.event_time.unwrap(), record.event_id)).collect();
    seen.sort();
    assert_eq!((seen[0].1.as_str(), seen[4].1.as_str()), (uuid(1_000_001).as_str(), uuid(1_000_004).as_str()));
    assert!(seen.iter().all(|(_, id)| [uuid(1_000_001), uuid(1_000_004)].contains(id)));
}

#[test]
fn a_packet_that_is_cut_lengthened_or_bent_is_refused_and_never_believed_to_be_huge() {
    let facts = facts((0..5).map(|number| call(number, 0)));
    let bytes = facts.pack(EventIds::All, &Invocations::default()).remove(0).bytes;
    for end in 0..bytes.len() {
        assert!(check(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert_eq!(check(&[bytes.as_slice(), &[0]].concat()), Err(PackedError::Length));
    assert_eq!(check(&[9]), Err(PackedError::Version(9)));
    assert_eq!(check(&[1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f]), Err(PackedError::Length), "a count of things that can't be there");
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 0x55;
        let _ = check(&bent);
    }
}

/// A packet with these texts and no record. Each repeats so many bytes of the text before, and has so many of its own.
fn of_texts(texts: &[(usize, usize)]) -> Vec<u8> {
    let number = |number: usize| -> Vec<u8> {
        let mut bytes = vec![];
        let mut rest = number;
        while rest > 0x7f {
            bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes
    };
    let text = |(same, own): &(usize, usize)| [number(*same), number(*own), vec![b'a'; *own]].concat();
    let texts = [number(texts.len()), texts.iter().flat_map(text).collect()].concat();
    [vec![VERSION, 0, 0, 0, 0], texts, number(0)].concat()
}

#[test]
fn texts_of_a_packet_have_a_size_and_cant_be_repeated_without_end() {
    assert_eq!(check(&of_texts(&[(0, TEXT)])), Ok(Unpacked::default()));
    for too_long in [TEXT + 1, TEXT + 2, 2 * TEXT] {
        assert_eq!(check(&of_texts(&[(0, too_long)])), Err(PackedError::TooLarge), "{too_long}");
    }
    assert_eq!(check(&of_texts(&[(0, TEXT), (TEXT, 1), (0, TEXT)])), Err(PackedError::TooLarge), "a longer one made of the one before");
    let repeated = |times: usize| check(&of_texts(&[vec![(0, TEXT)], vec![(TEXT, 0); times], vec![(0, TEXT)]].concat()));
    assert_eq!(repeated(29), Ok(Unpacked::default()));
    for times in [31, 32, 60] {
        assert_eq!(repeated(times), Err(PackedError::TooLarge), "more than sixteen times the packet: {times}");
    }
}

#[test]
fn records_beyond_a_packet_go_into_the_next() {
    let facts = facts((0..u64::try_from(RECORDS).unwrap() + 3).map(|number| call(number, 0)));
    let packets = facts.pack(EventIds::All, &Invocations::default());
    assert_eq!(packets.iter().map(|packet| packet.records).collect::<Vec<_>>(), [RECORDS as u64, 3]);
    assert!(packets[0].bytes.len() < 350_000, "{}", packets[0].bytes.len());
    assert_eq!(unpacked(&packets), owned(&facts));
}

proptest! {
    #[test]
    fn what_is_packed_comes_back_and_order_doesnt_show(
        rows in proptest::collection::vec((0..30_u64, 0..8_000_000_i64, 0..KINDS.len(), "[a-z/é]{0,4}", 0..32_u8, any::<bool>()), 0..40),
    ) {
        let records: Vec<StoredRecord<'_>> = rows.iter().map(|(number, millis, kind, text, flags, timed)| StoredRecord {
            kind: KINDS[*kind].0,
            reach: KINDS[*kind].1,
            request_id: if flags & 16 == 0 { uuid(*number) } else { text.clone() },
            principal: text,
            subject: text,
            event_time: timed.then(|| Timestamp::from_micros((1_795_300_000_000 + millis) * 1000)),
            bearer_key: flags & 1 != 0,
            refused_by_guardrail: flags & 2 != 0,
            partially_guarded: flags & 4 != 0,
            by_event_id: flags & 8 != 0,
            ..call(*number, *millis)
        }).collect();
        let straight = facts(records.clone()).pack(EventIds::All, &Invocations::default());
        let reversed = facts(records.iter().rev().cloned()).pack(EventIds::All, &Invocations::default());
        prop_assert_eq!(&straight, &reversed);
        let mut expected = owned(&facts(records));
        expected.dedup();
        prop_assert_eq!(unpacked(&straight), expected);
    }
}
