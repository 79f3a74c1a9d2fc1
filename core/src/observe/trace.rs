//! The operations of one execution, in order, for display.

use std::fmt;

use crate::op::Modify;
use crate::operations::OpKind;

use super::{Event, Observers};

/// One execution, operation by operation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// The names of the threads.
    pub threads: Vec<String>,
    /// The operations, in order.
    pub steps: Vec<Step>,
}

/// One operation of a [`Trace`], by its parts and as text.
///
/// ```
/// # use selvedge_core::Scenario;
/// # use selvedge_core::sync::{Choice, Mutex};
/// let world = || (Mutex::new("m", ()), [(); 2].map(|()| Choice::new("fails")));
/// let scenario = Scenario::builder("example/parts", world)
///     .thread("T", |(m, fails)| {
///         let _held = m.lock();
///         fails[1].choose(2);
///     })
///     .build();
/// let trace = scenario.follow(&"0.0b".parse()?)?;
/// let last = &trace.steps[1];
/// assert_eq!((last.operation, last.class), ("choose", "fails"));
/// assert_eq!((last.object.as_str(), last.outcome), ("fails#1", 1));
/// assert_eq!(last.held, ["m"]);
/// assert_eq!(last.to_string(), "choose(fails#1) = 1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Step {
    /// The position of the thread in [`Trace::threads`].
    pub thread: usize,
    /// The name of the operation, such as `mutex_lock`, or of the instruction of the hardware.
    pub operation: &'static str,
    /// The class of its object.
    pub class: &'static str,
    /// The name of its object: the class, with a number if the world has several of the class.
    pub object: String,
    /// The number of the outcome among those that were possible, as in a
    /// [`Schedule`](crate::Schedule).
    pub outcome: u8,
    /// The operation and its object, such as `mutex_lock(ap_perms_mutex)`, with the value if it
    /// stores one; of an instruction of the hardware the name alone.
    pub what: String,
    /// The result, where another one was possible.
    pub result: Option<String>,
    /// The modelled kernel function, if the model named one.
    pub function: Option<&'static str>,
    /// The file of the model.
    pub file: &'static str,
    /// The line in that file, from 1.
    pub line: u32,
    /// The locks the thread holds afterwards, in the order in which it took them.
    pub held: Vec<String>,
    /// Why the thread of the step before does not continue here, if it does not.
    pub switch: Option<Switch>,
    /// Whether the violation depends on the step: whether it happens before the violation. Always
    /// true for a trace of no counterexample.
    pub is_cause: bool,
}

/// Why a thread does not continue.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Switch {
    /// It could. The violation needs the other thread to run here.
    Preempted,
    /// It waits for this operation to be possible, such as `mutex_lock(ap_perms_mutex)`.
    Waits(String),
    /// It has ended, or has nothing to do.
    Ended,
}

/// What the thread does: `is preempted`, `waits for mutex_lock(m)` or `has ended`.
impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preempted => f.write_str("is preempted"),
            Self::Waits(what) => write!(f, "waits for {what}"),
            Self::Ended => f.write_str("has ended"),
        }
    }
}

/// A line for each operation: its number, its thread, the operation, and the place. Where another
/// thread continues, a line says why the one before does not.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whats: Vec<String> = self.steps.iter().map(Step::to_string).collect();
        let width = |names: &[String]| names.iter().map(|name| name.chars().count()).max();
        let (thread, what) = (width(&self.threads).unwrap_or(0), width(&whats).unwrap_or(0));
        for (number, (step, text)) in self.steps.iter().zip(&whats).enumerate() {
            if let Some(switch) = &step.switch {
                let left = &self.threads[self.steps[number - 1].thread];
                writeln!(f, "      {left:thread$}  {switch}")?;
            }
            let (name, place) = (&self.threads[step.thread], step.place());
            writeln!(f, "{:4}  {name:thread$}  {text:what$}  {place}", number + 1)?;
        }
        Ok(())
    }
}

impl Step {
    /// Returns the place: the function, if the model named one, and the line.
    pub fn place(&self) -> String {
        let line = format!("{}:{}", self.file, self.line);
        self.function.map_or(line.clone(), |function| format!("{function} [{line}]"))
    }
}

/// The operation and its result: `mutex_trylock(matrix_dev->lock) = busy`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.result.as_ref().map_or(Ok(()), |result| write!(f, " = {result}"))
    }
}

impl Observers {
    /// Returns the trace so far.
    pub(crate) fn trace(&self) -> Trace {
        let threads = self.threads.iter().map(|thread| thread.name.to_string()).collect();
        let mut held = vec![Vec::new(); self.threads.len()];
        let steps = self.events.iter().map(|event| self.step(event, &mut held)).collect();
        Trace { threads, steps }
    }

    fn step(&self, event: &Event, held: &mut [Vec<String>]) -> Step {
        let object = self.object_name(event.about);
        let mine = &mut held[event.thread.index()];
        let row = event.op.kind.row();
        if row.takes.is_some() && event.succeeded() {
            mine.extend(event.objects().map(|object| self.object_name(object)));
        } else if row.releases {
            for released in event.objects() {
                let released = self.object_name(released);
                if let Some(place) = mine.iter().rposition(|name| *name == released) {
                    mine.remove(place);
                }
            }
        }
        Step {
            thread: event.thread.index(),
            operation: event.instruction.unwrap_or(event.op.name()),
            class: self.objects[event.about.index()].name,
            outcome: event.outcome,
            what: match (event.op.kind, event.instruction) {
                (_, Some(name)) => name.to_owned(),
                (OpKind::Fence, _) => format!("fence({:?})", event.op.weak.ordering(true)),
                (OpKind::FetchModify, _) => {
                    format!("{}({object})", Modify::from_word(event.op.b).how.text())
                }
                (OpKind::Store | OpKind::Swap, _) => {
                    format!("{}({object}, {})", event.op.kind, event.op.a)
                }
                _ => format!("{}({object})", event.op.name()),
            },
            object,
            result: result(event),
            function: event.taken.function,
            file: event.taken.file(),
            line: event.taken.line_number(),
            held: mine.clone(),
            switch: None,
            is_cause: true,
        }
    }
}

fn result(event: &Event) -> Option<String> {
    event.reply.map_or_else(|| Some("violation".to_owned()), |reply| event.op.kind.shown(reply))
}
