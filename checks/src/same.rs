//! Which scenarios behave as an earlier one: a release that changed nothing that is modelled.
//!
//! Both are explored. A verdict is of what was explored, and the equal ones are the quick ones.

use std::collections::HashMap;

use crate::json::VerdictRecord;

/// The complete records so far, by digest.
#[derive(Default)]
pub(crate) struct Seen {
    by_digest: HashMap<String, Vec<VerdictRecord>>,
}

impl Seen {
    /// Returns the name of the first scenario that has the states, the verdict, the violations, the
    /// schedules and the predictions of this one, and a name that differs in one part.
    pub(crate) fn same_as(&mut self, record: &VerdictRecord) -> Option<String> {
        let digest = record.digest.clone().filter(|_| record.complete && record.shard.is_none())?;
        let earlier = self.by_digest.entry(digest).or_default();
        let same = earlier.iter().find(|earlier| is_same(earlier, record));
        let same = same.map(|earlier| earlier.scenario.clone());
        earlier.push(record.clone());
        same
    }
}

fn is_same(earlier: &VerdictRecord, record: &VerdictRecord) -> bool {
    let facts = |record: &VerdictRecord| (record.states, record.traces);
    difference(&earlier.scenario, &record.scenario).is_some()
        && (&earlier.engine, &earlier.search) == (&record.engine, &record.search)
        && (&earlier.expected, &earlier.found) == (&record.expected, &record.found)
        && facts(earlier) == facts(record)
        && earlier.refuted == record.refuted
        && earlier.also == record.also
        && earlier.lockdep == record.lockdep
}

/// Returns the part in which the name of an earlier scenario differs from a name, if it is one.
pub(crate) fn difference<'a>(earlier: &'a str, name: &str) -> Option<&'a str> {
    if earlier.split('/').count() != name.split('/').count() {
        return None;
    }
    let mut parts = earlier.split('/').zip(name.split('/')).filter(|(old, new)| old != new);
    let (difference, _) = parts.next()?;
    parts.next().is_none().then_some(difference)
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn names_of_equal_scenarios_differ_in_one_part() {
        assert_eq!(difference("a/v6.0/x", "a/v6.1/x"), Some("v6.0"));
        assert_eq!(difference("a/v6.0/x", "a/v6.1/y"), None);
        assert_eq!(difference("a/v6.0/x", "a/v6.0/x"), None);
        assert_eq!(difference("a/v6.0", "a/v6.0/x"), None);
    }
}
