//! The calls of the model functions in the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use globset::{GlobBuilder, GlobSetBuilder};
use selvedge_core::Checker;
use selvedge_models::sources::{ELSEWHERE, NO_FUNCTION, word};

/// The calls of a model function in a version of the kernel.
pub(crate) struct Calls {
    pub(crate) function: &'static str,
    /// The version, if the scenarios are of one.
    pub(crate) version: Option<String>,
    /// What each does, whether it returns, and a scenario.
    words: BTreeMap<(Vec<String>, bool), String>,
}

impl Calls {
    pub(crate) fn words(&self) -> impl Iterator<Item = (&[String], bool)> {
        self.words.keys().map(|(word, returned)| (&word[..], *returned))
    }
}

/// The function, the version, and a scenario.
impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.as_deref().unwrap_or("no version");
        let scenario = self.words.values().next().map_or("", |name| name);
        write!(f, "{} of {version}, as in {scenario}", self.function)
    }
}

pub(crate) struct Observed {
    functions: Vec<Calls>,
    names: BTreeSet<&'static str>,
}

impl Observed {
    /// Runs every thread of every scenario along each of its paths.
    pub(crate) fn in_the_catalogue() -> Self {
        let mut elsewhere = GlobSetBuilder::new();
        for (glob, _) in ELSEWHERE {
            let glob = GlobBuilder::new(glob).literal_separator(true).build();
            elsewhere.add(glob.expect("a path glob"));
        }
        let elsewhere = elsewhere.build().expect("path globs");
        let mut found: BTreeMap<_, BTreeMap<_, String>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for scenario in selvedge_models::catalogue() {
            let name = scenario.name();
            if elsewhere.is_match(name) {
                continue;
            }
            for call in Checker::native().run(&scenario).calls {
                names.insert(call.function);
                if NO_FUNCTION.iter().any(|(name, _)| *name == call.function) {
                    continue;
                }
                let does = call.does.into_iter().filter_map(word).collect();
                let calls = found.entry((call.function, version(name))).or_default();
                calls.entry((does, call.returned)).or_insert_with(|| name.to_owned());
            }
        }
        let functions = found
            .into_iter()
            .map(|((function, version), words)| Calls { function, version, words })
            .collect();
        Self { functions, names }
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = &Calls> {
        self.functions.iter()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// Returns the version of the kernel that a scenario is about: `v6.0` of `../v6.0-set/pqap`.
fn version(scenario: &str) -> Option<String> {
    scenario.rsplit(['/', '-']).find(|part| is_version(part)).map(str::to_owned)
}

fn is_version(part: &str) -> bool {
    let numbers = part.strip_prefix('v').filter(|numbers| numbers.contains('.'));
    let numbers = numbers.map(|numbers| numbers.split('.').all(|n| n.parse::<u32>().is_ok()));
    part == "2026" || numbers.unwrap_or(false)
}
