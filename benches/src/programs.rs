//! Lock programs whose numbers of states and traces are known.
//!
//! Written as text: `a(b c)` locks a, then b, then c, and unlocks them in the reverse order;
//! `a;b` is one critical section after the other; `|` separates threads. A lock is a number.

use selvedge_core::sync::Mutex;
use selvedge_core::{Scenario, ScenarioBuilder};

const NAMES: [&str; 8] = ["L0", "L1", "L2", "L3", "L4", "L5", "L6", "L7"];

/// A program with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
    /// Distinct states: where every thread is, and who holds what.
    pub states: u64,
    /// Mazurkiewicz traces; those that deadlock count too.
    pub traces: u128,
}

/// The programs.
pub const PROGRAMS: &[Program] = &[
    Program { name: "abab", text: "0(1) | 0(1)", states: 16, traces: 2 },
    Program { name: "abba", text: "0(1) | 1(0)", states: 19, traces: 3 },
    Program { name: "seq_n3_k3", text: "0;1;2 | 0;1;2 | 0;1;2", states: 286, traces: 216 },
    Program {
        name: "seq_n4_k3",
        text: "0;1;2 | 0;1;2 | 0;1;2 | 0;1;2",
        states: 1_696,
        traces: 13_824,
    },
    Program {
        name: "part3c",
        text: "0(1);0;0(1) | 1(2);2;1(2) | 0(2);0;0(2)",
        states: 720,
        traces: 500,
    },
    Program {
        name: "fine4",
        text: "0(4);4;1(4);0 | 1(5);5;2(5);1 | 2(6);6;3(6);2 | 0(7);7;3(7);3",
        states: 20_737,
        traces: 79,
    },
    // guests_lock 0, kvm->lock of two guests 1 and 2, mdevs_lock 3.
    Program {
        name: "vfio3",
        text: "0(1 3);0(1 3) | 0(1 3);3;3 | 0(2 3);3;3",
        states: 552,
        traces: 560,
    },
    Program {
        name: "vfio4",
        text: "0(1 3);0(1 3) | 0(1 3);3;3;3 | 0(2 3);3;3 | 3;0(2 3);3",
        states: 4_008,
        traces: 277_200,
    },
    Program {
        name: "vfio5",
        text: "0(1 3);0(1 3);3 | 0(1 3);3;3;0(1 3) | 0(2 3);3;3;0(2 3) | 3;0(2 3);3;0(1 3) | \
               3;3;3;0(2 3)",
        states: 63_075,
        traces: 61_108_000_000,
    },
    Program {
        name: "disj5",
        text: "1;1;0(1);1;1;0(1) | 2;2;0(2);2;2;0(2) | 3;3;0(3);3;3;0(3) | 4;4;0(4);4;4;0(4) | \
               5;5;0(5);5;5;0(5)",
        states: 600_281,
        traces: 113_400,
    },
    Program {
        name: "big5",
        text: "0(1 4);4;4;0(2 4);4;1 | 0(2 4);4;4;0(3 4);4;2 | 0(3 4);4;4;0(1 4);4;3 | \
               0(1 4);4;4;0(2 4);4;1 | 0(2 4);4;4;0(3 4);4;2",
        states: 506_175,
        traces: 7_121_600_000_000_000,
    },
];

/// The program of this name.
///
/// # Panics
///
/// If there is none.
pub fn program(name: &str) -> Program {
    let found = PROGRAMS.iter().find(|program| program.name == name);
    *found.unwrap_or_else(|| panic!("there is no program {name}"))
}

/// A step of a thread: the lock it takes, or gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Lock(usize),
    Unlock(usize),
}

impl Program {
    /// The program as a scenario, but for the claim.
    pub fn scenario(&self) -> ScenarioBuilder<Vec<Mutex>> {
        let world = || NAMES.iter().map(|name| Mutex::new(name, ())).collect();
        let threads = self.text.split('|').map(steps).enumerate();
        threads.fold(Scenario::builder(self.name, world), |scenario, (index, steps)| {
            scenario.thread(&format!("T{index}"), move |locks: &Vec<Mutex>| {
                for step in &steps {
                    match *step {
                        Step::Lock(lock) => locks[lock].raw_lock(),
                        Step::Unlock(lock) => locks[lock].raw_unlock(),
                    }
                }
            })
        })
    }
}

fn steps(thread: &str) -> Vec<Step> {
    thread.split(';').flat_map(|section| critical_section(section.trim())).collect()
}

fn critical_section(section: &str) -> Vec<Step> {
    let number = |lock: &str| lock.parse().expect("a lock is a number");
    let (outer, inner) = section.split_once('(').unwrap_or((section, ")"));
    let inner = inner.strip_suffix(')').expect("a parenthesis for each").split_whitespace();
    let locks: Vec<usize> = std::iter::once(outer).chain(inner).map(number).collect();
    let take = locks.iter().map(|lock| Step::Lock(*lock));
    take.chain(locks.iter().rev().map(|lock| Step::Unlock(*lock))).collect()
}

#[cfg(test)]
mod tests {
    use selvedge_core::{Certificate, Engine, Report, Search, ViolationKind};

    use super::*;

    fn report(program: &Program, search: Search) -> Report {
        let abba = ViolationKind::deadlock(["L0", "L1"]);
        let scenario = match program.name {
            "abba" => program.scenario().refuted([abba]),
            _ => program.scenario().proved(),
        };
        crate::prove(&scenario, Engine::Native, search)
    }

    fn certificate(program: &Program, search: Search) -> Certificate {
        report(program, search).certificate
    }

    /// The smaller programs: a census of the others takes minutes.
    fn counted(most: u128) -> impl Iterator<Item = &'static Program> {
        PROGRAMS.iter().filter(move |p| u128::from(p.states) <= most && p.traces <= most)
    }

    #[test]
    fn every_number_of_states_and_of_traces_comes_out() {
        for program in counted(30_000) {
            let census = certificate(program, Search::Census);
            assert_eq!(census.states, Some(program.states), "{}", program.name);
            let reference = certificate(program, Search::SleepSets);
            assert_eq!(reference.traces.map(u128::from), Some(program.traces), "{}", program.name);
            assert_eq!(certificate(program, Search::Dpor), reference, "{}", program.name);
        }
    }

    #[test]
    #[ignore = "takes minutes"]
    fn the_larger_numbers_come_out_too() {
        for program in PROGRAMS {
            let census = certificate(program, Search::Census);
            assert_eq!(census.states, Some(program.states), "{}", program.name);
        }
        for program in counted(300_000) {
            let traces = certificate(program, Search::Dpor).traces;
            assert_eq!(traces.map(u128::from), Some(program.traces), "{}", program.name);
        }
    }

    #[test]
    fn source_dpor_explores_hardly_more_than_the_traces() {
        for program in counted(30_000) {
            let executions = report(program, Search::Dpor).executions;
            let cut = if program.name == "part3c" { 41 } else { 0 };
            assert_eq!(u128::from(executions), program.traces + cut, "{}", program.name);
        }
    }

    #[test]
    fn the_reduced_search_proves_what_cannot_be_enumerated() {
        // 6.1e10 and 7.1e15 traces.
        for (name, executions) in [("vfio5", 15_400), ("big5", 87_006), ("disj5", 12_249)] {
            let scenario = program(name).scenario().proved();
            let report = crate::prove(&scenario, Engine::Native, Search::Stateful);
            assert_eq!(report.executions, executions, "{name}");
        }
    }

    #[test]
    fn the_notation_nests() {
        use Step::{Lock, Unlock};
        assert_eq!(
            steps("0(1 3);2"),
            [Lock(0), Lock(1), Lock(3), Unlock(3), Unlock(1), Unlock(0), Lock(2), Unlock(2)]
        );
    }
}
