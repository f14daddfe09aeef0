//! Parses CloudFormation templates and resolves their intrinsic functions as CloudFormation would.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use walkdir::{DirEntry, WalkDir};

/// The root of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The files below a folder.
pub fn files_below(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    entries.filter(|entry| entry.file_type().is_file()).map(DirEntry::into_path)
}

/// A template with its short tags (`!Ref`) in their long form (`{"Ref": …}`).
#[derive(Clone, Debug)]
pub struct Template(pub Value);

/// A stack that a template would make.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The account that it is deployed in.
    pub account: String,
    /// The Region that it is deployed in.
    pub region: String,
    /// The resources whose condition holds, with their properties resolved.
    pub resources: BTreeMap<String, Resource>,
}

/// A resource of a stack.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The type, `AWS::…`.
    pub kind: String,
    /// Its resolved properties.
    pub properties: Value,
}

impl Template {
    /// The template of the hub.
    #[must_use]
    pub fn hub() -> Self {
        Self::load(&root().join("template.yaml"))
    }

    /// The template of an audited account.
    #[must_use]
    pub fn member() -> Self {
        Self::load(&root().join("member.yaml"))
    }

    /// Reads a template from a file.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::parse(&text)
    }

    /// Reads a template.
    #[must_use]
    pub fn parse(yaml: &str) -> Self {
        Template(long_form(serde_yaml_ng::from_str(yaml).expect("a template is YAML")))
    }

    /// Its parameters, by name.
    #[must_use]
    pub fn parameters(&self) -> &Map<String, Value> {
        self.0["Parameters"].as_object().expect("a template has parameters")
    }

    /// The stack that the template makes with these parameters. Other parameters have their defaults.
    #[must_use]
    pub fn stack(&self, account: &str, region: &str, parameters: &[(&str, &str)]) -> Stack {
        let resolver = Resolver { template: &self.0, account, region, parameters: self.values(parameters) };
        let mut resources = BTreeMap::new();
        for (name, resource) in self.0["Resources"].as_object().unwrap() {
            if resource["Condition"].as_str().is_none_or(|condition| resolver.condition(condition)) {
                let properties = resolver.resolve(&resource["Properties"]).unwrap_or_default();
                resources.insert(name.clone(), Resource { kind: text(&resource["Type"]), properties });
            }
        }
        Stack { account: account.to_owned(), region: region.to_owned(), resources }
    }

    /// The reasons why CloudFormation refuses these parameters, by the template's rules. Other parameters have their defaults.
    #[must_use]
    pub fn refusals(&self, parameters: &[(&str, &str)]) -> Vec<String> {
        let resolver = Resolver { template: &self.0, account: "111122223333", region: "us-east-1", parameters: self.values(parameters) };
        let rules = self.0["Rules"].as_object().into_iter().flatten().map(|(_, rule)| rule);
        let applying = rules.filter(|rule| rule.get("RuleCondition").is_none_or(|condition| resolver.holds(condition)));
        let assertions = applying.flat_map(|rule| rule["Assertions"].as_array().unwrap());
        assertions
            .filter(|assertion| !resolver.holds(&assertion["Assert"]))
            .map(|assertion| text(&assertion["AssertDescription"]))
            .collect()
    }

    fn values(&self, parameters: &[(&str, &str)]) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for (name, parameter) in self.parameters() {
            let value = parameters.iter().find(|(given, _)| given == name).map(|(_, value)| json!(value));
            let value = value.unwrap_or_else(|| parameter["Default"].clone());
            let list = parameter["Type"].as_str().is_some_and(|kind| kind == "CommaDelimitedList" || kind.starts_with("List<"));
            let value = if list { json!(text(&value).split(',').collect::<Vec<_>>()) } else { json!(text(&value)) };
            values.insert(name.clone(), value);
        }
        for (given, _) in parameters {
            assert!(values.contains_key(*given), "the template has no parameter {given}");
        }
        values
    }
}

impl Stack {
    /// The properties of a resource. It panics if the resource doesn't exist.
    #[must_use]
    pub fn properties(&self, logical_id: &str) -> &Value {
        &self.resources.get(logical_id).unwrap_or_else(|| panic!("no resource {logical_id}")).properties
    }

    /// The resources of a type.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.resources
            .iter()
            .filter(move |(_, resource)| resource.kind == kind)
            .map(|(name, resource)| (name.as_str(), &resource.properties))
    }

    /// The stack of a template that is nested in this one.
    #[must_use]
    pub fn nested(&self, logical_id: &str, template: &Template) -> Stack {
        let parameters = self.properties(logical_id)["Parameters"].as_object().unwrap();
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        template.stack(&self.account, &self.region, &parameters)
    }
}

struct Resolver<'a> {
    template: &'a Value,
    account: &'a str,
    region: &'a str,
    parameters: BTreeMap<String, Value>,
}

impl Resolver<'_> {
    /// Resolves a value. `None` is `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item)).collect()),
            Value::Object(map) => {
                if let Some((function, argument)) = map.iter().next().filter(|(name, _)| map.len() == 1 && is_function(name)) {
                    return self.call(function, argument);
                }
                Some(Value::Object(map.iter().filter_map(|(key, value)| Some((key.clone(), self.resolve(value)?))).collect()))
            }
            other => Some(other.clone()),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        let resolved = |index: usize| self.resolve(&argument[index]).unwrap_or_default();
        Some(match function {
            "Ref" => return self.reference(argument.as_str().unwrap()),
            "Fn::GetAtt" => json!(self.attribute(&argument[0], &argument[1])),
            "Fn::Sub" => match argument {
                Value::String(pattern) => json!(self.substitute(pattern, &Map::new())),
                _ => json!(self.substitute(argument[0].as_str().unwrap(), argument[1].as_object().unwrap())),
            },
            "Fn::If" => return self.resolve(&argument[if self.condition(argument[0].as_str().unwrap()) { 1 } else { 2 }]),
            "Fn::Join" => json!(resolved(1).as_array().unwrap().iter().map(text).collect::<Vec<_>>().join(&text(&argument[0]))),
            "Fn::Split" => json!(text(&resolved(1)).split(&text(&argument[0])).collect::<Vec<_>>()),
            "Fn::Select" => resolved(1)[text(&argument[0]).parse::<usize>().unwrap()].clone(),
            "Fn::FindInMap" => self.template["Mappings"][text(&resolved(0))][text(&resolved(1))][text(&resolved(2))].clone(),
            "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" | "Condition" => json!(self.holds(&json!({ function: argument }))),
            _ => panic!("{function} is not known here"),
        })
    }

    fn condition(&self, name: &str) -> bool {
        let condition = &self.template["Conditions"][name];
        assert!(condition.is_object(), "no condition {name}");
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> bool {
        let (function, argument) = condition.as_object().and_then(|map| map.iter().next()).expect("a condition is a function");
        let parts = || argument.as_array().unwrap().iter();
        match function.as_str() {
            "Fn::Equals" => text(&self.resolve(&argument[0]).unwrap_or_default()) == text(&self.resolve(&argument[1]).unwrap_or_default()),
            "Fn::And" => parts().all(|part| self.holds(part)),
            "Fn::Or" => parts().any(|part| self.holds(part)),
            "Fn::Not" => !self.holds(&argument[0]),
            "Condition" => self.condition(argument.as_str().unwrap()),
            _ => panic!("{function} is no condition"),
        }
    }

    fn reference(&self, name: &str) -> Option<Value> {
        Some(match name {
            "AWS::NoValue" => return None,
            "AWS::AccountId" => json!(self.account),
            "AWS::Region" => json!(self.region),
            "AWS::Partition" => json!(self.partition().0),
            "AWS::URLSuffix" => json!(self.partition().1),
            "AWS::StackName" => json!("guardrail-audit"),
            _ => match self.parameters.get(name) {
                Some(value) => value.clone(),
                None => json!(self.physical_id(name)),
            },
        })
    }

    /// The partition of ARNs in this Region, and the suffix of its endpoints.
    fn partition(&self) -> (&'static str, &'static str) {
        match self.region.split('-').next() {
            Some("cn") => ("aws-cn", "amazonaws.com.cn"),
            Some("us") if self.region.starts_with("us-gov-") => ("aws-us-gov", "amazonaws.com"),
            _ => ("aws", "amazonaws.com"),
        }
    }

    fn substitute(&self, pattern: &str, variables: &Map<String, Value>) -> String {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) = after.split_once('}').expect("a variable ends");
            out.push_str(before);
            rest = behind;
            if let Some(literal) = name.strip_prefix('!') {
                out.extend(["${", literal, "}"]);
            } else if let Some(value) = variables.get(name) {
                out.push_str(&text(&self.resolve(value).unwrap_or_default()));
            } else if let Some((resource, attribute)) = name.split_once('.') {
                out.push_str(&self.attribute(&json!(resource), &json!(attribute)));
            } else {
                out.push_str(&text(&self.reference(name).unwrap_or_default()));
            }
        }
        out + rest
    }

    fn resource(&self, name: &str) -> (&str, Value) {
        let resource = &self.template["Resources"][name];
        assert!(resource.is_object(), "no resource or parameter {name}");
        let properties = &resource["Properties"];
        // Only the name is needed, and the other properties may refer back to this resource.
        let keys = ["QueueName", "TableName", "RoleName", "Path", "FunctionName", "TopicName", "BucketName", "Name", "EventBusName"];
        let named = keys.iter().filter_map(|key| Some(((*key).to_owned(), self.resolve(properties.get(key)?)?)));
        (resource["Type"].as_str().unwrap(), Value::Object(named.collect()))
    }

    fn physical_id(&self, logical_id: &str) -> String {
        let (kind, named) = self.resource(logical_id);
        let name = |key: &str| named[key].as_str().map_or_else(|| format!("guardrail-audit-{logical_id}"), str::to_owned);
        match kind {
            "AWS::SQS::Queue" => format!("https://sqs.{}.{}/{}/{}", self.region, self.partition().1, self.account, name("QueueName")),
            "AWS::DynamoDB::Table" => name("TableName"),
            "AWS::IAM::Role" => name("RoleName"),
            "AWS::Lambda::Function" | "AWS::Serverless::Function" => name("FunctionName"),
            "AWS::SNS::Topic" => self.attribute(&json!(logical_id), &json!("Arn")),
            "AWS::S3::Bucket" => name("BucketName"),
            "AWS::Events::EventBus" | "AWS::Events::Rule" => name("Name"),
            _ => logical_id.to_owned(),
        }
    }

    fn attribute(&self, resource: &Value, attribute: &Value) -> String {
        let (logical_id, attribute) = (resource.as_str().unwrap(), attribute.as_str().unwrap());
        let (kind, named) = self.resource(logical_id);
        let id = || self.physical_id(logical_id);
        let partition = self.partition().0;
        let arn = |service: &str, resource: String| format!("arn:{partition}:{service}:{}:{}:{resource}", self.region, self.account);
        match (kind, attribute) {
            ("AWS::SQS::Queue", "QueueName") => text(&named["QueueName"]),
            ("AWS::SQS::Queue", "Arn") => arn("sqs", text(&named["QueueName"])),
            ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", format!("table/{}", id())),
            ("AWS::DynamoDB::Table", "StreamArn") => arn("dynamodb", format!("table/{}/stream/2026-01-01T00:00:00.000", id())),
            ("AWS::IAM::Role", "Arn") => {
                format!("arn:{partition}:iam::{}:role{}{}", self.account, named["Path"].as_str().unwrap_or("/"), id())
            }
            ("AWS::Lambda::Function" | "AWS::Serverless::Function", "Arn") => arn("lambda", format!("function:{}", id())),
            ("AWS::SNS::Topic", "Arn") => arn("sns", text(&named["TopicName"])),
            ("AWS::S3::Bucket", "Arn") => format!("arn:{partition}:s3:::{}", id()),
            ("AWS::KMS::Key", "Arn") => arn("kms", format!("key/{logical_id}")),
            ("AWS::Events::EventBus", "Arn") => arn("events", format!("event-bus/{}", id())),
            ("AWS::Events::Rule", "Arn") => {
                let bus = named["EventBusName"].as_str().filter(|bus| *bus != "default").map(|bus| format!("{bus}/"));
                arn("events", format!("rule/{}{}", bus.unwrap_or_default(), id()))
            }
            _ => format!("{logical_id}.{attribute}"),
        }
    }
}

fn is_function(name: &str) -> bool {
    name == "Ref" || name == "Condition" || name.starts_with("Fn::")
}

/// A scalar as text.
#[must_use]
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn long_form(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => json!(value),
        Yaml::Number(number) => serde_json::to_value(number).unwrap(),
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(map) => {
            let mut object = Map::new();
            for (key, value) in map {
                let key = text(&long_form(key));
                assert!(object.insert(key.clone(), long_form(value)).is_none(), "the key {key} stands twice");
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let argument = long_form(tagged.value);
            match tag.trim_start_matches('!') {
                name @ ("Ref" | "Condition") => json!({ name: argument }),
                "GetAtt" => {
                    let (resource, attribute) =
                        argument.as_str().and_then(|text| text.split_once('.')).expect("!GetAtt Resource.Attribute");
                    json!({"Fn::GetAtt": [resource, attribute]})
                }
                name => json!({ format!("Fn::{name}"): argument }),
            }
        }
    }
}
