//! What is read of a report, whatever its kind.

use super::class::Class;
use super::lines::Line;
use super::stack::Stack;

/// A kind of report, with the line that begins one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Circular,
    Recursive,
    Inconsistent,
    IrqOrder,
    SuspiciousRcu,
    Sleeping,
    WaitContext,
    HeldLockFreed,
    HungTask,
    Dept,
}

/// What each kind begins with.
pub(crate) const BEGINNINGS: &[(&str, Kind)] = &[
    ("possible circular locking dependency detected", Kind::Circular),
    ("possible recursive locking detected", Kind::Recursive),
    ("inconsistent lock state", Kind::Inconsistent),
    ("-unsafe lock order detected", Kind::IrqOrder),
    ("suspicious RCU usage", Kind::SuspiciousRcu),
    ("sleeping function called from invalid context", Kind::Sleeping),
    ("Invalid wait context", Kind::WaitContext),
    ("held lock freed!", Kind::HeldLockFreed),
    ("blocked for more than", Kind::HungTask),
    ("Circular dependency has been detected", Kind::Dept),
];

impl Kind {
    /// Returns the kind of report that a line begins.
    pub(crate) fn of(line: &str) -> Option<Self> {
        let marked = ["WARNING:", "BUG:", "INFO: task", "DEPT:", "[ INFO:"];
        if !marked.iter().any(|mark| line.contains(mark)) {
            return None;
        }
        BEGINNINGS.iter().find(|(begins, _)| line.contains(begins)).map(|(_, kind)| *kind)
    }

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Circular => "circular locking dependency",
            Self::Recursive => "recursive locking",
            Self::Inconsistent => "inconsistent lock state",
            Self::IrqOrder => "interrupt-safe before interrupt-unsafe lock",
            Self::SuspiciousRcu => "suspicious RCU usage",
            Self::Sleeping => "sleeping function in atomic context",
            Self::WaitContext => "invalid wait context",
            Self::HeldLockFreed => "held lock freed",
            Self::HungTask => "hung task",
            Self::Dept => "circular dependency of DEPT",
        }
    }
}

/// The lines of a report.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) kind: Kind,
    pub(crate) lines: Vec<Line>,
}

/// Returns the reports of a log, each up to the next one.
pub(crate) fn reports(lines: &[Line]) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    for line in lines {
        let begins = Kind::of(&line.text);
        // The tasks that hang at one time, and their locks, are one report.
        let continues = reports
            .last()
            .is_some_and(|last| last.kind == Kind::HungTask && begins == Some(Kind::HungTask));
        match (begins, reports.last_mut()) {
            (Some(kind), _) if !continues => {
                reports.push(Report { kind, lines: vec![line.clone()] });
            }
            (_, Some(last)) => last.lines.push(line.clone()),
            (_, None) => {}
        }
    }
    reports
}

/// A lock that a task holds, from the list of them.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) class: Class,
    pub(crate) task: String,
}

impl Report {
    /// Returns the number of the line that begins it.
    pub(crate) fn first(&self) -> usize {
        self.lines.first().map_or(0, |line| line.number)
    }

    /// Returns the position of the first line with this text.
    pub(crate) fn find(&self, text: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.text.contains(text))
    }

    pub(crate) fn text(&self, at: usize) -> &str {
        self.lines.get(at).map_or("", |line| line.text.trim())
    }

    /// Returns the class in the lines after the first one with `text`. Where inlined functions are
    /// named too, the class stands several times, and the last time with the function proper.
    pub(crate) fn class_after(&self, text: &str) -> Option<Class> {
        let at = self.find(text)?;
        let after = self.lines[at + 1..].iter().skip_while(|line| line.text.trim().is_empty());
        let classes: Vec<Class> = after.map_while(|line| Class::read(&line.text)).collect();
        classes.into_iter().next_back()
    }

    /// Returns the trace in the lines after a position, up to an empty line or another heading.
    pub(crate) fn stack_at(&self, at: usize) -> Stack {
        let after = self.lines.get(at..).unwrap_or_default();
        let ends = |line: &&Line| {
            let text = line.text.trim();
            let ends = ["irq event stamp", "---", "===", "-> "];
            let ended = ends.iter().any(|end| text.starts_with(end)) || text.contains(" held by ");
            !text.is_empty() && !text.ends_with("at:") && !ended
        };
        Stack::read(after.iter().take_while(ends))
    }

    /// Returns the trace below a heading such as `IN-HARDIRQ-W at:`: the lines that are deeper.
    pub(crate) fn stack_below(&self, at: usize) -> Stack {
        let after = self.lines.get(at + 1..).unwrap_or_default();
        Stack::read(after.iter().take_while(|line| line.text.contains("+0x")))
    }

    /// Returns the trace of the task that reports.
    pub(crate) fn trace(&self) -> Stack {
        let heads = ["Call Trace:", "Backtrace:"];
        let at = self
            .lines
            .iter()
            .rposition(|line| heads.iter().any(|head| line.text.trim().starts_with(head)));
        let first = self
            .lines
            .iter()
            .position(|line| heads.iter().any(|head| line.text.trim().starts_with(head)));
        let at = if self.kind == Kind::HungTask { at } else { first };
        at.map_or_else(Stack::default, |at| {
            let after = self.lines[at + 1..].iter();
            let ends =
                |text: &str| text.is_empty() || ["===", "---"].iter().any(|e| text.starts_with(e));
            Stack::read(after.take_while(|line| !ends(line.text.trim())))
        })
    }

    /// Returns the numbers of the lines that should have a lock class, and have none.
    pub(crate) fn unread_classes(&self) -> Vec<usize> {
        let class = |text: &str| -> Option<String> {
            let (number, class) = match text.strip_prefix("-> #") {
                Some(rest) => rest.split_once(' ')?,
                None => text.strip_prefix('#')?.split_once(':')?,
            };
            number.parse::<usize>().ok().map(|_| class.to_owned())
        };
        let unread = |line: &&Line| {
            class(line.text.trim()).is_some_and(|class| Class::read(&class).is_none())
        };
        self.lines.iter().filter(unread).map(|line| line.number).collect()
    }

    /// Returns the task that reports, such as `syz-executor0/22269`.
    pub(crate) fn task(&self) -> Option<String> {
        let ends = [" is trying to acquire", " is trying to lock", " [HC", " is freeing memory"];
        let found = self.lines.iter().find_map(|line| {
            let text = line.text.trim();
            ends.iter().find_map(|end| text.split_once(end)).map(|(task, _)| task.to_owned())
        });
        found.or_else(|| self.held().first().map(|held| held.task.clone()))
    }

    /// Returns the kernel that reports.
    pub(crate) fn kernel(&self) -> Option<String> {
        let line = self.lines.iter().take(8).find(|line| line.text.contains("ainted"))?;
        let text = line.text.trim();
        let end = text.find("Not tainted").or_else(|| text.find("Tainted")).unwrap_or(text.len());
        let kernel = text[..end].trim();
        (!kernel.is_empty()).then(|| kernel.to_owned())
    }

    /// Returns the locks that are held, of all tasks in the list.
    pub(crate) fn held(&self) -> Vec<Held> {
        let mut held: Vec<(String, Held)> = Vec::new();
        let mut task = String::new();
        for line in &self.lines {
            let text = line.text.trim();
            if let Some((_, name)) = text.split_once(" held by ") {
                task = name.trim_end_matches(':').to_owned();
            }
            let Some((number, class)) = text.strip_prefix('#').and_then(|t| t.split_once(':'))
            else {
                continue;
            };
            let Some(class) = Class::read(class) else { continue };
            let new = Held { class, task: task.clone() };
            match held.last_mut().filter(|(last, before)| last == number && before.task == task) {
                Some((_, before)) => *before = new,
                None => held.push((number.to_owned(), new)),
            }
        }
        held.into_iter().map(|(_, held)| held).collect()
    }
}
