//! The arguments of a call that are no object: which have a meaning, and which the kernel only
//! passes.

use super::super::calls::{Does as Calls, Row, Special};
use super::super::error::{Wrong, article};
use super::super::kind::Kind;
use super::super::program::{Call, Class, Target};
use super::super::tree::{Expression, Place, Span};
use super::{Resolver, Scope};
use crate::show;

/// The functions that take more arguments in the kernel than here, with how many more: flags,
/// delays, an entry of a wait queue.
const PASSED: &[(&str, usize)] = &[
    ("srcu_read_unlock", 1),
    ("down_timeout", 1),
    ("wait_for_completion_timeout", 1),
    ("wait_event_timeout", 1),
    ("prepare_to_wait", 2),
    ("prepare_to_wait_exclusive", 2),
    ("finish_wait", 1),
    ("queue_delayed_work", 1),
    ("schedule_delayed_work", 1),
    ("mod_delayed_work", 1),
    ("mod_timer", 1),
    ("hrtimer_start", 2),
    ("free_irq", 1),
    ("kfree_rcu", 1),
    ("kthread_run", 16),
    ("kzalloc", 2),
];

/// Returns how many arguments after the object have a meaning, and how many the kernel passes.
fn takes(row: &Row) -> (usize, usize) {
    let passed = PASSED.iter().find(|(name, _)| *name == row.name).map_or(0, |(_, count)| *count);
    let flags = row.name.ends_with("_irqsave") || row.name.ends_with("_irqrestore");
    let meant = match row.does {
        Calls::Nested(_) => 1,
        Calls::Object(.., rust) => usize::from(rust.contains("{0}")),
        Calls::Special(special) => match special {
            // Whatever it copies, only its sleep has a meaning.
            Special::Sleeps => return (0, usize::MAX),
            Special::IrqSave | Special::IrqRestore => return (0, 1),
            Special::CallRcu | Special::CompareExchange => 2,
            Special::WaitEvent
            | Special::WaitEventExclusive
            | Special::WaitEventTimeout
            | Special::WaitEventInterruptible
            | Special::WaitEventKillable
            | Special::KrefPut
            | Special::MightSleep
            | Special::BugOn
            | Special::Maybe
            | Special::Swap => 1,
            _ => 0,
        },
        _ => 0,
    };
    (meant, passed + usize::from(flags))
}

impl<'a> Resolver<'a> {
    /// Refuses arguments that would be left out in silence: more than the function has, or an
    /// object where the kernel has a flag or a delay. `rest` are those after the object.
    pub(super) fn refuse_surplus(
        &self,
        call: &Call,
        arguments: &[Expression],
        rest: &[Expression],
        scope: &Scope<'a>,
    ) -> Result<(), Wrong> {
        let (meant, passed) = takes(call.row);
        let name = call.row.name;
        if let Some(surplus) = rest.get(meant.saturating_add(passed)) {
            let before = arguments.len() - rest.len();
            let most = match before + meant {
                0 => "no argument".to_owned(),
                count => show::count(count, "argument"),
            };
            let what = format!("`{name}` takes {most}, not {}", arguments.len());
            return Err(self.instead(call, surplus, scope, what));
        }
        let takes_any = matches!(name, "free_irq" | "kthread_run") || passed > 16;
        for argument in rest.iter().skip(meant).filter(|_| !takes_any) {
            if let Some((place, class)) = self.object_named(argument, scope) {
                let class = &self.program.classes[class];
                if !matches!(class.kind, Kind::Int | Kind::Plain) {
                    let what = format!(
                        "`{name}` does nothing with `{}`, which is {}",
                        place.name.text,
                        article(&class.word)
                    );
                    return Err(self.instead(call, argument, scope, what));
                }
            }
        }
        Ok(())
    }

    /// Returns the error that an argument has no meaning, with what to write instead.
    fn instead(
        &self,
        call: &Call,
        argument: &Expression,
        scope: &Scope<'a>,
        what: String,
    ) -> Wrong {
        let name = call.row.name;
        let target = call.target.as_ref().filter(|_| call.row.on != [Kind::Rcu]);
        let target = target.filter(|_| !call.row.on.is_empty()).map_or("", |target| &target.text);
        let named = self.object_named(argument, scope);
        let fits =
            named.filter(|(_, class)| call.row.on.contains(&self.program.classes[*class].kind));
        let span = named.map_or(&call.span, |(place, _)| &place.name.span);
        let wrong = Wrong::new(span, what);
        match fits {
            Some((place, _)) => {
                let other = &place.name.text;
                wrong.help(format!("a call for each: {name}({target}); {name}({other})"))
            }
            None => wrong.help(format!("write {name}({target})")),
        }
    }

    /// Returns the object that an argument names, if it names one.
    fn object_named<'e>(
        &self,
        argument: &'e Expression,
        scope: &Scope<'a>,
    ) -> Option<(&'e Place, usize)> {
        let Expression::Place(place) = argument else { return None };
        let class = self.class_of(&place.name.text, scope)?;
        // The domain of RCU and the choices of the text are no objects of it.
        let declared = !matches!(self.program.classes[class].kind, Kind::Rcu | Kind::Choice);
        declared.then_some((place, class))
    }

    /// Refuses another queue than that of the work, before which it stands in a call. The queues of
    /// the system need no declaration.
    pub(super) fn check_queue(
        &self,
        row: &Row,
        work: &Target,
        queue: &Expression,
        scope: &Scope<'a>,
    ) -> Result<(), Wrong> {
        let Some((place, class)) = self.object_named(queue, scope) else { return Ok(()) };
        let Class { kind, word, .. } = &self.program.classes[class];
        let (span, queue, work_name) = (&place.name.span, &place.name.text, &work.text);
        match kind {
            Kind::Work => Ok(()),
            Kind::Workqueue | Kind::OrderedWorkqueue => {
                if self.program.classes[work.class].on == Some(class) {
                    return Ok(());
                }
                let what = format!("`{work_name}` does not run on `{queue}`");
                Err(Wrong::new(span, what)
                    .help(format!("declare it: work {work_name} on {queue}: ..")))
            }
            _ => {
                let word = article(word);
                let what =
                    format!("`{}` takes a workqueue here, and `{queue}` is {word}", row.name);
                Err(Wrong::new(span, what).help(format!("write {}({work_name})", row.name)))
            }
        }
    }

    /// Notes which bit of a word the flag stands for. One flag is one bit.
    pub(super) fn note_bit(
        &mut self,
        target: &Target,
        bit: &Expression,
        span: &Span,
    ) -> Result<(), Wrong> {
        let text = match bit {
            Expression::Number(number) => number.to_string(),
            Expression::Place(place) => place.name.text.clone(),
            _ => return Ok(()),
        };
        let known = self.program.classes[target.class].bit.get_or_insert_with(|| text.clone());
        if *known == text {
            return Ok(());
        }
        let what = format!("`{}` stands for bit {known}, and this is bit {text}", target.text);
        Err(Wrong::new(span, what).help("declare a flag for each bit"))
    }
}

/// Returns whether the function takes a queue before its work.
pub(super) fn names_queue(row: &Row) -> bool {
    matches!(row.name, "queue_work" | "queue_delayed_work" | "mod_delayed_work")
}

/// Returns whether the function takes the number of a bit before its word.
pub(super) fn takes_bit(row: &Row) -> bool {
    row.name.ends_with("_bit")
}
