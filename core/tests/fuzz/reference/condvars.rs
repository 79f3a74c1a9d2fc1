//! Condition variables: POSIX.1-2017, pthread_cond_wait and pthread_cond_signal.

use std::collections::BTreeSet;

use super::super::program::Instr;
use super::{After, Done, Look, Phase, State, Way};

/// A condition variable: the threads that are blocked on it.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(in super::super) struct Condvar {
    blocked: BTreeSet<usize>,
}

impl Condvar {
    pub(in super::super) fn blocks(&self, me: usize) -> bool {
        self.blocked.contains(&me)
    }
}

/// Returns the condition variable that a wait is on.
pub(super) fn waits_on(instr: Instr) -> Option<usize> {
    match instr {
        Instr::CondvarWait(v) | Instr::CondvarWaitWhile(v) | Instr::CondvarWaitTimeout(v) => {
            Some(v)
        }
        _ => None,
    }
}

impl State {
    /// Performs an operation on a condition variable, if it is one: `Some(None)` is a wait.
    pub(super) fn condvar(&mut self, me: usize, instr: Instr, way: Way) -> Option<Option<Done>> {
        if let Some(v) = waits_on(instr) {
            return Some(self.condvar_wait(me, v, instr));
        }
        match instr {
            Instr::NotifyOne(v) => return Some(self.notify_one(v, way)),
            // pthread_cond_broadcast: "shall unblock all threads currently blocked".
            Instr::NotifyAll(v) => self.condvars[v].blocked.clear(),
            _ => return None,
        }
        Some(Some(Done::Next))
    }

    /// pthread_cond_signal: "shall unblock at least one of the threads that are blocked", any of
    /// them, and "shall have no effect if there are no threads currently blocked". To unblock
    /// several is equivalent to spurious wake-ups of the others.
    fn notify_one(&mut self, v: usize, way: Way) -> Option<Done> {
        let Way::Guaranteed(n) = way else { return None };
        let blocked = &mut self.condvars[v].blocked;
        match blocked.iter().nth(n).copied() {
            Some(thread) => _ = blocked.remove(&thread),
            None if n == 0 => {}
            None => return None,
        }
        Some(Done::Next)
    }

    /// pthread_cond_wait: "atomically release mutex and cause the calling thread to block", in that
    /// "if another thread is able to acquire the mutex after the about-to-block thread has released
    /// it, then a subsequent call to pthread_cond_broadcast() or pthread_cond_signal() in that
    /// thread shall behave as if it were issued after the about-to-block thread has blocked". It is
    /// therefore blocked first.
    fn condvar_wait(&mut self, me: usize, v: usize, instr: Instr) -> Option<Done> {
        match self.threads[me].phase {
            Phase::Begin => {
                self.condvars[v].blocked.insert(me);
                Some(Done::More(Phase::Unlock(Look::First)))
            }
            Phase::Unlock(_) => {
                let m = self.unlock_last_mutex(me);
                self.mutexes[m].owner = None;
                Some(self.unlocked(After::Sleep))
            }
            Phase::Touch(after) => Some(after.done()),
            Phase::Sleep => self.condvar_sleep(me, v, instr),
            // "Upon successful return, the mutex shall have been locked"; after a timeout too.
            Phase::Relock => {
                let relocked = self.relock(me, Phase::Begin)?;
                let waits_on = matches!(instr, Instr::CondvarWaitWhile(_))
                    && self.last_mutex(me).is_some_and(|m| self.mutexes[m].value == 0);
                Some(if waits_on { relocked } else { self.condvar_returns(me, instr) })
            }
            phase => unreachable!("{phase:?} is not a phase of {instr:?}"),
        }
    }

    fn condvar_returns(&mut self, me: usize, instr: Instr) -> Done {
        let timed_out = std::mem::take(&mut self.threads[me].timed_out);
        if let Instr::CondvarWaitTimeout(_) = instr {
            self.threads[me].log.push(u64::from(timed_out));
        }
        Done::Next
    }

    /// pthread_cond_timedwait: an error "if the absolute time specified by abstime passes [...]
    /// before the condition cond is signaled or broadcasted", which it does at some time.
    fn condvar_sleep(&mut self, me: usize, v: usize, instr: Instr) -> Option<Done> {
        if self.condvars[v].blocks(me) {
            matches!(instr, Instr::CondvarWaitTimeout(_)).then_some(())?;
            self.condvars[v].blocked.remove(&me);
            self.threads[me].timed_out = true;
        }
        Some(Done::More(Phase::Relock))
    }

    /// "Spurious wakeups from the pthread_cond_timedwait() or pthread_cond_wait() functions may
    /// occur."
    pub(super) fn condvar_wakes_spuriously(
        &mut self,
        me: usize,
        instr: Instr,
        way: Way,
    ) -> Option<Done> {
        let v = waits_on(instr).filter(|_| self.threads[me].phase == Phase::Sleep)?;
        (way == Way::Optional(0) && self.condvars[v].blocked.remove(&me)).then_some(())?;
        Some(Done::More(Phase::Relock))
    }
}
