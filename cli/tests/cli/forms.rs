//! The forms that records are stored in, and the files that lie beside them.

use std::io::Write as _;

use serde_json::{Value, json};

use super::runner::{NOW, Ran, UNENFORCED, at, call, folder, run, run_with};

/// Reports on a file or folder, in a world in which nothing is enforced.
fn audit(folder: &tempfile::TempDir, input: &str, further: &[&str]) -> Ran {
    let (input, world) = (at(folder, input), at(folder, "world"));
    run(&[&["audit", &input, "--world", &world, "--now", NOW, "--format", "json", "--fail-on", "never"], further].concat())
}

fn zipped(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn whatever_records_come_in_the_report_is_the_same() {
    let calls = [call(1), call(2)];
    let texts = calls.each_ref().map(Value::to_string);
    let file = json!({"Records": calls}).to_string();
    let lookup = json!({"Events": texts.each_ref().map(|text| json!({"EventName": "Converse", "CloudTrailEvent": text}))});
    let indented = serde_json::to_string_pretty(&lookup).unwrap();
    let cell = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let columns = |call: &Value| {
        let identity = "{type=AssumedRole, arn=arn:aws:sts::222233334444:assumed-role/app/session, accountid=222233334444, \
            sessioncontext={sessionissuer={type=Role, arn=arn:aws:iam::222233334444:role/app}}}";
        let text = |name: &str| call[name].as_str().unwrap();
        let row = [
            "bedrock.amazonaws.com",
            "Converse",
            "AwsApiCall",
            "2026-11-20 10:00:00.000",
            "us-east-1",
            "222233334444",
            &cell(identity),
            &cell(&call["requestParameters"].to_string()),
            text("requestID"),
            text("eventID"),
        ];
        row.join(",")
    };
    let heading = "eventsource,eventname,eventtype,eventtime,awsregion,recipientaccountid,useridentity,requestparameters,requestid,eventid";
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("records", file.clone().into()),
        ("strings.json", json!(texts).to_string().into()),
        ("slurped.json", json!([{"Records": [calls[0]]}, {"Records": [calls[1]]}]).to_string().into()),
        (
            "messages.json",
            json!({"events": texts.each_ref().map(|text| json!({"message": text})), "searchedLogStreams": []}).to_string().into(),
        ),
        ("windows.json", utf16(&indented)),
        ("tailed.log", texts.each_ref().map(|text| format!("2026-11-20T10:00:00.000000+00:00 trail {text}")).join("\n").into()),
        ("lake.csv", format!("eventJson\n{}\n{}\n", cell(&texts[0]), cell(&texts[1])).into()),
        ("athena.csv", format!("{heading}\n{}\n{}\n", columns(&calls[0]), columns(&calls[1])).into()),
        ("logs.zip", zipped(&[("a/records.json", file.clone().into())])),
        ("text.txt", format!("{}\t{}\n", texts[0], texts[1]).into()),
        ("grep.txt", indented.lines().filter(|line| line.contains("CloudTrailEvent")).collect::<Vec<_>>().join("\n").into()),
    ];
    let files: Vec<(&str, &[u8])> =
        forms.iter().map(|(name, content)| (*name, content.as_slice())).chain(UNENFORCED.iter().copied()).collect();
    let folder = folder(&files);
    let expected = audit(&folder, "records", &[]).json();
    assert_eq!(expected["invocations"]["violation"], 2);
    for (name, content) in &forms {
        let by_name = audit(&folder, name, &[]);
        assert_eq!((&by_name.json(), by_name.stderr.as_str()), (&expected, ""), "{name}");
        let world = at(&folder, "world");
        let piped = run_with(content.clone(), &["audit", "-", "--world", &world, "--now", NOW, "--format", "json", "--fail-on", "never"]);
        assert_eq!(piped.json(), expected, "{name} on standard input");
    }
}

#[test]
fn a_folder_is_read_by_what_its_files_hold() {
    let calls: Vec<String> = (0..4).map(|number| call(number).to_string()).collect();
    let log = json!({"logGroup": "trail", "logEvents": [{"message": calls[2]}], "messageType": "DATA_MESSAGE"}).to_string();
    let folder = folder(
        &[
            UNENFORCED,
            &[
                ("in/AWSLogs/a.json", calls[0].as_bytes()),
                (
                    "in/firehose-1-2026-11-20-10-00-00-0f0f",
                    format!("{}{}", calls[1], calls[1].replace("000000000001", "000000000009")).as_bytes(),
                ),
                ("in/exported/000000", log.as_bytes()),
                ("in/empty", b""),
                ("in/README.md", format!("# Logs\n\n```json\n{}\n```\n", calls[3]).as_bytes()),
                ("in/notes.txt", b"collected by hand"),
                ("in/.DS_Store", b"\0\0\0\x01Bud1\0\0"),
                ("in/chart.png", b"\x89PNG\r\n\x1a\n\0\0"),
                ("in/old.parquet", b"PAR1\x15\x04\x15\0"),
            ],
        ]
        .concat(),
    );
    let ran = audit(&folder, "in", &[]);
    let report = ran.json();
    assert_eq!((&report["records"]["judged"], &report["records"]["read"]), (&4.into(), &5.into()), "{}", report["records"]);
    assert_eq!(report["records"]["left_out"], json!({"image": 1, "settings of a folder": 1, "text": 2}));
    let unreadable = report["unreadable"].as_array().unwrap();
    assert!(
        matches!(unreadable.as_slice(), [one] if one["file"].as_str().unwrap().ends_with("old.parquet") && one["record"].is_null()),
        "{unreadable:?}"
    );
    assert!(ran.stderr.contains("note: 4 files are no logs and were left out: 1 image (such as "), "{}", ran.stderr);
    for named in ["in/notes.txt", "in/README.md", "in/chart.png"] {
        let report = audit(&folder, named, &[]).json();
        let unreadable = report["records"]["unreadable"].as_u64().unwrap() + report["records"]["judged"].as_u64().unwrap();
        assert_eq!(unreadable, 1, "what is named itself has to be a log: {named}");
    }
}

#[test]
fn what_the_program_keeps_beside_the_logs_is_no_log() {
    let folder = folder(&[UNENFORCED, &[("in/a.json", call(1).to_string().as_bytes())]].concat());
    let (store, output) = (at(&folder, "in/findings.db"), at(&folder, "in/report"));
    for _ in 0..2 {
        let ran = audit(&folder, "in", &["--store", &store, "--output", &output]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&output).unwrap()).unwrap();
        assert_eq!((&report["records"]["read"], &report["records"]["unreadable"]), (&1.into(), &0.into()));
    }
}

fn log(request: u32, output: &Value) -> Value {
    json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "timestamp": "2026-11-20T10:00:00Z", "accountId": "222233334444",
        "region": "us-east-1", "requestId": format!("00000000-0000-4000-a000-{request:012}"), "operation": "Converse",
        "modelId": "amazon.nova-pro-v1:0", "output": output})
}

fn blind<'r>(report: &'r Value, missing: &str) -> Option<&'r str> {
    report["blind"].as_array().unwrap().iter().find(|row| row["missing"] == missing).and_then(|row| row["remedy"].as_str())
}

#[test]
fn logs_without_their_records_and_answers_without_their_logs_are_blind_spots() {
    let elsewhere = json!({"outputBodyS3Path": "s3://logs/data/x_output.json.gz"});
    let lines = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let folder = folder(
        &[
            UNENFORCED,
            &[
                ("alone.json", lines(&[log(1, &json!({})), log(1, &json!({})), log(2, &json!({}))]).as_bytes()),
                ("both.json", lines(&[log(1, &elsewhere), call(1)]).as_bytes()),
                (
                    "in/AWSLogs/1/BedrockModelInvocationLogs/us-east-1/2026/11/20/10/data/00000000-0000-4000-a000-000000000001_input.json",
                    // Callers write the content of bodies.
                    call(7).to_string().as_bytes(),
                ),
            ],
        ]
        .concat(),
    );
    let alone = audit(&folder, "alone.json", &[]).json();
    assert!(
        blind(&alone, "calls_not_read").unwrap().starts_with("2 calls that only a model invocation log tells of"),
        "{}",
        alone["blind"]
    );
    let both = audit(&folder, "both.json", &[]).json();
    assert_eq!(blind(&both, "calls_not_read"), None);
    assert!(blind(&both, "log_bodies").unwrap().starts_with('1'), "{}", both["blind"]);
    assert_eq!(both["invocations"]["violation"], 1);
    let body = audit(&folder, "in", &[]).json();
    assert_eq!(body["records"]["ignored_because"], json!({"body of a model call, no record": 1}));
}

#[test]
fn what_is_not_cloudtrails_is_counted_and_named() {
    let event = json!({"version": "0", "detail-type": "Batch Inference Job State Change", "source": "aws.bedrock", "detail": {"status": "Completed"}});
    let names_files = json!({"s3Bucket": "trail", "s3ObjectKey": ["AWSLogs/x.json.gz"]});
    let folder = folder(
        &[
            UNENFORCED,
            &[
                ("events.json", json!([event, call(1)]).to_string().as_bytes()),
                ("message.json", names_files.to_string().as_bytes()),
                ("pack.xz", b"\xfd7zXZ\0\0\x04"),
            ],
        ]
        .concat(),
    );
    let report = audit(&folder, "events.json", &[]).json();
    assert_eq!(report["records"]["ignored_because"], json!({"an event of EventBridge, not of CloudTrail": 1}));
    assert_eq!((&report["records"]["judged"], &report["records"]["unreadable"]), (&1.into(), &0.into()));
    for (name, word) in [("message.json", "names files in S3"), ("pack.xz", "xz: not read: unpack it first")] {
        let ran = audit(&folder, name, &[]);
        assert_eq!(ran.json()["records"]["unreadable"], 1);
        assert!(ran.stderr.contains(word), "{name}: {}", ran.stderr);
    }
}

#[test]
fn a_record_that_is_too_large_hides_nothing_behind_it() {
    let mut large = call(1);
    large["additionalEventData"] = "x".repeat(17 << 20).into();
    let file = json!({"Records": [call(2), large, call(3)]}).to_string();
    let folder =
        folder(&[UNENFORCED, &[("a.json", file.as_bytes()), ("b.json", format!("{}\n{large}\n{}", call(2), call(3)).as_bytes())]].concat());
    for name in ["a.json", "b.json"] {
        let report = audit(&folder, name, &[]).json();
        assert_eq!((&report["records"]["judged"], &report["records"]["unreadable"]), (&2.into(), &1.into()), "{name}");
        assert_eq!(report["unreadable"][0]["reason"], "a record of more than 16 MiB");
    }
}
