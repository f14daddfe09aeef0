//! Packages `member.yaml`: replaces local paths by objects in buckets.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::bail;

use super::{FUNCTIONS, package::Package};

/// The version of a function's object in the bucket of a Region.
pub(super) struct Version<'a> {
    pub(super) region: &'a str,
    pub(super) function: &'static str,
    pub(super) version: String,
}

/// What a line of the template becomes.
enum Line<'a> {
    Kept(&'a str),
    Dropped,
    Replaced(String),
}

/// Returns the template with every local path replaced. Everything else, comments included, stays as it is written.
pub(super) fn packaged(source: &str, bucket: &str, packages: &[Package], versions: &[Version<'_>]) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut function = None;
    let mut replaced = Vec::new();
    for line in source.lines() {
        match rewritten(line, &mut function, bucket, packages, &mut replaced)? {
            Line::Kept(line) => writeln!(out, "{line}")?,
            Line::Dropped => {}
            Line::Replaced(lines) => out.push_str(&lines),
        }
        if line == "Conditions:" {
            let at = out.len() - line.len() - 1;
            out.insert_str(at, &mappings(versions)?);
        }
    }
    if replaced != FUNCTIONS {
        bail!("member.yaml has the functions {replaced:?}, not {FUNCTIONS:?}");
    }
    Ok(out)
}

/// The names of a template's parameters, in the template's order.
pub(super) fn parameters_in(source: &str) -> Vec<&str> {
    let block =
        source.lines().skip_while(|line| *line != "Parameters:").skip(1).take_while(|line| line.is_empty() || line.starts_with(' '));
    block.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' '))).collect()
}

fn rewritten<'a>(
    line: &'a str,
    function: &mut Option<&'static str>,
    bucket: &str,
    packages: &[Package],
    replaced: &mut Vec<&'static str>,
) -> anyhow::Result<Line<'a>> {
    let trimmed = line.trim();
    if let Some(binary) = trimmed.strip_prefix("BuildProperties: { Binary: ").and_then(|rest| rest.strip_suffix(" }")) {
        *function = FUNCTIONS.into_iter().find(|known| *known == binary);
        return Ok(Line::Dropped);
    }
    if trimmed == "BuildMethod: rust-cargolambda"
        || trimmed.starts_with("# The build replaces the local path")
        || trimmed.starts_with("cfn-lint:")
    {
        return Ok(Line::Dropped);
    }
    if !trimmed.starts_with("Code: functions/") {
        return Ok(Line::Kept(line));
    }
    let Some(package) = function.take().and_then(|function| packages.iter().find(|package| package.function == function)) else {
        bail!("a local path without a known function before it: `{line}`");
    };
    replaced.push(package.function);
    let indent = " ".repeat(line.len() - line.trim_start().len());
    let (key, name) = (&package.key, logical_id(package.function));
    Ok(Line::Replaced(format!(
        "{indent}Code:\n{indent}  S3Bucket: !Sub {bucket}-${{AWS::Region}}\n{indent}  S3Key: {key}\n{indent}  S3ObjectVersion: !FindInMap [Code, !Ref AWS::Region, {name}]\n"
    )))
}

/// The mapping from each Region to its objects' versions, from which the stack takes those of its own Region.
fn mappings(versions: &[Version<'_>]) -> anyhow::Result<String> {
    let mut by_region: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for version in versions {
        by_region.entry(version.region).or_default().push(format!("{}: \"{}\"", logical_id(version.function), version.version));
    }
    let mut out = "Mappings:\n  # The version of each function's code in the bucket of each Region.\n  Code:\n".to_owned();
    for (region, versions) in by_region {
        writeln!(out, "    {region}: {{ {} }}", versions.join(", "))?;
    }
    out.push('\n');
    Ok(out)
}

/// Returns the logical id of a function: `audit-changes` is `AuditChanges` in the template.
fn logical_id(function: &str) -> String {
    let capitalised = |word: &str| {
        word.chars().enumerate().map(|(index, letter)| if index == 0 { letter.to_ascii_uppercase() } else { letter }).collect()
    };
    function.split('-').map(capitalised).collect::<Vec<String>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> Vec<Package> {
        let package = |function: &'static str| Package { function, file: "x".into(), key: format!("{function}/abc.zip") };
        FUNCTIONS.map(package).into()
    }

    #[test]
    fn every_local_path_is_replaced_and_nothing_else() {
        let source = include_str!("../../../member.yaml");
        let version = |region, function| Version { region, function, version: format!("{region}.{function}") };
        let versions: Vec<_> =
            ["us-east-1", "eu-west-1"].into_iter().flat_map(|region| FUNCTIONS.map(|function| version(region, function))).collect();
        let packaged = packaged(source, "code-111122223333", &packages(), &versions).unwrap();
        assert!(!packaged.contains("Code: functions/") && !packaged.contains("rust-cargolambda"));
        assert!(packaged.contains("S3Bucket: !Sub code-111122223333-${AWS::Region}"));
        assert!(packaged.contains("S3Key: audit-changes/abc.zip"));
        assert!(packaged.contains("S3ObjectVersion: !FindInMap [Code, !Ref AWS::Region, AuditInvocations]"));
        assert!(
            packaged.contains(
                "    eu-west-1: { AuditInvocations: \"eu-west-1.audit-invocations\", AuditChanges: \"eu-west-1.audit-changes\" }\n"
            )
        );
        let kept = packaged.lines().filter(|line| source.contains(line)).count();
        assert!(source.lines().count() - kept <= 10, "most lines are as they were");
    }

    #[test]
    fn the_parameters_of_a_template_are_named() {
        let parameters = parameters_in(include_str!("../../../member.yaml"));
        assert_eq!((parameters.first(), parameters.last()), (Some(&"OrganizationId"), Some(&"NamePrefix")), "{parameters:?}");
    }

    #[test]
    fn a_template_that_lost_a_function_is_not_published() {
        let source = include_str!("../../../member.yaml").replace("Binary: audit-changes", "Binary: audit-everything");
        let error = packaged(&source, "code", &packages(), &[]).unwrap_err().to_string();
        assert!(error.contains("Code: functions/audit-changes"), "{error}");
    }
}
