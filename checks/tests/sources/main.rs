//! The model functions do what the tables of the kernel's lines say, in that order.

mod grammar;
mod observed;

use std::collections::BTreeSet;

use grammar::Grammar;
use observed::Observed;
use selvedge_models::sources::{NO_FUNCTION, Source, sources};

/// Every call of a model function in the catalogue is a word of its entry, every entry has a call,
/// and every word of an entry is needed by one.
#[test]
fn each_model_function_does_what_its_entry_says() {
    let sources = sources();
    let observed = Observed::in_the_catalogue();
    let grammar = Grammar::new(&sources, &observed);
    let mut wrong = BTreeSet::new();
    for calls in observed.functions() {
        match grammar.of(calls, None) {
            None => _ = wrong.insert(format!("{calls} has no entry")),
            Some(automaton) => wrong.extend(calls.words().filter_map(|(word, returned)| {
                Some(format!("{calls}: {}", automaton.error(word, returned)?))
            })),
        }
    }
    for (source, place) in sources.iter().flat_map(places) {
        let needed = |calls| {
            let without = grammar.of(calls, Some((source, place)));
            let without = without.expect("it has an entry");
            calls.words().any(|(word, returned)| without.error(word, returned).is_some())
        };
        let mut calls = observed.functions().filter(|calls| grammar.mentions(calls, source));
        if wrong.is_empty() && !calls.any(needed) {
            let (Source { function, versions, .. }, word) = (source, source.words().nth(place));
            let word = word.unwrap_or("nothing");
            wrong.insert(format!("{function}, {versions}: no call needs `{word}`, word {place}"));
        }
    }
    let wrong = Vec::from_iter(wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the places of the words in a sequence.
fn places(source: &Source) -> impl Iterator<Item = (&Source, usize)> {
    let places: Vec<usize> = source
        .words()
        .enumerate()
        .filter(|(_, word)| !grammar::is_sign(word))
        .map(|(p, _)| p)
        .collect();
    places.into_iter().map(move |place| (source, place))
}

/// Nothing is left out that does not occur.
#[test]
fn each_exception_is_one() {
    let observed = Observed::in_the_catalogue();
    for (name, _) in NO_FUNCTION {
        assert!(observed.has(name), "{name} is no name in the models");
    }
}
