//! `docs/operating.md` agrees with the templates. `UPDATE_DOCS=1` writes the tables of parameters anew.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use audit_core::telemetry::{DATA_RESOURCES, LoggedEvent, Recorded, Telemetry};
use end_to_end::{
    commands::{commands_in, parse},
    template::{Template, files_below, root, text},
};
use serde_json::{Value, json};

fn operating() -> String {
    std::fs::read_to_string(root().join("docs/operating.md")).unwrap()
}

/// The table of a template's parameters, in the template's order, with defaults and allowed values.
fn table(template: &Template) -> String {
    let mut table = "| Parameter | Default | |\n|---|---|---|\n".to_owned();
    for (name, parameter) in template.parameters() {
        let default = match text(&parameter["Default"]) {
            empty if empty.is_empty() => "(empty)".to_owned(),
            default => format!("`{default}`"),
        };
        let allowed = parameter["AllowedValues"].as_array().map(|values| values.iter().map(text).collect::<Vec<_>>().join(", "));
        let allowed = allowed.map(|values| format!(" One of {values}.")).unwrap_or_default();
        writeln!(table, "| `{name}` | {default} | {}{allowed} |", text(&parameter["Description"]).trim()).unwrap();
    }
    table
}

#[test]
fn every_parameter_is_explained() {
    let mut document = operating();
    for (name, template) in [("template.yaml", Template::hub()), ("member.yaml", Template::member())] {
        let marker = format!("<!-- parameters of {name} -->\n");
        let start =
            document.find(&marker).unwrap_or_else(|| panic!("docs/operating.md has no place for the parameters of {name}")) + marker.len();
        let end = start + document[start..].find("<!-- end -->").unwrap();
        let table = table(&template);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            document.replace_range(start..end, &table);
            std::fs::write(root().join("docs/operating.md"), &document).unwrap();
        } else {
            assert!(
                document[start..end] == table,
                "the parameters of {name} have changed: UPDATE_DOCS=1 cargo test --package end-to-end --test documents"
            );
        }
    }
}

/// The AWS command line accepts every command that a document prints.
#[test]
fn the_commands_of_documents_are_what_the_command_line_takes() {
    let folder = root().join("docs");
    let documents = files_below(&folder).chain([root().join("README.md"), root().join("CONTRIBUTING.md")]);
    let (mut places, mut commands) = (Vec::new(), Vec::new());
    for document in documents.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(&document).unwrap();
        // Only blocks between fences count: a command in a sentence is incomplete.
        let blocks = text.split("```").skip(1).step_by(2).collect::<Vec<_>>().join("\n");
        for command in commands_in(&blocks) {
            places.push(document.clone());
            commands.push(command);
        }
    }
    assert!(commands.len() > 10, "{} commands are not what the documents print", commands.len());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("guardrail-audit.toml"), "").unwrap();
    // All at once: the parser takes longer to start than for many commands.
    let parsed = parse(&commands, folder.path());
    assert_eq!(parsed.len(), commands.len());
    for ((document, command), parsed) in places.iter().zip(&commands).zip(parsed) {
        assert_eq!(parsed.code, 0, "{}: {command:?}: {}", document.display(), parsed.printed);
        assert!(!parsed.requests.is_empty(), "{}: {command:?} asks for nothing", document.display());
    }
}

/// Every parameter has a description, a default and a group for whoever deploys.
#[test]
fn every_parameter_has_a_default_a_description_and_a_group() {
    for template in [Template::hub(), Template::member()] {
        let groups = template.0.pointer("/Metadata/AWS::CloudFormation::Interface/ParameterGroups").unwrap();
        let mut grouped: Vec<_> =
            groups.as_array().unwrap().iter().flat_map(|group| group.get("Parameters").unwrap().as_array().unwrap()).map(text).collect();
        let mut named: Vec<_> = template.parameters().keys().cloned().collect();
        for (name, parameter) in template.parameters() {
            assert!(parameter.get("Default").is_some(), "{name} has no default");
            let description = text(&parameter["Description"]);
            assert!(description.len() > 20 && description.ends_with('.'), "{name}: {description}");
        }
        grouped.sort();
        named.sort();
        assert_eq!(grouped, named);
    }
}

/// The outputs, alarms, examples and parameters that the text names exist.
#[test]
fn what_the_text_names_exists() {
    let document = operating();
    let (hub, member) = (Template::hub(), Template::member());
    let exists = |name: &str| {
        let in_template =
            |template: &Template| template.parameters().contains_key(name) || template.0.pointer(&format!("/Outputs/{name}")).is_some();
        in_template(&hub) || in_template(&member)
    };
    for placeholder in document.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(name, _)| name) {
        if placeholder.ends_with("Arn") || placeholder.ends_with("Name") || placeholder.ends_with("Url") {
            assert!(exists(placeholder), "<{placeholder}>");
        }
    }
    for assigned in document.split_whitespace().filter_map(|word| word.trim_matches('`').split_once('=')).map(|(name, _)| name) {
        let parameter =
            assigned.chars().next().is_some_and(char::is_uppercase) && assigned.chars().all(|letter| letter.is_ascii_alphanumeric());
        if parameter && !["OrganizationalUnitIds"].contains(&assigned) {
            assert!(exists(assigned), "{assigned}=…");
        }
    }
    for example in std::fs::read_dir(root().join("deploy")).unwrap() {
        let name = example.unwrap().file_name().into_string().unwrap();
        assert!(document.contains(&format!("(../deploy/{name})")), "nothing says what deploy/{name} is for");
    }
    let alarms = |parameters: &[(&str, &str)]| -> Vec<String> {
        let stack = hub.stack("111122223333", "us-east-1", parameters);
        stack.of_type("AWS::CloudWatch::Alarm").map(|(_, alarm)| text(&alarm["AlarmName"])).collect()
    };
    let all = alarms(&[("OrganizationId", "o-exampleorgid"), ("SecurityHub", "true")]);
    for kind in ["dead-letters", "late", "errors", "refused-imports", "configuration-unreadable", "quarantined-account", "silent-account"] {
        assert!(all.iter().any(|alarm| alarm.starts_with(&format!("guardrail-audit-{kind}"))), "{kind}");
    }
    let known =
        ["dead-letters-", "late-", "errors-", "refused-imports", "configuration-unreadable", "quarantined-account", "silent-account"];
    for alarm in &all {
        let name = alarm.strip_prefix("guardrail-audit-").unwrap();
        assert!(known.iter().any(|kind| name.starts_with(kind)), "nothing says what to do about {alarm}");
    }
    let (alone, organization) = (alarms(&[]).len(), alarms(&[("OrganizationId", "o-exampleorgid")]).len());
    let said =
        format!("alarms, {alone} alone and {organization} with an organization, and {} with `SecurityHub`", all.len() - organization);
    assert!(document.contains(&said), "{said}");
}

/// The event selectors that the text and the template give a trail cover every operation that runs a model.
#[test]
fn the_selectors_leave_no_blind_spot() {
    let document = operating();
    let (start, end) = ("--advanced-event-selectors '", "'\n```");
    let selectors = document.split_once(start).and_then(|(_, rest)| rest.split_once(end)).unwrap().0;
    let by_text: Value = serde_json::from_str(selectors).unwrap();
    let stack = Template::hub().stack("111122223333", "us-east-1", &[("CreateTrail", "true"), ("TrailDataEvents", "true")]);
    let (_, trail) = stack.of_type("AWS::CloudTrail::Trail").next().unwrap();
    for (whose, selectors) in [("docs/operating.md", &by_text), ("template.yaml", &trail["AdvancedEventSelectors"])] {
        let telemetry = Telemetry::from_json(&json!({"IsLogging": true, "AdvancedEventSelectors": selectors})).unwrap();
        let events = DATA_RESOURCES.iter().map(|resource| resource.event).chain([LoggedEvent::EVALUATION]).chain(LoggedEvent::INVOCATIONS);
        let unseen: Vec<_> = events.filter(|event| telemetry.records(*event) != Recorded::Yes).map(|event| event.resource_type).collect();
        assert!(unseen.is_empty(), "the selectors of {whose} lack {unseen:?}");
    }
}
