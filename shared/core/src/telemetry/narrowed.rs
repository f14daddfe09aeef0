//! Describes the conditions of selectors that record only some events of a kind.

use super::{Condition, LoggedEvent, SelectorKind, Selectors};

/// Values of a condition that a description lists at most.
const MOST_LISTED: usize = 3;

impl Selectors {
    /// Describes the conditions of the selectors that select some but not all events of this kind. `None` if all are recorded, or none is.
    #[must_use]
    pub fn narrowed(&self, event: LoggedEvent<'_>) -> Option<String> {
        if self.records(event) {
            return None;
        }
        let narrowed: Vec<String> = match &self.0 {
            SelectorKind::Advanced(selectors) => {
                selectors.iter().filter(|conditions| chooses(conditions, event)).map(|conditions| in_words(conditions, event)).collect()
            }
            SelectorKind::Classic(selectors) => {
                let is_narrow = |reads: bool, management: bool| event.category == "Management" && management && !reads;
                let narrow = selectors.iter().filter(|selector| is_narrow(selector.reads, selector.management));
                narrow.take(1).map(|_| "ReadWriteType is WriteOnly".to_owned()).collect()
            }
            SelectorKind::Default => Vec::new(),
        };
        (!narrowed.is_empty()).then(|| narrowed.join(", or "))
    }
}

/// Whether a selector selects any event of this category and type.
fn chooses(conditions: &[Condition], event: LoggedEvent<'_>) -> bool {
    let names = |field: &str| conditions.iter().any(|condition| condition.field == field && condition.holds(event));
    names("eventCategory") && (event.resource_type.is_empty() || names("resources.type"))
}

fn in_words(conditions: &[Condition], event: LoggedEvent<'_>) -> String {
    let narrowing = conditions.iter().filter(|condition| !condition.holds(event));
    let words = |condition: &Condition| {
        let each = |(operator, values): &(String, Vec<String>)| {
            let operator = match operator.as_str() {
                "equals" => "is",
                "startswith" => "starts with",
                "endswith" => "ends with",
                "notequals" => "is not",
                "notstartswith" => "doesn't start with",
                "notendswith" => "doesn't end with",
                other => other,
            };
            let listed: Vec<&str> = values.iter().take(MOST_LISTED).map(String::as_str).collect();
            let more = values.len().saturating_sub(MOST_LISTED);
            let more = if more > 0 { format!(" or {more} more") } else { String::new() };
            format!("{} {operator} {}{more}", condition.field, listed.join(" or "))
        };
        condition.operators.iter().map(each).collect::<Vec<_>>().join(" and ")
    };
    narrowing.map(words).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_selector_is_narrowed_to_is_told() {
        let narrowed = |conditions: serde_json::Value| {
            let mut fields = vec![
                json!({"Field": "eventCategory", "Equals": ["Data"]}),
                json!({"Field": "resources.type", "Equals": ["AWS::Bedrock::Guardrail"]}),
            ];
            fields.extend(conditions.as_array().unwrap().clone());
            Selectors::read(&json!({"AdvancedEventSelectors": [{"FieldSelectors": fields}]})).unwrap().narrowed(LoggedEvent::EVALUATION)
        };
        assert_eq!(narrowed(json!([])), None);
        assert_eq!(narrowed(json!([{"Field": "readOnly", "Equals": ["false"]}])).as_deref(), Some("readOnly is false"));
        let arn = "arn:aws:bedrock:us-east-1:1:guardrail/a";
        let only = json!([{"Field": "resources.ARN", "StartsWith": [arn, "b", "c", "d"]}]);
        assert_eq!(narrowed(only), Some(format!("resources.ARN starts with {arn} or b or c or 1 more")));
        let models = json!({"AdvancedEventSelectors": [{"FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::Bedrock::Model"]}]}]});
        assert_eq!(Selectors::read(&models).unwrap().narrowed(LoggedEvent::EVALUATION), None, "others are not a part of them");
        let classic = Selectors::read(&json!({"EventSelectors": [{"ReadWriteType": "WriteOnly"}]})).unwrap();
        assert_eq!(classic.narrowed(LoggedEvent::INVOCATIONS[0]).as_deref(), Some("ReadWriteType is WriteOnly"));
        assert_eq!(classic.narrowed(LoggedEvent::EVALUATION), None);
    }
}
