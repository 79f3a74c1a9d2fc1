//! The operations of one execution, in order, ready to be shown.

use std::fmt;

use crate::machine::{QUEUED, REFUSED};
use crate::op::OpKind;

use super::{Event, Locking, Observers, locking};

/// One execution, operation by operation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trace {
    /// The names of the threads.
    pub threads: Vec<String>,
    /// What happened, in order.
    pub steps: Vec<Step>,
}

/// One operation of a [`Trace`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Position of the thread in [`Trace::threads`].
    pub thread: usize,
    /// The operation and its object, such as `mutex_lock(ap_perms_mutex)`, or the name of an
    /// instruction of the machine.
    pub what: String,
    /// What came of it, where it could have come otherwise.
    pub result: Option<String>,
    /// The kernel function that was being modelled, if the model named one.
    pub function: Option<&'static str>,
    /// The file of the model.
    pub file: &'static str,
    /// The line in that file, from 1.
    pub line: u32,
    /// The locks the thread holds afterwards, in the order in which it took them.
    pub held: Vec<String>,
}

/// A line for each operation: its number, its thread, what it does, where.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whats: Vec<String> = self.steps.iter().map(Step::to_string).collect();
        let width = |names: &[String]| names.iter().map(|name| name.chars().count()).max();
        let (thread, what) = (width(&self.threads).unwrap_or(0), width(&whats).unwrap_or(0));
        for (number, (step, text)) in self.steps.iter().zip(&whats).enumerate() {
            let (name, place) = (&self.threads[step.thread], step.place());
            writeln!(f, "{:4}  {name:thread$}  {text:what$}  {place}", number + 1)?;
        }
        Ok(())
    }
}

impl Step {
    /// Where it is done: the function, if the model named one, and the line.
    pub fn place(&self) -> String {
        let line = format!("{}:{}", self.file, self.line);
        self.function.map_or(line.clone(), |function| format!("{function} [{line}]"))
    }
}

/// What is done, and what came of it: `mutex_trylock(matrix_dev->lock) = busy`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.result.as_ref().map_or(Ok(()), |result| write!(f, " = {result}"))
    }
}

impl Observers {
    /// The trace so far.
    pub(crate) fn trace(&self) -> Trace {
        let threads = self.threads.iter().map(|thread| thread.name.to_string()).collect();
        let mut held = vec![Vec::new(); self.threads.len()];
        let steps = self.events.iter().map(|event| self.step(event, &mut held)).collect();
        Trace { threads, steps }
    }

    fn step(&self, event: &Event, held: &mut [Vec<String>]) -> Step {
        let object = self.object_name(event.about);
        let mine = &mut held[event.thread.index()];
        match locking(event.op.kind) {
            Some(Locking::Take(_)) if event.succeeded() => {
                mine.extend(event.objects().map(|object| self.object_name(object)));
            }
            Some(Locking::Release) => {
                for released in event.objects() {
                    let released = self.object_name(released);
                    if let Some(place) = mine.iter().rposition(|name| *name == released) {
                        mine.remove(place);
                    }
                }
            }
            _ => {}
        }
        Step {
            thread: event.thread.index(),
            what: match (event.op.kind, event.instruction) {
                (_, Some(name)) => name.to_owned(),
                (OpKind::Store | OpKind::Swap, _) => {
                    format!("{}({object}, {})", event.op.kind, event.op.a)
                }
                _ => format!("{}({object})", event.op.kind),
            },
            result: result(event),
            function: event.taken.function,
            file: event.taken.at.file(),
            line: event.taken.at.line(),
            held: mine.clone(),
        }
    }
}

fn result(event: &Event) -> Option<String> {
    use OpKind::*;
    let Some(reply) = event.reply else { return Some("violation".to_owned()) };
    let text = match (event.op.kind, reply) {
        (LockInterruptible, REFUSED) => "interrupted".to_owned(),
        (WaitForCompletionInterruptible, 0) => "interrupted".to_owned(),
        (WaitForCompletionTimeout, 0) => "timed out".to_owned(),
        (SleepInterruptible | SleepKillable, 1) => "interrupted".to_owned(),
        (SleepTimeout | CondvarSleepTimeout, 1) => "timed out".to_owned(),
        (
            TryLock | TrySpinLock | TryDownRead | TryDownWrite | TryDownReadUnfair
            | TryDownWriteUnfair,
            reply,
        ) => if reply == REFUSED { "busy" } else { "taken" }.to_owned(),
        (DownRead | DownWrite, QUEUED) => "queued".to_owned(),
        (Load | Swap | FetchAdd | CompareExchange, value) => value.to_string(),
        (
            KrefGetUnlessZero | TryModuleGet | DeleteModule | WaitqueueActive | CompletionDone
            | TryWaitForCompletion | FreezeWorkqueuesBusy,
            0,
        ) => "no".to_owned(),
        (
            KrefGetUnlessZero | TryModuleGet | DeleteModule | WaitqueueActive | CompletionDone
            | TryWaitForCompletion | FreezeWorkqueuesBusy,
            _,
        ) => "yes".to_owned(),
        (KrefPut, 1) => "last".to_owned(),
        _ => return None,
    };
    Some(text)
}
