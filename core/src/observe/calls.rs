//! The calls of the modelled functions: what each does, in order, over all executions.
//!
//! A model is only as good as the order of its operations. A call is therefore recorded by its own
//! operations, and by the functions and the instructions that it calls, so that a test can compare
//! it with what the kernel does.

use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};

/// A call of a modelled function, which [`function`](crate::function) names.
///
/// Calls that do the same are one.
///
/// ```
/// # use selvedge_core::{Engine, Scenario, function, sync::Mutex};
/// fn outer(lock: &Mutex) {
///     let _function = function("outer");
///     let held = lock.lock();
///     inner();
///     held.unlock();
/// }
/// fn inner() {
///     let _function = function("inner");
/// }
/// let world = || Mutex::new("A", ());
/// let scenario = Scenario::builder("example/calls", world).thread("T", outer).build();
/// let report = scenario.verify(Engine::Native);
/// let [inner, outer] = &report.calls[..] else { panic!("two functions") };
/// let does: Vec<String> = outer.does.iter().map(ToString::to_string).collect();
/// assert_eq!(does, ["mutex_lock(A)", "inner()", "mutex_unlock(A)"]);
/// assert!(inner.does.is_empty() && inner.returned && outer.returned);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Call {
    /// The name of the function.
    pub function: &'static str,
    /// What it does itself, in order.
    pub does: Vec<Action>,
    /// Whether it has returned in some execution. If not, it was cut short in each.
    pub returned: bool,
}

/// Something that a modelled function does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// An operation, such as `mutex_lock`, on an object of this class.
    Operation(&'static str, &'static str),
    /// The call of another modelled function, or an instruction of the hardware.
    Calls(&'static str),
}

/// An operation with its class, `mutex_lock(ap_perms_mutex)`, or a name with `()`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(operation, class) => write!(f, "{operation}({class})"),
            Self::Calls(name) => write!(f, "{name}()"),
        }
    }
}

/// A function that a thread is in, and how far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) name: &'static str,
    at: u32,
}

/// All calls, as a tree for each function.
#[derive(Debug, Default)]
pub(super) struct Calls {
    nodes: Vec<Node>,
    numbers: FxHashMap<(Option<u32>, Action), u32>,
    /// The names of instructions, which are no functions.
    instructions: FxHashSet<&'static str>,
}

/// What a function has done so far.
#[derive(Debug)]
struct Node {
    /// What it had done before, unless it has only been called.
    parent: Option<u32>,
    action: Action,
    returned: bool,
    continues: bool,
}

impl Calls {
    /// Notes that the innermost of these functions calls another, and returns the frame of that.
    pub(super) fn enter(&mut self, caller: Option<&mut Frame>, name: &'static str) -> Frame {
        self.act(caller, Action::Calls(name));
        Frame { name, at: self.node(None, Action::Calls(name)) }
    }

    /// Notes what a function does.
    pub(super) fn act(&mut self, frame: Option<&mut Frame>, action: Action) {
        if let Some(frame) = frame {
            frame.at = self.node(Some(frame.at), action);
        }
    }

    /// Notes that `name` is that of an instruction.
    pub(super) fn instruction(&mut self, name: &'static str) {
        self.instructions.insert(name);
    }

    /// Notes that a function returns.
    pub(super) fn leave(&mut self, frame: Frame) {
        self.nodes[frame.at as usize].returned = true;
    }

    fn node(&mut self, parent: Option<u32>, action: Action) -> u32 {
        let new = u32::try_from(self.nodes.len()).expect("fewer operations than that");
        let number = *self.numbers.entry((parent, action)).or_insert(new);
        if number == new {
            self.nodes.push(Node { parent, action, returned: false, continues: false });
            if let Some(parent) = parent {
                self.nodes[parent as usize].continues = true;
            }
        }
        number
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.instructions.extend(&other.instructions);
        let mut numbers: Vec<u32> = Vec::new();
        for node in &other.nodes {
            let parent = node.parent.map(|parent| numbers[parent as usize]);
            let number = self.node(parent, node.action);
            self.nodes[number as usize].returned |= node.returned;
            numbers.push(number);
        }
    }

    /// Returns the calls that have returned, and the longest of those that have not, in order.
    pub(super) fn calls(&self) -> Vec<Call> {
        let ends = self.nodes.iter().filter(|node| node.returned || !node.continues);
        let mut calls: Vec<Call> = ends.filter_map(|node| self.call(node)).collect();
        calls.sort_unstable();
        calls
    }

    fn call<'a>(&'a self, mut node: &'a Node) -> Option<Call> {
        let returned = node.returned;
        let mut does = Vec::new();
        while let Some(parent) = node.parent {
            does.push(node.action);
            node = &self.nodes[parent as usize];
        }
        does.reverse();
        let Action::Calls(function) = node.action else { unreachable!("a root is a call") };
        let function = (!self.instructions.contains(function)).then_some(function)?;
        Some(Call { function, does, returned })
    }
}
