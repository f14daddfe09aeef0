//! The Regions of AWS: the known ones, and the form that the code of a new one has.

use crate::nearest::nearest;

/// The Regions of all partitions, from the AWS SDK for Python (botocore 1.44.8, `partitions.json`). AWS adds some every year.
const KNOWN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

/// The word before the number in a Region's code, as in `us-east-1`.
const DIRECTIONS: &[&str] = &["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

/// The known Regions of all partitions, sorted.
#[must_use]
pub const fn known() -> &'static [&'static str] {
    KNOWN
}

/// Whether the code is one of the known Regions.
#[must_use]
pub fn is_known(text: &str) -> bool {
    KNOWN.contains(&text)
}

/// Whether a text has the form of a Region's code, such as `us-east-1`, `us-gov-west-1` or `ap-southeast-2`, known or not.
#[must_use]
pub fn looks_like_a_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_area = |part: &&str| (2..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |part: &str| (1..=2).contains(&part.len()) && !part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [areas @ .., direction, number] => {
            (1..=2).contains(&areas.len()) && areas.iter().all(is_area) && DIRECTIONS.contains(direction) && is_number(number)
        }
        _ => false,
    }
}

/// The known Regions whose codes are most similar to a text: suggestions for a misspelt code.
#[must_use]
pub fn nearest_regions(text: &str) -> Vec<&'static str> {
    nearest(text, KNOWN.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_region_looks_like_one() {
        assert!(KNOWN.iter().all(|region| looks_like_a_region(region)));
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn there_may_be_new_regions_and_typos_are_none() {
        for new in ["us-east-3", "nz-north-1", "ap-southeast-12", "eusc-fr-west-1"] {
            assert!(looks_like_a_region(new) && !is_known(new), "{new}");
        }
        let unusual = ["us-east-100", "u-east-1", "euabc-east-1", "u1-east-1", "us-gov-iso-east-1", "east-1", "us-east-x"];
        assert!(unusual.into_iter().all(|text| !looks_like_a_region(text)));
        for typo in ["us-eats-1", "us-east-1a", "us-east", "us-east-", "useast-1", "US-EAST-1", "us_east_1", "us-east-01", "", "global"] {
            assert!(!looks_like_a_region(typo), "{typo}");
        }
        for (typo, meant) in
            [("us-eats-1", "us-east-1"), ("us-east-1a", "us-east-1"), ("US-WEST-2", "us-west-2"), ("eu-wst-1", "eu-west-1")]
        {
            assert_eq!(nearest_regions(typo).first(), Some(&meant), "{typo}");
        }
    }
}
