//! Keeps control characters out of everything that the program writes.
//!
//! Others choose the names of accounts, keys of policies, names of files and arguments. A terminal would run control characters in them as
//! commands, and a reader of logs would take a line break for the next line. Everything that is written to standard output, standard error
//! or a file passes through here.

use std::io::{self, Write};

use audit_core::json::steers;

/// Characters of the longest sequence by which the program itself sets a colour or weight.
const LONGEST_STYLE: usize = 16;

/// A writer that replaces control characters by U+FFFD. Line breaks, tabs and sequences that only set colours pass, because the layout
/// consists of them; values from outside are made [printable](audit_core::json::printable) before they are put into the layout.
pub(crate) struct Clean<W> {
    out: W,
    /// Whether sequences that set colours pass. Files hold none.
    keeps_styles: bool,
    /// The beginning of a character or of a sequence, held until the rest is written.
    held: Vec<u8>,
}

impl<W: Write> Clean<W> {
    pub(crate) fn new(out: W) -> Self {
        Clean { out, keeps_styles: true, held: Vec::new() }
    }

    /// Leaves colours out.
    pub(crate) fn plain(out: W) -> Self {
        Clean { keeps_styles: false, ..Clean::new(out) }
    }

    /// Writes text that ends with a whole character.
    fn text(&mut self, text: &str) -> io::Result<()> {
        let mut cleaned = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(|c| c != '\n' && c != '\t' && steers(c)) {
            let (before, from) = rest.split_at(at);
            cleaned.push_str(before);
            let style = style_at(from);
            match style {
                Style::Whole(sequence) => {
                    cleaned.push_str(if self.keeps_styles { sequence } else { "" });
                    rest = from.get(sequence.len()..).unwrap_or_default();
                }
                Style::Begun => {
                    self.held = from.as_bytes().to_vec();
                    rest = "";
                }
                Style::None => {
                    cleaned.push('\u{fffd}');
                    let mut characters = from.chars();
                    characters.next();
                    rest = characters.as_str();
                }
            }
        }
        cleaned.push_str(rest);
        self.out.write_all(cleaned.as_bytes())
    }
}

enum Style<'t> {
    /// A sequence that sets a colour or weight, at the start of the text.
    Whole(&'t str),
    /// The text ends inside such a sequence.
    Begun,
    None,
}

fn style_at(text: &str) -> Style<'_> {
    let Some(behind) = text.strip_prefix('\u{1b}') else { return Style::None };
    if behind.is_empty() {
        return Style::Begun;
    }
    let Some(parameters) = behind.strip_prefix('[') else { return Style::None };
    match parameters.find(|c: char| !c.is_ascii_digit() && c != ';') {
        Some(end) if parameters.get(end..).is_some_and(|rest| rest.starts_with('m')) && end < LONGEST_STYLE => {
            text.get(..end + 3).map_or(Style::None, Style::Whole)
        }
        None if parameters.len() < LONGEST_STYLE => Style::Begun,
        _ => Style::None,
    }
}

impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without a way out the loop runs over many bytes at once.
        let is_clean = bytes.iter().fold(true, |is_clean, byte| is_clean & matches!(byte, b' '..=b'~' | b'\n' | b'\t'));
        if self.held.is_empty() && is_clean {
            self.out.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut rest = all.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text(text)?;
                    return Ok(bytes.len());
                }
                Err(error) => {
                    let (valid, behind) = rest.split_at(error.valid_up_to());
                    self.text(std::str::from_utf8(valid).unwrap_or_default())?;
                    let Some(wrong) = error.error_len() else {
                        self.held.extend_from_slice(behind);
                        return Ok(bytes.len());
                    };
                    self.text("\u{fffd}")?;
                    rest = behind.get(wrong..).unwrap_or_default();
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.held.is_empty() {
            let held = String::from_utf8_lossy(&std::mem::take(&mut self.held)).replace(|c| steers(c) && c != '\n', "\u{fffd}");
            self.out.write_all(held.as_bytes())?;
        }
        self.out.flush()
    }
}

/// Writes JSON with control characters escaped, so that a program reads the original text and a terminal shows only characters. JSON is
/// ASCII outside of strings.
pub(crate) struct Escaped<W>(pub(crate) W);

impl<W: Write> Write for Escaped<W> {
    /// `serde_json` writes whole characters.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_ascii() {
            self.0.write_all(bytes)?;
            return Ok(bytes.len());
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(steers) => {
                for c in text.chars() {
                    if !c.is_ascii() && steers(c) {
                        let mut units = [0; 2];
                        c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(self.0, "\\u{unit:04x}"))?;
                    } else {
                        self.0.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?;
                    }
                }
            }
            _ => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(parts: &[&[u8]]) -> String {
        let mut written = Vec::new();
        let mut out = Clean::new(&mut written);
        for part in parts {
            out.write_all(part).unwrap();
        }
        out.flush().unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn what_steers_is_replaced_and_colours_stay() {
        let bold = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
        let styled = format!("{bold}a{bold:#}\n\tb");
        assert_eq!(cleaned(&[styled.as_bytes()]), styled);
        for steering in
            ["\u{1b}[2J", "\u{9b}31m", "\u{1b}]0;t\u{7}", "\r", "\u{202e}", "\u{2028}", "\u{200b}", "\u{7f}", "\u{85}", "\u{feff}"]
        {
            let shown = cleaned(&[b"x", steering.as_bytes(), b"y"]);
            assert!(!shown.chars().any(steers) && shown.starts_with('x') && shown.ends_with('y'), "{shown:?}");
        }
        assert_eq!(cleaned(&["Größe, 日本".as_bytes()]), "Größe, 日本");
    }

    #[test]
    fn files_hold_no_colours() {
        let bold = anstyle::Style::new().bold();
        let styled = format!("{bold}a{bold:#}\n\u{1b}[2Jb");
        for at in 0..styled.len() {
            let (before, behind) = styled.as_bytes().split_at(at);
            let mut written = Vec::new();
            let mut out = Clean::plain(&mut written);
            [before, behind].iter().try_for_each(|part| out.write_all(part)).and_then(|()| out.flush()).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), "a\n\u{fffd}[2Jb", "cut at {at}");
        }
    }

    #[test]
    fn it_makes_no_difference_where_a_text_is_cut() {
        let text = "a\u{1b}[1mb\u{1b}[0m ö\u{9b}c\u{1b}[2Kd\u{2028}";
        let whole = cleaned(&[text.as_bytes()]);
        let bytes = text.as_bytes();
        for at in 0..bytes.len() {
            let (before, behind) = bytes.split_at(at);
            assert_eq!(cleaned(&[before, behind]), whole, "{at}");
        }
        assert_eq!(cleaned(&[b"\xff\xc3"]), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({"a\u{9b}": "b\u{2028}c\u{e0041}ö\n"});
        let mut written = Vec::new();
        serde_json::to_writer(Escaped(&mut written), &value).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(!text.chars().any(steers), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
