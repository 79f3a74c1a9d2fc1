//! The calls of the model functions in the catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use selvedge_core::Checker;
use selvedge_models::sources::{
    ELSEWHERE, NO_FUNCTION, NO_LINES, POSTED, SMALLER, Source, WITHOUT_ENTRY, word,
};

use crate::each::each;

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
    /// The functions of each line of the models that has operations, apart from those that no
    /// kernel has.
    lines: BTreeMap<(&'static str, u32), BTreeSet<&'static str>>,
    /// The exceptions that were not needed.
    unneeded: Vec<&'static str>,
}

impl Observed {
    /// Runs every thread of every scenario along each of its paths.
    pub(crate) fn in_the_catalogue() -> Self {
        let mut elsewhere = Exceptions::new(ELSEWHERE.iter().map(|(glob, _)| ("", *glob)));
        let smaller = SMALLER.iter().map(|(function, glob, _)| (*function, *glob));
        let mut smaller = Exceptions::new(smaller);
        let mut no_lines = Exceptions::new(NO_LINES.iter().map(|(glob, _)| ("", *glob)));
        let no_function = |name| NO_FUNCTION.iter().any(|(function, _)| *function == name);
        let mut found: BTreeMap<_, BTreeMap<_, String>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let mut lines: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut scenarios = selvedge_models::catalogue();
        scenarios.retain(|scenario| !elsewhere.matches(scenario.name(), ""));
        let reports = each(&scenarios, |scenario| Checker::native().run(scenario));
        for (scenario, report) in scenarios.iter().zip(reports) {
            let name = scenario.name();
            for site in report.coverage {
                let within = site.file.split_once("models/src/").map(|(_, file)| file);
                let Some(file) = within.filter(|file| !no_lines.matches(file, "")) else {
                    continue;
                };
                let functions = lines.entry((file, site.line)).or_default();
                functions.extend(site.function.filter(|function| !smaller.matches(name, function)));
            }
            for call in report.calls {
                names.insert(call.function);
                if no_function(call.function) || smaller.matches(name, call.function) {
                    continue;
                }
                let does = call.does.into_iter().filter_map(word).collect();
                let calls = found.entry((call.function, version(name))).or_default();
                calls.entry((does, call.returned)).or_insert_with(|| name.to_owned());
            }
        }
        let calls = |((function, version), words)| Calls { function, version, words };
        let functions = found.into_iter().map(calls).collect();
        let exceptions = [elsewhere, smaller, no_lines];
        let unneeded = exceptions.iter().flat_map(Exceptions::unneeded).collect();
        Self { functions, names, lines, unneeded }
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = &Calls> {
        self.functions.iter()
    }

    /// Returns the exceptions that no scenario, function or file needs.
    pub(crate) fn unneeded(&self) -> Vec<&'static str> {
        let unneeded = NO_FUNCTION.iter().map(|(name, _)| *name);
        let unneeded = unneeded.filter(|name| !self.names.contains(name));
        self.unneeded.iter().copied().chain(unneeded).collect()
    }

    /// Returns the number of lines with operations, those in no function that has an entry, and the
    /// reasons of which there is no such line, after the lines of which there is no reason.
    pub(crate) fn without(&self, sources: &[Source]) -> (usize, Vec<String>, Vec<String>) {
        let entry = |name: &&str| sources.iter().any(|source| source.model == *name);
        let without = self.lines.iter().filter(|(_, names)| !names.iter().any(&entry));
        let without: Vec<(&str, u32)> = without.map(|(line, _)| *line).collect();
        let mut reasons = Exceptions::new(WITHOUT_ENTRY.iter().map(|(glob, _)| ("", *glob)));
        let unexplained = without.iter().filter(|(file, _)| !reasons.matches(file, ""));
        let show = |(file, line): &(&str, u32)| format!("{file}:{line}");
        let mut wrong: Vec<String> = unexplained.map(show).collect();
        wrong.extend(reasons.unneeded().map(str::to_owned));
        (self.lines.len(), without.iter().map(show).collect(), wrong)
    }
}

/// A list of exceptions: a function, or none, with a path glob.
struct Exceptions(Vec<(&'static str, &'static str, GlobMatcher, bool)>);

impl Exceptions {
    fn new(list: impl Iterator<Item = (&'static str, &'static str)>) -> Self {
        let matcher = |glob| {
            let glob = GlobBuilder::new(glob).literal_separator(true).build();
            glob.expect("a path glob").compile_matcher()
        };
        Self(list.map(|(function, glob)| (function, glob, matcher(glob), false)).collect())
    }

    fn matches(&mut self, path: &str, function: &str) -> bool {
        let mut any = false;
        for (only, _, glob, needed) in &mut self.0 {
            if *only == function && glob.is_match(path) {
                (any, *needed) = (true, true);
            }
        }
        any
    }

    fn unneeded(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|(.., needed)| !needed).map(|(_, glob, ..)| *glob)
    }
}

/// Returns the version of the kernel that a scenario is about: `v6.0` of `../v6.0-set/pqap`.
fn version(scenario: &str) -> Option<String> {
    scenario.rsplit(['/', '-']).find(|part| is_version(part)).map(str::to_owned)
}

fn is_version(part: &str) -> bool {
    let numbers = part.strip_prefix('v').filter(|numbers| numbers.contains('.'));
    let numbers = numbers.map(|numbers| numbers.split('.').all(|n| n.parse::<u32>().is_ok()));
    let posted = POSTED.iter().any(|(series, _)| *series == part);
    part == "2026" || posted || numbers.unwrap_or(false)
}
