//! Selvedge next to other model checkers on the same lock programs, in one run.
//!
//! `cargo run --release -p selvedge-benches --bin peers`. Quote the ratios: machines differ.

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

/// The time of a row is the median of so many runs,
const RUNS: usize = 5;
/// or of fewer, once they have taken this long.
const REPEAT_WITHIN: Duration = Duration::from_secs(2);

/// Runs Selvedge, stateright, SPIN and loom on the same lock programs.
///
/// SPIN takes part where `spin` and `gcc` are installed. Its time is that of the verifier; what it
/// takes to generate and compile that is in a column of its own.
#[derive(Debug, Parser)]
struct Cli {
    /// The programs
    #[arg(
        value_parser = deadlock_free,
        default_values = ["vfio3", "vfio4", "vfio5", "fine4", "disj5", "big5", "big6"]
    )]
    programs: Vec<&'static Program>,
    /// Stop loom after so long; the others come to an end
    #[arg(long, value_name = "N", default_value = "20", value_parser = value_parser!(u64).range(1..))]
    seconds_max: u64,
}

fn deadlock_free(name: &str) -> Result<&'static Program, String> {
    let program = Program::named(name).ok_or("there is no such program")?;
    match program.deadlock {
        None => Ok(program),
        Some(_) => Err("it has a deadlock, at which each checker stops somewhere else".to_owned()),
    }
}

/// What a checker did with a program.
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
        eprintln!("peers: without SPIN, because {} is missing", missing.join(" and "));
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
        eprintln!("peers: {}: loom takes {} threads at most", program.name, loom::THREADS_MAX);
    }
    Ok(rows)
}

fn selvedge(program: &Program) -> Row {
    let scenario = program.scenario();
    let (report, time) = median(|| prove(&scenario, Engine::Native, Search::default()));
    let states = report.fingerprint.states.expect("it matches states");
    let explored = format!("{states} states, {} executions", report.executions);
    Row { checker: "selvedge", explored, time, complete: true, made_in: None }
}

/// The faster of its two orders.
fn stateright(program: &Program) -> Row {
    let orders = [("stateright dfs", Order::Depth), ("stateright bfs", Order::Breadth)];
    let rows = orders.map(|(checker, order)| {
        let (explored, time) = median(|| stateright::explore(program, order));
        assert_eq!(explored.states, program.states, "{checker}");
        let explored = format!("{} states", explored.states);
        Row { checker, explored, time, complete: true, made_in: None }
    });
    rows.into_iter().min_by_key(|row| row.time).expect("there are two")
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

/// What the last run came to, and the median time.
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

/// The first row is what the others are measured against; `>` marks what was cut short.
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
