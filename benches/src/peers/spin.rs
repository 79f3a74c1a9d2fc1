//! SPIN, with the program in Promela, compiled to a verifier.
//!
//! A thread is a process, and an operation is one atomic step. A thread that is done stays at a
//! valid end state and does not terminate, since termination would be a step that the program does
//! not have. Without its partial-order reduction SPIN therefore has exactly the states of the
//! program. (With the reduction it has the same states, since for SPIN a lock is a variable that
//! all processes share.)
//!
//! The verifier gets a table size that suits the program. With the default size it would spend more
//! time on clearing the table than on a small search.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use selvedge_models::programs::{Program, Step};
use tempfile::TempDir;

/// Whether SPIN uses its partial-order reduction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    /// The default of SPIN.
    On,
    /// The search visits every state.
    Off,
}

/// The result of SPIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explored {
    /// The number of stored states, which are all states unless there is a deadlock.
    pub states: u64,
    /// Whether one of them is a deadlock.
    pub deadlock: bool,
    /// Whether the search is complete. It stops at a deadlock and when memory runs out.
    pub complete: bool,
}

/// Returns which of the two required programs are missing.
pub fn missing() -> Vec<&'static str> {
    let runs = |program: &str, argument| {
        let output = Command::new(program).arg(argument).stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success())
    };
    let needed = [("spin", "-V"), ("gcc", "--version")];
    needed
        .iter()
        .filter(|(program, how)| !runs(program, how))
        .map(|(program, _)| *program)
        .collect()
}

/// The verifier of a program.
#[derive(Debug)]
pub struct Verifier {
    directory: TempDir,
    /// The logarithm of the number of slots in its table of states.
    slots: u32,
    /// The time to generate and to compile it.
    pub made_in: Duration,
}

impl Verifier {
    /// Generates and compiles the verifier.
    ///
    /// # Errors
    ///
    /// If SPIN or the compiler is missing or fails.
    pub fn new(program: &Program, reduction: Reduction) -> io::Result<Self> {
        let started = Instant::now();
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("model.pml"), promela(program))?;
        run(directory.path(), "spin", &["-a", "model.pml"])?;
        let options: &[&str] = match reduction {
            Reduction::On => &[],
            Reduction::Off => &["-DNOREDUCE"],
        };
        let compile = [&["-O2", "-DSAFETY"], options, &["-o", "pan", "pan.c"]].concat();
        run(directory.path(), "gcc", &compile)?;
        let slots = (2 * program.states).next_power_of_two().ilog2();
        Ok(Self { directory, slots, made_in: started.elapsed() })
    }

    /// Runs the verifier.
    ///
    /// # Errors
    ///
    /// If it cannot be run or does not report the number of stored states.
    pub fn explore(&self) -> io::Result<Explored> {
        let verifier = self.directory.path().join("pan");
        let slots = format!("-w{}", self.slots);
        let output = run(self.directory.path(), &verifier.to_string_lossy(), &["-n", &slots])?;
        let text = String::from_utf8_lossy(&output.stdout);
        let stored = text.lines().find_map(|line| line.trim().strip_suffix(" states, stored"));
        let states = stored.and_then(|number| number.trim().parse().ok());
        Ok(Explored {
            states: states.ok_or_else(|| io::Error::other(format!("SPIN says:\n{text}")))?,
            deadlock: text.contains("invalid end state (at depth"),
            complete: !text.contains("Search not completed"),
        })
    }
}

fn run(directory: &Path, program: &str, arguments: &[&str]) -> io::Result<Output> {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(directory).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(io::Error::other(format!("{program}: {}", String::from_utf8_lossy(&said))))
}

fn promela(program: &Program) -> String {
    let mut text = String::new();
    for lock in 0..program.locks() {
        writeln!(text, "bool held{lock};").expect("writing to a string succeeds");
    }
    for (thread, steps) in program.threads().iter().enumerate() {
        let steps: String = steps.iter().map(statement).collect();
        write!(text, "active proctype T{thread}() {{\n{steps}end: false\n}}\n")
            .expect("writing to a string succeeds");
    }
    text
}

fn statement(step: &Step) -> String {
    match step {
        Step::Lock(lock) => format!("    d_step {{ !held{lock} -> held{lock} = true }};\n"),
        Step::Unlock(lock) => format!("    held{lock} = false;\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether to skip a test.
    fn no_spin() -> bool {
        let missing = missing();
        if !missing.is_empty() {
            eprintln!("skipped: {} is missing", missing.join(" and "));
        }
        !missing.is_empty()
    }

    fn explored(name: &str, reduction: Reduction) -> Explored {
        let program = Program::named(name).expect("the list has the program");
        Verifier::new(program, reduction).and_then(|spin| spin.explore()).expect("SPIN must run")
    }

    #[test]
    fn the_deadlock_of_abba_is_found_and_none_in_abab() {
        if no_spin() {
            return;
        }
        for reduction in [Reduction::On, Reduction::Off] {
            assert!(explored("abba", reduction).deadlock, "{reduction:?}");
            assert!(!explored("abab", reduction).deadlock, "{reduction:?}");
        }
    }

    #[test]
    fn without_its_reduction_it_stores_the_states_that_are_known() {
        if no_spin() {
            return;
        }
        for name in ["abab", "seq_n3_k3", "vfio3", "fine4"] {
            let spin = explored(name, Reduction::Off);
            assert_eq!(spin.states, Program::named(name).unwrap().states, "{name}");
            assert!(spin.complete, "{name}");
        }
    }

    #[test]
    fn a_thread_is_a_process_and_an_operation_a_step() {
        let text = promela(Program::named("abba").unwrap());
        assert!(text.starts_with("bool held0;\nbool held1;\nactive proctype T0() {\n"));
        assert_eq!(text.matches("d_step").count(), 4);
        assert_eq!(text.matches("end: false").count(), 2);
    }
}
