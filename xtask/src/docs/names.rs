//! The names of scenarios in the text of a README.

use std::collections::BTreeSet;

use globset::{Glob, GlobSetBuilder};
use selvedge_core::Scenario;

/// Checks that each name or glob between backticks matches a scenario or a family. `<version>` and
/// the like stand for any part of a name. What does not begin with the first part of a name, such
/// as `vfio-ap/`, is no name.
///
/// # Errors
///
/// If one matches nothing, with all that do not.
pub(super) fn check(text: &str, catalogue: &[Scenario]) -> Result<(), String> {
    let first = |name: &str| name.split_once('/').map(|(first, _)| first.to_owned());
    let roots: BTreeSet<_> =
        catalogue.iter().filter_map(|scenario| first(scenario.name())).collect();
    let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let named = spans.filter(|span| first(span).is_some_and(|first| roots.contains(&first)));
    let mut wrong = Vec::new();
    for name in named {
        if !matches_any(name, catalogue).map_err(|error| error.to_string())? {
            wrong.push(format!("no scenario matches `{name}`"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn matches_any(name: &str, catalogue: &[Scenario]) -> Result<bool, globset::Error> {
    let mut glob = String::new();
    for part in name.split_inclusive('>') {
        let (before, placeholder) = part.split_once('<').unwrap_or((part, ""));
        glob += before;
        glob += if placeholder.is_empty() { "" } else { "*" };
    }
    let globs = [Glob::new(&glob)?, Glob::new(&format!("{glob}/**"))?];
    let globs = globs.into_iter().fold(GlobSetBuilder::new(), |mut set, glob| {
        set.add(glob);
        set
    });
    let globs = globs.build()?;
    Ok(catalogue.iter().any(|scenario| globs.is_match(scenario.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_matches_nothing_is_an_error() {
        let scenario = |name: &str| Scenario::builder(name, || ()).expect_proof();
        let all = [scenario("d/bugs/b1/v1"), scenario("d/races/v1/a")];
        let check = |text: &str| check(text, &all);
        assert_eq!(check("`d/bugs/b1/v1`, `d/bugs`, `d/*/v1`, `d/<x>/<y>/v1`"), Ok(()));
        assert_eq!(check("`d/{bugs,races}/*`, `checks/tests`, `d` and d/b2"), Ok(()));
        assert_eq!(check("`d/bugs/b2`"), Err("no scenario matches `d/bugs/b2`".to_owned()));
    }
}
