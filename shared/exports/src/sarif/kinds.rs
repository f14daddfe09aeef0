//! What each kind of lint means in general, and what to do about it. The message of a lint says what is wrong about one policy or
//! configuration.

/// A kind of lint. Both texts are sentences without their full stops.
pub(super) struct Kind {
    pub(super) id: &'static str,
    pub(super) what: &'static str,
    pub(super) help: &'static str,
}

impl Kind {
    /// The kind with this id. One that isn't listed is described by the messages of its lints alone.
    pub(super) fn of(id: &str) -> &'static Kind {
        KINDS.iter().find(|kind| kind.id == id).unwrap_or(&OTHER)
    }
}

const OTHER: Kind = kind("", "Something looks wrong", "See the message");

const fn kind(id: &'static str, what: &'static str, help: &'static str) -> Kind {
    Kind { id, what, help }
}

const KINDS: &[Kind] = &[
    kind("all-excluded", "Every model is left out, so nothing is guarded", "Exclude the models that are meant, and not ALL"),
    kind("both-syntaxes", "Selective guarding is said twice, in the old and in the new syntax", "Keep selective_content_guarding only"),
    kind("configuration-mistake", "The configuration can't be used, and with it no audit runs", "Correct it at the place that is named"),
    kind("contradictory-control", "Inheritance operators contradict each other", "Let @@all or @@none stand alone"),
    kind("demands-nothing", "The policy demands no guardrail", "Name a guardrail for each Region that is used"),
    kind("draft-version", "A guardrail's DRAFT is named, which can't be enforced", "Publish a version, and name its number"),
    kind("duplicate-key", "A key stands twice, and only one of its values counts", "Keep one of them"),
    kind("empty-guarding", "selective_content_guarding says nothing", "Give it system, messages or both"),
    kind("empty-list", "A list of models is empty, and whether that means all or none is not documented", "Name the models, or ALL"),
    kind("empty-object", "An object has no members", "Fill it, or remove it"),
    kind("exception-ended", "An exception ended, and its findings are open again", "Mend what it excepted, or agree on a new end"),
    kind("exception-ends-soon", "An exception ends within 30 days", "Mend what it excepts, or agree on a new end"),
    kind("exception-matches-nothing", "An exception suppresses no finding", "Remove it, or correct what it names"),
    kind(
        "foreign-owner",
        "The guardrail doesn't belong to the management account, so it can't be enforced",
        "Name a guardrail of the management account",
    ),
    kind(
        "malformed-control",
        "A list of inheritance operators is malformed",
        "Write a list of @@assign, @@append, @@remove, @@all or @@none",
    ),
    kind(
        "malformed-identifier",
        "The identifier names no guardrail version, and with it calls fail",
        "Write arn:aws:bedrock:<region>:<account>:guardrail/<id>:<version>",
    ),
    kind("misplaced-operator", "An inheritance operator stands where a policy has no value", "Put it around a value"),
    kind("missing-list", "One of two lists of models is missing, and AWS requires both", "Add included_models or excluded_models"),
    kind("no-identifier", "A configuration names no guardrail, so it counts only beside a policy that names one", "Add an identifier"),
    kind("no-operator", "A value stands without an inheritance operator", "Write {\"@@assign\": …}"),
    kind("not-a-model-id", "A text is no model id", "Write the id as ListFoundationModels has it"),
    kind("not-a-policy", "A file holds no Bedrock policy", "Give a policy document, or an answer that holds one"),
    kind("not-an-object", "An object is expected", "Write an object"),
    kind("not-json", "A text isn't JSON", "Correct it at the place that is named"),
    kind("odd-case", "A word is written in another case than AWS documents", "Write it as AWS does"),
    kind(
        "open-to-overrides",
        "Policies lower in the tree can change what this one says",
        "Lock it with @@operators_allowed_for_child_policies",
    ),
    kind("operator-on-text", "An operator for lists stands at a single value", "Write {\"@@assign\": …}"),
    kind("other-document", "A file is no policy itself and holds one", "Nothing is wrong: the policy in it is linted"),
    kind("other-region", "A guardrail of another Region is named, and with it calls fail", "Name a guardrail of the same Region"),
    kind("over-size-limit", "The policy is larger than AWS accepts", "Shorten it, or split it"),
    kind("selective", "Callers choose what is evaluated", "Write comprehensive, unless that is meant"),
    kind("several-configurations", "A Region has several configurations, and which one counts is not documented", "Keep one"),
    kind("superseded-syntax", "input_tags is superseded", "Write selective_content_guarding"),
    kind("too-many-attachments", "More policies are attached than AWS allows", "Merge some of them"),
    kind("unknown-key", "A key is not known, so what it does is not known either", "Correct the spelling"),
    kind("unknown-operator", "An inheritance operator doesn't exist", "Write @@assign, @@append or @@remove"),
    kind("unknown-region", "A key is no Region", "Correct the spelling"),
    kind("unknown-value", "A word is not one of those that AWS documents", "Write one of them"),
    kind("wrong-type", "A value is of another type than AWS documents", "Write a text, or a list of texts"),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    /// The words in quotes behind these texts, in the files below a folder.
    fn named(folder: &Path, behind: &[&str], names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                named(&path, behind, names);
                continue;
            }
            let text: String = std::fs::read_to_string(&path).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
            for start in behind {
                let words = text.split(start).skip(1).filter_map(|rest| rest.split('"').next());
                names.extend(words.filter(|word| word.contains('-') || *word == "selective").map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_kind_of_lint_is_described() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut names = BTreeSet::new();
        let levels = ["Level::Error, \"", "Level::Warning, \"", "Level::Note, \"", "kind: \"", "Some((\""];
        named(&root.join("shared/core/src/policy/lint"), &levels, &mut names);
        named(&root.join("cli/src/commands"), &levels, &mut names);
        for problem in ["unknown-key", "odd-case", "duplicate-key", "unknown-region", "empty-object", "empty-list"] {
            names.insert(problem.to_owned());
        }
        assert!(names.len() > 25, "{names:?}");
        let unknown: Vec<&String> = names.iter().filter(|name| Kind::of(name).id.is_empty()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
