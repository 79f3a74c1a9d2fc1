//! The text of a report, in the form that the kernel's lockdep prints
//! (`kernel/locking/lockdep.c`, v6.6).

use std::fmt;

use crate::observe::findings::Counterexample;
use crate::violation::ViolationKind;

use super::{Context, Inversion, Link, Mode};

/// The columns of the scenario, and the heading of each.
const CPU0: usize = 2;
const CPU1: usize = 31;
const OTHER_INFO: &str = "other info that might help us debug this:";
const DEADLOCK: &str = " *** DEADLOCK ***";

/// Returns what the kernel would print of a violation, if it has a report for it: of RCU, of memory
/// that is freed with a lock in it that the thread itself holds, and of a sleep where it is not
/// allowed.
///
/// `debug_check_no_locks_freed` looks at the locks of the current task only.
///
/// A predicted inversion is displayed as the kernel prints it.
pub fn splat(found: &Counterexample) -> Option<String> {
    let heading = match &found.violation.kind {
        ViolationKind::Invariant(id) if id == "rcu_dereference" => "WARNING: suspicious RCU usage",
        ViolationKind::FreedWhileHeld(_) => "WARNING: held lock freed!",
        ViolationKind::SleepInAtomic { .. } => "BUG: sleeping function called from invalid context",
        _ => return None,
    };
    let last = found.trace.steps.last();
    let held = last.map_or(&[][..], |step| step.held.as_slice());
    if let ViolationKind::FreedWhileHeld(class) = &found.violation.kind {
        let of_class = |lock: &String| lock.split('#').next() == Some(class.as_str());
        if !held.iter().any(of_class) {
            return None;
        }
    }
    let task = last.map_or("the set-up", |step| found.trace.threads[step.thread].as_str());
    let mut text = format!("{heading}\n{}\n\n{OTHER_INFO}\n\n", found.violation.reason);
    text += &match held.len() {
        0 => format!("no locks held by {task}."),
        1 => format!("1 lock held by {task}:"),
        more => format!("{more} locks held by {task}:"),
    };
    for (number, lock) in held.iter().enumerate() {
        text += &format!("\n #{number}: ({lock})");
    }
    Some(text)
}

/// The report as kernel developers know it.
impl fmt::Display for Inversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interrupt = self.links.iter().position(|link| link.interrupt.is_some());
        match (self.links.as_slice(), interrupt) {
            ([], _) => Ok(()),
            ([link], None) => self.recursive(f, link),
            ([link], Some(_)) => self.inconsistent(f, link),
            (_, None) => self.circular(f),
            (_, Some(at)) => {
                // The interrupt last: from the lock that it takes to the one that it finds held.
                let mut links = self.links.clone();
                links.rotate_left(at + 1);
                self.unsafe_order(f, &links)
            }
        }
    }
}

impl Inversion {
    /// Returns a class as the reports name it: `(A){+.+.}-{4:4}`.
    fn class(&self, name: &str) -> String {
        format!("({name}){}", self.usage.get(name).map_or("", String::as_str))
    }

    fn held(&self, link: &Link) -> String {
        format!("{}, at: {}", self.class(&link.held.0), link.held.1)
    }

    fn wanted(&self, link: &Link) -> String {
        format!("{}, at: {}", self.class(&link.wanted.0), link.wanted.1)
    }

    fn recursive(&self, f: &mut fmt::Formatter<'_>, link: &Link) -> fmt::Result {
        writeln!(f, "WARNING: possible recursive locking detected")?;
        writeln!(f, "{} is trying to acquire lock:\n {}\n", link.task, self.wanted(link))?;
        writeln!(f, "but task is already holding lock:\n {}\n", self.held(link))?;
        writeln!(f, "{OTHER_INFO}\n Possible unsafe locking scenario:\n\n{}", cpus(1))?;
        writeln!(f, "{}", takes(CPU0, &link.held.0, link.modes.0))?;
        writeln!(f, "{}\n\n{DEADLOCK}", takes(CPU0, &link.wanted.0, link.modes.1))?;
        write!(f, "\n May be due to missing lock nesting notation")
    }

    fn circular(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [existing @ .., closing] = self.links.as_slice() else { return Ok(()) };
        writeln!(f, "WARNING: possible circular locking dependency detected")?;
        writeln!(f, "{} is trying to acquire lock:\n {}\n", closing.task, self.wanted(closing))?;
        writeln!(f, "but task is already holding lock:\n {}\n", self.held(closing))?;
        writeln!(f, "which lock already depends on the new lock.\n")?;
        writeln!(f, "the existing dependency chain (in reverse order) is:\n")?;
        let numbered = existing.iter().enumerate().map(|(at, link)| (at + 1, link)).rev();
        for (number, link) in numbered.chain([(0, closing)]) {
            let (task, wanted, held) = (&link.task, &link.wanted, &link.held);
            writeln!(f, "-> #{number} {}:", self.class(&wanted.0))?;
            writeln!(f, "       {task} at {}", wanted.1)?;
            writeln!(f, "       with ({}), taken at {}\n", held.0, held.1)?;
        }
        writeln!(f, "{OTHER_INFO}\n")?;
        let last = &existing[existing.len() - 1];
        let (source, parent, target) = (&closing.wanted.0, &last.held.0, &closing.held.0);
        if parent != source {
            writeln!(f, "Chain exists of:\n  {source} --> {parent} --> {target}\n")?;
        }
        writeln!(f, " Possible unsafe locking scenario:\n\n{}", cpus(2))?;
        writeln!(f, "{}", takes(CPU0, target, closing.modes.0))?;
        writeln!(f, "{}", takes(CPU1, parent, Mode::Exclusive))?;
        writeln!(f, "{}", takes(CPU1, target, last.modes.1))?;
        writeln!(f, "{}\n", takes(CPU0, source, closing.modes.1))?;
        f.write_str(DEADLOCK)
    }

    fn inconsistent(&self, f: &mut fmt::Formatter<'_>, link: &Link) -> fmt::Result {
        let kind = kind(link);
        let read = |mode: Mode| if mode.shared() { 'R' } else { 'W' };
        let (open, inside) = (read(link.modes.0), read(link.modes.1));
        writeln!(f, "WARNING: inconsistent lock state")?;
        writeln!(f, "inconsistent {{{kind}-ON-{open}}} -> {{IN-{kind}-{inside}}} usage.")?;
        writeln!(f, "an interrupt of {} takes:\n {}\n", link.task, self.wanted(link))?;
        writeln!(f, "{{{kind}-ON-{open}}} state was registered at:")?;
        writeln!(f, "       {} at {}\n", link.task, link.held.1)?;
        writeln!(f, "{OTHER_INFO}\n Possible unsafe locking scenario:\n\n{}", cpus(1))?;
        writeln!(f, "{}", takes(CPU0, &link.held.0, link.modes.0))?;
        writeln!(f, "  <Interrupt>")?;
        writeln!(f, "{}\n", takes(CPU0 + 2, &link.wanted.0, link.modes.1))?;
        f.write_str(DEADLOCK)
    }

    /// The links lead from the safe lock to the unsafe one, and the last is the interrupt.
    fn unsafe_order(&self, f: &mut fmt::Formatter<'_>, links: &[Link]) -> fmt::Result {
        let [path @ .., interrupt] = links else { return Ok(()) };
        let (new, kind) = (&path[path.len() - 1], kind(interrupt));
        let (safe, before, unsafe_) = (&interrupt.wanted.0, &new.held.0, &interrupt.held.0);
        writeln!(f, "WARNING: {kind}-safe -> {kind}-unsafe lock order detected")?;
        writeln!(f, "{} is trying to acquire:\n {}\n", new.task, self.wanted(new))?;
        writeln!(f, "and this task is already holding:\n {}\n", self.held(new))?;
        writeln!(f, "which would create a new lock dependency:")?;
        writeln!(f, " {} -> {}\n", self.class(before), self.class(unsafe_))?;
        writeln!(f, "but this new dependency connects a {kind}-irq-safe lock:")?;
        writeln!(f, " {}\n", self.class(safe))?;
        writeln!(f, "... which became {kind}-irq-safe at:\n       {}\n", interrupt.wanted.1)?;
        writeln!(f, "to a {kind}-irq-unsafe lock:\n {}\n", self.class(unsafe_))?;
        let (task, taken) = (&interrupt.task, interrupt.held.1);
        writeln!(f, "... which became {kind}-irq-unsafe at:\n       {task} at {taken}\n")?;
        writeln!(f, "{OTHER_INFO}\n")?;
        let between = if before == safe { unsafe_ } else { before };
        if before != safe {
            writeln!(f, "Chain exists of:\n  {safe} --> {before} --> {unsafe_}\n")?;
        }
        writeln!(f, " Possible interrupt unsafe locking scenario:\n\n{}", cpus(2))?;
        writeln!(f, "{}", takes(CPU0, unsafe_, interrupt.modes.0))?;
        writeln!(f, "{:CPU1$}local_irq_disable();", "")?;
        writeln!(f, "{}", takes(CPU1, safe, Mode::Exclusive))?;
        writeln!(f, "{}", takes(CPU1, between, Mode::Exclusive))?;
        writeln!(f, "  <Interrupt>")?;
        writeln!(f, "{}\n", takes(CPU0 + 2, safe, interrupt.modes.1))?;
        f.write_str(DEADLOCK)
    }
}

fn kind(link: &Link) -> &'static str {
    match link.interrupt {
        Some(Context::Hardirq) => "HARDIRQ",
        _ => "SOFTIRQ",
    }
}

/// Returns the headings of the columns.
fn cpus(count: usize) -> String {
    let line = |words: [&str; 2]| match count {
        1 => format!("       {}", words[0]),
        _ => format!("       {:<24}{}", words[0], words[1]),
    };
    format!("{}\n{}", line(["CPU0", "CPU1"]), line(["----", "----"]))
}

/// Returns the line of a CPU that takes a lock.
fn takes(column: usize, class: &str, mode: Mode) -> String {
    let read = if mode.shared() { "r" } else { "" };
    format!("{:column$}{read}lock({class});", "")
}
