//! The state of a handler that is raised, disabled and awaited: of an interrupt line or a tasklet.

use smallvec::SmallVec;

use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::op::{Op, ThreadId};
use crate::operations::OpKind;

/// The reply of an operation after which a thread has to run the handler on an idle CPU.
pub(super) const NEEDS_THREAD: u64 = 1;

/// The reply to an enable without a disable before.
pub(super) const UNBALANCED: u64 = 1;

/// Returns whether the handler begins in a thread of its own.
fn begins(kind: OpKind) -> bool {
    matches!(kind, OpKind::IrqBegins | OpKind::IrqThreadBegins | OpKind::TaskletBegins)
}

/// The state of a handler.
#[derive(Clone)]
pub(super) struct Handler {
    /// Whether there is a handler.
    requested: bool,
    /// How often it is disabled.
    disabled: u32,
    /// Whether it is to run.
    pending: bool,
    /// Whether a thread kills it, so that it cannot be scheduled.
    killed: bool,
    /// The thread that runs it.
    running: Option<ThreadId>,
    /// Whether there is a thread that runs it on an idle CPU.
    awaited: bool,
}

impl Handler {
    pub(super) fn new(requested: bool) -> Self {
        let (pending, killed) = (false, false);
        Self { requested, disabled: 0, pending, killed, running: None, awaited: false }
    }

    /// Returns whether the handler is to run on some CPU. It runs on one at a time.
    fn is_due(&self) -> bool {
        self.pending && self.disabled == 0
    }

    fn begin(&mut self, me: ThreadId) {
        self.pending = false;
        self.running = Some(me);
    }

    fn raise(&mut self) -> u64 {
        self.pending |= self.requested && !self.killed;
        if !self.pending || std::mem::replace(&mut self.awaited, true) { 0 } else { NEEDS_THREAD }
    }
}

impl Machine for Handler {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        use OpKind::{AwaitTasklet, AwaitTaskletKill, SynchronizeIrq, TaskletKill};
        let free = self.is_due() && self.running.is_none();
        match op.kind {
            kind if kind.row().arrives => Ready { guaranteed: 1 + u8::from(free), optional: 0 },
            kind if begins(kind) => Ready::when(free),
            SynchronizeIrq | AwaitTasklet | AwaitTaskletKill => Ready::when(self.running.is_none()),
            TaskletKill => Ready::when(!self.pending && !self.killed),
            _ => Ready::YES,
        }
    }

    fn idles(&self, op: Op) -> bool {
        begins(op.kind) && !self.is_due()
    }

    fn apply(&mut self, me: ThreadId, op: Op, outcome: u8) -> Result<u64, Fault> {
        use OpKind::{
            AwaitTasklet, AwaitTaskletKill, DisableIrq, EnableIrq, FreeIrq, IrqReturns, RaiseIrq,
            RequestIrq, SynchronizeIrq, TaskletDisable, TaskletEnable, TaskletKill, TaskletReturns,
            TaskletSchedule,
        };
        match op.kind {
            RequestIrq => return Ok(u64::from(!std::mem::replace(&mut self.requested, true))),
            FreeIrq if !self.requested => return Err(Fault::DoubleRelease),
            FreeIrq => (self.requested, self.pending) = (false, false),
            RaiseIrq | TaskletSchedule => return Ok(self.raise()),
            DisableIrq | TaskletDisable => self.disabled += 1,
            EnableIrq | TaskletEnable if self.disabled == 0 => return Ok(UNBALANCED),
            EnableIrq | TaskletEnable => self.disabled -= 1,
            kind if kind.row().arrives && outcome == 0 => return Ok(REFUSED),
            kind if kind.row().arrives || (begins(kind) && self.is_due()) => self.begin(me),
            kind if begins(kind) => {
                self.awaited = false;
                return Ok(REFUSED);
            }
            IrqReturns | TaskletReturns => self.running = None,
            TaskletKill => self.killed = true,
            AwaitTaskletKill => self.killed = false,
            SynchronizeIrq | AwaitTasklet => {}
            other => unreachable!("{other} is not an operation of an interrupt"),
        }
        Ok(0)
    }

    /// The thread that runs the handler. A tasklet that is only pending is not one that waits.
    fn blockers(&self, _me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        self.running.into_iter().collect()
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.requested, self.pending, self.killed, self.awaited].map(u64::from));
        key.push(u64::from(self.disabled));
        key.push(self.running.map_or(0, |thread| thread.index() as u64 + 1));
    }
}
