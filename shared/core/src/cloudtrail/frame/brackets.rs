//! Finds the bracket that closes an object or array.

#![expect(clippy::inline_always, reason = "code gets a processor's own instructions only inlined into what is dispatched")]

use fearless_simd::{Level, dispatch, prelude::*, u8x64};

/// The length of the object or array at the start of the bytes; `None` if it doesn't close in them.
///
/// Sets of positions in a block of 64 bytes are bits of a `u64`; the running parity of the quotes is set inside strings (G. Langdale and
/// D. Lemire, "Parsing gigabytes of JSON per second", 2019, section 3.1). Kinds of brackets are not told apart: JSON that mixes them up
/// fails when it is parsed.
pub(in crate::cloudtrail) fn container_len(bytes: &[u8]) -> Option<usize> {
    dispatch!(Level::new(), simd => container_len_by(simd, bytes))
}

#[inline(always)]
fn container_len_by<S: Simd>(simd: S, bytes: &[u8]) -> Option<usize> {
    let mut scan = BracketScan { depth: 0, in_string: 0, escaped: 0 };
    let mut rest = bytes;
    let mut before = 0;
    while let Some((block, tail)) = rest.split_first_chunk::<64>() {
        if let Some(end) = scan.block(simd, block) {
            return Some(before + end);
        }
        before += 64;
        rest = tail;
    }
    let mut padded = [b' '; 64];
    for (to, from) in padded.iter_mut().zip(rest) {
        *to = *from;
    }
    scan.block(simd, &padded).map(|end| before + end)
}

struct BracketScan {
    depth: u32,
    /// All ones if the block starts inside a string, else zero.
    in_string: u64,
    /// One if the block's first byte is escaped, else zero.
    escaped: u64,
}

impl BracketScan {
    /// The offset of the outermost closing bracket, if it is in this block.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, block: &[u8; 64]) -> Option<usize> {
        let bytes: u8x64<S> = (*block).simd_into(simd);
        let quotes = bytes.simd_eq(b'"').to_bitmask() & !self.escaped_in(bytes.simd_eq(b'\\').to_bitmask());
        let in_string = parity(quotes) ^ self.in_string;
        self.in_string = 0_u64.wrapping_sub(in_string >> 63);
        // `[` and `{`, `]` and `}` differ in bit 5 only.
        let folded = bytes | 0x20;
        let opening = folded.simd_eq(b'{').to_bitmask() & !in_string;
        let closing = folded.simd_eq(b'}').to_bitmask() & !in_string;
        if closing.count_ones() < self.depth {
            // The block has fewer closing brackets than are open, so in no order can they close the outermost one.
            self.depth = self.depth + opening.count_ones() - closing.count_ones();
            return None;
        }
        let mut brackets = opening | closing;
        while brackets != 0 {
            let bracket = brackets & brackets.wrapping_neg();
            if opening & bracket != 0 {
                self.depth += 1;
            } else {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(bracket.trailing_zeros() as usize + 1);
                }
            }
            brackets ^= bracket;
        }
        None
    }

    /// The bytes that follow a backslash which is not escaped itself.
    #[inline(always)]
    fn escaped_in(&mut self, backslashes: u64) -> u64 {
        let mut escaped = self.escaped;
        if backslashes == 0 {
            self.escaped = 0;
            return escaped;
        }
        let mut rest = backslashes & !escaped;
        self.escaped = 0;
        while rest != 0 {
            let backslash = rest & rest.wrapping_neg();
            escaped |= backslash << 1;
            self.escaped = backslash >> 63;
            rest &= !(backslash | backslash << 1);
        }
        escaped
    }
}

/// Bit n of the result is the parity of bits 0 to n.
#[inline]
const fn parity(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    bits
}
