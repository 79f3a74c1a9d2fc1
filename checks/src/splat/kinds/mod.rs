//! The kinds of reports, a file each.

mod atomic;
mod circular;
mod dept;
mod freed;
mod hung;
mod interrupts;
mod rcu;
mod recursive;

use super::class::{Class, Role};
use super::draft::{Draft, Op};
use super::report::{Kind, Report};
use super::stack::Stack;
use crate::text::quoted;

/// What is read of a report.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) draft: Draft,
    /// The classes that it is about, in their order.
    pub(crate) classes: Vec<String>,
    /// The numbers of the lines of traces that are none.
    pub(crate) unread: Vec<usize>,
}

/// Reads a report.
///
/// # Errors
///
/// What is missing in it.
pub(crate) fn read(report: &Report) -> Result<Read, String> {
    match report.kind {
        Kind::Circular => circular::read(report),
        Kind::Recursive => recursive::read(report),
        Kind::Inconsistent => interrupts::inconsistent(report),
        Kind::IrqOrder => interrupts::order(report),
        Kind::SuspiciousRcu => rcu::read(report),
        Kind::Sleeping => atomic::sleeping(report),
        Kind::WaitContext => atomic::wait_context(report),
        Kind::HeldLockFreed => freed::read(report),
        Kind::HungTask => hung::read(report),
        Kind::Dept => dept::read(report),
    }
}

/// Returns the comments that each text begins with.
fn facts(report: &Report) -> Vec<String> {
    let mut facts =
        vec![format!("From a report in line {}: {}", report.first(), report.kind.name())];
    let of: Vec<String> = report.kernel().into_iter().chain(report.task()).collect();
    if !of.is_empty() {
        facts.push(format!("Kernel and task: {}", of.join(", ")));
    }
    facts
}

/// Returns how a trace waits for what is no lock.
fn wait(stack: &Stack, class: &Class, name: &str) -> Option<Op> {
    let works =
        ["flush_work", "cancel_work_sync", "cancel_delayed_work_sync", "flush_delayed_work"];
    let queues = ["flush_workqueue", "drain_workqueue", "destroy_workqueue"];
    let op = |call: &str| Op::plain(format!("{call}({name})"));
    Some(match class.role() {
        Role::Work => op(stack.waits(&works).map_or("flush_work", |(_, outer)| outer)),
        // What drains or destroys a queue flushes it, and also has a rule about queueing.
        Role::Workqueue => match stack.waits(&queues) {
            Some((inner, outer)) if inner != outer => op(inner).note(format!("in {outer}")),
            _ => op("flush_workqueue"),
        },
        Role::Timer => op("del_timer_sync"),
        Role::Completion => op("wait_for_completion"),
        _ => return None,
    })
}

/// The names of the threads of a scenario, each once.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    /// Returns a name for the thread of a trace: the function that takes the lock.
    fn thread(&mut self, stack: &Stack) -> String {
        let name = stack.caller().unwrap_or("context").to_owned();
        self.quoted(&name)
    }

    /// Returns the name, or another if it is taken.
    fn quoted(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut number = 1;
        while self.0.contains(&unique) {
            number += 1;
            unique = format!("{name} {number}");
        }
        self.0.push(unique.clone());
        quoted(&unique)
    }
}

/// Returns the statements by which a task came to hold these locks. The locks of a context within
/// it, such as a timer that has interrupted it, are the last of them.
fn holding(draft: &mut Draft, classes: &[Class], reads: bool) -> Vec<Op> {
    let mut ops = Vec::new();
    for class in classes {
        match class.role() {
            Role::Lock | Role::Rcu | Role::Srcu => {
                let object = draft.objects.class(class, None);
                // A read section of RCU is no object of the text.
                if class.role() == Role::Rcu {
                    draft.objects.declared.retain(|declared| declared.raw != class.raw);
                }
                let unknown = object.reads() && class.role() == Role::Lock;
                let op = Op::lock(&object, "", None, reads);
                ops.push(if unknown { op.note("? for reading or for writing") } else { op });
            }
            _ => {}
        }
    }
    ops
}

/// Asks of what kind the locks are of which no function tells.
fn ask_kinds(draft: &mut Draft) {
    for (name, kind) in draft.objects.guessed() {
        draft.ask(format!("What kind of lock is {name}? By its usage, a {kind} is assumed."));
    }
}

/// Asks how the locks with readers are held, and of what kind locks are.
fn ask_modes(draft: &mut Draft, who: &str) {
    let readers: Vec<String> = draft
        .objects
        .declared
        .iter()
        .filter(|object| object.reads() && object.role == Role::Lock)
        .map(|object| object.name.clone())
        .collect();
    for name in readers {
        draft.ask(format!("How is {name} held in {who}: for reading or for writing?"));
    }
    ask_kinds(draft);
}
