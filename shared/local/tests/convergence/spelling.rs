//! Writes the same JSON in other ways, as tools do.

use serde_json::{Map, Value, json};

/// A small generator of random numbers (splitmix64), for choices that are too many for proptest to shrink one by one.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn one_in(&mut self, n: u64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).is_multiple_of(n)
    }
}

/// Writes the same JSON differently: blanks, the order of keys, characters as `\u` escapes.
pub(super) fn spell(value: &Value, random: &mut Random) -> String {
    let blank = |random: &mut Random| if random.one_in(6) { " \n\t" } else { "" };
    match value {
        Value::String(text) => spell_text(text, random),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| format!("{}{}", blank(random), spell(item, random))).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = Map::iter(members).collect();
            if random.one_in(2) {
                members.reverse();
            }
            let members: Vec<String> = members
                .into_iter()
                .map(|(key, member)| {
                    let (key, before, after) = (spell_text(key, random), blank(random), blank(random));
                    format!("{before}{key}{after}:{before}{}", spell(member, random))
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

fn spell_text(text: &str, random: &mut Random) -> String {
    if !random.one_in(4) {
        return json!(text).to_string();
    }
    let spelled: String = text
        .chars()
        .map(|c| match c {
            '/' if random.one_in(2) => "\\/".to_owned(),
            c if matches!(c, '"' | '\\') || random.one_in(3) => format!("\\u{:04X}", c as u32),
            c => c.to_string(),
        })
        .collect();
    format!("\"{spelled}\"")
}
