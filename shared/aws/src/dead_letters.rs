//! The number of messages in an account's dead-letter queues, which each heartbeat reports.
//!
//! The counts travel in the session name of the heartbeat's call. CloudTrail records it with the call, so the counts reach the hub on the
//! heartbeat's own path, don't change however often the record is delivered, and can be read by the hub itself. An account that only
//! forwards its events reports them as well, though it may write no facts.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::QueueAttributeName;

use crate::{
    aws::Aws,
    error::{self, failed},
};

/// The number of messages in each dead-letter queue that isn't empty; `None` for a queue that couldn't be read.
pub type DeadLetters = BTreeMap<String, Option<u64>>;

/// The session name when all queues are empty.
const NOTHING: &str = "guardrail-audit";

/// Stands for a count that couldn't be read.
const UNREAD: &str = "unread";

/// Characters that a session name has at most (docs/aws/iam.md#limits).
const LONGEST: usize = 64;

/// The messages that can be received, and those that were received in vain and are hidden for a while.
const COUNTS: [QueueAttributeName; 2] =
    [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];

/// Queues that a finding names at most. A member has one, of earlier releases three.
const SHOWN: usize = 5;

/// Counts the messages in these queues, given by short name and URL.
pub async fn count(aws: &Aws, queues: &BTreeMap<String, String>) -> DeadLetters {
    let mut found = DeadLetters::new();
    for (name, url) in queues {
        let request = aws.sqs().get_queue_attributes().queue_url(url).set_attribute_names(Some(COUNTS.to_vec()));
        let answer = request.send().await.map_err(failed("GetQueueAttributes"));
        let answer = answer.inspect_err(|error| error::warn("a dead-letter queue could not be asked", error)).ok();
        let number = |name| answer.as_ref()?.attributes()?.get(name)?.parse::<u64>().ok();
        let count = COUNTS.iter().map(number).sum::<Option<u64>>();
        if count != Some(0) {
            found.insert(name.clone(), count);
        }
    }
    found
}

/// Parses the setting `calls=<url>,undelivered=<url>`.
#[must_use]
pub fn queues_in(setting: &[String]) -> BTreeMap<String, String> {
    setting.iter().filter_map(|queue| queue.split_once('=')).map(|(name, url)| (name.to_owned(), url.to_owned())).collect()
}

/// The session name that carries these counts.
#[must_use]
pub fn session_name(dead_letters: &DeadLetters) -> String {
    let counts =
        dead_letters.iter().map(|(queue, count)| format!("{queue}={}", count.map_or(UNREAD.to_owned(), |count| count.to_string())));
    let counts: Vec<String> = counts.collect();
    let name = counts.join(",");
    match name.len() {
        0 => NOTHING.to_owned(),
        length if length <= LONGEST => name,
        // Too many queues to name: the sum is carried instead, which isn't known if one of them isn't.
        _ => dead_letters.values().copied().sum::<Option<u64>>().map_or(format!("all={UNREAD}"), |all| format!("all={all}")),
    }
}

/// The counts that a session name carries.
#[must_use]
pub fn of_session(name: &str) -> DeadLetters {
    let counts = name.split(',').filter_map(|queue| queue.split_once('='));
    counts.map(|(queue, count)| (queue.to_owned(), count.parse().ok())).collect()
}

/// The counts in words. Queue names come from the account under audit, so control characters are removed.
#[must_use]
pub fn in_words(dead_letters: &DeadLetters) -> String {
    let words = dead_letters.iter().take(SHOWN).map(|(queue, count)| {
        let queue: String = queue.chars().filter(|character| !character.is_control()).take(LONGEST).collect();
        match count {
            Some(count) => format!("{count} in {queue}"),
            None => format!("{queue} can't be asked"),
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_s_name_tells_what_was_counted() {
        let counted = DeadLetters::from([("calls".to_owned(), Some(2)), ("undelivered".to_owned(), None)]);
        assert_eq!(session_name(&counted), "calls=2,undelivered=unread");
        assert_eq!(of_session(&session_name(&counted)), counted);
        assert_eq!(in_words(&counted), "2 in calls, undelivered can't be asked");
        for name in [NOTHING, "", "alice@example.com"] {
            assert_eq!(of_session(name), DeadLetters::new(), "{name}");
        }
        assert_eq!(session_name(&DeadLetters::new()), NOTHING);
        let many: DeadLetters = (0..20).map(|number| (format!("queue-{number}"), Some(3))).collect();
        assert_eq!(of_session(&session_name(&many)), DeadLetters::from([("all".to_owned(), Some(60))]));
        let one_unread: DeadLetters = (0..20).map(|number| (format!("queue-{number}"), (number > 0).then_some(3))).collect();
        assert_eq!(of_session(&session_name(&one_unread)), DeadLetters::from([("all".to_owned(), None)]));
    }
}
