//! The words that name things in code are those of AWS and Rust, as docs/glossary.md explains them.
//!
//! Each word below named something here once, and told a reader who came from AWS or Rust nothing, or something else.

use std::{collections::BTreeMap, fs};

use end_to_end::template::root;
use syn::visit::{self, Visit};
use walkdir::WalkDir;

/// A word that doesn't come back as the name of a type, a function, a module or a variant, with the word that is used instead.
const RETIRED: &[(&str, &str)] = &[
    ("Place", "AccountRegion, or Position in a file"),
    ("Draft", "FindingBuilder; a DRAFT is a version of a guardrail, and a variant may have its name"),
    ("Scene", "ChangeHistory"),
    ("Seen", "ChangeInContext"),
    ("Surroundings", "RuleContext"),
    ("Sighting", "RuleMatch, Occurrence"),
    ("Blindness", "MissingEvidence"),
    ("Reach", "OperationCoverage, Exposure"),
    ("story", "correlation"),
    ("Matter", "Relevance"),
    ("Said", "Match"),
    ("Made", "ChangeRef"),
    ("Words", "MatchText"),
    ("Looking", "ChangeRules"),
    ("Met", "JoinCounts"),
    ("MetCall", "JoinedCall"),
    ("Strand", "CallGroup"),
    ("Cover", "CoverageSource"),
    ("settle", "resolve"),
    ("settled", "verified"),
    ("Standing", "AccountPlacement"),
    ("Eyes", "CrossAccountReader"),
    ("Looks", "ReadOutcome"),
    ("Look", "ReadOutcome"),
    ("Known", "AccountEvidence"),
    ("tell", "correlate, notify"),
    ("tell_others", "notify_affected_accounts"),
    ("tell_owners", "record_draft_callers"),
    ("tell_the_silent", "refold_silent_accounts"),
    ("ask_for_a_look", "request_reconcile"),
    ("Order", "Task"),
    ("Facts", "EvidenceRows"),
    ("KeptChanges", "PackedChanges"),
    ("Listed", "PackedChange"),
    ("Moment", "Timestamp"),
    ("moment", "timestamp"),
    ("Canonical", "CanonicalGuardrail"),
    ("side_by_side", "parallel"),
    ("talk", "console"),
    ("Talk", "Console"),
    ("pace", "rate_limit"),
    ("edge", "lambda"),
    ("survey", "inventory"),
    ("Keep", "SnapshotSink"),
    ("dice", "rng"),
    ("righted", "restored_at"),
    ("stepped", "severity_steps"),
    ("apart_by", "discriminator"),
    ("made_here", "created_in_account"),
    ("whole_looks", "complete_reads"),
    ("heard", "received, or the heartbeat"),
    ("Deed", "Action"),
    ("deed", "the effect, or what was done"),
    ("Asked", "BadQuery, AwsRequest"),
    ("Settled", "Conclusion"),
    ("road", "data_resource"),
];

/// Words that a type may not have as its name, and a variant may: the version that AWS calls DRAFT, and what is known beside what isn't.
const ALSO_VARIANTS: &[&str] = &["Draft", "Known"];

/// The names that a file gives to types, functions, modules and variants.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn add(&mut self, name: &syn::Ident) {
        self.0.push(name.to_string());
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add(&item.ident);
        visit::visit_item_struct(self, item);
    }
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add(&item.ident);
        visit::visit_item_enum(self, item);
    }
    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add(&item.ident);
        visit::visit_item_type(self, item);
    }
    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(&item.ident);
        visit::visit_item_trait(self, item);
    }
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.add(&item.ident);
        visit::visit_item_mod(self, item);
    }
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.add(&signature.ident);
        visit::visit_signature(self, signature);
    }
    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !ALSO_VARIANTS.contains(&variant.ident.to_string().as_str()) {
            self.add(&variant.ident);
        }
        visit::visit_variant(self, variant);
    }
}

#[test]
fn names_are_words_of_the_field() {
    let retired: BTreeMap<&str, &str> = RETIRED.iter().copied().collect();
    let mut back = Vec::new();
    let mut files = 0;
    for folder in ["cli", "functions", "shared", "tests", "xtask"] {
        for entry in WalkDir::new(root().join(folder)).into_iter().map(Result::unwrap) {
            let path = entry.path();
            if path.extension().is_none_or(|ending| ending != "rs") {
                continue;
            }
            files += 1;
            let shown = path.strip_prefix(root()).unwrap().display().to_string();
            let parsed = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{shown}: {error}"));
            let mut names = Names::default();
            names.visit_file(&parsed);
            let found = names.0.iter().filter(|name| retired.contains_key(name.as_str()));
            back.extend(found.map(|name| format!("{shown}: `{name}`: write {}", retired[name.as_str()])));
        }
    }
    assert!(files > 300, "only {files} files were read");
    assert!(back.is_empty(), "words that were retired:\n{}", back.join("\n"));
}
