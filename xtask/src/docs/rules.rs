//! Tables with a row for each rule, and the scenarios that break it.

use globset::Glob;
use selvedge_core::{Engine, Scenario};
use selvedge_models::Rule;

use super::markdown;

/// The number of scenarios that a row names.
const NAMED: usize = 3;

/// Generates the table of `rules`.
///
/// # Errors
///
/// If a scenario is expected to break an invariant that is not in `rules`.
pub(super) fn table(rules: &[Rule], scenarios: &[&Scenario]) -> Result<String, String> {
    for (scenario, violation) in scenarios.iter().flat_map(|scenario| violations(scenario)) {
        let id = violation.strip_prefix("invariant(").and_then(|rest| rest.strip_suffix(')'));
        if let Some(id) = id.filter(|id| rules.iter().all(|rule| rule.id != *id)) {
            return Err(format!("`{scenario}` breaks {id}, which is not in `RULES`"));
        }
    }
    let rows = rules.iter().map(|rule| {
        let [id, about] = [rule.id, rule.about].map(str::to_owned);
        broken_by(rule, scenarios).map(|broken| [id, about, broken])
    });
    let rows: Vec<_> = rows.collect::<Result<_, String>>()?;
    Ok(markdown(["rule", "", "broken by"], rows.into_iter()))
}

/// Returns what the scenario is expected to violate, each with the name of the scenario.
fn violations(scenario: &Scenario) -> Vec<(&str, String)> {
    let kinds = scenario.expected(Engine::Native).violations();
    kinds.iter().map(|kind| (scenario.name(), kind.to_string())).collect()
}

/// Names the first scenarios that break `rule`.
fn broken_by(rule: &Rule, scenarios: &[&Scenario]) -> Result<String, String> {
    let by_id = format!("invariant({})", rule.id);
    let others = rule.shown_as.iter().map(|glob| {
        let glob = Glob::new(glob).map_err(|error| format!("{}: {error}", rule.id))?;
        Ok(glob.compile_matcher())
    });
    let others = others.collect::<Result<Vec<_>, String>>()?;
    let breaks = |violation: &String| {
        *violation == by_id || others.iter().any(|glob| glob.is_match(violation))
    };
    let mut names: Vec<&str> = Vec::new();
    for scenario in scenarios {
        if violations(scenario).iter().any(|(_, violation)| breaks(violation)) {
            names.push(scenario.name());
        }
    }
    if names.is_empty() {
        return Err(format!("no scenario breaks {}", rule.id));
    }
    let named: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let more = match names.len() - named.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Ok(named.join(", ") + &more)
}

#[cfg(test)]
mod tests {
    use selvedge_core::ViolationKind;

    use super::*;

    fn scenario(name: &str, kind: ViolationKind) -> Scenario {
        let scenario = Scenario::builder(name, || ()).about("a").source("s");
        scenario.expect_violations([kind])
    }

    #[test]
    fn a_row_names_the_first_scenarios_that_break_a_rule() {
        let broken = |name| scenario(name, ViolationKind::invariant("X"));
        let all = ["1", "2", "3", "4"].map(broken);
        let leak = scenario("5", ViolationKind::Leak("kvm->lock".into()));
        let rules = [Rule::new("X", "x"), Rule::new("Y", "y").shown_as(&["leak(kvm*)"])];
        let mut scenarios: Vec<_> = all.iter().collect();
        assert_eq!(table(&rules, &scenarios), Err("no scenario breaks Y".to_owned()));
        scenarios.push(&leak);
        let table = table(&rules, &scenarios).expect("each rule is broken");
        let rows = ["| X | x | `1`, `2`, `3`, and 1 more |", "| Y | y | `5` |"];
        assert_eq!(table.lines().skip(2).collect::<Vec<_>>(), rows);
    }

    #[test]
    fn an_invariant_without_a_description_is_an_error() {
        let broken = scenario("1", ViolationKind::invariant("X"));
        let missing = table(&[Rule::new("Y", "y")], &[&broken]);
        assert_eq!(missing, Err("`1` breaks X, which is not in `RULES`".to_owned()));
    }
}
