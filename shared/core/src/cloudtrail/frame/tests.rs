use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Reads a whole file in windows of `step` bytes and returns all frames.
fn frames_in(mut frames: Frames, file: &[u8], step: usize) -> Vec<Result<String, &'static str>> {
    let mut found = Vec::new();
    let (mut start, mut end) = (0, step.min(file.len()));
    loop {
        let (used, frame) = frames.next(&file[start..end], end == file.len());
        start += used;
        match frame {
            Frame::Value(value) => found.push(Ok(String::from_utf8_lossy(value).into_owned())),
            Frame::Text(line) => found.push(Ok(format!("text: {}", String::from_utf8_lossy(line)))),
            Frame::Broken(why) => found.push(Err(why)),
            Frame::More => {
                assert!(end < file.len(), "asked for more than there is");
                end = (end + step).min(file.len());
            }
            Frame::End => return found,
        }
    }
}

fn frames(file: &str) -> Vec<Result<String, &'static str>> {
    frames_in(Frames::default(), file.as_bytes(), usize::MAX)
}

fn values(file: &str) -> Vec<String> {
    frames(file).into_iter().map(Result::unwrap).collect()
}

#[test]
fn records_are_found_in_every_kind_of_file() {
    let expected = [r#"{"a":"}]\""}"#, r#"{"b":[{}]}"#];
    let [a, b] = expected;
    for file in [
        format!(r#"{{"Records":[{a},{b}]}}"#),
        format!("\u{feff} {{ \"Records\" : [\n  {a} ,\n  {b}\n ] , \"more\": {{\"x\":[1]}} }}\n"),
        format!(r#"{{"NextToken":"x\"Records\":[","Events":[{a},{b}],"Last":null}}"#),
        format!("[{a},{b}]"),
        format!("{a}\n{b}"),
        format!("{a}\r\n\r\n{b}\r\n"),
        format!("{a}{b}"),
        format!(r#"{{"Records":[{a}]}}{{"Records":[{b}]}}"#),
        format!(r#"{{"Records":[],"Events":[{a},{b}]}}"#),
        format!(r#"{{"searchedLogStreams":[],"events":[{a},{b}]}}"#),
        format!(r#"{{"QueryStatus":"FINISHED","QueryResultRows":[{a},{b}]}}"#),
    ] {
        assert_eq!(values(&file), expected, "{file}");
    }
    assert_eq!(values(""), Vec::<String>::new());
    assert_eq!(values(r#"{"Records":[]}"#), Vec::<String>::new());
    assert_eq!(values(r#"{"requestParameters":{"Records":[1]}}"#).len(), 1, "only the object's own list is a wrapper");
}

#[test]
fn a_broken_value_does_not_hide_the_next() {
    assert_eq!(values(r#"{"Records":[{bad: },{"b":1},17,"x",null,{"c":2}]}"#).len(), 6, "left to the parser");
    let broken = "the record is cut off";
    assert_eq!(frames("{\"a\":{\n{\"b\":1}\n"), [Err(broken), Ok(r#"{"b":1}"#.into())]);
    assert_eq!(frames("{\"a\":\"x\n{\"b\":1}\n{\"c\":1}"), [Err(broken), Ok(r#"{"b":1}"#.into()), Ok(r#"{"c":1}"#.into())]);
    assert_eq!(
        frames("{\"a\":{\n{\"b\":1}}\n{\"c\":1}"),
        [Err(broken), Ok(r#"{"b":1}"#.into()), Ok("text: }".into()), Ok(r#"{"c":1}"#.into())]
    );
    assert_eq!(values("junk\n{\"b\":1}"), ["text: junk", r#"{"b":1}"#]);
    let unindented = "{\n\"a\":[\n{\n\"b\":1\n}\n]\n}";
    assert_eq!(values(unindented), [unindented], "valid JSON, although a line starts with a brace");
}

#[test]
fn a_file_that_is_cut_off_is_broken_once() {
    assert_eq!(frames(r#"{"Records":[{"a":1},{"b":"#).last(), Some(&Err("the file ends inside a record")));
    assert_eq!(frames(r#"{"Records":[{"a":1}"#), [Ok(r#"{"a":1}"#.into()), Err("the file ends inside a list of records")]);
    assert_eq!(frames(r#"{"Records":[{"a":1}],"x"#), [Ok(r#"{"a":1}"#.into()), Err("the object around the records is cut off")]);
    assert_eq!(frames(r#"{"a":"#), [Err("the file ends inside a record")]);
}

#[test]
fn brackets_around_words_are_text() {
    for line in ["[INFO] {\"a\":1}", "[2026-11-20 10:00] {\"a\":1}", "2026-11-20 {\"a\":1}", "[5]", "["] {
        assert_eq!(values(line), [format!("text: {line}")]);
    }
    assert_eq!(frames_in(Frames::default(), b"[INFO] x\n[\n{\"a\":1}]", 1), [Ok("text: [INFO] x".into()), Ok(r#"{"a":1}"#.into())]);
}

#[test]
fn what_is_given_up_hides_nothing_behind_it() {
    let large = format!(r#"{{"a":"}}\"{}","b":[{{}}]}}"#, "x".repeat(500));
    let (small, string) = (r#"{"c":1}"#, format!(r#""\\\"{}""#, "x".repeat(500)));
    for (file, expected) in [
        (format!(r#"{{"Records":[{small},{large},{small}]}}"#), 3),
        (format!("[{small},{string},{small}]"), 3),
        (format!("{small}\n{large}{small}"), 3),
        (format!("{small}\ntext {}\n{small}", "x".repeat(500)), 3),
        (format!("[{small},{large}"), 3),
    ] {
        for step in [1, 7, 64] {
            let (mut frames, mut window, mut found) = (Frames::default(), Vec::new(), Vec::new());
            let mut bytes = file.bytes();
            loop {
                let last = bytes.len() == 0;
                let (used, frame) = frames.next(&window, last);
                let mut gone = used;
                let more = match frame {
                    Frame::Value(value) => {
                        found.push(value.to_vec());
                        false
                    }
                    Frame::Text(_) | Frame::Broken(_) => {
                        found.push(b"broken".to_vec());
                        false
                    }
                    Frame::More => true,
                    Frame::End => break,
                };
                if more && window.len() - used >= 100 {
                    let (further, why) = frames.give_up(&window[used..]);
                    gone += further;
                    found.push(why.as_bytes().to_vec());
                }
                window.drain(..gone);
                if more {
                    window.extend(bytes.by_ref().take(step));
                }
            }
            assert_eq!(found.len(), expected, "{file} by {step}");
            assert_eq!(found.iter().filter(|value| value.starts_with(b"a record of more")).count(), 1);
        }
    }
}

#[test]
fn a_file_of_broken_lines_takes_linear_time() {
    let file = "{\n".repeat(200_000);
    assert_eq!(frames(&file).len(), 200_000);
}

#[test]
fn line_by_line_a_value_never_reaches_into_the_next_line() {
    let file = "{\"a\":\n{\"b\":1}\n";
    let found = frames_in(Frames::line_by_line(), file.as_bytes(), usize::MAX);
    assert_eq!(found, [Err("the record is cut off"), Ok(r#"{"b":1}"#.into())]);
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![r#"["\\\\{}\[\],:a-c\n é]{0,40}"#, "[a-z]{60,70}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(text.clone(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    /// The values found equal those of a JSON parser, wherever windows and blocks of 64 bytes end.
    #[test]
    fn frames_agree_with_a_json_parser(values in proptest::collection::vec(json_value(), 1..6), pretty: bool, step in 1_usize..200) {
        let file = json!({"first": values.first(), "Records": values, "last": [1]});
        let file = if pretty { serde_json::to_string_pretty(&file).unwrap() } else { file.to_string() };
        let found: Vec<Value> = frames_in(Frames::default(), file.as_bytes(), step)
            .into_iter()
            .map(|frame| serde_json::from_str(&frame.unwrap()).unwrap())
            .collect();
        prop_assert_eq!(found, values);
    }

    #[test]
    fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b'\n'), Just(b','), any::<u8>()], 0..300), step in 1_usize..100) {
        let whole = frames_in(Frames::default(), &bytes, usize::MAX);
        let windowed = frames_in(Frames::default(), &bytes, step);
        prop_assert!(whole.len() <= bytes.len() + 1 && windowed.len() <= bytes.len() + 1);
    }
}
