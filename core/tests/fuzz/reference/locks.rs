//! Mutexes, spinlocks and semaphores.

use std::collections::BTreeMap;

use super::super::program::{Instr, MUTEXES, SEMS};
use super::{After, Done, Phase, State};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(in super::super) enum Held {
    Mutex(usize),
    Raw(usize),
    Spin(usize),
    Read(usize),
    Write(usize),
    RawRead(usize),
    RawWrite(usize),
    UnfairRead(usize),
    UnfairWrite(usize),
    /// A section of `srcu`, by the domain and a number of its own.
    Srcu(usize, usize),
    Rcu,
}

/// A mutex, or a spinlock.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(in super::super) struct Mutex {
    pub(in super::super) owner: Option<usize>,
    pub(super) value: u64,
}

/// A semaphore.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(in super::super) struct Sem {
    pub(super) writer: Option<usize>,
    /// The number of times each thread holds it for reading.
    pub(super) readers: BTreeMap<usize, u32>,
    /// The waiting threads, the longest first, and whether each wants to write. One that favours
    /// its readers has no queue.
    pub(super) queue: Vec<(usize, bool)>,
    pub(super) value: u64,
}

impl Sem {
    /// Returns whether a thread behind the first `ahead` of the queue gets the semaphore.
    ///
    /// kernel/locking/rwsem.c, rwsem_mark_wake: the queue is served in its order, a writer at the
    /// front blocks the readers behind it, and readers at the front are woken together.
    fn free(&self, writes: bool, ahead: usize) -> bool {
        let writer_ahead = self.queue[..ahead].iter().any(|(_, writes)| *writes);
        let shared = self.writer.is_none() && !writer_ahead;
        if writes { shared && self.readers.is_empty() && ahead == 0 } else { shared }
    }

    /// Returns whether `me`, if it is in the queue, can take what it waits for.
    pub(in super::super) fn granted(&self, me: usize) -> Option<bool> {
        let ahead = self.queue.iter().position(|(waiter, _)| *waiter == me)?;
        Some(self.free(self.queue[ahead].1, ahead))
    }

    fn grant(&mut self, me: usize, writes: bool) {
        if writes {
            self.writer = Some(me);
        } else {
            *self.readers.entry(me).or_default() += 1;
        }
    }

    fn up_read(&mut self, me: usize) {
        let count = self.readers.get_mut(&me).expect("a reader");
        *count -= 1;
        if *count == 0 {
            self.readers.remove(&me);
        }
    }
}

/// Returns the semaphore, and whether this is its write side.
fn side_of(held: Held) -> (usize, bool) {
    match held {
        Held::Read(s) | Held::RawRead(s) => (s, false),
        Held::Write(s) | Held::RawWrite(s) => (s, true),
        other => unreachable!("{other:?} is no side of a semaphore"),
    }
}

impl State {
    /// Performs an operation on a lock, if it is one: `Some(None)` is a wait.
    pub(super) fn locks(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        let log = |state: &mut Self, got| state.threads[me].log.push(u64::from(got));
        let got = match instr {
            Instr::Lock(m) => self.lock(me, Held::Mutex(m)),
            // Documentation/locking/lockdep-design.rst, "nested locks": a subclass is one of
            // lockdep alone. mutex_lock_nest_lock is a mutex_lock too.
            Instr::LockNested(m) | Instr::LockNestLock(m, _) => self.lock(me, Held::Mutex(m)),
            Instr::RawLock(m) => self.lock(me, Held::Raw(m)),
            Instr::Spin(p) => self.lock(me, Held::Spin(p)),
            Instr::LockInterruptible(m) => {
                let got = self.lock(me, Held::Mutex(m));
                if got.is_some() {
                    log(self, true);
                }
                got
            }
            Instr::TryLock(m) => {
                let got = self.lock(me, Held::Mutex(m)).is_some();
                log(self, got);
                Some(())
            }
            Instr::RawTryLock(m) => {
                let got = self.lock(me, Held::Raw(m)).is_some();
                log(self, got);
                Some(())
            }
            Instr::TrySpin(p) => {
                let got = self.lock(me, Held::Spin(p)).is_some();
                log(self, got);
                Some(())
            }
            Instr::RawUnlock(m) => return Some(Some(self.raw_unlock(me, m))),
            Instr::RawUpRead(s) => return Some(Some(self.raw_up(me, Held::RawRead(s)))),
            Instr::RawUpWrite(s) => return Some(Some(self.raw_up(me, Held::RawWrite(s)))),
            Instr::DownRead(s) => return Some(self.down(me, Held::Read(s))),
            Instr::DownWrite(s) => return Some(self.down(me, Held::Write(s))),
            Instr::RawDownRead(s) => return Some(self.down(me, Held::RawRead(s))),
            Instr::RawDownWrite(s) => return Some(self.down(me, Held::RawWrite(s))),
            Instr::TryDownRead(s) => return Some(Some(self.try_down(me, Held::Read(s)))),
            Instr::TryDownWrite(s) => return Some(Some(self.try_down(me, Held::Write(s)))),
            Instr::RawTryDownRead(s) => return Some(Some(self.try_down(me, Held::RawRead(s)))),
            Instr::RawTryDownWrite(s) => return Some(Some(self.try_down(me, Held::RawWrite(s)))),
            Instr::UnfairRead(u) => self.unfair_down(me, u, false),
            Instr::UnfairWrite(u) => self.unfair_down(me, u, true),
            Instr::TryUnfairRead(u) => {
                let got = self.unfair_down(me, u, false).is_some();
                log(self, got);
                Some(())
            }
            Instr::TryUnfairWrite(u) => {
                let got = self.unfair_down(me, u, true).is_some();
                log(self, got);
                Some(())
            }
            _ => return None,
        };
        Some(got.map(|()| Done::Next))
    }

    /// Documentation/locking/mutex-design.rst: "Only one task can hold the mutex at a time".
    pub(super) fn lock(&mut self, me: usize, held: Held) -> Option<()> {
        let lock = match held {
            Held::Mutex(m) | Held::Raw(m) => &mut self.mutexes[m],
            Held::Spin(p) => &mut self.spins[p],
            other => unreachable!("{other:?} has no owner"),
        };
        if lock.owner.is_some() {
            return None;
        }
        lock.owner = Some(me);
        self.threads[me].held.push(held);
        Some(())
    }

    /// Documentation/locking/mutex-design.rst: "Only the owner can unlock the mutex".
    fn raw_unlock(&mut self, me: usize, m: usize) -> Done {
        if let Phase::Touch(after) = self.threads[me].phase {
            return after.done();
        }
        if self.mutexes[m].owner != Some(me) {
            self.violate(format!("unlock-by-non-owner({})", MUTEXES[m]));
            return Done::Next;
        }
        self.mutexes[m].owner = None;
        let place = self.threads[me].held.iter().position(|held| *held == Held::Raw(m));
        self.threads[me].held.remove(place.expect("it has a guard, or is the owner without"));
        self.unlocked(After::Return(true))
    }

    /// kernel/locking/rwsem.c, up_write and up_read: a semaphore is released by the task that holds
    /// it ("DEBUG_RWSEMS_WARN_ON((rwsem_owner(sem) != current) && ..."); up_read_non_owner is for
    /// others.
    fn raw_up(&mut self, me: usize, side: Held) -> Done {
        if let Phase::Touch(after) = self.threads[me].phase {
            return after.done();
        }
        let (s, writes) = side_of(side);
        let sem = &mut self.sems[s];
        let holds = if writes { sem.writer == Some(me) } else { sem.readers.contains_key(&me) };
        if !holds {
            self.violate(format!("unlock-by-non-owner({})", SEMS[s]));
            return Done::Next;
        }
        if writes {
            sem.writer = None
        } else {
            sem.up_read(me)
        }
        let place = self.threads[me].held.iter().position(|held| *held == side);
        self.threads[me].held.remove(place.expect("it has a guard, or holds it without"));
        self.unlocked(After::Return(true))
    }

    fn down(&mut self, me: usize, side: Held) -> Option<Done> {
        let (s, writes) = side_of(side);
        let sem = &mut self.sems[s];
        let queued = self.threads[me].phase == Phase::Queued;
        let ahead = if queued {
            sem.queue.iter().position(|(waiter, _)| *waiter == me)?
        } else {
            sem.queue.len()
        };
        match (sem.free(writes, ahead), queued) {
            (false, true) => return None,
            (false, false) => {
                sem.queue.push((me, writes));
                return Some(Done::More(Phase::Queued));
            }
            (true, true) => drop(sem.queue.remove(ahead)),
            (true, false) => {}
        }
        sem.grant(me, writes);
        self.threads[me].held.push(side);
        Some(Done::Next)
    }

    fn try_down(&mut self, me: usize, side: Held) -> Done {
        let (s, writes) = side_of(side);
        let sem = &mut self.sems[s];
        let free = sem.free(writes, sem.queue.len());
        if free {
            sem.grant(me, writes);
            self.threads[me].held.push(side);
        }
        self.threads[me].log.push(u64::from(free));
        Done::Next
    }

    /// The kernel has no such semaphore; a textbook's readers-writers lock with readers'
    /// preference.
    fn unfair_down(&mut self, me: usize, u: usize, writes: bool) -> Option<()> {
        let sem = &mut self.unfair[u];
        if sem.writer.is_some() || (writes && !sem.readers.is_empty()) {
            return None;
        }
        sem.grant(me, writes);
        let held = if writes { Held::UnfairWrite(u) } else { Held::UnfairRead(u) };
        self.threads[me].held.push(held);
        Some(())
    }

    /// Returns the accessible lock to which `Release(n)` refers.
    fn place_to_release(&self, me: usize, n: usize) -> usize {
        let from = self.threads[me].round.map_or(0, |(_, held)| held);
        let held = &self.threads[me].held;
        let place = from + n % (held.len() - from);
        if held[place] != Held::Rcu {
            return place;
        }
        // `rcu_read_unlock` does not identify the section that it ends: the innermost.
        held.iter().rposition(|held| *held == Held::Rcu).expect("this one at least")
    }

    pub(in super::super) fn to_release(&self, me: usize, n: usize) -> Held {
        self.threads[me].held[self.place_to_release(me, n)]
    }

    pub(super) fn release(&mut self, me: usize, n: usize) -> Done {
        if let Phase::Touch(after) = self.threads[me].phase {
            return after.done();
        }
        let place = self.place_to_release(me, n);
        match self.threads[me].held.remove(place) {
            Held::Mutex(m) | Held::Raw(m) => self.mutexes[m].owner = None,
            Held::Read(s) | Held::RawRead(s) => self.sems[s].up_read(me),
            Held::Write(s) | Held::RawWrite(s) => self.sems[s].writer = None,
            Held::UnfairRead(u) => self.unfair[u].up_read(me),
            Held::UnfairWrite(u) => self.unfair[u].writer = None,
            // kernel/locking/mutex.c, mutex_unlock: "Mutexes are different from spinlocks &
            // refcounts in this aspect", which can be freed by their next owner.
            Held::Spin(p) => {
                self.spins[p].owner = None;
                return Done::Next;
            }
            Held::Srcu(s, section) => {
                self.srcus[s].end(me, section);
                return Done::Next;
            }
            Held::Rcu => {
                self.rcu.end(me, 0);
                return Done::Next;
            }
        }
        self.unlocked(After::Return(true))
    }

    /// Returns the mutex taken last, if the lock taken last was a mutex.
    pub(in super::super) fn last_mutex(&self, me: usize) -> Option<usize> {
        match self.within_reach(me).last() {
            Some(Held::Mutex(m)) => Some(*m),
            _ => None,
        }
    }

    /// Unlocks the mutex taken last, while the thread sleeps.
    pub(super) fn unlock_last_mutex(&mut self, me: usize) -> usize {
        let m = self.last_mutex(me).expect("it has a mutex");
        self.threads[me].held.pop();
        self.threads[me].unlocked_mutex = Some(m);
        m
    }

    /// Takes it again if it is free, and continues with `phase`.
    pub(super) fn relock(&mut self, me: usize, phase: Phase) -> Option<Done> {
        let m = self.threads[me].unlocked_mutex.expect("it has unlocked a mutex");
        self.lock(me, Held::Mutex(m))?;
        self.threads[me].unlocked_mutex = None;
        Some(Done::More(phase))
    }
}
