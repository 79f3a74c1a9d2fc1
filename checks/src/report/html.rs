//! The page of HTML.

use std::io;

use crate::json::ExplanationRecord;

/// The page, with `@DATA@` where the records go.
const PAGE: &str = include_str!("page.html");

/// Returns the page with these records in it.
pub(super) fn page(verdicts: &[ExplanationRecord]) -> io::Result<String> {
    // A record may have "</script>" in it. Outside of strings JSON has no "<".
    let data = serde_json::to_string(verdicts)?.replace('<', "\\u003c");
    Ok(PAGE.replace("@DATA@", &data))
}
