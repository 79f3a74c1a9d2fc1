//! The tasks of the repository that no existing tool does. `cargo xtask --help` lists them.

mod docs;
mod files;
mod models;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use docs::Docs;
use models::coverage::Coverage;
use models::mutants::Mutants;

/// Tasks of the repository.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the style of sources and documents
    Tidy,
    /// Generate the tables in the README of each driver
    Docs(Docs),
    /// List the operations of the models that no execution reaches
    Coverage(Coverage),
    /// Leave out each statement of the models in turn and list those that no scenario misses
    Mutants(Mutants),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Tidy => tidy::tidy(),
        Task::Docs(task) => docs::run(&task),
        Task::Coverage(task) => models::coverage::run(&task),
        Task::Mutants(task) => models::mutants::run(&task),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
