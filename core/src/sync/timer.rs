//! `struct timer_list`: a function that runs when a time has come, and how it is kept from that.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::object::Object;
use crate::op::{Op, OpKind, ThreadId};

use super::again::spawn_again;

/// The kernel's `struct timer_list`.
///
/// There is no time: a timer that is armed expires at any later moment, if nobody deletes it
/// before. Its function runs as a thread of its own, which may not sleep; it runs on one CPU at a
/// time, as the kernel has it. `del_timer_sync` waits for it, so with a lock held that the function
/// wants it deadlocks; lockdep predicts that, as the kernel's does.
///
/// ```
/// # selvedge_core::doctest(|| {
/// use selvedge_core::sync::{Atomic, Timer};
/// use std::sync::Arc;
/// let flushes = Arc::new(Atomic::new("flushes", 0));
/// let timer = Timer::new("fq_timer");
/// let count = Arc::clone(&flushes);
/// timer.mod_timer(move || _ = count.fetch_add(1));
/// timer.del_timer_sync();
/// assert!(flushes.load() <= 1);
/// # });
/// ```
pub struct Timer {
    object: Arc<Object>,
}

impl Timer {
    /// `timer_setup`: a timer of lock class `class` that is not armed.
    pub fn new(class: &'static str) -> Self {
        let state = State { pending: false, running: false, awaited: false };
        Self { object: Arc::new(Object::new(class, Box::new(state))) }
    }

    /// `mod_timer`: arms the timer, if it is not armed already.
    ///
    /// A timer has one function: whoever arms it says the same one. It must be a function of the
    /// world alone, and carries nothing over from one time to the next. A world is made with its
    /// timers not armed.
    #[track_caller]
    pub fn mod_timer(&self, function: impl Fn() + Send + 'static) {
        let at = Location::caller();
        if self.object.perform(Op::new(OpKind::ModTimer), at) == 1 {
            let time = (OpKind::TimerExpires, OpKind::TimerReturns);
            spawn_again("timer", &self.object, at, time, function);
        }
    }

    /// `del_timer`: whether the timer was armed. Its function may still run.
    #[track_caller]
    pub fn del_timer(&self) -> bool {
        self.object.perform(Op::new(OpKind::DelTimer), Location::caller()) == 1
    }

    /// `del_timer_sync`: whether the timer was armed. Its function does not run any more.
    #[track_caller]
    pub fn del_timer_sync(&self) -> bool {
        self.object.perform(Op::new(OpKind::DelTimerSync), Location::caller()) == 1
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("object", &self.object).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct State {
    pending: bool,
    running: bool,
    /// Whether there is a thread that waits for the time, or has not seen yet that it need not.
    awaited: bool,
}

impl State {
    fn delete(&mut self) -> u64 {
        u64::from(std::mem::replace(&mut self.pending, false))
    }
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready::when(op.kind != OpKind::DelTimerSync || !self.running)
    }

    fn apply(&mut self, _me: ThreadId, op: Op, _way: u8) -> Result<u64, Fault> {
        Ok(match op.kind {
            OpKind::ModTimer => {
                self.pending = true;
                u64::from(!std::mem::replace(&mut self.awaited, true))
            }
            OpKind::TimerExpires if self.pending => {
                self.pending = false;
                self.running = true;
                0
            }
            OpKind::TimerExpires => {
                self.awaited = false;
                REFUSED
            }
            OpKind::TimerReturns => {
                self.running = false;
                0
            }
            OpKind::DelTimer | OpKind::DelTimerSync => self.delete(),
            other => unreachable!("{other} is no operation of a timer"),
        })
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.extend([self.pending, self.running, self.awaited].map(u64::from));
    }
}
