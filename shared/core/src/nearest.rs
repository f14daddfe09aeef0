//! Suggestions for misspelt names.

/// Names that are suggested at most.
const OFFERED: usize = 3;

/// The names that are most similar to a text, all at the same distance. Empty if none is similar.
pub fn nearest<'n>(text: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let folded = text.trim().to_lowercase();
    let farthest = (folded.chars().count() / 4).clamp(1, 3);
    let mut like: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let other = name.to_lowercase();
            // A truncated name, or one with something appended, counts as one edit.
            let is_part = folded.len() > 2 && (folded.starts_with(&other) || other.starts_with(&folded));
            let distance = if is_part && folded != other { 1 } else { strsim::damerau_levenshtein(&folded, &other) };
            (distance <= farthest && !other.is_empty()).then_some((distance, name))
        })
        .collect();
    like.sort_unstable();
    like.dedup();
    // Only the most similar ones are suggested.
    let least = like.first().map(|(distance, _)| *distance);
    like.retain(|(distance, _)| Some(*distance) == least);
    like.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_comes_first() {
        let names = ["222233334444", "333344445555", "222233334445", "shop", "shopping"];
        assert_eq!(nearest("22223333444", names), ["222233334444", "222233334445"]);
        assert_eq!(nearest("Shpo", names), ["shop"]);
        assert_eq!(nearest("shop", ["shopping"]), ["shopping"]);
        assert_eq!(nearest("nothing", names), Vec::<&str>::new());
    }
}
