//! JUnit's XML, which CI systems read.

use std::io;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::families;
use crate::json::ExplanationRecord;

/// Returns the test suites: one for each family of scenarios.
pub(super) fn suites(verdicts: &[ExplanationRecord]) -> io::Result<String> {
    let mut report = Report::new("selvedge");
    let mut suites: Vec<TestSuite> = Vec::new();
    for record in verdicts {
        let family = families::family(&record.verdict.scenario);
        if suites.last().is_none_or(|suite| suite.name.as_str() != family) {
            suites.push(TestSuite::new(family));
        }
        if let Some(suite) = suites.last_mut() {
            suite.add_test_case(case(record));
        }
    }
    report.add_test_suites(suites);
    report.to_string().map_err(io::Error::other)
}

fn case(record: &ExplanationRecord) -> TestCase {
    let verdict = &record.verdict;
    let status = match verdict.as_expected {
        true => TestCaseStatus::success(),
        false => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let message = format!("expected {}, found {}", verdict.expected, verdict.found);
            status.set_type(verdict.found.clone()).set_message(message);
            status.set_description(
                record
                    .counterexamples
                    .iter()
                    .flat_map(|found| [&found.reason, "\n", &found.text, "\n"])
                    .chain(verdict.reason.as_deref())
                    .collect::<String>(),
            );
            status
        }
    };
    let mut case = TestCase::new(verdict.scenario.clone(), status);
    case.set_time(Duration::from_secs_f64(verdict.seconds));
    case
}
