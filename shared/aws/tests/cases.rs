//! Runs every case `events/<rule>/<case>/` through the hub's handlers, on a DynamoDB engine. The findings must be those of the domain for
//! the same records, which the command line prints.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails, as it should")]

mod support;

use std::{collections::BTreeSet, path::Path, sync::LazyLock};

use audit_aws::{
    fact::{Content, Fact, ReadFact},
    fold::{Basis, Trust},
    invocations::Message,
    partition::{AccountRegion, Source},
};
use audit_core::{
    auditor::{self, AuditOptions, Selection},
    config::Configuration,
    facts::{Collector, Taken},
    finding::Finding,
    timestamp::Timestamp,
};
use cases::Case;
use serde_json::Value;
use support::{StateOf, bucket_with, invocation_auditor, now, own, tables, world_of};

static EVERYTHING: LazyLock<Selection> = LazyLock::new(Selection::default);

datatest_stable::harness! {
    { test = gives_what_the_command_line_gives, root = "../../events", pattern = r"^[^/]+/[^/]+/event\.json$" },
}

fn gives_what_the_command_line_gives(event: &Path) -> datatest_stable::Result<()> {
    let case = Case::of_event(event);
    let bodies: Vec<String> = case.events()?.iter().map(Value::to_string).collect();
    let times: Vec<Timestamp> = bodies.iter().filter_map(|body| time_of(body)).collect();
    let configuration = case.configuration_file().map(std::fs::read_to_string).transpose()?;
    let world = world_of(&case);

    let (expected, explained) = {
        let wanted = auditor::wanted();
        let mut collector = Collector::new(&wanted);
        for body in &bodies {
            let _: Taken = collector.value(body.as_bytes());
        }
        let configuration = configuration.as_deref().map(Configuration::parse).transpose()?.unwrap_or_default();
        let facts = collector.into_facts();
        let mut findings = auditor::audit(facts.clone(), world.world.clone(), &options(&configuration)).findings;
        findings.sort_by(|a, b| a.id.cmp(&b.id));
        // One is explained: that the hub's facts tell the same of it, too.
        let explained = findings.iter().find(|finding| finding.verdict.is_some()).map(|finding| {
            let steps = auditor::explain_finding(&finding.id, facts, world.world.clone(), &options(&configuration));
            (finding.id.clone(), finding.account.clone(), steps)
        });
        (findings, explained)
    };

    let found: Vec<Finding> = tokio::runtime::Runtime::new()?.block_on(async {
        let tables = tables().await;
        let bucket = bucket_with(world.files.clone(), configuration.as_deref()).await;
        let state = StateOf { account_region: None, files: world.files.iter().cloned().collect() };
        let ids: Vec<String> = (0..bodies.len()).map(|number| number.to_string()).collect();
        let messages: Vec<Message<'_>> = ids.iter().zip(&bodies).map(|(id, body)| Message { id, body }).collect();
        let outcome = invocation_auditor(&tables, state).take(Some(&own()), &messages).await;
        assert_eq!(outcome.flow.taken_in, outcome.flow.judged + outcome.flow.ignored + outcome.flow.unreadable);
        assert_eq!(outcome.failed.len() as u64, outcome.flow.unreadable, "only what can't be read comes again");
        // The hub folds every account, with or without records of its own.
        for account in accounts(&world.files) {
            for time in [times.iter().min(), times.iter().max()].into_iter().flatten() {
                let read = Content::Read(ReadFact { time: *time, changed: Vec::new(), complete: false, history: None });
                let fact = Fact::new(Source::Hub, AccountRegion::new(account.as_str(), "us-east-1"), Some(*time), read);
                tables.observations().put(&fact).await.unwrap();
            }
        }
        let alone = Trust { organization: false, ..Trust::default() };
        // A fact is written later than the event that it records.
        let written = times.iter().copied().chain([now()]).max().unwrap_or_else(now);
        // Cases that are older than a day and a half are sealed, and judged by their sums.
        let judging = tables.sealing_fold_at(&bucket, alone, now());
        tables.fold_all_written_at(&judging, written).await;
        if let Some((id, account, steps)) = explained {
            assert!(steps.is_some(), "a finding about calls has a latest call");
            let Basis { facts, earlier, world, configuration } = judging.basis(&account).await.unwrap();
            assert_eq!(auditor::explain_finding_after(&id, earlier, facts, world, &options(&configuration)), Ok(steps));
        }
        tables.all_findings().await
    });
    let json = |findings: &[Finding]| serde_json::to_string_pretty(findings).unwrap();
    assert_eq!(json(&found), json(&expected));
    Ok(())
}

fn options(configuration: &Configuration) -> AuditOptions<'_> {
    AuditOptions { configuration, selection: &EVERYTHING, now: now(), threads: 1 }
}

fn time_of(body: &str) -> Option<Timestamp> {
    let json: Value = serde_json::from_str(body).ok()?;
    Timestamp::parse(json.get("detail").unwrap_or(&json).get("eventTime")?.as_str()?)
}

/// The accounts that a world has files of.
fn accounts(files: &[(String, Vec<u8>)]) -> BTreeSet<String> {
    let texts = files.iter().flat_map(|(path, json)| [path.clone(), String::from_utf8_lossy(json).into_owned()]);
    let words = texts.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| word.len() == 12 && word.bytes().all(|b| b.is_ascii_digit())).collect()
}
