//! What is missing from a report or an answer, in words.

use std::collections::BTreeSet;

use audit_core::report::BlindRow;

use crate::{
    findings::{Quarantine, Unjudged},
    fold::unread_row,
    partition::AccountRegion,
};

/// Accounts that are named one by one.
const NAMED: usize = 20;

/// A sentence for each account that isn't judged, or not by all that is known of it.
pub(crate) fn unjudged(quarantined: &[(String, Quarantine)]) -> Vec<String> {
    let mut sentences: Vec<String> = quarantined.iter().take(NAMED).map(sentence).collect();
    let more = quarantined.len().saturating_sub(NAMED);
    if more > 0 {
        sentences.push(format!("{more} other accounts are not judged, or not by all that is known of them"));
    }
    sentences
}

/// The blind spots of accounts that aren't judged at all: none of what they do is seen.
pub(crate) fn unseen_calls(quarantined: &[(String, Quarantine)], account_regions: &BTreeSet<AccountRegion>) -> Vec<BlindRow> {
    let unjudged = quarantined.iter().filter(|(_, quarantine)| quarantine.unjudged == Unjudged::Everything);
    let unjudged: BTreeSet<&String> = unjudged.map(|(account, _)| account).collect();
    account_regions.iter().filter(|account_region| unjudged.contains(&account_region.account)).map(unread_row).collect()
}

fn sentence((account, Quarantine { unjudged, since, .. }): &(String, Quarantine)) -> String {
    match unjudged {
        Unjudged::Everything => format!("account {account} has not been judged since {since}, and what is said of it is as of then"),
        Unjudged::AllOfItsOwn => format!(
            "what account {account} reports about itself has not been judged since {since}: what is said of it since then rests on what the hub \
             reads and the organization's trail proves"
        ),
        Unjudged::SomeOfItsOwn => {
            format!("not all that account {account} reports about itself has been judged since {since}, and nothing of it is proved")
        }
    }
}

#[cfg(test)]
mod tests {
    use audit_core::timestamp::Timestamp;

    use super::*;

    #[test]
    fn each_account_that_is_not_judged_is_named_up_to_a_number() {
        let since = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
        let of = |number: usize| {
            let quarantine =
                Quarantine { unjudged: Unjudged::Everything, since, problem: "p".to_owned(), retries: 0, retry_at: since, until: None };
            (format!("{number:012}"), quarantine)
        };
        let sentences = unjudged(&(0..25).map(of).collect::<Vec<_>>());
        assert_eq!(sentences.len(), 21);
        assert!(sentences[0].starts_with("account 000000000000 has not been judged since 2026-11-20T10:00:00Z"), "{}", sentences[0]);
        assert!(sentences[20].starts_with("5 other accounts"), "{}", sentences[20]);
        assert_eq!(unjudged(&[]), Vec::<String>::new());
    }
}
