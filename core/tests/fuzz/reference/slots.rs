//! Counting semaphores: kernel/locking/semaphore.c.

use std::collections::BTreeSet;

use super::super::program::Instr;
use super::{Done, Phase, State, Way};

/// A counting semaphore.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(in super::super) struct Slots {
    count: u64,
    /// The waiters, from the head of the list.
    list: Vec<usize>,
    /// Those that `up` has taken off the list, and that have not run since.
    up: BTreeSet<usize>,
}

impl Slots {
    pub(super) fn new(count: u64) -> Self {
        Self { count, list: Vec::new(), up: BTreeSet::new() }
    }

    pub(in super::super) fn is_up(&self, me: usize) -> bool {
        self.up.contains(&me)
    }

    /// down: "if (sem->count > 0) sem->count--". down_trylock: the same, and otherwise nothing.
    pub(in super::super) fn has_one(&self) -> bool {
        self.count > 0
    }

    /// up: an empty list adds one to the count; otherwise __up takes the first waiter off the list,
    /// marks it as up and wakes it.
    fn raise(&mut self) {
        match self.list.is_empty() {
            true => self.count += 1,
            false => drop(self.up.insert(self.list.remove(0))),
        }
    }

    /// __down_common, "interrupted:" and "timed_out:": the waiter is taken off the list.
    fn give_up(&mut self, me: usize) {
        self.list.retain(|waiter| *waiter != me);
    }
}

impl State {
    /// Performs an operation on a counting semaphore, if it is one: `Some(None)` is a wait.
    pub(super) fn counts_slots(&mut self, me: usize, instr: Instr) -> Option<Option<Done>> {
        let (n, logs) = match instr {
            Instr::Down(n) => (n, false),
            Instr::DownInterruptible(n) | Instr::DownTimeout(n) => (n, true),
            Instr::DownTrylock(n) => {
                let got = self.slots[n].has_one();
                self.slots[n].count -= u64::from(got);
                self.threads[me].log.push(u64::from(got));
                return Some(Some(Done::Next));
            }
            Instr::Up(n) => {
                self.slots[n].raise();
                return Some(Some(Done::Next));
            }
            _ => return None,
        };
        let slots = &mut self.slots[n];
        let got = if self.threads[me].phase != Phase::Queued {
            // __down_common: "list_add_tail(&waiter.list, &sem->wait_list)".
            if !slots.has_one() {
                slots.list.push(me);
                return Some(Some(Done::More(Phase::Queued)));
            }
            slots.count -= 1;
            true
        } else if slots.up.remove(&me) {
            true
        } else if matches!(instr, Instr::DownTimeout(_)) {
            slots.give_up(me);
            false
        } else {
            return Some(None);
        };
        if logs {
            self.threads[me].log.push(u64::from(got));
        }
        Some(Some(Done::Next))
    }

    /// Applies a signal to a thread in the list. __down_common looks at `waiter.up` after each
    /// sleep, before it looks for a signal.
    pub(super) fn interrupts_down(&mut self, me: usize, n: usize, way: Way) -> Option<Done> {
        let waits = self.slots[n].list.contains(&me);
        (waits && way == Way::Optional(0)).then_some(())?;
        self.slots[n].give_up(me);
        self.threads[me].log.push(0);
        Some(Done::Next)
    }
}
