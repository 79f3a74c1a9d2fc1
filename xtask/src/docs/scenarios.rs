//! Tables with a row for each bug or race, and the versions that have it.

use std::collections::BTreeMap;

use selvedge_core::{Engine, Expectation, Scenario, ViolationKind};

use super::markdown;

/// Generates the table of the scenarios whose names have the form of `pattern`. The scenarios that
/// have the same part at `{row}` are one row. The part at `{version}` names the version. Without
/// it, each scenario is a row.
pub(super) fn table<'a>(pattern: &str, scenarios: impl Iterator<Item = &'a Scenario>) -> String {
    let mut rows: BTreeMap<&str, Row<'_>> = BTreeMap::new();
    for scenario in scenarios {
        let Some((row, version)) = parts(pattern, scenario.name()) else { continue };
        let about = Row { about: scenario.about(), ..Row::default() };
        rows.entry(row).or_insert(about).add(version, scenario.expected(Engine::Native));
    }
    let cells = rows.iter().map(|(name, row)| {
        [format!("`{name}`"), row.about.to_owned(), row.refuted(), row.proved.join(", ")]
    });
    match pattern.contains("{version}") {
        true => markdown(["", "about", "refuted in", "proved in"], cells),
        false => markdown(["", "about", "refuted by", "proved"], cells),
    }
}

/// Returns the parts of a name at `{row}` and `{version}`, if the name has the form of `pattern`.
fn parts<'a>(pattern: &str, name: &'a str) -> Option<(&'a str, &'a str)> {
    let (mut row, mut version) = ("", "");
    let (mut wanted, mut found) = (pattern.split('/'), name.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (Some("{row}"), Some(part)) => row = part,
            (Some("{version}"), Some(part)) => version = part,
            (Some(wanted), Some(part)) if wanted == part => {}
            (None, None) => return Some((row, version)),
            _ => return None,
        }
    }
}

#[derive(Default)]
struct Row<'a> {
    about: &'a str,
    /// What is violated, and by which versions.
    refuted: Vec<(String, Vec<&'a str>)>,
    proved: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn add(&mut self, version: &'a str, expected: &Expectation) {
        let kinds = expected.violations();
        if kinds.is_empty() {
            return self.proved.push(if version.is_empty() { "yes" } else { version });
        }
        let kinds = kinds.iter().map(short).collect::<Vec<_>>().join(", ");
        match self.refuted.iter_mut().find(|(known, _)| *known == kinds) {
            Some((_, versions)) => versions.push(version),
            None => self.refuted.push((kinds, vec![version])),
        }
    }

    fn refuted(&self) -> String {
        let cells = self.refuted.iter();
        let cells = cells.map(|(kinds, versions)| match versions.as_slice() {
            [""] => kinds.clone(),
            versions => format!("{}: {kinds}", versions.join(", ")),
        });
        cells.collect::<Vec<_>>().join("; ")
    }
}

/// An invariant is known by its id.
fn short(kind: &ViolationKind) -> String {
    match kind {
        ViolationKind::Invariant(id) => id.clone(),
        other => format!("`{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(name: &str, kinds: &[&str]) -> Scenario {
        let scenario = Scenario::builder(name, || ()).about("a").source("s");
        match kinds {
            [] => scenario.expect_proof(),
            ids => scenario.expect_violations(ids.iter().map(|id| ViolationKind::invariant(id))),
        }
    }

    #[test]
    fn a_row_has_the_versions_of_one_bug() {
        let all = [
            scenario("d/bugs/b1/v1", &["X"]),
            scenario("d/bugs/b1/v2", &["X", "Y"]),
            scenario("d/bugs/b1/v3", &["X"]),
            scenario("d/bugs/b1/v4", &[]),
            scenario("d/other/b1/v5", &[]),
        ];
        let table = table("d/bugs/{row}/{version}", all.iter());
        let row = "| `b1` | a | v1, v3: X; v2: X, Y | v4 |";
        assert_eq!(table.lines().skip(2).collect::<Vec<_>>(), [row]);
    }
}
