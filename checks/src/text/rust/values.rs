//! Expressions and calls in Rust.

use super::super::calls::{Does as Calls, Lock, Returns, Special, Way};
use super::super::kind::Kind;
use super::super::program::{Call, Inline, Target, Value};
use super::super::tree::Operator;
use super::steps::{Exit, Place, Scope};

impl<'a> Scope<'_, 'a> {
    /// Returns an object, such as `w.fork[1]`.
    pub(super) fn object(&mut self, target: &'a Target, place: &Place) -> String {
        let field = self.printer.fields[target.class].clone();
        match target.index.as_deref() {
            None => format!("w.{field}"),
            Some(Value::Number(number)) => format!("w.{field}[{number}]"),
            Some(index) => format!("w.{field}[({}) as usize]", self.int(index, place)),
        }
    }

    /// Returns a statement that evaluates the value for its effect.
    pub(super) fn statement(&mut self, value: &'a Value, place: &Place) -> String {
        let pad = "    ".repeat(place.depth());
        match value {
            Value::Inline(inline) => {
                let (text, returns) = self.inline(inline, place);
                if returns { format!("{pad}_ = {text};\n") } else { format!("{pad}{text}\n") }
            }
            Value::Call(call) => {
                let (text, returns) = self.call(call, place);
                match returns {
                    Returns::Nothing => format!("{pad}{text};\n"),
                    _ => format!("{pad}_ = {text};\n"),
                }
            }
            other => format!("{pad}_ = {};\n", self.int(other, place)),
        }
    }

    /// Returns the value as an `i64`.
    pub(super) fn int(&mut self, value: &'a Value, place: &Place) -> String {
        match value {
            Value::Number(number) => number.to_string(),
            Value::Variable(slot) => self.variable(*slot),
            Value::Instance => "instance".to_owned(),
            Value::Load(target) => {
                let object = self.object(target, place);
                match self.printer.program.classes[target.class].kind {
                    Kind::Plain => format!("{object}.read()"),
                    Kind::Pointer => format!("{object}.value.load()"),
                    _ => format!("{object}.load()"),
                }
            }
            Value::Call(call) => match self.call(call, place) {
                (text, Returns::Int) => text,
                (text, Returns::Bool) => format!("i64::from({text})"),
                (text, Returns::Nothing) => format!("{{ {text}; 0 }}"),
            },
            Value::Inline(inline) => {
                let (text, returns) = self.inline(inline, place);
                if returns { text } else { format!("{{ {text} 0 }}") }
            }
            Value::Negative(inner) => format!("-{}", self.int(inner, place)),
            Value::Binary(
                operator @ (Operator::Plus | Operator::Minus | Operator::Times),
                sides,
            ) => {
                let sign = match operator {
                    Operator::Plus => "+",
                    Operator::Minus => "-",
                    _ => "*",
                };
                format!("({} {sign} {})", self.int(&sides.0, place), self.int(&sides.1, place))
            }
            Value::Not(_) | Value::Binary(..) => {
                format!("i64::from({})", self.condition(value, place))
            }
        }
    }

    /// Returns the value as a `bool`.
    pub(super) fn condition(&mut self, value: &'a Value, place: &Place) -> String {
        match value {
            Value::Not(inner) => match inner.as_ref() {
                Value::Binary(..) => format!("!({})", self.condition(inner, place)),
                Value::Load(_) | Value::Variable(_) => format!("{} == 0", self.int(inner, place)),
                _ => format!("!{}", self.condition(inner, place)),
            },
            Value::Call(call) => match self.call(call, place) {
                (text, Returns::Bool) => text,
                (text, Returns::Int) => format!("{text} != 0"),
                (text, Returns::Nothing) => format!("{{ {text}; false }}"),
            },
            Value::Number(number) => (*number != 0).to_string(),
            Value::Binary(Operator::And | Operator::Or, sides) => {
                let sign =
                    if matches!(value, Value::Binary(Operator::And, _)) { "&&" } else { "||" };
                let left = self.condition(&sides.0, place);
                let right = self.condition(&sides.1, place);
                format!("({left}) {sign} ({right})")
            }
            Value::Binary(operator, sides) => {
                let signs = Operator::ALL.iter();
                let sign = signs.clone().find(|(_, known, _)| known == operator);
                let Some((sign, ..)) = sign.filter(|(.., binds)| *binds < 4) else {
                    return format!("{} != 0", self.int(value, place));
                };
                format!("{} {sign} {}", self.int(&sides.0, place), self.int(&sides.1, place))
            }
            other => format!("{} != 0", self.int(other, place)),
        }
    }

    /// Returns the function of the text as a block, and whether that has a value.
    fn inline(&mut self, inline: &'a Inline, place: &Place) -> (String, bool) {
        let pad = "    ".repeat(place.depth());
        let mut head = String::new();
        for (slot, value) in &inline.arguments {
            let value = self.int(value, place);
            head += &format!("{pad}    {} = {value};\n", self.set(*slot));
        }
        head += &format!("{pad}    let _function = function({:?});\n", inline.name);
        self.printer.labels += 1;
        let label = format!("'{}_{}", super::names::identifier(inline.name), self.printer.labels);
        let inner = place.within(Exit::Block(label.clone()));
        let steps = self.steps(&inline.steps, &inner);
        match steps.contains(&format!("break {label} ")) {
            true => (format!("{label}: {{\n{head}{steps}{pad}    0i64\n{pad}}}"), true),
            false => (format!("{{\n{head}{steps}{pad}}}"), false),
        }
    }

    /// Returns a call, and the type of its value.
    fn call(&mut self, call: &'a Call, place: &Place) -> (String, Returns) {
        let object = match &call.target {
            Some(target) => self.object(target, place),
            None => String::new(),
        };
        match call.row.does {
            Calls::Take(lock) => (self.take(call, lock, &object), Returns::Nothing),
            Calls::Nested(_) => {
                let subclass = self.int(&call.arguments[0], place);
                let held = self.held(call, Way::Mutex);
                let take = format!("{object}.mutex_lock_nested({subclass})");
                (format!("{held}.push({take})"), Returns::Nothing)
            }
            Calls::Try(lock, taken) => {
                let text = self.attempt(call, lock, &object);
                let text = if taken == 0 { format!("!{text}") } else { text };
                (text, Returns::Bool)
            }
            Calls::Release(way) => {
                let text = match self.is_raw(call, way) {
                    Some((.., unlock)) => format!("{object}.{unlock}()"),
                    None => format!("drop({}.pop())", self.held(call, way)),
                };
                (text, Returns::Nothing)
            }
            Calls::Object(_, returns, template) => {
                (self.template(call, template, &object, place), returns)
            }
            Calls::Free(_, text) => (text.to_owned(), Returns::Nothing),
            Calls::Special(special) => self.special(special, call, &object, place),
        }
    }

    fn template(&mut self, call: &'a Call, template: &str, object: &str, place: &Place) -> String {
        let kind =
            call.target.as_ref().map(|target| self.printer.program.classes[target.class].kind);
        let template = match (call.row.name, kind) {
            ("READ_ONCE", Some(Kind::Plain)) => "{}.read_once()",
            ("WRITE_ONCE", Some(Kind::Plain)) => "{}.write_once({0})",
            ("use", Some(Kind::Memory)) => "{}.get()",
            ("free" | "kfree", Some(Kind::Memory)) => "{}.release()",
            ("use", _) => {
                "match {}.memory() { Some(memory) => *memory.get(), \
                 None => invariant_broken(\"NULL\", \"a NULL pointer is followed\") }"
            }
            ("free" | "kfree", _) => "{}.memory().into_iter().for_each(Tracked::release)",
            _ => template,
        };
        let argument = call.arguments.first().map(|value| self.int(value, place));
        template.replace("{}", object).replace("{0}", argument.as_deref().map_or("1", super::bare))
    }

    /// Returns the functions without a guard that take, try and release the lock, if the class has
    /// them and needs no guard.
    fn is_raw(&self, call: &Call, way: Way) -> Option<(&'static str, &'static str, &'static str)> {
        let class = call.target.as_ref()?.class;
        if way == Way::Down || way == Way::DownInterruptible || way == Way::DownTimeout {
            return Some(("down", "down_trylock", "up"));
        }
        if self.printer.guarded[class] {
            return None;
        }
        match way {
            Way::Mutex => Some(("raw_lock", "raw_try_lock", "raw_unlock")),
            Way::DownRead => Some(("raw_down_read", "raw_try_down_read", "raw_up_read")),
            Way::DownWrite => Some(("raw_down_write", "raw_try_down_write", "raw_up_write")),
            _ => None,
        }
    }

    /// Returns the list of the guards of a lock.
    fn held(&mut self, call: &Call, way: Way) -> String {
        let class = call.target.as_ref().map_or(0, |target| target.class);
        let how = match way {
            Way::Read | Way::ReadBh | Way::ReadIrq | Way::ReadIrqsave => "read",
            Way::DownRead | Way::DownReadKillable => "read",
            _ => "held",
        };
        let name = format!("{}_{how}", self.printer.fields[class]);
        self.guards.insert(name.clone());
        name
    }

    fn take(&mut self, call: &Call, lock: Lock, object: &str) -> String {
        match self.is_raw(call, lock.way) {
            Some((take, ..)) => format!("{object}.{take}()"),
            None => {
                format!("{}.push({object}.{}())", self.held(call, lock.way), guard_of(lock.way))
            }
        }
    }

    /// Returns an expression that is true if the lock is taken.
    fn attempt(&mut self, call: &Call, lock: Lock, object: &str) -> String {
        match lock.way {
            Way::DownInterruptible => return format!("{object}.down_interruptible().is_ok()"),
            Way::DownTimeout => return format!("{object}.down_timeout()"),
            _ => {}
        }
        if let Some((_, attempt, _)) = self.is_raw(call, lock.way) {
            return format!("{object}.{attempt}()");
        }
        let attempt = match lock.way {
            Way::Mutex => "try_lock()",
            Way::MutexInterruptible => "lock_interruptible().ok()",
            Way::Spin => "spin_trylock()",
            Way::SpinBh => "spin_trylock_bh()",
            Way::SpinIrq => "spin_trylock_irq()",
            Way::SpinIrqsave => "spin_trylock_irqsave()",
            Way::Read => "read_trylock()",
            Way::Write => "write_trylock()",
            Way::DownRead => "try_down_read()",
            Way::DownReadKillable => "down_read_killable().ok()",
            Way::DownWriteKillable => "down_write_killable().ok()",
            _ => "try_down_write()",
        };
        let held = self.held(call, lock.way);
        format!("{object}.{attempt}.map(|guard| {held}.push(guard)).is_some()")
    }

    fn special(
        &mut self,
        special: Special,
        call: &'a Call,
        object: &str,
        place: &Place,
    ) -> (String, Returns) {
        match special {
            Special::WaitEvent
            | Special::WaitEventExclusive
            | Special::WaitEventTimeout
            | Special::WaitEventInterruptible
            | Special::WaitEventKillable => self.wait(special, call, object, place),
            Special::ShouldStop => (format!("{object}.kthread_should_stop()"), Returns::Bool),
            Special::ShouldPark => (format!("{object}.kthread_should_park()"), Returns::Bool),
            Special::ParkMe => (format!("{object}.kthread_parkme()"), Returns::Nothing),
            Special::CallRcu => {
                let body = call.later.expect("the call has a function");
                let function = self.printer.function_name(body);
                let head = format!("&RcuHead::new(in_world({function}))");
                (format!("{object}.call({head})"), Returns::Nothing)
            }
            Special::KfreeRcu => {
                let head = format!("&RcuHead::new(in_world(|w: &World| {object}.release()))");
                (format!("w.rcu.call({head})"), Returns::Nothing)
            }
            Special::RcuDereference => (format!("w.rcu.dereference(&{object})"), Returns::Nothing),
            Special::KrefPut => match &call.function {
                None => (format!("{object}.put()"), Returns::Bool),
                Some(function) => {
                    let (release, _) = self.inline(function, &place.deeper());
                    (format!("if {object}.put() {{ {release} }}"), Returns::Nothing)
                }
            },
            Special::MightSleep | Special::Sleeps => {
                (format!("might_sleep({:?})", call.text), Returns::Nothing)
            }
            Special::IrqSave => {
                self.guards.insert("flags".to_owned());
                ("flags.push(local_irq_save())".to_owned(), Returns::Nothing)
            }
            Special::IrqRestore => {
                self.guards.insert("flags".to_owned());
                ("flags.pop().into_iter().for_each(local_irq_restore)".to_owned(), Returns::Nothing)
            }
            Special::BugOn => {
                let condition = self.condition(&call.arguments[0], place);
                let broken = format!("invariant_broken({:?}, \"the condition holds\")", call.text);
                (format!("if {condition} {{ {broken} }}"), Returns::Nothing)
            }
            Special::Maybe => (format!("{object}.choose(2) != 0"), Returns::Bool),
            Special::Downgrade => {
                let (write, read) =
                    (self.held(call, Way::DownWrite), self.held(call, Way::DownRead));
                let guard = format!("{write}.pop().expect(\"held for writing\")");
                (format!("{read}.push({object}.downgrade_write({guard}))"), Returns::Nothing)
            }
            Special::Swap => {
                (format!("{object}.swap({})", self.int(&call.arguments[0], place)), Returns::Int)
            }
            Special::CompareExchange => {
                let old = self.int(&call.arguments[0], place);
                let new = self.int(&call.arguments[1], place);
                let exchange = format!("{object}.compare_exchange({old}, {new})");
                (format!("{exchange}.unwrap_or_else(|found| found)"), Returns::Int)
            }
        }
    }
}

impl<'a> Scope<'_, 'a> {
    /// Returns a `wait_event` or one of its variants.
    fn wait(
        &mut self,
        special: Special,
        call: &'a Call,
        object: &str,
        place: &Place,
    ) -> (String, Returns) {
        let (function, end, returns) = match special {
            Special::WaitEventExclusive => ("wait_event_exclusive", "", Returns::Nothing),
            Special::WaitEventTimeout => ("wait_event_timeout", "", Returns::Bool),
            Special::WaitEventInterruptible => {
                ("wait_event_interruptible", ".is_err()", Returns::Bool)
            }
            Special::WaitEventKillable => ("wait_event_killable", ".is_err()", Returns::Bool),
            _ => ("wait_event", "", Returns::Nothing),
        };
        let condition = self.condition(&call.arguments[0], place);
        (format!("{object}.{function}(|| {condition}){end}"), returns)
    }
}

/// Returns the function that takes the lock with a guard.
pub(super) fn guard_of(way: Way) -> &'static str {
    match way {
        Way::Mutex | Way::MutexInterruptible => "lock",
        Way::Spin => "spin_lock",
        Way::SpinBh => "spin_lock_bh",
        Way::SpinIrq => "spin_lock_irq",
        Way::SpinIrqsave => "spin_lock_irqsave",
        Way::Read => "read_lock",
        Way::ReadBh => "read_lock_bh",
        Way::ReadIrq => "read_lock_irq",
        Way::ReadIrqsave => "read_lock_irqsave",
        Way::Write => "write_lock",
        Way::WriteBh => "write_lock_bh",
        Way::WriteIrq => "write_lock_irq",
        Way::WriteIrqsave => "write_lock_irqsave",
        Way::DownRead | Way::DownReadKillable => "down_read",
        Way::DownWrite | Way::DownWriteKillable => "down_write",
        Way::Rcu | Way::Srcu => "read_lock",
        Way::Down | Way::DownInterruptible | Way::DownTimeout => "down",
    }
}
