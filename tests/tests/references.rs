//! Every link leads somewhere: those of documents to a file and a heading, and those of comments (`docs/aws/delivery.md#digests`), too.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use audit_core::verdict::{Grade, Missing, Reason, Verdict};
use end_to_end::template::root;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use walkdir::WalkDir;

/// The project's files, by their path from the root, without build output and files of other tools.
fn files() -> Vec<PathBuf> {
    let others = ["target", ".git", ".aws-sam", "node_modules"];
    let entries = WalkDir::new(root()).sort_by_file_name().into_iter();
    let ours = entries.filter_entry(|entry| !others.contains(&entry.file_name().to_str().unwrap())).map(Result::unwrap);
    ours.filter(|entry| entry.file_type().is_file()).map(|entry| entry.path().strip_prefix(root()).unwrap().to_owned()).collect()
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.contains(&extension.to_str().unwrap()))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// A Markdown document, parsed.
struct Document {
    /// The anchors of the headings, by GitHub's rules.
    anchors: BTreeSet<String>,
    /// The headings with their level, in order.
    headings: Vec<(u8, String)>,
    /// The targets of links and images.
    links: Vec<String>,
    /// Texts in brackets that are no links.
    brackets: Vec<String>,
}

fn parse(text: &str) -> Document {
    let mut document = Document { anchors: BTreeSet::new(), headings: Vec::new(), links: Vec::new(), brackets: Vec::new() };
    let mut heading: Option<(u8, String)> = None;
    let mut is_code = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => heading = Some((level as u8, String::new())),
            Event::End(TagEnd::Heading(_)) => {
                let (level, text) = heading.take().unwrap();
                let anchor = anchor(&text);
                let others = (1..).map(|number| format!("{anchor}-{number}"));
                document
                    .anchors
                    .insert(std::iter::once(anchor.clone()).chain(others).find(|anchor| !document.anchors.contains(anchor)).unwrap());
                document.headings.push((level, text));
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => document.links.push(dest_url.to_string()),
            Event::Text(text) | Event::Code(text) if heading.is_some() => heading.as_mut().unwrap().1.push_str(&text),
            Event::Start(Tag::CodeBlock(_)) => is_code = true,
            Event::End(TagEnd::CodeBlock) => is_code = false,
            Event::Text(text) if !is_code && text.contains('[') => document.brackets.push(text.to_string()),
            _ => {}
        }
    }
    document
}

/// GitHub's anchor for a heading: lower case, spaces become `-`, and of other characters only letters, digits, `-` and `_` stay.
fn anchor(heading: &str) -> String {
    let small = heading.trim().to_lowercase();
    let kept = small.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

fn documents() -> BTreeMap<PathBuf, Document> {
    let markdown = files().into_iter().filter(|path| has_extension(path, &["md"]));
    markdown.map(|path| (path.clone(), parse(&read(&path)))).collect()
}

/// The reason why a link from a file in a folder leads nowhere, if it does.
fn broken(link: &str, folder: &Path, from: &Path, documents: &BTreeMap<PathBuf, Document>) -> Option<String> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let mut target = PathBuf::new();
    let parts = if path.is_empty() { from.to_owned() } else { folder.join(path) };
    for part in parts.components() {
        match part {
            Component::ParentDir => assert!(target.pop(), "{}: {link} leaves the repository", from.display()),
            Component::Normal(name) => target.push(name),
            _ => {}
        }
    }
    if !root().join(&target).exists() {
        return Some(format!("{}: {link}: there is no {}", from.display(), target.display()));
    }
    let has_heading = |anchor: &str| documents.get(&target).is_some_and(|document| document.anchors.contains(anchor));
    anchor.filter(|anchor| !has_heading(anchor)).map(|anchor| format!("{}: {link}: no heading is #{anchor}", from.display()))
}

#[test]
fn every_relative_link_of_a_document_leads_to_a_file_and_a_heading() {
    let documents = documents();
    let is_relative = |link: &&String| !link.contains("://") && !link.starts_with("mailto:");
    let mut seen = 0;
    let mut all_broken = Vec::new();
    for (path, document) in &documents {
        for link in document.links.iter().filter(is_relative) {
            seen += 1;
            all_broken.extend(broken(link, path.parent().unwrap(), path, &documents));
        }
    }
    assert!(all_broken.is_empty(), "{}", all_broken.join("\n"));
    assert!(seen > 200, "{seen} links are not those of the documents");
}

/// A source without an address would be shown as it is written, in brackets.
#[test]
fn every_source_of_a_fact_has_its_address() {
    for (path, document) in documents().iter().filter(|(path, _)| path.starts_with("docs/aws")) {
        assert_eq!(document.brackets, [""; 0], "{}", path.display());
        assert!(document.links.iter().any(|link| link.starts_with("https://")), "{} names no source", path.display());
    }
}

/// Who wants to check a fact finds who said it, and who is relied on for how much.
#[test]
fn sources_other_than_aws_documentation_are_listed_once() {
    let is_other = |link: &&str| link.starts_with("https://") && !link.starts_with("https://docs.aws.amazon.com/");
    let (list, pages): (Vec<_>, Vec<_>) =
        documents().into_iter().filter(|(path, _)| path.starts_with("docs/aws")).partition(|(path, _)| path.ends_with("README.md"));
    let listed: Vec<&str> = list.iter().flat_map(|(_, document)| &document.links).map(String::as_str).filter(is_other).collect();
    let cited: BTreeSet<&str> = pages.iter().flat_map(|(_, document)| &document.links).map(String::as_str).filter(is_other).collect();
    for source in &listed {
        assert_eq!(listed.iter().filter(|other| *other == source).count(), 1, "{source} is listed twice");
        assert!(cited.iter().any(|link| link.starts_with(source)), "no fact comes from {source}");
    }
    for link in cited {
        assert!(listed.iter().any(|source| link.starts_with(source)), "docs/aws/README.md doesn't list {link}");
    }
}

/// The documents that a text other than Markdown refers to: paths that begin with `docs/`, and headings of documents at the root.
fn mentioned(text: &str) -> impl Iterator<Item = &str> {
    let belongs = |letter: char| letter.is_ascii_alphanumeric() || "/_.-#".contains(letter);
    let starts = ["docs/", "README.md#", "CONTRIBUTING.md#"];
    starts.into_iter().flat_map(move |start| {
        text.match_indices(start).filter_map(move |(at, _)| {
            // Within an address or a longer path, it is another folder `docs/`.
            let is_whole = !text[..at].ends_with(belongs);
            let path = &text[at..];
            let path = &path[..path.find(|letter| !belongs(letter)).unwrap_or(path.len())];
            let is_made_of_others = text[at + path.len()..].starts_with(['{', '<', '*', '…']);
            (is_whole && !is_made_of_others).then(|| path.trim_end_matches(['.', '#', '-']))
        })
    })
}

#[test]
fn every_document_that_a_comment_names_exists_with_its_heading() {
    let documents = documents();
    let mut seen = 0;
    let mut all_broken = Vec::new();
    let this = Path::new("tests/tests/references.rs");
    for path in files().iter().filter(|path| has_extension(path, &["rs", "toml", "yaml", "yml", "sql", "py", "sh"]) && *path != this) {
        for link in mentioned(&read(path)) {
            seen += 1;
            all_broken.extend(broken(link, Path::new(""), path, &documents));
        }
    }
    assert!(all_broken.is_empty(), "{}", all_broken.join("\n"));
    assert!(seen > 80, "{seen} links are not those of the comments");
}

#[test]
fn a_link_to_a_heading_that_is_gone_is_found() {
    let documents = BTreeMap::from([(PathBuf::from("docs/README.md"), parse("# One `two`\n\n## One `two`\n\n## A, b?\n"))]);
    let check = |link| broken(link, Path::new(""), Path::new("a.rs"), &documents);
    for there in ["docs/README.md", "docs/README.md#one-two", "docs/README.md#one-two-1", "docs/README.md#a-b", "docs/"] {
        assert_eq!(check(there), None);
    }
    assert_eq!(check("docs/README.md#three").unwrap(), "a.rs: docs/README.md#three: no heading is #three");
    assert_eq!(check("docs/gone.md").unwrap(), "a.rs: docs/gone.md: there is no docs/gone.md");
    let text = "// As docs/a.md#b says (docs/c.md). See https://x.com/docs/d.md, docs/rules/{id}.md and README.md#e-f.";
    assert_eq!(mentioned(text).collect::<Vec<_>>(), ["docs/a.md#b", "docs/c.md", "README.md#e-f"]);
}

/// Documents that aren't in the repository can't be read by anybody who opens it.
#[test]
fn nothing_cites_what_is_not_in_the_repository() {
    let numbered = |text: &str| {
        text.split("facts")
            .skip(1)
            .any(|rest| rest.strip_prefix(['/', ' ']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())))
    };
    for path in files().iter().filter(|path| has_extension(path, &["md", "rs", "toml", "yaml", "yml", "sql", "py", "sh"])) {
        let text = read(path);
        for (number, line) in text.lines().enumerate() {
            let cites = numbered(line) || line.contains(concat!("design", " §")) || line.contains(concat!("catalogue", ":"));
            assert!(!cites, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn decisions_are_numbered_without_gaps_alike_and_listed() {
    let index = read(Path::new("docs/decisions/README.md"));
    let decisions = files().into_iter().filter(|path| path.starts_with("docs/decisions") && !path.ends_with("README.md"));
    for (path, number) in decisions.zip(1..) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{number:04}-")), "{name} is to be number {number}");
        let headings = parse(&read(&path)).headings;
        let (_, title) = headings.first().unwrap();
        let question = title.strip_prefix(&format!("{number}. ")).unwrap_or_else(|| panic!("{name}: {title}"));
        assert!(question.ends_with('?'), "{name} asks no question: {title}");
        let sections: Vec<_> = headings.iter().filter(|(level, _)| *level == 2).map(|(_, text)| text.as_str()).collect();
        assert_eq!(sections, ["Context", "Decision", "Turned down", "Consequences"], "{name}");
        assert!(index.contains(&format!("]({name})")), "the index doesn't list {name}");
    }
}

#[test]
fn the_glossary_is_in_alphabetical_order() {
    let headings = parse(&read(Path::new("docs/glossary.md"))).headings;
    let words: Vec<_> = headings.into_iter().skip(1).map(|(_, text)| text.to_lowercase()).collect();
    assert!(words.is_sorted() && words.len() > 30, "{words:?}");
}

/// `docs/verdicts.md` explains each verdict, grade, reason and kind of missing evidence that a report shows.
#[test]
fn each_word_of_a_verdict_is_explained() {
    let text = read(Path::new("docs/verdicts.md"));
    let words = Verdict::ALL.iter().map(|word| word.as_str()).chain(Grade::ALL.iter().map(|word| word.as_str()));
    let words = words.chain(Reason::ALL.iter().map(|word| word.as_str())).chain(Missing::ALL.iter().map(|word| word.as_str()));
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for word in words {
        assert!(
            rows.iter().any(|row| row.split('|').nth(1).unwrap().contains(&format!("`{word}`"))),
            "docs/verdicts.md has no row for {word}"
        );
    }
    let at = |reason: &Reason| text.find(&format!("| `{}` |", reason.as_str())).unwrap();
    assert!(Reason::ALL.is_sorted_by_key(at), "reasons stand in order of precedence");
}

/// Rules have an index of their own, which is made from them.
#[test]
fn each_document_is_in_an_index() {
    for folder in ["docs", "docs/aws"] {
        let index = read(&Path::new(folder).join("README.md"));
        for path in files().iter().filter(|path| path.parent() == Some(Path::new(folder)) && !path.ends_with("README.md")) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(index.contains(&format!("]({name}")), "{folder}/README.md doesn't list {name}");
        }
    }
}
