//! The templates in an organization: parameters that belong together, a StackSet that reaches the hub's own account, and partitions.

use std::collections::BTreeSet;

use end_to_end::{
    deployment::{HUB, KEY, MANAGEMENT, MEMBER, ORGANIZATION, REGION},
    template::{Stack, Template, files_below, root},
};

const HUB_OF_ALL: [(&str, &str); 2] = [("OrganizationId", ORGANIZATION), ("ManagementAccountId", MANAGEMENT)];
const OF_MEMBER: [(&str, &str); 4] = [("OrganizationId", ORGANIZATION), ("HubAccountId", HUB), ("HubRegion", REGION), ("HubKeyArn", KEY)];

#[test]
fn an_organization_and_its_management_account_are_given_together() {
    let hub = Template::hub();
    assert_eq!(hub.refusals(&[]), Vec::<String>::new());
    assert_eq!(hub.refusals(&HUB_OF_ALL), Vec::<String>::new());
    assert_eq!(hub.refusals(&HUB_OF_ALL[..1]), ["OrganizationId needs ManagementAccountId."]);
    assert_eq!(hub.refusals(&HUB_OF_ALL[1..]), ["ManagementAccountId needs OrganizationId."]);
    let member = Template::member();
    assert_eq!(member.refusals(&OF_MEMBER), Vec::<String>::new());
    assert_eq!(member.refusals(&OF_MEMBER[1..]), ["HubAccountId needs OrganizationId and HubKeyArn."]);
}

/// The names of a stack's resources, with account and Region. No two stacks can use the same name.
fn names(stack: &Stack) -> BTreeSet<String> {
    let name = |properties: &serde_json::Value| {
        let keys = ["QueueName", "TableName", "RoleName", "FunctionName", "TopicName", "BucketName", "LogGroupName", "Name", "AlarmName"];
        keys.iter().find_map(|key| properties.get(*key)?.as_str().map(str::to_owned))
    };
    let named = stack.resources.values().filter_map(|resource| Some(format!("{} {}", resource.kind, name(&resource.properties)?)));
    named.collect()
}

/// The root's StackSet reaches the hub's account, too. In the hub's Region it creates nothing, because the hub's stack has everything; in
/// other Regions it creates what it creates everywhere.
#[test]
fn a_stack_set_of_the_whole_organization_collides_with_nothing() {
    let (hub, member) = (Template::hub().stack(HUB, REGION, &HUB_OF_ALL), Template::member());
    let there: BTreeSet<String> =
        [&hub, &hub.nested("Member", &member), &hub.nested("Forwarded", &member)].into_iter().flat_map(names).collect();
    for more in [&[][..], &[("ForwardOnly", "true")]] {
        let parameters = [&OF_MEMBER, more].concat();
        let reached = member.stack(HUB, REGION, &parameters);
        assert_eq!(names(&reached).intersection(&there).count(), 0);
        let kinds: Vec<&str> = reached.resources.values().map(|resource| resource.kind.as_str()).collect();
        assert_eq!(kinds, ["AWS::CloudFormation::WaitConditionHandle"], "a stack needs some resource, and this is none");
        // Roles are global to an account.
        let elsewhere = member.stack(HUB, "eu-west-1", &parameters);
        assert!(elsewhere.of_type("AWS::Events::Rule").count() >= 9);
        let roles = |names: &BTreeSet<String>| names.iter().filter(|name| name.contains("IAM::Role")).cloned().collect::<BTreeSet<_>>();
        assert_eq!(roles(&names(&elsewhere)).intersection(&roles(&there)).count(), 0);
        let alike = |stack: &Stack| names(stack).iter().map(|name| name.replace("eu-west-1", REGION)).collect::<BTreeSet<_>>();
        let mut of_member = alike(&member.stack(MEMBER, REGION, &parameters));
        of_member.retain(|name| !name.ends_with("guardrail-audit-reader") && !name.ends_with("guardrail-audit-heartbeat"));
        let mut of_hub = alike(&elsewhere);
        of_hub.insert("AWS::Events::Rule guardrail-audit-heartbeat".to_owned());
        of_member.insert("AWS::Events::Rule guardrail-audit-heartbeat".to_owned());
        assert_eq!(of_hub, of_member, "but for the global roles");
    }
    let nothing = |stack: &Stack| stack.resources.contains_key("Nothing");
    assert!(!nothing(&member.stack(MEMBER, REGION, &OF_MEMBER)) && !nothing(&hub.nested("Member", &member)));
}

/// GovCloud and China have other ARNs, and China other endpoints.
#[test]
fn no_partition_is_written_down() {
    let mut files = vec![root().join("template.yaml"), root().join("member.yaml")];
    let examples = root().join("deploy");
    files.extend(files_below(&examples));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let at = format!("{}:{}: {line}", file.display(), number + 1);
            assert!(!["arn:aws:", "arn:aws-"].iter().any(|written| line.contains(written)), "{at}");
            // Names of services (`sns.amazonaws.com`) are the same everywhere. An endpoint has a Region in its name.
            assert!(!["}.amazonaws.com", "*.amazonaws.com"].iter().any(|written| line.contains(written)), "{at}");
        }
    }
    for (region, arn, endpoint) in [
        ("us-gov-west-1", "arn:aws-us-gov:", "dynamodb.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "arn:aws-cn:", "dynamodb.cn-north-1.amazonaws.com.cn"),
    ] {
        let hub = Template::hub().stack(HUB, region, &HUB_OF_ALL);
        let parameters: Vec<_> =
            OF_MEMBER.iter().map(|(name, value)| (*name, if *name == "HubRegion" { region } else { *value })).collect();
        let member = Template::member().stack(MEMBER, region, &parameters);
        for stack in [&hub, &member] {
            for (name, resource) in &stack.resources {
                let written = resource.properties.to_string().replace(KEY, "");
                assert!(!written.contains("arn:aws:"), "{name} in {region}: {written}");
                let via_service = written
                    .split("kms:ViaService")
                    .skip(1)
                    .all(|rest| rest.split('}').next().unwrap().contains(endpoint) || rest.contains("s3.*."));
                assert!(via_service, "{name} in {region}: {written}");
            }
            assert!(stack.resources.values().any(|resource| resource.properties.to_string().contains(arn)), "{region}");
        }
    }
}
