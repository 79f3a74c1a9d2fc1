//! How a CPU takes and releases the locks, and puts a reference under one.

use super::{Held, KREF, Keeps, LOCKED_COUNT, Lock, Put, RW_LOCK, SEQ_COUNT, State};

impl State {
    pub(super) fn use_after_release(&mut self) {
        self.violation = Some(format!("use-after-release({KREF})"));
    }

    /// Performs a step of kref_put_lock.
    pub(super) fn put(&mut self, at: usize, lock: usize) -> bool {
        let (put, references) = (self.top(at).put, self.references);
        match put {
            Put::Begins | Put::Puts if references == 0 => self.use_after_release(),
            Put::Begins if references == 1 => self.top(at).put = Put::Locks,
            Put::Locks if self.may_not_take(at, lock) => {}
            Put::Locks => {
                let before = self.top(at).at;
                if !self.take(at, lock, true, Keeps::Nothing) {
                    return false;
                }
                let frame = self.top(at);
                if frame.at > before {
                    (frame.at, frame.put) = (before, Put::Puts);
                }
            }
            Put::Puts if references > 1 => {
                self.references -= 1;
                self.top(at).put = Put::Unlocks;
            }
            Put::Begins | Put::Puts | Put::Unlocks => {
                match put {
                    Put::Unlocks => self.release(at),
                    _ => self.references -= 1,
                }
                let frame = self.top(at);
                frame.log.push(u64::from(put == Put::Puts));
                (frame.at, frame.put) = (frame.at + 1, Put::Begins);
            }
        }
        true
    }

    /// Includes a first step that keeps interrupts off, as spin_lock_irqsave does before it spins.
    pub(super) fn take(&mut self, at: usize, lock: usize, writes: bool, keeps: Keeps) -> bool {
        let Some(before) = self.top(at).waits else {
            let before = self.cpus[at].irqs;
            self.keep_off(at, keeps);
            self.top(at).waits = Some(before);
            return true;
        };
        let queued = self.top(at).queued;
        if !self.free(at, lock, writes) {
            // kernel/locking/qrwlock.c: readers in interrupts do not queue. A spinlock's waiters
            // are served in any order here.
            if queued || lock != RW_LOCK || self.passes(at, writes) {
                return false;
            }
            self.locks[lock].queue.push((at, writes));
            self.top(at).queued = true;
            return true;
        }
        if queued {
            let ahead = self.locks[lock].ahead(at);
            self.locks[lock].queue.remove(ahead);
        }
        self.grant(at, lock, writes);
        let frame = self.top(at);
        (frame.waits, frame.queued) = (None, false);
        frame.held.push(Held { lock, writes, keeps, before });
        frame.at += 1;
        true
    }

    pub(super) fn try_take(&mut self, at: usize, lock: usize, writes: bool, keeps: Keeps) {
        let lock_is = &self.locks[lock];
        // include/asm-generic/qrwlock.h, queued_read_trylock and queued_write_trylock.
        let free = match writes {
            true => lock_is.is_free() && lock_is.queue.is_empty(),
            false => lock_is.writer.is_none() && !lock_is.queue.iter().any(|(_, w)| *w),
        };
        self.top(at).log.push(u64::from(free));
        if free {
            self.grant(at, lock, writes);
            let before = self.cpus[at].irqs;
            let keeps = if self.sleeps_on_rt(lock) { Keeps::Nothing } else { keeps };
            self.keep_off(at, keeps);
            self.top(at).held.push(Held { lock, writes, keeps, before });
        } else if keeps == Keeps::Irq && !self.sleeps_on_rt(lock) {
            // include/linux/spinlock.h, raw_spin_trylock_irq: local_irq_enable() if it fails.
            self.cpus[at].irqs = true;
        }
    }

    fn keep_off(&mut self, at: usize, keeps: Keeps) {
        match keeps {
            Keeps::Nothing => {}
            Keeps::Bh => self.cpus[at].bh += 1,
            Keeps::Irq | Keeps::Save => self.cpus[at].irqs = false,
        }
    }

    pub(super) fn grant(&mut self, at: usize, lock: usize, writes: bool) {
        let lock = &mut self.locks[lock];
        if writes {
            lock.writer = Some(at);
        } else {
            lock.readers.push(at);
            lock.readers.sort_unstable();
        }
    }

    pub(super) fn release(&mut self, at: usize) {
        let Some(Held { lock, writes, keeps, before }) = self.top(at).held.pop() else { return };
        self.counts[0] += u64::from(lock == SEQ_COUNT);
        self.counts[1] += u64::from(lock == LOCKED_COUNT);
        let lock = &mut self.locks[lock];
        if writes {
            lock.writer = None;
        } else {
            let place = lock.readers.iter().position(|reader| *reader == at);
            lock.readers.remove(place.expect("it reads"));
        }
        let cpu = &mut self.cpus[at];
        match keeps {
            Keeps::Nothing => {}
            Keeps::Bh => cpu.bh = cpu.bh.saturating_sub(1),
            Keeps::Irq => cpu.irqs = true,
            Keeps::Save => cpu.irqs = before,
        }
    }

    /// in_interrupt(), which holds with bottom halves disabled too.
    pub(super) fn passes(&self, at: usize, writes: bool) -> bool {
        let cpu = &self.cpus[at];
        let handles = cpu.stack.last().is_some_and(|top| self.is_interrupt(top));
        // kernel/locking/rwbase_rt.c: nothing queues in order.
        self.rt || (!writes && (handles || cpu.bh > 0))
    }

    pub(super) fn free(&self, at: usize, lock: usize, writes: bool) -> bool {
        let blockers = self.blockers(at, lock, writes);
        blockers.is_empty()
    }

    /// Returns the CPUs that keep a CPU from the lock.
    pub(super) fn blockers(&self, at: usize, lock: usize, writes: bool) -> Vec<usize> {
        let is = &self.locks[lock];
        let queued = self.cpus[at].stack.last().is_some_and(|top| top.queued);
        let readers = is.readers.iter().copied().filter(|_| writes);
        let ahead = if queued { is.ahead(at) } else { is.queue.len() };
        let before = is.queue[..ahead]
            .iter()
            .filter(|(_, other)| writes || *other)
            .map(|(waiter, _)| *waiter);
        let before = before.filter(|_| lock == RW_LOCK && !self.passes(at, writes));
        is.writer.into_iter().chain(readers).chain(before).collect()
    }
}

impl Lock {
    /// The number of waiters before the top frame of a CPU, which is in the queue: an interrupt is
    /// behind the thread that it interrupts.
    pub(super) fn ahead(&self, at: usize) -> usize {
        self.queue.iter().rposition(|(waiter, _)| *waiter == at).expect("it is queued")
    }

    pub(super) fn is_free(&self) -> bool {
        self.writer.is_none() && self.readers.is_empty()
    }
}
