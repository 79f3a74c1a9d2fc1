//! The program `simulate`, for schemes of any crate as well.

mod cli;
mod plot;
mod show;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::nvme::{self, Costs, Exhausted, Outcome, Scheme};
use clap::Parser;
use cli::{CostFlags, Preset, Simulate};

/// The reason why there is no result.
enum Failure {
    Options(String),
    Output(io::Error),
}

/// Runs the program with these schemes beside those of the mail.
pub fn main(own: Vec<Scheme>) -> ExitCode {
    match simulate(&Simulate::parse(), own) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the pipe has closed it.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => {
            eprintln!("simulate: cannot write the result: {error}");
            ExitCode::FAILURE
        }
        Err(Failure::Options(message)) => {
            eprintln!("simulate: {message}");
            ExitCode::from(2)
        }
    }
}

/// Simulates all schemes and prints the result.
fn simulate(options: &Simulate, own: Vec<Scheme>) -> Result<(), Failure> {
    let mut schemes = Scheme::ALL.to_vec();
    schemes.extend(own);
    let costs = costs(options.preset, &options.costs).map_err(Failure::Options)?;
    let time = Duration::from_secs(options.seconds);
    let rows = run(&schemes, &costs, time, options.seed).map_err(Failure::Options)?;
    print(options, &rows).map_err(Failure::Output)?;
    if let Some(folder) = &options.svg {
        plot::draw(folder, &costs, options).map_err(Failure::Options)?;
    }
    Ok(())
}

fn print(options: &Simulate, rows: &[(Scheme, Outcome)]) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match options.json {
        true => show::json(rows, &mut out)?,
        false => show::table(options, rows, &mut out)?,
    }
    out.flush()
}

/// Returns a preset with the changes of the command line.
fn costs(preset: Preset, flags: &CostFlags) -> Result<Costs, String> {
    let preset = match preset {
        Preset::Guest => Costs::guest(),
        Preset::Lpar => Costs::lpar(),
    };
    let costs = Costs {
        cpus: flags.cpus.unwrap_or(preset.cpus),
        depth: flags.depth.unwrap_or(preset.depth),
        pages: flags.pages.unwrap_or(preset.pages),
        aperture: flags.aperture.unwrap_or(preset.aperture),
        device: flags.device_us.unwrap_or(preset.device),
        submit: flags.submit_us.unwrap_or(preset.submit),
        complete: flags.complete_us.unwrap_or(preset.complete),
        alloc: flags.alloc_us.unwrap_or(preset.alloc),
        free: flags.free_us.unwrap_or(preset.free),
        queue: flags.queue_us.unwrap_or(preset.queue),
        release: flags.release_us.unwrap_or(preset.release),
        refresh: flags.refresh_us.unwrap_or(preset.refresh),
        flush: flags.flush_us.unwrap_or(preset.flush),
        serialized: flags.serialized.unwrap_or(preset.serialized),
        refresh_on_map: flags.refresh_on_map.unwrap_or(preset.refresh_on_map),
        hz: flags.hz.unwrap_or(preset.hz),
    };
    costs.check().map_err(|error| error.to_string())?;
    Ok(costs)
}

/// Runs each scheme, as many concurrently as there are processors.
fn run(
    schemes: &[Scheme],
    costs: &Costs,
    time: Duration,
    seed: u64,
) -> Result<Vec<(Scheme, Outcome)>, String> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Outcome, Exhausted>)>> = Mutex::default();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(scheme) = schemes.get(at) else { return };
            let outcome = nvme::simulate(scheme, costs, time, seed);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, outcome));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let rows = done.into_iter().map(|(at, outcome)| match outcome {
        Ok(outcome) => Ok((schemes[at].clone(), outcome)),
        Err(error) => Err(format!("{}: {error}", schemes[at])),
    });
    rows.collect()
}
