//! The matrix of verdicts: designs down, sets of threads across.
//!
//! In a family that is a matrix the second but last part of a scenario's name is a design, and the
//! last one what it is put through: `vfio-ap/matrix/v5.11-set/pqap-upd-pv`, `iommu/v6.2/flush-move`.
//! What only one or two designs are put through has no column; it is in the list.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};

use crate::json::Line;

/// The families that are matrices, beside those that are called so.
const MATRICES: [&str; 3] = ["iommu", "iommu/flush", "iommu/seed"];

/// How many designs make a column.
const COLUMN: usize = 3;

/// A verdict's place in a matrix.
struct Place<'a> {
    matrix: &'a str,
    design: &'a str,
    threads: &'a str,
}

impl<'a> Place<'a> {
    fn of(line: &'a Line) -> Option<Self> {
        let (family, threads) = line.scenario.rsplit_once('/')?;
        let (matrix, design) = family.rsplit_once('/')?;
        let is_one = matrix.ends_with("/matrix") || MATRICES.contains(&matrix);
        is_one.then_some(Self { matrix, design, threads })
    }
}

/// Writes a matrix for each family of lines that is one, and each engine.
pub(crate) fn write<'a>(
    lines: impl Iterator<Item = &'a Line> + Clone,
    out: &mut impl Write,
) -> io::Result<()> {
    let placed = lines.filter_map(|line| Some((Place::of(line)?, line)));
    for (matrix, engine) in unique(placed.clone().map(|(at, line)| (at.matrix, &*line.engine))) {
        let here =
            placed.clone().filter(|(at, line)| (at.matrix, &*line.engine) == (matrix, engine));
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
                found.map_or(String::new(), |(_, line)| cell(line))
            };
            table.add_row([design.to_owned()].into_iter().chain(columns.iter().map(cell)));
        }
        writeln!(out, "\n{table}")?;
    }
    Ok(())
}

/// What is wrong, each kind in a word; or that nothing is.
fn cell(line: &Line) -> String {
    let violations = line.refuted.iter().chain(&line.also);
    let kinds = unique(violations.map(|violation| word(&violation.violation)));
    let mut cell = match &*line.found {
        "proved" => "ok".to_owned(),
        "refuted" => kinds.join(", "),
        other => other.to_owned(),
    };
    if !line.as_expected {
        cell.push_str(" (!)");
    }
    cell
}

/// `deadlock` of `deadlock(a, b)`, and `INV-07` of `invariant(INV-07)`.
fn word(violation: &str) -> &str {
    match violation.split_once('(') {
        Some(("invariant", id)) => id.trim_end_matches(')'),
        Some((word, _)) => word,
        None => violation,
    }
}

/// Each once, in the order in which they come.
fn unique<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut unique = Vec::new();
    for one in all {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    unique
}
