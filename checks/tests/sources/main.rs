//! The model functions do what the tables of the kernel's lines say, in that order.

#[path = "../common/each.rs"]
mod each;
mod grammar;
mod observed;

use std::collections::BTreeSet;

use grammar::Grammar;
use observed::Observed;
use selvedge_models::sources::{Source, sources};

/// The share of the operations that must be in the tables, in percent.
const LEAST: usize = 90;

/// Every call of a model function in the catalogue is a word of its entry, and every word of an
/// entry is needed by some call.
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
    assert!(wrong.is_empty(), "{}", Vec::from_iter(wrong).join("\n"));
    for (source, place) in sources.iter().flat_map(places) {
        let needed = |calls| {
            let without = grammar.of(calls, Some((source, place))).expect("it has an entry");
            calls.words().any(|(word, returned)| without.error(word, returned).is_some())
        };
        if !observed.functions().filter(|calls| grammar.mentions(calls, source)).any(needed) {
            let word = source.words().nth(place).expect("there is a word");
            let Source { function, versions, .. } = source;
            wrong.insert(format!("{function}, {versions}: no call needs `{word}`, word {place}"));
        }
    }
    assert!(wrong.is_empty(), "{}", Vec::from_iter(wrong).join("\n"));
    assert_eq!(observed.unneeded(), [""; 0], "exceptions of nothing");
    let (lines, without, wrong) = observed.without(&sources);
    assert_eq!(wrong, [""; 0], "lines without a reason, and reasons of nothing");
    let with = lines - without.len();
    println!("{with} of {lines} lines with operations are in the tables; the others:");
    without.iter().for_each(|line| println!("{line}"));
    assert!(with * 100 >= lines * LEAST, "{with} of {lines} are in the tables");
}

/// Returns the places of the words in a sequence.
fn places(source: &Source) -> impl Iterator<Item = (&Source, usize)> {
    let words = source.words().enumerate().filter(|(_, word)| !grammar::is_sign(word));
    words.map(move |(place, _)| (source, place))
}
