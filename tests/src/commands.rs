//! Runs `aws` commands that documents and programs print through the AWS command line's own parser, without calling AWS.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::Value;

use crate::tools::{AWS, output_of};

/// The result of parsing a command.
#[derive(Clone, Debug, Deserialize)]
pub struct Parsed {
    /// The exit code.
    pub code: i32,
    /// The error message.
    pub printed: String,
    /// The requests that the command would send.
    pub requests: Vec<Request>,
    /// The API calls behind the requests.
    pub calls: Vec<Call>,
}

/// A request that would be sent.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    /// The name of the operation.
    pub operation: String,
    /// The path of the request.
    pub path: String,
    /// The fields of the form, if the request has one.
    pub form: BTreeMap<String, Value>,
}

/// A call with its parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// The name of the operation.
    pub operation: String,
    /// Its parameters.
    pub parameters: Value,
}

/// Returns the `aws …` commands in a text, each as its words. Placeholders in angle brackets are filled in; pipes and redirections are left
/// out.
#[must_use]
pub fn commands_in(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let mut commands = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim().trim_start_matches("$ ");
        if !line.starts_with("aws ") {
            continue;
        }
        // A quoted text goes on until its quote ends.
        let mut command = line.to_owned();
        while command.matches('\'').count() % 2 == 1 {
            let Some(more) = lines.next() else { break };
            command.push(' ');
            command.push_str(more.trim());
        }
        commands.push(words_of(&command));
    }
    commands
}

/// Splits a command line into its words, without `aws`.
fn words_of(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut has_word) = (Vec::new(), String::new(), None, false);
    let mut characters = command.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), character) if character == open => quote = None,
            (None, '\'' | '"') => (quote, has_word) = (Some(character), true),
            // A shell removes the backslash.
            (None, '\\') => word.extend(characters.next()),
            (None, '<') => {
                word.push_str("example");
                has_word = true;
                characters.by_ref().take_while(|character| *character != '>').for_each(drop);
            }
            (None, '>' | '|' | ';' | '#' | '&') => break,
            (None, character) if character.is_whitespace() => {
                if has_word || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                has_word = false;
            }
            (_, character) => word.push(character),
        }
    }
    if has_word || !word.is_empty() {
        words.push(word);
    }
    words.into_iter().skip(1).collect()
}

/// Parses commands as if they were typed in a folder.
#[must_use]
pub fn parse(commands: &[Vec<String>], folder: &Path) -> Vec<Parsed> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/parse_commands.py");
    let mut python = Command::new(AWS.folder().join("python"));
    python.arg(script).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string(commands).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output_of(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_with_their_words() {
        let text = "first\n$ aws s3api put-bucket-policy --policy '{\"a\": [1,\n  2]}' --key \"b c\"\n  aws sts get-caller-identity \\\n  --output <a b>.json > file # why\naws-like\n";
        assert_eq!(
            commands_in(text),
            [
                vec!["s3api", "put-bucket-policy", "--policy", "{\"a\": [1, 2]}", "--key", "b c"],
                vec!["sts", "get-caller-identity", "--output", "example.json"]
            ]
        );
        // The program receives what a shell leaves of a backslash.
        assert_eq!(commands_in("aws x RegionOrder=a\\\\,b"), [vec!["x", "RegionOrder=a\\,b"]]);
    }
}
