//! SPIN: the program in Promela, compiled to a verifier of its own.
//!
//! A thread is a process and an operation is one indivisible step. A thread that is through stays
//! at a valid end rather than ending, which would be a step that the program does not have; so
//! without its partial-order reduction SPIN has exactly the states of the program. (With it too,
//! as it turns out: to SPIN a lock is a variable that everybody shares.)
//!
//! The verifier is told a size for its table that suits the program. By default it would spend
//! longer on clearing the table than on a small search.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use selvedge_models::programs::{Program, Step};
use tempfile::TempDir;

/// With SPIN's partial-order reduction, or without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reduction {
    /// As SPIN does by default.
    On,
    /// Every state.
    Off,
}

/// What SPIN found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explored {
    /// States that were stored; all of them unless there is a deadlock.
    pub states: u64,
    /// Whether one of them is a deadlock.
    pub deadlock: bool,
    /// Whether nothing cut the search short: it stops at a deadlock and when memory runs out.
    pub complete: bool,
}

/// Which of the two programs that this needs are missing.
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

/// The verifier of one program.
#[derive(Debug)]
pub struct Verifier {
    directory: TempDir,
    /// The logarithm of the number of slots in its table of states.
    slots: u32,
    /// How long it took to generate and to compile.
    pub made_in: Duration,
}

impl Verifier {
    /// Generates and compiles the verifier.
    ///
    /// # Errors
    ///
    /// If SPIN or the compiler is missing or refuses.
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

    /// Runs it.
    ///
    /// # Errors
    ///
    /// If it does not run, or does not say how many states it has stored.
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
        writeln!(text, "bool held{lock};").expect("a string takes everything");
    }
    for (thread, steps) in program.threads().iter().enumerate() {
        let steps: String = steps.iter().map(statement).collect();
        write!(text, "active proctype T{thread}() {{\n{steps}end: false\n}}\n")
            .expect("a string takes everything");
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

    /// Whether to skip a test.
    fn no_spin() -> bool {
        let missing = missing();
        if !missing.is_empty() {
            eprintln!("skipped: {} is missing", missing.join(" and "));
        }
        !missing.is_empty()
    }

    fn explored(name: &str, reduction: Reduction) -> Explored {
        let program = Program::named(name).expect("it is in the list");
        Verifier::new(program, reduction).and_then(|spin| spin.explore()).expect("SPIN runs")
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
