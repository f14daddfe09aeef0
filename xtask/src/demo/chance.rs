//! The draws that the week's times, addresses and ids come from: the same in every run.

use rand_mt::Mt;

/// The Mersenne Twister, drawn from as Python's `random` does: that is how the demo's records were first made, and their ids stay.
pub(super) struct Chance(Mt);

impl Chance {
    pub(super) fn new(seed: u32) -> Self {
        Chance(Mt::new_with_key([seed]))
    }

    /// A number of `count` random bits, at most 64.
    pub(super) fn bits(&mut self, count: u32) -> u64 {
        let low = self.0.next_u32();
        if count <= 32 {
            return u64::from(low >> (32 - count));
        }
        u64::from(low) | u64::from(self.0.next_u32() >> (64 - count)) << 32
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        loop {
            let drawn = self.0.next_u32() >> end.leading_zeros();
            if drawn < end {
                return drawn;
            }
        }
    }

    /// One of a list, which isn't empty.
    pub(super) fn one_of<T: Copy>(&mut self, list: &[T]) -> Option<T> {
        let end = u32::try_from(list.len()).ok().filter(|end| *end > 0)?;
        list.get(self.below(end) as usize).copied()
    }

    /// A text of letters and digits without those that look alike, as the names of CloudTrail's files end.
    pub(super) fn word(&mut self, len: usize) -> String {
        const CHARACTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let one = |_| {
            // A fraction of 53 bits, times the number of characters.
            let (high, low) = (u64::from(self.0.next_u32() >> 5), u64::from(self.0.next_u32() >> 6));
            let index = (u128::from((high << 26) | low) * CHARACTERS.len() as u128) >> 53;
            usize::try_from(index).ok().and_then(|index| CHARACTERS.get(index)).map_or('A', |byte| char::from(*byte))
        };
        (0..len).map(one).collect()
    }

    pub(super) fn uuid(&mut self) -> String {
        let [a, b, c, d, e] = [32, 16, 12, 12, 48].map(|count| self.bits(count));
        format!("{a:08x}-{b:04x}-4{c:03x}-a{d:03x}-{e:012x}")
    }
}
