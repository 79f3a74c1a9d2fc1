//! The litmus tests of the literature, with the verdicts of RC11.
//!
//! In the lines of a program, `Wx1` stores 1 to x, `Rx` loads it, `Xx1` exchanges it for 1, and `F`
//! is a fence. An ordering follows a point: `acq`, `rel`, `ar` for both, `sc`. Without one an
//! access is relaxed. What is asked about are the values that the threads read, thread by thread,
//! and behind a bar the last values of the words, in which a dot is any value.

use std::sync::atomic::Ordering;

use selvedge_core::Search;

use super::native::Waits;
use super::program::{Act, Event, Outcome, Program};
use super::{axioms, native};

/// The name, the threads, the outcome and whether it is possible.
const TESTS: &[(&str, &[&str], &str, bool)] = &[
    ("SB", &["Wx1 Ry", "Wy1 Rx"], "0 0", true),
    ("SB+mbs", &["Wx1 F.sc Ry", "Wy1 F.sc Rx"], "0 0", false),
    ("SB+mb+po", &["Wx1 F.sc Ry", "Wy1 Rx"], "0 0", true),
    ("SB+rel-acq", &["Wx1.rel Ry.acq", "Wy1.rel Rx.acq"], "0 0", true),
    ("SB+ar fences", &["Wx1 F.ar Ry", "Wy1 F.ar Rx"], "0 0", true),
    ("SB+sc", &["Wx1.sc Ry.sc", "Wy1.sc Rx.sc"], "0 0", false),
    ("SB+sc+rlx load", &["Wx1.sc Ry", "Wy1.sc Rx.sc"], "0 0", true),
    ("SB+xchg-sc", &["Xx1.sc Ry", "Xy1.sc Rx"], "00 00", true),
    ("SB+mb+sc", &["Wx1 F.sc Ry", "Wy1.sc F.sc Rx.sc"], "0 0", false),
    ("MP", &["Wx1 Wy1", "Ry Rx"], "- 10", true),
    ("MP+rel+acq", &["Wx1 Wy1.rel", "Ry.acq Rx"], "- 10", false),
    ("MP+rel+rlx", &["Wx1 Wy1.rel", "Ry Rx"], "- 10", true),
    ("MP+rlx+acq", &["Wx1 Wy1", "Ry.acq Rx"], "- 10", true),
    ("MP+mb+acq", &["Wx1 F.sc Wy1", "Ry.acq Rx"], "- 10", false),
    ("MP+mbs", &["Wx1 F.sc Wy1", "Ry F.sc Rx"], "- 10", false),
    ("MP+wmb+rmb", &["Wx1 F.rel Wy1", "Ry F.acq Rx"], "- 10", false),
    ("MP+wmb+po", &["Wx1 F.rel Wy1", "Ry Rx"], "- 10", true),
    ("MP+rel+acq, late fence", &["Wx1 Wy1 F.rel", "Ry F.acq Rx"], "- 10", true),
    ("MP+relseq, rmw between", &["Wx1 Wy1.rel", "Xy2", "Ry.acq Rx"], "- 1 20", false),
    ("MP+relseq, own later store", &["Wx1 Wy1.rel Wy2", "Ry.acq Rx"], "- 20", true),
    ("MP+xchg", &["Wx1 Xy1.rel", "Ry.acq Rx"], "0 10", false),
    ("LB", &["Rx Wy1", "Ry Wx1"], "1 1", false),
    ("LB+mbs", &["Rx F.sc Wy1", "Ry F.sc Wx1"], "1 1", false),
    ("LB+acq-rel", &["Rx.acq Wy1.rel", "Ry.acq Wx1.rel"], "1 1", false),
    ("S", &["Wx2 Wy1", "Ry Wx1"], "- 1 | 2.", true),
    ("S+rel+acq", &["Wx2 Wy1.rel", "Ry.acq Wx1"], "- 1 | 2.", false),
    ("S+mb+po", &["Wx2 F.sc Wy1", "Ry Wx1"], "- 1 | 2.", true),
    ("R", &["Wx1 Wy1", "Wy2 Rx"], "- 0 | .2", true),
    ("R+mbs", &["Wx1 F.sc Wy1", "Wy2 F.sc Rx"], "- 0 | .2", false),
    ("R+rel+mb", &["Wx1 Wy1.rel", "Wy2 F.sc Rx"], "- 0 | .2", true),
    ("2+2W", &["Wx1 Wy2", "Wy1 Wx2"], "- - | 11", true),
    ("2+2W+rels", &["Wx1 Wy2.rel", "Wy1 Wx2.rel"], "- - | 11", true),
    ("2+2W+mbs", &["Wx1 F.sc Wy2", "Wy1 F.sc Wx2"], "- - | 11", false),
    ("2+2W+sc", &["Wx1.sc Wy2.sc", "Wy1.sc Wx2.sc"], "- - | 11", false),
    ("WRC", &["Wx1", "Rx Wy1", "Ry Rx"], "- 1 10", true),
    ("WRC+rel+acq", &["Wx1", "Rx Wy1.rel", "Ry.acq Rx"], "- 1 10", false),
    ("WRC+acq-rel+acq", &["Wx1.rel", "Rx.acq Wy1.rel", "Ry.acq Rx"], "- 1 10", false),
    ("WRC+mbs", &["Wx1", "Rx F.sc Wy1", "Ry F.sc Rx"], "- 1 10", false),
    ("ISA2", &["Wx1 Wy1.rel", "Ry.acq Wz1.rel", "Rz.acq Rx"], "- 1 10", false),
    ("ISA2+mb+po+mb", &["Wx1 F.sc Wy1", "Ry Wz1", "Rz F.sc Rx"], "- 1 10", true),
    ("IRIW", &["Wx1", "Wy1", "Rx Ry", "Ry Rx"], "- - 10 10", true),
    ("IRIW+rel+acq", &["Wx1.rel", "Wy1.rel", "Rx.acq Ry.acq", "Ry.acq Rx.acq"], "- - 10 10", true),
    ("IRIW+mbs", &["Wx1", "Wy1", "Rx F.sc Ry", "Ry F.sc Rx"], "- - 10 10", false),
    ("IRIW+sc", &["Wx1.sc", "Wy1.sc", "Rx.sc Ry.sc", "Ry.sc Rx.sc"], "- - 10 10", false),
    ("IRIW+acq-sc", &["Wx1.sc", "Wy1.sc", "Rx.acq Ry.sc", "Ry.acq Rx.sc"], "- - 10 10", true),
    ("RWC+mbs", &["Wx1", "Rx F.sc Ry", "Wy1 F.sc Rx"], "- 10 0", false),
    ("W+RWC", &["Wx1 Wz1.rel", "Rz.acq F.sc Ry", "Wy1 F.sc Rx"], "- 10 0", false),
    ("Z6.3", &["Wx1 Wy1.rel", "Wy2 Wz1.rel", "Rz F.sc Rx"], "- - 10 | .2.", true),
    ("Z6.U", &["Wx1.sc Wy1.rel", "Xy2.sc Ry", "Wy3.sc Rx.sc"], "- 13 0", true),
    ("CoRR", &["Wx1", "Rx Rx"], "- 10", false),
    ("CoRR2", &["Wx1", "Wx2", "Rx Rx", "Rx Rx"], "- - 12 21", false),
    ("CoWW", &["Wx1 Wx2"], "- | 1", false),
    ("CoWR", &["Wx1 Rx", "Wx2"], "2 - | 1", false),
    ("CoRW1", &["Rx Wx1"], "1", false),
    ("CoRW2", &["Rx Wx1", "Wx2"], "2 - | 2", false),
    ("CoRW", &["Rx Wx1", "Rx Wx2"], "2 1", false),
    ("CoRW, one first", &["Rx Wx1", "Rx Wx2"], "2 0 | 1", true),
    ("exchanges", &["Xx1", "Xx2"], "0 0", false),
    ("exchange and store", &["Wx2", "Xx1"], "- 0 | 1", false),
    ("exchange and store, last", &["Wx2", "Xx1"], "- 0 | 2", true),
    ("exchange and sc store", &["Wx2.sc", "Xx1.sc"], "- 0 | 1", false),
];

fn order(text: &str) -> Ordering {
    match text {
        "" => Ordering::Relaxed,
        "acq" => Ordering::Acquire,
        "rel" => Ordering::Release,
        "ar" => Ordering::AcqRel,
        "sc" => Ordering::SeqCst,
        other => panic!("{other} is no ordering"),
    }
}

fn event(text: &str) -> Event {
    let (what, ordering) = text.split_once('.').unwrap_or((text, ""));
    let letters: Vec<char> = what.chars().collect();
    let value = || u64::from(letters[2].to_digit(10).expect("a value"));
    let act = match letters[0] {
        'R' => Act::Load,
        'W' => Act::Store(value()),
        'X' => Act::Swap(value()),
        'F' => Act::Fence,
        other => panic!("{other} is no event"),
    };
    let word = letters.get(1).map_or(0, |word| *word as usize - 'x' as usize);
    Event { act, word, order: order(ordering) }
}

fn program(threads: &[&str]) -> Program {
    Program(threads.iter().map(|thread| thread.split(' ').map(event).collect()).collect())
}

/// Returns whether an outcome is the one of the text.
fn is(outcome: &Outcome, text: &str) -> bool {
    let (read, last) = text.split_once(" | ").unwrap_or((text, ""));
    let digits = |values: &[u64]| -> String { values.iter().map(u64::to_string).collect() };
    let threads = read.split(' ').zip(&outcome.0);
    let same = |text: &str, values: &[u64]| {
        let values = digits(values);
        let mut letters = text.chars().zip(values.chars());
        text == "-" || text.len() == values.len() && letters.all(|(a, b)| a == '.' || a == b)
    };
    threads.into_iter().all(|(text, values)| same(text, values))
        && (last.is_empty() || same(last, &outcome.1))
}

#[test]
fn litmus_tests_have_the_verdicts_of_the_literature() {
    for (name, threads, outcome, possible) in TESTS {
        let program = program(threads);
        let axioms = axioms::outcomes(&program);
        assert_eq!(axioms.iter().any(|o| is(o, outcome)), *possible, "{name}, by the axioms");
        for search in [Search::Auto, Search::Full, Search::Dpor, Search::SleepSets] {
            let found = native::outcomes(&program, search, Waits::Polls);
            assert_eq!(found.as_ref(), Some(&axioms), "{name} {search:?}");
        }
    }
}
