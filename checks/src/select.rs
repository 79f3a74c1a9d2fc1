//! Which scenarios a command line means.

use globset::GlobBuilder;
use selvedge_core::Scenario;

/// The number of names to offer for one that is unknown.
const OFFERED: usize = 3;

/// Checks that no two scenarios have one name. A pattern or a schedule would mean either.
pub(crate) fn check_names(scenarios: &[Scenario]) -> Result<(), String> {
    let mut names: Vec<&str> = scenarios.iter().map(Scenario::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two scenarios are called `{}`; rename one of them", pair[0])),
        None => Ok(()),
    }
}

/// Returns the scenarios that match one of the patterns, in the order of the catalogue; all of them
/// if there is no pattern. A pattern that matches a path selects everything below it.
pub(crate) fn select<'a>(
    catalogue: &'a [Scenario],
    patterns: &[String],
) -> Result<Vec<&'a Scenario>, String> {
    let mut selected = vec![patterns.is_empty(); catalogue.len()];
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern.trim_end_matches('/')).literal_separator(true).build();
        let matcher = glob
            .map_err(|error| format!("`{pattern}` is not a path glob: {}", error.kind()))?
            .compile_matcher();
        let mut any = false;
        for (place, scenario) in catalogue.iter().enumerate() {
            if paths(scenario.name()).any(|path| matcher.is_match(path)) {
                selected[place] = true;
                any = true;
            }
        }
        if !any {
            return Err(unknown(catalogue, pattern));
        }
    }
    Ok(catalogue.iter().zip(selected).filter(|(_, s)| *s).map(|(scenario, _)| scenario).collect())
}

/// Returns the scenario of exactly this name. After `@` come numbers of threads: for each function
/// that any number of threads run, or else for each of the scenario's own threads.
pub(crate) fn named(catalogue: &[Scenario], name: &str) -> Result<Scenario, String> {
    let (of_all, numbers) = name.split_once('@').unzip();
    let of_all = of_all.unwrap_or(name);
    if let Some(found) = catalogue.iter().find(|scenario| scenario.name() == of_all) {
        return numbers.map_or(Ok(found.clone()), |numbers| with_numbers(found, numbers));
    }
    let several = select(catalogue, &[name.to_owned()])?;
    if let ([only], None) = (several.as_slice(), numbers) {
        return Ok((*only).clone());
    }
    let names: Vec<&str> = several.iter().take(OFFERED).map(|scenario| scenario.name()).collect();
    let (count, names) = (several.len(), names.join("\n    "));
    Err(format!("`{name}` matches {count} scenarios; name one of them, such as\n    {names}"))
}

/// Returns the scenario with threads that make calls, such as `1.2-3`.
fn with_calls(scenario: &Scenario, calls: &str) -> Option<Scenario> {
    let call = |number: &str| number.parse::<usize>().ok()?.checked_sub(1);
    let thread = |calls: &str| calls.split('.').map(call).collect::<Option<Vec<_>>>();
    scenario.with_calls(&calls.split('-').map(thread).collect::<Option<Vec<_>>>()?)
}

/// Returns the scenario with so many threads for each function that any number of threads run, or
/// with threads that call several of them.
fn with_numbers(scenario: &Scenario, numbers: &str) -> Result<Scenario, String> {
    let counts: Result<Vec<usize>, _> = numbers.split(',').map(str::parse).collect();
    let scenario = of_any_number(scenario);
    let instance = match counts {
        Ok(counts) => scenario.with_numbers(&counts),
        Err(_) => with_calls(&scenario, numbers),
    };
    let functions: Vec<&str> = scenario.any_number_names().collect();
    instance.ok_or_else(|| match functions.len() {
        0 => format!("`{}` has no threads", scenario.name()),
        count => format!(
            "`@{numbers}`: {count} numbers are expected, of the threads that run {}; or the calls \
             of each thread, such as `@1.1-1`",
            functions.join("; ")
        ),
    })
}

/// Returns the scenario in which any number of threads run some functions: itself, or that of its
/// own threads.
pub(crate) fn of_any_number(scenario: &Scenario) -> Scenario {
    match scenario.any_number_names().next() {
        Some(_) => scenario.clone(),
        None => scenario.any_number_of_each(),
    }
}

/// Returns a name and the paths above it: `a/b/c`, `a/b`, `a`.
fn paths(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |path| path.rsplit_once('/').map(|(parent, _)| parent))
}

fn unknown(catalogue: &[Scenario], name: &str) -> String {
    if name.ends_with(".selvedge") {
        return format!("`{name}` is a text: `selvedge check {name}`");
    }
    // A name that has more of the given parts is nearer, whatever its number of equal letters.
    let wanted = name.to_lowercase();
    let words: Vec<&str> = wanted.split(['/', '*']).filter(|word| !word.is_empty()).collect();
    let strange = |known: &str| words.iter().filter(|word| !known.contains(**word)).count();
    let distance = |known: &str| (strange(known), strsim::damerau_levenshtein(known, &wanted));
    let mut names: Vec<&str> = catalogue.iter().map(Scenario::name).collect();
    // Where no part is known, similar letters are a coincidence, unless they are nearly the same.
    names.retain(|known| {
        strange(known) < words.len() || strsim::normalized_damerau_levenshtein(known, &wanted) > 0.6
    });
    names.sort_by_cached_key(|known| distance(known));
    if names.is_empty() {
        return format!("no scenario matches `{name}`; `list` has all names");
    }
    names.truncate(OFFERED);
    format!("no scenario matches `{name}`; the nearest are\n    {}", names.join("\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Vec<Scenario> {
        let names = ["a/x/v5", "a/x/v6.0", "a/y/v6.0/two", "b/v6.0"];
        names.map(|name| Scenario::builder(name, || ()).expect_proof()).into()
    }

    fn names(patterns: &[&str]) -> Result<Vec<String>, String> {
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        let catalogue = catalogue();
        let selected = select(&catalogue, &patterns)?;
        Ok(selected.iter().map(|scenario| scenario.name().to_owned()).collect())
    }

    #[test]
    fn patterns_are_path_globs_and_select_everything_below() {
        assert_eq!(names(&[]).unwrap().len(), 4);
        assert_eq!(names(&["a/**"]).unwrap(), ["a/x/v5", "a/x/v6.0", "a/y/v6.0/two"]);
        assert_eq!(names(&["**/v6.0"]).unwrap(), ["a/x/v6.0", "a/y/v6.0/two", "b/v6.0"]);
        assert_eq!(names(&["a/x"]).unwrap(), ["a/x/v5", "a/x/v6.0"]);
        assert_eq!(names(&["*/v6.0"]).unwrap(), ["b/v6.0"]);
        assert_eq!(names(&["b/", "a/x/v5"]).unwrap(), ["a/x/v5", "b/v6.0"]);
    }

    #[test]
    fn a_pattern_without_a_match_is_named_with_its_neighbours() {
        let error = names(&["a/**", "b/v6.1"]).unwrap_err();
        assert_eq!(error, "no scenario matches `b/v6.1`; the nearest are\n    b/v6.0");
        assert!(names(&["y/v5"]).unwrap_err().contains("the nearest are\n    a/x/v5\n"));
        assert!(names(&["y/two"]).unwrap_err().ends_with("the nearest are\n    a/y/v6.0/two"));
        assert!(names(&["a/[x"]).unwrap_err().starts_with("`a/[x` is not a path glob"));
    }

    #[test]
    fn one_scenario_is_selected_by_its_name() {
        let catalogue = catalogue();
        let name = |name| named(&catalogue, name).map(|scenario| scenario.name().to_owned());
        assert_eq!(name("a/x/v5").unwrap(), "a/x/v5");
        assert_eq!(
            name("a/x").unwrap_err(),
            "`a/x` matches 2 scenarios; name one of them, such as\n    a/x/v5\n    a/x/v6.0"
        );
        assert!(name("c").unwrap_err().starts_with("no scenario matches `c`"));
        // What one scenario alone begins with is enough.
        assert_eq!(name("a/y").unwrap(), "a/y/v6.0/two");
        assert_eq!(
            name("frob.selvedge").unwrap_err(),
            "`frob.selvedge` is a text: `selvedge check frob.selvedge`"
        );
    }

    #[test]
    fn two_scenarios_with_one_name_are_refused() {
        let mut scenarios = catalogue();
        assert_eq!(check_names(&scenarios), Ok(()));
        scenarios.push(scenarios[1].clone());
        let error = check_names(&scenarios).unwrap_err();
        assert_eq!(error, "two scenarios are called `a/x/v6.0`; rename one of them");
    }

    #[test]
    fn numbers_of_threads_select_an_instance() {
        let any = Scenario::builder("any", || ()).any_number_of("f", |()| {});
        let known = [any.any_number_of("g", |()| {}).build(), catalogue().remove(0)];
        assert_eq!(named(&known, "any@2,0").unwrap().name(), "any@2,0");
        assert_eq!(named(&known, "any@1.2-2").unwrap().name(), "any@1.2-2");
        assert!(named(&known, "any@1-3").is_err());
        assert!(named(&known, "any@0-1").is_err());
        assert_eq!(
            named(&known, "any@2").unwrap_err(),
            "`@2`: 2 numbers are expected, of the threads that run f; g; or the calls of each \
             thread, such as `@1.1-1`"
        );
        assert_eq!(named(&known, "a/x/v5@1").unwrap_err(), "`a/x/v5` has no threads");
        let own = Scenario::builder("own", || ()).thread("T", |()| {}).build();
        assert_eq!(named(&[own], "own@3").unwrap().name(), "own@3");
    }
}
