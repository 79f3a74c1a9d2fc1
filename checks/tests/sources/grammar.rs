//! The sequences of the tables as automata.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use regex_automata::Anchored;
use regex_automata::MatchKind;
use regex_automata::dfa::{Automaton as _, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use selvedge_models::sources::{POSTED, Source};

use crate::observed::{Calls, Observed};

/// The first of the characters that stand for words: a private one.
const FIRST: u32 = 0xE000;

/// A character that stands for no word.
const NOTHING: char = '\u{F8FF}';

/// The sequences of all entries, over an alphabet with a character for each word.
pub(crate) struct Grammar<'a> {
    sources: &'a [Source],
    letters: BTreeMap<String, char>,
}

/// Returns whether it is no word but a sign between words.
pub(crate) fn is_sign(word: &str) -> bool {
    matches!(word, "[" | "]" | "{" | "}" | "(" | ")" | "|")
}

impl<'a> Grammar<'a> {
    pub(crate) fn new(sources: &'a [Source], observed: &Observed) -> Self {
        let done = observed.functions().flat_map(Calls::words).flat_map(|(word, _)| word.to_vec());
        let listed = sources.iter().flat_map(Source::words).map(str::to_owned);
        let words: BTreeSet<String> = done.chain(listed).collect();
        let letter = |number| char::from_u32(number).filter(|letter| *letter < NOTHING);
        let letters = (FIRST..).map(|number| letter(number).expect("as many letters as words"));
        Self { sources, letters: words.into_iter().zip(letters).collect() }
    }

    /// Returns the automaton of a function in a version, if it has an entry. Without a version, it
    /// is that of all of them. The word at the place `except` does not occur.
    pub(crate) fn of(
        &self,
        calls: &Calls,
        except: Option<(&Source, usize)>,
    ) -> Option<Automaton<'_>> {
        let Calls { function, version, .. } = calls;
        let pattern = self.pattern(function, version.as_deref(), except)?;
        // A sequence is in the language or not; that one alternative matches rules out no other.
        let config = dense::Config::new().match_kind(MatchKind::All);
        let dfa = dense::Builder::new().configure(config).build(&pattern);
        let dfa = dfa.expect("a sequence is a regular expression");
        Some(Automaton { dfa, letters: &self.letters })
    }

    /// Returns whether the automaton of a function depends on an entry.
    pub(crate) fn mentions(&self, calls: &Calls, source: &Source) -> bool {
        let version = calls.version.as_deref();
        let mut open = self.entries(calls.function, version);
        let mut seen = Vec::new();
        while let Some(entry) = open.pop() {
            if entry == source {
                return true;
            }
            if !seen.contains(&entry) {
                seen.push(entry);
                open.extend(entry.words().flat_map(|word| self.inlines(word, version)));
            }
        }
        false
    }

    /// Returns the entries of a function in a version, or all. A posted series has those of the
    /// release that it is based on where it has none.
    fn entries(&self, name: &str, version: Option<&str>) -> Vec<&'a Source> {
        let of = |version: Option<&str>| {
            let holds = |source: &&Source| version.is_none_or(|v| source.versions.contain(v));
            self.sources.iter().filter(|source| source.model == name).filter(holds).collect()
        };
        let own: Vec<&Source> = of(version);
        let base = POSTED.iter().find(|(series, _)| version == Some(*series));
        if own.is_empty() { base.map_or(own, |(_, base)| of(Some(*base))) } else { own }
    }

    /// Returns the entries of a function that the model has in its callers.
    fn inlines(&self, word: &str, version: Option<&str>) -> impl Iterator<Item = &'a Source> {
        let entries = word.strip_suffix("()").map(|name| self.entries(name, version));
        entries.into_iter().flatten().filter(|source| source.inline)
    }

    fn pattern(
        &self,
        name: &str,
        version: Option<&str>,
        except: Option<(&Source, usize)>,
    ) -> Option<String> {
        let entries = self
            .entries(name, version)
            .into_iter()
            .map(|source| self.sequence(source, version, except));
        let alternatives: Vec<String> = entries.collect();
        (!alternatives.is_empty()).then(|| format!("(?:{})", alternatives.join("|")))
    }

    fn sequence(
        &self,
        source: &Source,
        version: Option<&str>,
        except: Option<(&Source, usize)>,
    ) -> String {
        let mut pattern = String::new();
        for (place, word) in source.words().enumerate() {
            match word {
                "[" | "{" | "(" => pattern.push_str("(?:"),
                "]" => pattern.push_str(")?"),
                "}" => pattern.push_str(")*"),
                ")" | "|" => pattern.push_str(word),
                _ if except == Some((source, place)) => pattern.push(NOTHING),
                _ => {
                    let letter = self.letters[word];
                    let inlined = self
                        .inlines(word, version)
                        .next()
                        .and_then(|_| self.pattern(word.strip_suffix("()")?, version, except));
                    _ = match inlined {
                        Some(inlined) => write!(pattern, "(?:{letter}|{inlined})"),
                        None => write!(pattern, "{letter}"),
                    };
                }
            }
        }
        pattern
    }
}

/// What a function may do, word by word.
pub(crate) struct Automaton<'a> {
    dfa: dense::DFA<Vec<u32>>,
    letters: &'a BTreeMap<String, char>,
}

impl Automaton<'_> {
    /// Returns what is wrong with a call, if it has not done the beginning of a sequence, or the
    /// whole if it has returned.
    pub(crate) fn error(&self, call: &[String], returned: bool) -> Option<String> {
        let anchored = start::Config::new().anchored(Anchored::Yes);
        let mut state = self.dfa.start_state(&anchored).expect("no look-behind");
        for (place, word) in call.iter().enumerate() {
            state = self.step(state, self.letters[word]);
            if self.dfa.is_dead_state(state) {
                return Some(format!(
                    "its entry has no `{word}` after `{}`",
                    call[..place].join(" ")
                ));
            }
        }
        let ends = self.dfa.is_match_state(self.dfa.next_eoi_state(state));
        (returned && !ends).then(|| format!("its entry does not end after `{}`", call.join(" ")))
    }

    fn step(&self, state: StateID, letter: char) -> StateID {
        let mut bytes = [0; 4];
        let bytes = letter.encode_utf8(&mut bytes).bytes();
        bytes.fold(state, |state, byte| self.dfa.next_state(state, byte))
    }
}
