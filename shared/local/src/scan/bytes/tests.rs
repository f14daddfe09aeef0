use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::*;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Returns the pieces of a file with these bytes, and whether reading it failed.
fn read(bytes: &[u8]) -> (Vec<String>, bool) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let (by_file, by_stream) = (Cell::new(Vec::new()), Cell::new(Vec::new()));
    let shown = |piece: Piece<'_>| match piece {
        Piece::Value(value) => String::from_utf8_lossy(value).into_owned(),
        Piece::Line { line, .. } => format!("line {}", String::from_utf8_lossy(line)),
        Piece::Row(row) => format!("row {}", serde_json::Value::Object(row)),
        Piece::Broken(why) => why.to_owned(),
        Piece::Lost(why) => format!("lost {why}"),
        Piece::Foreign { kind, inside } => format!("{}{}", kind.name, inside.map(|name| format!(" {name}")).unwrap_or_default()),
        Piece::NextFile => "next".to_owned(),
    };
    let keep = |kept: &Cell<Vec<String>>, piece: Piece<'_>| {
        let mut pieces = kept.take();
        pieces.push(shown(piece));
        kept.set(pieces);
    };
    let mut contents = Contents::default();
    let outcome =
        contents.each_of_file(file.path(), bytes.len() as u64, false, &Meter::new(None, None), &mut |piece| keep(&by_file, piece));
    let streamed = contents.each_of(&mut { bytes }, false, &mut |piece| keep(&by_stream, piece));
    let (by_file, by_stream) = (by_file.take(), by_stream.take());
    assert_eq!((&by_file, outcome.is_err()), (&by_stream, streamed.is_err()), "a file and a stream of the same bytes");
    (by_file, outcome.is_err())
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn what_is_packed_into_each_other_is_read() {
    let file = "{\"a\":1}\n{\"b\":2}\n";
    let expected = ["{\"a\":1}", "{\"b\":2}"];
    let utf16: Vec<u8> = format!("\u{feff}{file}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gzip_of = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for packed in [utf16.clone(), gzip_of(&utf16), gzip_of(&gzip(file)), gzip_of(&gzip_of(&gzip(file)))] {
        assert_eq!(read(&packed), (expected.map(str::to_owned).to_vec(), false));
    }
    let archive = zipped(&[
        ("a.json", b"{\"a\":1}"),
        ("logs/b.json.gz", &gzip("{\"b\":2}")),
        ("c.png", b"\x89PNG\r\n\x1a\n"),
        ("d.zip", b"PK\x03\x04"),
    ]);
    let (pieces, failed) = read(&archive);
    assert!(!failed);
    assert_eq!(
        pieces,
        ["next", "{\"a\":1}", "next", "{\"b\":2}", "next", "image c.png", "next", "compressed in itself, too often d.zip", "next"]
    );
    let mut bomb = gzip(file);
    for _ in 0..8 {
        bomb = gzip_of(&bomb);
    }
    assert_eq!(read(&bomb).0, ["compressed in itself, too often"]);
    let mut damaged = archive;
    let end = damaged.len() / 2;
    damaged.truncate(end);
    assert!(read(&damaged).1);
}

#[test]
fn what_comes_out_of_archives_is_bounded() {
    let left = Cell::new(10);
    let mut out = Vec::new();
    assert!(Bounded { reader: &b"0123456789"[..], left: &left }.read_to_end(&mut out).is_ok());
    assert!(Bounded { reader: &b"x"[..], left: &left }.read_to_end(&mut out).is_err());
}

#[test]
fn what_is_no_json_is_reported_by_its_kind() {
    assert_eq!(read(b"PAR1\x15\0").0, ["Parquet"]);
    assert_eq!(read(b"2026 {\"a\":1}\nplain").0, ["line 2026 {\"a\":1}", "line plain"]);
    assert_eq!(read(b"eventName,x\nConverse,1\n").0, [r#"row {"eventName":"Converse","x":"1"}"#]);
    assert_eq!(read(b"").0, Vec::<String>::new());
}

#[test]
fn compressed_and_plain_files_give_the_same() {
    let file = r#"{"Records":[{"a":1},{"b":2}]}"#;
    assert_eq!(read(file.as_bytes()), (vec![r#"{"a":1}"#.into(), r#"{"b":2}"#.into()], false));
    assert_eq!(read(&gzip(file)), read(file.as_bytes()));
}

#[test]
fn every_member_of_a_gzip_file_is_read() {
    let file = [gzip("{\"a\":1}\n"), gzip("{\"b\":2}\n"), gzip("{\"a\":1}\n")].concat();
    assert_eq!(read(&file).0, [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"a":1}"#]);
}

#[test]
fn what_only_looks_like_another_member_is_none() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&[b"{\"a\":\"".as_slice(), GZIP_MAGIC, b"\"}"].concat()).unwrap();
    let one = encoder.finish().unwrap();
    let in_one_go = |compressed: Vec<u8>| inflate(&mut Decompressor::new(), &compressed, &mut Buffer::default()).unwrap().is_some();
    assert!(in_one_go(one.clone()));
    assert!(!in_one_go([one.clone(), one.clone()].concat()), "two of the same size");
    assert!(!in_one_go([one.clone(), b"junk".to_vec(), one].concat()), "whatever stands between them");
}

#[test]
fn a_damaged_file_gives_what_can_be_read_and_fails() {
    let whole = gzip(&"{\"a\":1}\n".repeat(1000));
    let (frames, failed) = read(&whole[..whole.len() / 2]);
    assert!(failed && frames.iter().all(|frame| frame == r#"{"a":1}"#));
    // Random letters don't compress well, so that half of the bytes hold half of the records.
    let letters = |number: u64| {
        (0..40).map(|at| char::from(b'a' + u8::try_from((number * 7919 + at * at * 104_729) % 23).unwrap())).collect::<String>()
    };
    let records = (0..200).map(|number| format!("{{\"a\":\"{}\"}}", letters(number))).collect::<Vec<_>>().join(",");
    let small = gzip(&format!("{{\"Records\":[{records}]}}"));
    let (frames, failed) = read(&small[..small.len() / 2]);
    assert!(failed && !frames.is_empty() && frames.len() < 200, "{}", frames.len());
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    assert!(read(&flipped).1);
    let mut trailing = whole;
    trailing.extend(b"junk");
    assert!(read(&trailing).1, "bytes behind the stream are an error");
}

#[test]
fn zeros_behind_a_gzip_file_are_padding() {
    let mut padded = gzip("{\"a\":1}\n");
    padded.extend([0; 512]);
    assert_eq!(read(&padded), (vec![r#"{"a":1}"#.into()], false));
    padded.extend(gzip("{\"b\":2}\n"));
    padded.push(0);
    assert_eq!(read(&padded), (vec![r#"{"a":1}"#.into(), r#"{"b":2}"#.into()], false));
    padded.push(1);
    assert!(read(&padded).1);
}

#[test]
fn a_large_file_is_read_through_a_window() {
    let record = format!("{{\"a\":\"{}\"}}\n", "x".repeat(700_000));
    let file = record.repeat(40);
    assert!(file.len() > IN_ONE_GO);
    assert_eq!(read(file.as_bytes()).0.len(), 40);
    assert_eq!(read(&gzip(&file)).0.len(), 40);
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST_RECORD + IN_ONE_GO));
    let small = "{\"b\":2}";
    for file in [format!("{huge}\n{small}"), format!("{{\"Records\":[{huge},{small}]}}")] {
        assert_eq!(read(file.as_bytes()).0, ["a record of more than 16 MiB", small]);
    }
}
