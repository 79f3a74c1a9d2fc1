//! The matrix of verdicts: designs down, sets of threads across.
//!
//! In a family that is a matrix, the last part of a scenario's name is a set of threads and the
//! part before it a design: `vfio-ap/matrix/v5.11-set/pqap-upd-pv`, `iommu/v6.2/flush-move`. A set
//! of threads that only one or two designs have gets no column.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};

use crate::json::VerdictRecord;

/// The families that are matrices, in addition to those named `matrix`.
const MATRICES: [&str; 3] = ["iommu", "iommu/flush", "iommu/seed"];

/// The number of designs that make a column.
const COLUMN: usize = 3;

/// A verdict's place in a matrix.
struct Place<'a> {
    matrix: &'a str,
    design: &'a str,
    threads: &'a str,
}

impl<'a> Place<'a> {
    fn of(record: &'a VerdictRecord) -> Option<Self> {
        let (family, threads) = record.scenario.rsplit_once('/')?;
        let (matrix, design) = family.rsplit_once('/')?;
        let is_one = matrix.ends_with("/matrix") || MATRICES.contains(&matrix);
        is_one.then_some(Self { matrix, design, threads })
    }
}

/// Writes a matrix for each family of lines that is one, and each engine.
pub(crate) fn write<'a>(
    records: impl Iterator<Item = &'a VerdictRecord> + Clone,
    out: &mut impl Write,
) -> io::Result<()> {
    let placed = records.filter_map(|record| Some((Place::of(record)?, record)));
    for (matrix, engine) in unique(placed.clone().map(|(at, record)| (at.matrix, &*record.engine)))
    {
        let here =
            placed.clone().filter(|(at, record)| (at.matrix, &*record.engine) == (matrix, engine));
        let mut columns = unique(here.clone().map(|(at, _)| at.threads));
        let designs = |threads: &str| here.clone().filter(|(at, _)| at.threads == threads).count();
        columns.retain(|threads| designs(threads) >= COLUMN);
        if columns.is_empty() {
            continue;
        }
        let here = here.clone().filter(|(at, _)| columns.contains(&at.threads));
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let heading = format!("{matrix} on {engine}");
        table.set_header([&*heading].into_iter().chain(columns.iter().copied()));
        for design in unique(here.clone().map(|(at, _)| at.design)) {
            let cell = |threads: &&str| {
                let mut cells = here.clone();
                let found = cells.find(|(at, _)| at.design == design && at.threads == *threads);
                found.map_or(String::new(), |(_, record)| cell(record))
            };
            table.add_row([design.to_owned()].into_iter().chain(columns.iter().map(cell)));
        }
        writeln!(out, "\n{table}")?;
    }
    Ok(())
}

/// Returns `ok`, or a word for each kind of violation.
fn cell(record: &VerdictRecord) -> String {
    let violations = record.refuted.iter().chain(&record.also);
    let kinds = unique(violations.map(|violation| word(&violation.violation)));
    let mut cell = match &*record.found {
        "proved" => "ok".to_owned(),
        "refuted" => kinds.join(", "),
        other => other.to_owned(),
    };
    if !record.as_expected {
        cell.push_str(" (!)");
    }
    cell
}

/// Returns `deadlock` for `deadlock(a, b)`, and `INV-07` for `invariant(INV-07)`.
fn word(violation: &str) -> &str {
    match violation.split_once('(') {
        Some(("invariant", id)) => id.trim_end_matches(')'),
        Some((word, _)) => word,
        None => violation,
    }
}

/// Returns each item once, in the order of its first occurrence.
fn unique<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut unique = Vec::new();
    for one in all {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    unique
}
