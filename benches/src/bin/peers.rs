//! Selvedge next to other model checkers on the same lock programs, in one run.
//!
//! `cargo run --release -p selvedge-benches --bin peers`. Quote the ratios, since computers differ.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use selvedge_benches::peers::loom;
use selvedge_benches::peers::spin::{self, Reduction, Verifier};
use selvedge_benches::peers::stateright::{self, Order};
use selvedge_benches::prove;
use selvedge_core::{Engine, Search};
use selvedge_models::programs::Program;

/// The number of runs, whose median time is the time of a row.
const RUNS: usize = 5;
/// The time after which a row has fewer runs.
const REPEAT_WITHIN: Duration = Duration::from_secs(2);

/// Runs Selvedge, stateright, SPIN and loom on the same lock programs.
///
/// SPIN is included where `spin` and `gcc` are installed. Its time is that of the verifier. The
/// time to generate and compile the verifier is in a separate column.
#[derive(Debug, Parser)]
struct Cli {
    /// The programs
    #[arg(
        value_parser = deadlock_free,
        default_values = ["vfio3", "vfio4", "vfio5", "fine4", "disj5", "big5", "big6"]
    )]
    programs: Vec<&'static Program>,
    /// Stop loom after this many seconds; the other checkers have no limit
    #[arg(
        long,
        value_name = "N",
        default_value = "20",
        value_parser = value_parser!(u64).range(1..)
    )]
    seconds_max: u64,
}

fn deadlock_free(name: &str) -> Result<&'static Program, String> {
    let program = Program::named(name).ok_or("unknown program")?;
    match program.deadlock {
        None => Ok(program),
        Some(_) => {
            Err("the program has a deadlock, at which each checker stops in a different place"
                .to_owned())
        }
    }
}

/// The result of a checker for a program.
struct Row {
    checker: &'static str,
    explored: String,
    time: Duration,
    complete: bool,
    made_in: Option<Duration>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let missing = spin::missing();
    if !missing.is_empty() {
        eprintln!("peers: SPIN is skipped, since {} is missing", missing.join(" and "));
    }
    for program in cli.programs {
        match rows(program, missing.is_empty(), Duration::from_secs(cli.seconds_max)) {
            Ok(rows) => println!("{}: {}\n\n{}\n", program.name, program.text, table(&rows)),
            Err(error) => {
                eprintln!("peers: {}: {error}", program.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn rows(program: &Program, with_spin: bool, loom_limit: Duration) -> io::Result<Vec<Row>> {
    let mut rows = vec![selvedge(program), stateright(program)];
    if with_spin {
        rows.push(spin("SPIN", program, Reduction::On)?);
        rows.push(spin("SPIN, no reduction", program, Reduction::Off)?);
    }
    if program.threads().len() <= loom::THREADS_MAX {
        rows.push(loom(program, loom_limit));
    } else {
        eprintln!(
            "peers: {}: loom is skipped; it has at most {} threads",
            program.name,
            loom::THREADS_MAX
        );
    }
    Ok(rows)
}

fn selvedge(program: &Program) -> Row {
    let scenario = program.scenario();
    let (report, time) = median(|| prove(&scenario, Engine::Native, Search::default()));
    let states = report.fingerprint.states.expect("a stateful search counts states");
    let explored = format!("{states} states, {} executions", report.executions);
    Row { checker: "selvedge", explored, time, complete: true, made_in: None }
}

/// Returns the faster of its two orders.
fn stateright(program: &Program) -> Row {
    let orders = [("stateright dfs", Order::Depth), ("stateright bfs", Order::Breadth)];
    let rows = orders.map(|(checker, order)| {
        let (explored, time) = median(|| stateright::explore(program, order));
        assert_eq!(explored.states, program.states, "{checker}");
        let explored = format!("{} states", explored.states);
        Row { checker, explored, time, complete: true, made_in: None }
    });
    rows.into_iter().min_by_key(|row| row.time).expect("there are two orders")
}

fn spin(checker: &'static str, program: &Program, reduction: Reduction) -> io::Result<Row> {
    let verifier = Verifier::new(program, reduction)?;
    let (explored, time) = median(|| verifier.explore());
    let explored = explored?;
    Ok(Row {
        checker,
        explored: format!("{} states", explored.states),
        time,
        complete: explored.complete,
        made_in: Some(verifier.made_in),
    })
}

fn loom(program: &Program, limit: Duration) -> Row {
    let (explored, time) = median(|| loom::explore(program, limit));
    Row {
        checker: "loom",
        explored: format!("{} executions", explored.executions),
        time,
        complete: explored.complete,
        made_in: None,
    }
}

/// Returns the result of the last run and the median time.
fn median<T>(mut run: impl FnMut() -> T) -> (T, Duration) {
    let mut times = Vec::new();
    loop {
        let started = Instant::now();
        let result = run();
        times.push(started.elapsed());
        if times.len() == RUNS || times.iter().sum::<Duration>() > REPEAT_WITHIN {
            times.sort_unstable();
            return (result, times[times.len() / 2]);
        }
    }
}

/// Creates the table. The times are relative to the first row, and `>` marks a search that was
/// stopped.
fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["", "explored", "time", "time / selvedge's", "generate, compile"]);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    for row in rows {
        let more = if row.complete { "" } else { "> " };
        let ratio = row.time.as_secs_f64() / rows[0].time.as_secs_f64();
        table.add_row([
            Cell::new(row.checker),
            right(format!("{more}{}", row.explored)),
            right(format!("{more}{:.1?}", row.time)),
            right(format!("{more}{ratio:.2}x")),
            right(row.made_in.map_or(String::new(), |time| format!("{time:.1?}"))),
        ]);
    }
    table
}
