//! Rules that everything in both templates follows: names, boundaries, wildcards with a reason, no cost while idle, and the same variables
//! and operations in code and templates.

use end_to_end::{
    deployment::{Deployment, FORWARDER, HUB, KEY, MEMBER, ORGANIZATION, REGION},
    template::{Stack, Template, files_below, root, text},
};
use serde_json::{Value, json};

/// In the older version of the policy language `${aws:PrincipalAccount}` is plain text.
#[test]
fn policies_are_of_the_version_that_knows_variables() {
    fn check(value: &Value, seen: &mut usize) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| check(item, seen)),
            Value::Object(map) => {
                if map.contains_key("Statement") {
                    assert_eq!(map.get("Version"), Some(&Value::from("2012-10-17")), "{value}");
                    *seen += 1;
                }
                map.values().for_each(|item| check(item, seen));
            }
            _ => {}
        }
    }
    let mut seen = 0;
    check(&Template::hub().0, &mut seen);
    check(&Template::member().0, &mut seen);
    assert!(seen > 25, "{seen}");
}

#[test]
fn a_permissions_boundary_reaches_every_role() {
    let boundary = "arn:aws:iam::111122223333:policy/boundary";
    let hub = Template::hub().stack(HUB, REGION, &[("PermissionsBoundaryArn", boundary), ("OrganizationId", ORGANIZATION)]);
    let members = ["Member", "Forwarded"].map(|nested| hub.nested(nested, &Template::member()));
    for stack in members.iter().chain([&hub]) {
        for (name, role) in stack.of_type("AWS::IAM::Role") {
            assert_eq!(role["PermissionsBoundary"], boundary, "{name}");
        }
    }
}

/// `"*"` as a resource stands only where the API has no other form, or in a Deny, and a comment in the template gives the reason.
#[test]
fn wildcard_resources_are_argued() {
    let without_resources = [
        "organizations:",
        "bedrock:ListEnforcedGuardrailsConfiguration",
        "bedrock:ListGuardrails",
        "bedrock:ListInferenceProfiles",
        "bedrock:ListAgents",
        "bedrock:ListFlows",
        "bedrock:GetModelInvocationLoggingConfiguration",
        "cloudtrail:DescribeTrails",
        "cloudtrail:LookupEvents",
        "cloudtrail:ListPublicKeys",
        "cloudtrail:DescribeTrails",
        "dynamodb:ListStreams",
    ];
    for (arn, role) in Deployment::of_an_organization().roles() {
        for policy in role["Policies"].as_array().unwrap() {
            for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
                if statement["Resource"] != "*" || statement["Effect"] == "Deny" {
                    continue;
                }
                let actions = match &statement["Action"] {
                    Value::Array(actions) => actions.iter().map(text).collect(),
                    one => vec![text(one)],
                };
                for action in actions {
                    assert!(without_resources.iter().any(|known| action.starts_with(known)), "{arn} may {action} on everything");
                    assert!(!action.contains('*'), "{arn} may {action}");
                }
            }
        }
    }
    for template in ["template.yaml", "member.yaml"] {
        let text = std::fs::read_to_string(root().join(template)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let statement = |line: &&str| line.trim_start().starts_with("- Sid:") || line.trim_start().starts_with("- { Sid:");
            if line.contains("Resource: \"*\"") {
                let start = (0..=number).rev().find(|&index| statement(&lines[index])).unwrap();
                // With `!If`, the comment stands before the condition.
                let argued = lines[start.saturating_sub(5)..start].iter().any(|line| line.trim_start().starts_with('#'));
                let key_policy =
                    template == "template.yaml" && start < lines.iter().position(|line| line.starts_with("  KeyAlias:")).unwrap();
                assert!(argued || key_policy, "{template}:{}: {}", number + 1, lines[start].trim());
            }
        }
    }
}

/// Every name starts with the product's, so that policies and service control policies can refer to it; roles have its path.
#[test]
fn names_start_with_the_products() {
    let deployment = Deployment::of_an_organization();
    for stack in &deployment.stacks {
        for (logical_id, resource) in &stack.resources {
            for key in [
                "QueueName",
                "TableName",
                "RoleName",
                "FunctionName",
                "TopicName",
                "BucketName",
                "AlarmName",
                "DashboardName",
                "ManagedPolicyName",
            ] {
                if let Some(name) = resource.properties[key]
                    .as_str()
                    .filter(|_| resource.kind != "AWS::Lambda::Permission" && resource.kind != "AWS::Lambda::EventSourceMapping")
                {
                    assert!(name.starts_with("guardrail-audit-"), "{logical_id}: {name}");
                    assert!(
                        key != "RoleName" || name.len() <= 64 && resource.properties["Path"] == "/guardrail-audit/",
                        "{logical_id}: {name}"
                    );
                }
            }
        }
    }
    let long = Template::member().stack(MEMBER, "ap-southeast-1", &[("NamePrefix", "guardrail-audit-forwarded")]);
    for (_, role) in long.of_type("AWS::IAM::Role") {
        assert!(role["RoleName"].as_str().unwrap().len() <= 64, "{}", role["RoleName"]);
    }
}

/// Roles are global to an account and are created once, however many Regions and copies there are.
#[test]
fn global_roles_are_made_in_one_region_only() {
    let roles = |stack: &Stack| {
        stack.of_type("AWS::IAM::Role").filter(|(_, role)| !role["RoleName"].as_str().unwrap().contains(stack.region.as_str())).count()
    };
    let of_member = [("OrganizationId", ORGANIZATION), ("HubAccountId", HUB), ("HubRegion", "us-east-1"), ("HubKeyArn", KEY)];
    let member = Template::member();
    assert_eq!(roles(&member.stack(MEMBER, "us-east-1", &of_member)), 2);
    assert_eq!(roles(&member.stack(MEMBER, "eu-west-1", &of_member)), 0);
    assert_eq!(roles(&member.stack(MEMBER, "eu-west-1", &[&of_member[..], &[("HomeRegion", "eu-west-1")]].concat())), 2);
    assert_eq!(roles(&member.stack(MEMBER, "us-east-1", &[&of_member[..], &[("HomeRegion", "eu-west-1")]].concat())), 0);
    let hub = Template::hub().stack(HUB, "eu-west-1", &[("OrganizationId", ORGANIZATION)]);
    assert_eq!(roles(&hub.nested("Member", &member)), 2);
    assert_eq!(roles(&hub.nested("Forwarded", &member)), 0);
}

/// An idle member costs nothing: it has no polled queue, no alarm, no key, no table, no provisioned capacity.
#[test]
fn members_cost_nothing_while_idle() {
    let free = [
        "AWS::Events::Rule",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::Lambda::Function",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::IAM::Role",
    ];
    let deployment = Deployment::of_an_organization();
    let members: Vec<_> = deployment.stacks.iter().filter(|stack| [MEMBER, FORWARDER].contains(&stack.account.as_str())).collect();
    assert_eq!(members.len(), 2);
    for (name, resource) in members.iter().flat_map(|stack| &stack.resources) {
        assert!(free.contains(&resource.kind.as_str()), "{name} is a {}", resource.kind);
        assert!(resource.properties["ReservedConcurrentExecutions"].is_null(), "{name}");
        assert!(
            resource.kind != "AWS::SQS::Queue" || resource.properties["SqsManagedSseEnabled"] == true,
            "{name} is not encrypted by SQS"
        );
    }
    let forwarder = members.iter().find(|stack| stack.account == FORWARDER).unwrap();
    let functions: Vec<&str> = forwarder.of_type("AWS::Lambda::Function").map(|(name, _)| name).collect();
    assert_eq!(functions, ["AuditChanges"], "who only forwards runs nothing but the heartbeat");
    assert!(forwarder.resources.contains_key("HeartbeatRule") && forwarder.resources.contains_key("HeartbeatPermission"));
}

/// Whatever a function can't take in is kept: Lambda and EventBridge leave it in a queue for two weeks, and a busy account's queue lets it be
/// tried for longer than an outage of a day.
#[test]
fn what_is_not_taken_in_is_kept() {
    let member = Template::member();
    for delivery in ["direct", "queued"] {
        let stack = member.stack(MEMBER, REGION, &[("CallsDelivery", delivery)]);
        let undelivered = "arn:aws:sqs:us-east-1:222233334444:guardrail-audit-undelivered";
        assert_eq!(stack.properties("UndeliveredQueue")["MessageRetentionPeriod"], 14 * 24 * 3600);
        for (_, rule) in stack.of_type("AWS::Events::Rule").filter(|(_, rule)| rule["EventPattern"].is_object()) {
            assert_eq!(rule["Targets"][0]["DeadLetterConfig"]["Arn"], undelivered, "{}", rule["Name"]);
        }
        let configured: Vec<&Value> = stack.of_type("AWS::Lambda::EventInvokeConfig").map(|(_, of_function)| of_function).collect();
        let functions: Vec<String> = configured.iter().map(|of_function| text(&of_function["FunctionName"])).collect();
        assert_eq!(functions, ["guardrail-audit-invocations", "guardrail-audit-changes"]);
        for of_function in configured {
            assert_eq!(of_function["DestinationConfig"]["OnFailure"]["Destination"], undelivered);
            assert_eq!((&of_function["MaximumRetryAttempts"], &of_function["MaximumEventAgeInSeconds"]), (&json!(2), &json!(6 * 3600)));
        }
        let timeout = stack.properties("AuditChanges")["Timeout"].as_u64().unwrap();
        assert!(stack.properties("UndeliveredQueue")["VisibilityTimeout"].as_u64().unwrap() > timeout, "a run meets a message once");
        let Some(queue) = stack.resources.get("CallsQueue").map(|queue| &queue.properties) else { continue };
        let tried = queue["VisibilityTimeout"].as_u64().unwrap() * queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap();
        assert!(tried > 25 * 3600 && queue["RedrivePolicy"]["deadLetterTargetArn"] == undelivered, "{queue}");
    }
    // Each copy takes in again what was left to it, with a heartbeat or without.
    let hub = Template::hub().stack(HUB, REGION, &[("OrganizationId", ORGANIZATION)]);
    for (stack, input, schedule) in [
        (member.stack(MEMBER, REGION, &[]), "heartbeat", "rate(60 minutes)"),
        (member.stack(MEMBER, REGION, &[("HeartbeatMinutes", "0")]), "take_again", "rate(1 day)"),
        (hub.nested("Forwarded", &member), "take_again", "rate(60 minutes)"),
    ] {
        let rule = stack.properties("HeartbeatRule");
        assert_eq!(
            (&rule["ScheduleExpression"], &rule["Targets"][0]["Input"]),
            (&json!(schedule), &json!(format!(r#"{{"kind":"{input}"}}"#)))
        );
        let variables = &stack.properties("AuditChanges")["Environment"]["Variables"];
        assert!(text(&variables["UNDELIVERED_QUEUE_URL"]).ends_with("-undelivered"), "{variables}");
    }
}

/// The metrics of the namespace `GuardrailAudit` that a dashboard or an alarm looks at, each with its function, are written by that function, and
/// so are the lines of logs.
#[test]
fn what_dashboard_and_alarms_look_at_is_written() {
    let parameters = [("OrganizationId", ORGANIZATION), ("SecurityHub", "true")];
    let hub = Template::hub().stack(HUB, REGION, &parameters);
    let (_, dashboard) = hub.of_type("AWS::CloudWatch::Dashboard").next().unwrap();
    let body: Value = serde_json::from_str(&text(&dashboard["DashboardBody"])).unwrap();
    let widgets: Vec<&Value> = body["widgets"].as_array().unwrap().iter().map(|widget| &widget["properties"]).collect();
    let mut metrics: Vec<(String, String)> = widgets
        .iter()
        .flat_map(|widget| widget["metrics"].as_array().into_iter().flatten())
        .filter(|metric| metric[0] == "GuardrailAudit")
        .map(|metric| (text(&metric[1]), text(&metric[3])))
        .collect();
    assert_eq!(metrics.iter().filter(|(_, function)| function == "report").count(), 6, "{metrics:?}");
    for (_, alarm) in hub.of_type("AWS::CloudWatch::Alarm").filter(|(_, alarm)| alarm["Namespace"] == "GuardrailAudit") {
        metrics.push((text(&alarm["MetricName"]), text(&alarm["Dimensions"][0]["Value"])));
    }
    let sources = |module: &str| -> String {
        let source = root().join("shared/aws/src");
        let below = source.join(module);
        let files = below.is_dir().then(|| files_below(&below)).into_iter().flatten().chain([source.join(format!("{module}.rs"))]);
        files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    };
    for (metric, function) in metrics {
        let module = match function.as_str() {
            "import-findings" => "security_hub",
            "fold-findings" => "fold",
            function => function,
        };
        let source = sources(module);
        // The name stands where it is written, or in a constant.
        let is_written = [format!("(\"{metric}\", "), format!("= \"{metric}\";")].iter().any(|written| source.contains(written));
        assert!(is_written, "{function} writes no metric {metric}");
        assert!(source.contains(&format!("\"{function}\"")), "shared/aws/src/{module} isn't that of {function}");
    }
    let mut queries = 0;
    for query in widgets.iter().filter_map(|widget| widget["query"].as_str()) {
        let function = query.split("guardrail-audit-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
        let message = query.split("message = '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
        assert!(sources(function).contains(&format!("\"{message}\"")), "{function} writes no line `{message}`");
        queries += 1;
    }
    assert_eq!(queries, 2);
}

/// The functions read every variable that a template sets.
#[test]
fn the_functions_read_what_the_templates_set() {
    let source: String = files_below(&root().join("shared/aws/src")).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for stack in &Deployment::of_an_organization().stacks {
        let functions = stack.of_type("AWS::Lambda::Function").chain(stack.of_type("AWS::Serverless::Function"));
        for (function, properties) in functions {
            for name in properties["Environment"]["Variables"].as_object().unwrap().keys() {
                assert!(source.contains(&format!("\"{name}\"")), "{function} gets {name}, which nothing reads");
            }
        }
    }
}

/// A test in the program of a function would never run: its `Cargo.toml` says `test = false`. What a program calls is tested in `shared/aws`.
#[test]
fn the_programs_of_functions_hold_no_tests() {
    let is_source = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let programs: Vec<_> = files_below(&root().join("functions")).filter(is_source).collect();
    assert!(programs.len() >= 9, "{programs:?}");
    for program in programs {
        let source = std::fs::read_to_string(&program).unwrap();
        assert!(!source.contains("#[test]") && !source.contains("cfg(test)"), "{}", program.display());
    }
}
