//! Counterexamples as tables: a column for each thread, a row for each operation.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use selvedge_core::{Step, Trace};

/// How counterexamples are printed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Layout {
    /// Whether the steps are shown that the violation does not depend on.
    pub(crate) all_steps: bool,
    /// The columns of the terminal, if the output is one. A table that is wider becomes a list.
    pub(crate) width: Option<usize>,
}

impl Layout {
    /// Returns the layout for standard output.
    pub(crate) fn of_stdout(all_steps: bool) -> Self {
        let size = terminal_size::terminal_size_of(io::stdout());
        Self { all_steps, width: size.map(|(width, _)| usize::from(width.0)) }
    }
}

/// Writes the operations in order. Those from `again_from` on repeat for ever.
pub(crate) fn write(
    trace: &Trace,
    again_from: Option<usize>,
    layout: Layout,
    out: &mut impl Write,
) -> io::Result<()> {
    let rows = rows(trace, again_from, layout.all_steps);
    let table = table(trace, &rows).to_string();
    let width = table.lines().next().map_or(0, |line| line.chars().count());
    match layout.width {
        Some(available) if width > available => list(trace, &rows, out),
        _ => writeln!(out, "{table}"),
    }
}

/// A row of the table.
enum Row<'a> {
    /// The cycle of a starvation begins.
    Again,
    /// A thread does not continue, for this reason.
    Switch(usize, String),
    /// A step, by its number from 1.
    Step(usize, &'a Step),
    /// Steps that the violation does not depend on: the first, the last, and their threads.
    Folded(usize, usize, Vec<usize>),
}

fn rows(trace: &Trace, again_from: Option<usize>, all_steps: bool) -> Vec<Row<'_>> {
    let steps = &trace.steps;
    let mut rows = Vec::new();
    let mut shown: Option<usize> = None;
    for (at, step) in steps.iter().enumerate() {
        if again_from == Some(at) {
            rows.push(Row::Again);
        }
        if !all_steps && !step.is_cause {
            match rows.last_mut() {
                Some(Row::Folded(_, last, threads)) => {
                    *last = at + 1;
                    threads.push(step.thread);
                }
                _ => rows.push(Row::Folded(at + 1, at + 1, vec![step.thread])),
            }
            continue;
        }
        // The reason belongs to the thread that is seen to stop.
        let left = at.checked_sub(1).map(|before| steps[before].thread);
        if let (Some(switch), true) = (&step.switch, left == shown) {
            rows.extend(left.map(|left| Row::Switch(left, switch.to_string())));
        }
        shown = Some(step.thread);
        rows.push(Row::Step(at + 1, step));
    }
    rows
}

fn table(trace: &Trace, rows: &[Row<'_>]) -> Table {
    let threads = &trace.threads;
    let lane = |of: &dyn Fn(usize) -> String| (0..threads.len()).map(of).collect::<Vec<_>>();
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let header = ["".to_owned()].into_iter().chain(threads.iter().cloned());
    table.set_header(header.chain(["holds then".to_owned(), "where".to_owned()]));
    for row in rows {
        let (number, lanes, rest) = match row {
            Row::Again => (String::new(), vec!["the cycle begins:".to_owned()], vec![]),
            Row::Switch(left, why) => {
                let cell = |thread| if thread == *left { format!("({why})") } else { "".into() };
                (String::new(), lane(&cell), vec![])
            }
            Row::Step(number, step) => {
                let cell =
                    |thread| if thread == step.thread { step.to_string() } else { "".into() };
                (number.to_string(), lane(&cell), vec![step.held.join(", "), step.place()])
            }
            Row::Folded(first, last, of) => {
                let cell = |thread| match of.iter().filter(|other| **other == thread).count() {
                    0 => String::new(),
                    count => format!("... {}", steps(count)),
                };
                let of_no_effect = "(no effect on the violation)".to_owned();
                (numbers(*first, *last), lane(&cell), vec![String::new(), of_no_effect])
            }
        };
        table.add_row([vec![number], lanes, rest].concat());
    }
    table
}

/// Writes the rows as a list, for a terminal that is too narrow for the table.
fn list(trace: &Trace, rows: &[Row<'_>], out: &mut impl Write) -> io::Result<()> {
    let threads = &trace.threads;
    let name = |thread: usize| &threads[thread];
    let width = threads.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for row in rows {
        match row {
            Row::Again => writeln!(out, "      the cycle begins:")?,
            Row::Switch(left, why) => writeln!(out, "      {:width$}  ({why})", name(*left))?,
            Row::Step(number, step) => {
                writeln!(out, "{number:4}  {:width$}  {step}", name(step.thread))?;
                writeln!(out, "      {:width$}    at {}", "", step.place())?;
            }
            Row::Folded(first, last, of) => {
                writeln!(out, "      ... {} without effect on the violation", steps(of.len()))?;
                debug_assert_eq!(last + 1 - first, of.len());
            }
        }
    }
    Ok(())
}

fn steps(count: usize) -> String {
    if count == 1 { "1 step".to_owned() } else { format!("{count} steps") }
}

fn numbers(first: usize, last: usize) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}
