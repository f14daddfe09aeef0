//! UUIDs as numbers: request and event ids are kept in 16 bytes instead of 36.

/// The bits of a UUID in lower case with hyphens; `None` for any other text.
#[must_use]
pub fn uuid(text: &str) -> Option<u128> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if [8, 13, 18, 23].iter().any(|&hyphen| bytes.get(hyphen) != Some(&b'-')) {
        return None;
    }
    // The loops have no early exit, because nearly all ids are UUIDs.
    let (mut bits, mut wrong) = (0_u128, 0);
    for part in [0..8, 9..13, 14..18, 19..23, 24..36] {
        let (mut of_part, len) = (0_u64, part.len());
        for byte in bytes.get(part)? {
            let digit = DIGITS.get(usize::from(*byte)).copied().unwrap_or(NO_DIGIT);
            wrong |= digit;
            of_part = of_part << 4 | u64::from(digit);
        }
        bits = bits << (4 * len) | u128::from(of_part);
    }
    (wrong & NO_DIGIT == 0).then_some(bits)
}

/// The usual spelling of a UUID.
#[must_use]
pub fn uuid_text(bits: u128) -> String {
    let hex = hex::encode(bits.to_be_bytes());
    let mut text = String::with_capacity(36);
    for part in [0..8, 8..12, 12..16, 16..20, 20..32] {
        if !text.is_empty() {
            text.push('-');
        }
        text.push_str(hex.get(part).unwrap_or_default());
    }
    text
}

const NO_DIGIT: u8 = 0x10;

/// The value of each hexadecimal digit in lower case.
static DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let (mut byte, mut value) = (b'0', 0);
    while value < 16 {
        let (_, rest) = digits.split_at_mut(byte as usize);
        if let [digit, ..] = rest {
            *digit = value;
        }
        byte = if byte == b'9' { b'a' } else { byte + 1 };
        value += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_spelling_is_a_number() {
        let text = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(uuid(text), Some(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!(uuid("ffffffff-ffff-ffff-ffff-ffffffffffff"), Some(u128::MAX));
        assert_eq!(uuid_text(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef), text);
        assert_eq!(uuid_text(0), "00000000-0000-0000-0000-000000000000");
        let with = |at: usize, character: &str| format!("{}{character}{}", &text[..at], &text[at + 1..]);
        for other in [text.to_uppercase(), text.replace('-', ""), text[1..].to_owned(), format!("{text}0"), String::new()] {
            assert_eq!(uuid(&other), None, "{other}");
        }
        for (at, character) in [(8, "0"), (13, "0"), (18, "0"), (23, "0"), (0, "g"), (9, "-"), (35, "G"), (20, "/")] {
            assert_eq!(uuid(&with(at, character)), None, "{}", with(at, character));
        }
    }
}
