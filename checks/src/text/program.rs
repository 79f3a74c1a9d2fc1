//! A scenario of a text with its names resolved, as the interpreter runs it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::calls::Row;
use super::kind::Kind;
use super::tree::{Operator, Span};

/// A scenario.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) source: String,
    /// The file, which stays for as long as the process.
    pub(crate) file: &'static str,
    pub(crate) classes: Vec<Class>,
    /// The bodies of works, timers, interrupts and threads.
    pub(crate) bodies: Vec<Body>,
    pub(crate) threads: Vec<ThreadOf>,
    pub(crate) finally: Vec<Body>,
    pub(crate) claims: Vec<super::tree::Claim>,
    pub(crate) preempt_rt: bool,
    pub(crate) starvation_free: bool,
    /// What is no error, but hardly meant.
    pub(crate) remarks: Vec<(Span, String)>,
}

/// The objects that one name stands for.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The word that declares it.
    pub(crate) word: String,
    /// The line of the declaration.
    pub(crate) line: u32,
    /// The number of its first object, and how many there are.
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) is_array: bool,
    pub(crate) value: Option<i64>,
    /// The class of the workqueue of a work.
    pub(crate) on: Option<usize>,
    /// The number of its function.
    pub(crate) body: Option<usize>,
    /// The classes whose objects live in the memory.
    pub(crate) residents: Vec<usize>,
    /// Whether some call releases it, so that it is leaked if none does.
    pub(crate) is_released: bool,
    /// Whether some call lets its function run.
    pub(crate) is_started: bool,
    /// Whether anything names it.
    pub(crate) is_used: bool,
    /// Whether something reads its value, and whether something sets it.
    pub(crate) is_read: bool,
    pub(crate) is_set: bool,
    /// The number of the bit that it stands for, if a call names one.
    pub(crate) bit: Option<String>,
}

/// A thread of the scenario.
#[derive(Debug)]
pub(crate) struct ThreadOf {
    pub(crate) name: String,
    /// Its number among the instances.
    pub(crate) instance: i64,
    pub(crate) body: usize,
}

/// What a thread or a function of an object does.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) name: String,
    pub(crate) steps: Steps,
    /// The names of its variables.
    pub(crate) variables: Vec<String>,
}

pub(crate) type Steps = Vec<Step>;

/// A statement, with its place in the text.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: u32,
    /// Where the statement begins in the text. Each call of a function has steps of its own.
    pub(crate) at: usize,
    pub(crate) does: Does,
    /// Whether some execution got here.
    reached: AtomicBool,
}

impl Step {
    pub(crate) fn new(line: u32, at: usize, does: Does) -> Self {
        Self { line, at, does, reached: AtomicBool::new(false) }
    }

    pub(crate) fn reach(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Does {
    Evaluate(Value),
    Set(usize, Value),
    Store(Target, Value),
    /// Takes a lock, and releases it after the steps.
    Scoped(Call, Steps),
    If(Vec<(Value, Steps)>, Steps),
    While {
        condition: Value,
        body: Steps,
        rounds: Rounds,
    },
    /// For ever, unless it is left.
    Loop {
        body: Steps,
        is_left: bool,
        rounds: Rounds,
    },
    Repeat(i64, Steps),
    Either(Target, Vec<Steps>),
    /// The condition, and the invariant that it is.
    Assert(Value, String),
    Return(Option<Value>),
    Break,
    Continue,
}

impl Does {
    /// Returns the steps that are part of it.
    pub(crate) fn blocks(&self) -> Vec<&Steps> {
        match self {
            Self::Scoped(_, steps) | Self::Repeat(_, steps) => vec![steps],
            Self::While { body, .. } | Self::Loop { body, .. } => vec![body],
            Self::If(branches, otherwise) => {
                branches.iter().map(|(_, steps)| steps).chain([otherwise]).collect()
            }
            Self::Either(_, branches) => branches.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the values that it evaluates itself.
    pub(crate) fn values(&self) -> Vec<&Value> {
        match self {
            Self::Evaluate(value)
            | Self::Set(_, value)
            | Self::Store(_, value)
            | Self::Assert(value, _)
            | Self::Return(Some(value))
            | Self::While { condition: value, .. } => vec![value],
            Self::If(branches, _) => branches.iter().map(|(condition, _)| condition).collect(),
            _ => Vec::new(),
        }
    }
}

/// What the rounds of a loop have to do with each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rounds {
    /// A round carries nothing over, and the thread polls for this.
    Polls(&'static str),
    /// A round carries nothing over, and the thread works in it.
    Works,
    /// A round sets a variable for the next.
    Carry,
}

/// An object: those of a class, and which of them.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) class: usize,
    pub(crate) index: Option<Box<Value>>,
    /// As the text has it.
    pub(crate) text: String,
}

/// A call of a function of the kernel.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) row: &'static Row,
    pub(crate) target: Option<Target>,
    pub(crate) arguments: Vec<Value>,
    /// A name, such as that of what may sleep, or of a condition.
    pub(crate) text: String,
    /// The function that `kref_put` calls.
    pub(crate) function: Option<Box<Inline>>,
    /// The number of the body that `call_rcu` runs later.
    pub(crate) later: Option<usize>,
    pub(crate) span: Span,
}

/// A function of the text, in the place of its call.
#[derive(Debug)]
pub(crate) struct Inline {
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<(usize, Value)>,
    pub(crate) steps: Steps,
}

/// An expression.
#[derive(Debug)]
pub(crate) enum Value {
    Number(i64),
    Variable(usize),
    /// The number of the thread among its instances.
    Instance,
    Load(Target),
    Call(Box<Call>),
    Inline(Box<Inline>),
    Not(Box<Value>),
    Negative(Box<Value>),
    Binary(Operator, Box<(Value, Value)>),
}
