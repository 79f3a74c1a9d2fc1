//! The properties that a row of the table can give an operation.

use crate::cpu::Context;
use crate::machine::REFUSED;

use super::OpKind;

use Mode::Exclusive;

/// The mode in which a lock is held or waited for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mode {
    /// A mutex, a spinlock, the write side of a semaphore.
    Exclusive,
    /// The read side of a fair lock (`rw_semaphore`): new readers queue behind a writer.
    Shared,
    /// The read side of a lock whose readers pass waiting writers (`rwlock_t`).
    SharedRecursive,
}

/// Whether an operation leaves its object as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reads {
    /// Never.
    Never,
    /// Always.
    Always,
    /// If it replies with this.
    If(u64),
    /// Unless it replies with this.
    Unless(u64),
    /// Unless it replies with its first argument, as a compare-and-exchange that succeeded does.
    UnlessFirstArgument,
}

/// The part of a reply that a thread observes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Observes {
    /// All of it.
    Reply,
    /// Whether it is 0.
    WhetherAny,
    /// Nothing: the reply only describes the effect of the operation.
    Nothing,
    /// Nothing. The reply names threads, which only the dependency relation needs.
    NoName,
}

/// The form in which a trace shows a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shows {
    /// Nothing.
    Nothing,
    /// The number.
    Value,
    /// `no` for 0, otherwise `yes`.
    YesNo,
    /// `busy` if it was refused, otherwise `taken`.
    Taken,
    /// `queued`, if it is.
    Queued,
    /// `interrupted`, if it is this.
    Interrupted(u64),
    /// `timed out`, if it is this.
    TimedOut(u64),
    /// `last`, if it is 1.
    Last,
    /// `-EDEADLK` if it was refused, `queued` if it was queued.
    BacksOff,
    /// `not now`, if the interrupt does not arrive.
    Arrives,
}

/// The contribution of a reply to the fingerprint of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Traced {
    /// The reply itself, as the arguments.
    Reply,
    /// Nothing if the reply is the number of a value, which depends on what was explored before.
    NoValue,
    /// The reply itself, but not the first argument, which is the number of a value.
    NoArgument,
    /// Nothing.
    Nothing,
}

/// An assumption of a verdict, made where an operation has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Assumption {
    /// Spinlocks spin, and timers run in softirq.
    NotPreemptRt,
    /// The waiters of a semaphore do not overtake each other.
    FairQueues,
    /// A grace period waits for readers alone.
    GracePeriods,
    /// There is a worker for each work that may run.
    Workers,
    /// Values behind locks differ where their hashes do.
    Hashes,
    /// A loop that has only looked would look again until something changes.
    Loops,
    /// A thread that is parked wakes by an `unpark`.
    Parks,
    /// `compare_exchange_weak` compares as `compare_exchange` does.
    Exchanges,
}

impl Assumption {
    pub(crate) const ALL: &[Self] = &[
        Self::NotPreemptRt,
        Self::FairQueues,
        Self::GracePeriods,
        Self::Workers,
        Self::Hashes,
        Self::Loops,
        Self::Parks,
        Self::Exchanges,
    ];

    /// Returns the assumption, as a verdict prints it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotPreemptRt => {
                "the kernel is not PREEMPT_RT: spinlocks spin, and timers run in softirq"
            }
            Self::FairQueues => "a semaphore's waiters do not overtake each other",
            Self::GracePeriods => "a grace period waits for readers alone",
            Self::Workers => "there is a worker for each work that may run",
            Self::Hashes => "values behind locks differ where their `Hash` does",
            Self::Loops => {
                "a loop that yields or waits, and has only looked since the last time, does the \
                 same again until something changes that it has looked at"
            }
            Self::Parks => "`thread::park` returns after an `unpark`, and never spuriously",
            Self::Exchanges => "`compare_exchange_weak` does not fail spuriously",
        }
    }
}

/// The properties of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The name in a trace.
    pub(crate) text: &'static str,
    /// The mode in which lockdep sees the wait for the operation's class, if it waits. A sleep
    /// waits for the thread that has promised to wake the sleepers, as it would for a lock. A wait
    /// for a timer or a work waits for its function.
    pub(crate) waits: Option<Mode>,
    /// The mode in which its class is held afterwards, if it succeeds.
    pub(crate) takes: Option<Mode>,
    /// The kind of the interrupt that begins on the CPU of the thread, if it succeeds.
    pub(crate) interrupts: Option<Context>,
    /// Whether its class is no longer held afterwards.
    pub(crate) releases: bool,
    /// Whether it may sleep.
    pub(crate) sleeps: bool,
    /// Whether the thread must not sleep afterwards, if it succeeds.
    pub(crate) atomic: bool,
    /// Whether it may sleep on PREEMPT_RT, and the thread may sleep afterwards to take such a lock.
    pub(crate) sleeps_on_rt: bool,
    /// Whether the thread must not even do that afterwards.
    pub(crate) raw: bool,
    /// Whether it waits until the one owner unlocks, and makes its thread the owner.
    pub(crate) locks: bool,
    /// Whether it takes a lock of one owner if that is free, and never waits.
    pub(crate) tries_lock: bool,
    /// Whether it unlocks a lock of one owner.
    pub(crate) unlocks: bool,
    /// Whether it sleeps until it is woken, or wakes spuriously, the last of its optional outcomes.
    /// Only the thread itself makes it sleep again once it can continue.
    pub(crate) wakes_spuriously: bool,
    /// Whether it takes a semaphore that favours readers, if that is possible now.
    pub(crate) tries_unfair: bool,
    /// Whether it consumes a completion, or tests for one.
    pub(crate) takes_completion: bool,
    /// Whether a step of another thread may make it impossible again.
    pub(crate) can_be_disabled: bool,
    /// Whether it does not touch the memory of the object: its function may free what it lives in.
    pub(crate) outlives_memory: bool,
    /// Whether it waits in a queue, which a signal makes it leave.
    pub(crate) leaves_queue: bool,
    /// Whether it takes what was granted to it before, so that it commutes with everything that can
    /// happen while it is possible.
    pub(crate) granted: bool,
    /// Whether it lets an interrupt arrive, or not, which touches no memory.
    pub(crate) arrives: bool,
    /// Whether it concerns a work on a workqueue.
    pub(crate) about_work: bool,
    /// Whether it concerns a lock of a class whose object has the state of them all.
    pub(crate) about_lock: bool,
    /// Whether it leaves its object as it was.
    pub(crate) reads: Reads,
    /// The observation of its thread.
    pub(crate) observes: Observes,
    /// The text of its reply in a trace.
    pub(crate) shows: Shows,
    /// Its contribution to the fingerprint of a trace.
    pub(crate) traced: Traced,
    /// The operations on the same object that may have made it possible.
    pub(crate) enabled_by: &'static [OpKind],
    /// The operations on the same object that it commutes with in every state.
    pub(crate) commutes_with: &'static [OpKind],
    /// The assumptions of a verdict where it has happened.
    pub(crate) assumes: &'static [Assumption],
}

/// Begins the row of an operation that changes its object, waits for nothing and takes no lock.
pub(super) const fn op(text: &'static str) -> Row {
    Row {
        text,
        waits: None,
        takes: None,
        interrupts: None,
        releases: false,
        sleeps: false,
        atomic: false,
        sleeps_on_rt: false,
        raw: false,
        locks: false,
        tries_lock: false,
        unlocks: false,
        wakes_spuriously: false,
        tries_unfair: false,
        takes_completion: false,
        can_be_disabled: false,
        outlives_memory: false,
        leaves_queue: false,
        granted: false,
        arrives: false,
        about_work: false,
        about_lock: false,
        reads: Reads::Never,
        observes: Observes::Reply,
        shows: Shows::Nothing,
        traced: Traced::Reply,
        enabled_by: &[],
        commutes_with: &[],
        assumes: &[],
    }
}

impl Row {
    pub(super) const fn waits(self, mode: Mode) -> Self {
        Self { waits: Some(mode), ..self }
    }

    pub(super) const fn takes(self, mode: Mode) -> Self {
        Self { takes: Some(mode), ..self }
    }

    /// The handler of an interrupt begins, which must not sleep.
    pub(super) const fn interrupts(self, interrupt: Context) -> Self {
        Self { interrupts: Some(interrupt), ..self.takes(Exclusive).atomic().can_be_disabled() }
    }

    /// The same, in the thread that is interrupted, or not.
    pub(super) const fn arrives(self, interrupt: Context) -> Self {
        let arrives = Self { arrives: true, shows: Shows::Arrives, ..self.interrupts(interrupt) };
        arrives.reads(Reads::If(REFUSED))
    }

    /// It lets something else begin on the CPU of the thread, or not.
    pub(super) const fn lets_arrive(self) -> Self {
        Self { arrives: true, ..self }
    }

    pub(super) const fn releases(self) -> Self {
        Self { releases: true, ..self }
    }

    pub(super) const fn sleeps(self) -> Self {
        Self { sleeps: true, ..self }
    }

    pub(super) const fn atomic(self) -> Self {
        Self { atomic: true, ..self }
    }

    pub(super) const fn sleeps_on_rt(self) -> Self {
        Self { sleeps_on_rt: true, ..self }
    }

    pub(super) const fn raw(self) -> Self {
        Self { raw: true, ..self }
    }

    pub(super) const fn locks(self) -> Self {
        Self { locks: true, ..self.waits(Exclusive).takes(Exclusive) }
    }

    pub(super) const fn tries_lock(self) -> Self {
        Self { tries_lock: true, ..self.takes(Exclusive) }
    }

    pub(super) const fn unlocks(self) -> Self {
        Self { unlocks: true, ..self.releases().leaves_value() }
    }

    pub(super) const fn sleep(self) -> Self {
        Self { wakes_spuriously: true, ..self.waits(Exclusive).sleeps().reads(Reads::Always) }
    }

    pub(super) const fn tries_unfair(self) -> Self {
        let row = self.can_be_disabled().reads(Reads::If(REFUSED)).shows(Shows::Taken);
        Self { tries_unfair: true, ..row }
    }

    pub(super) const fn takes_completion(self) -> Self {
        let row = self.can_be_disabled().reads(Reads::Unless(1)).observes(Observes::WhetherAny);
        Self { takes_completion: true, ..row }
    }

    pub(super) const fn can_be_disabled(self) -> Self {
        Self { can_be_disabled: true, ..self }
    }

    pub(super) const fn outlives_memory(self) -> Self {
        Self { outlives_memory: true, ..self }
    }

    pub(super) const fn leaves_queue(self) -> Self {
        Self { leaves_queue: true, ..self.can_be_disabled() }
    }

    pub(super) const fn granted(self) -> Self {
        Self { granted: true, ..self }
    }

    pub(super) const fn work(self) -> Self {
        Self { about_work: true, ..self }
    }

    /// It takes or releases one lock of a class.
    pub(super) const fn of_class(self) -> Self {
        Self { about_lock: true, ..self }
    }

    pub(super) const fn reads(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }

    pub(super) const fn observes(self, observes: Observes) -> Self {
        Self { observes, ..self }
    }

    pub(super) const fn shows(self, shows: Shows) -> Self {
        Self { shows, ..self }
    }

    pub(super) const fn hidden(self) -> Self {
        Self { traced: Traced::Nothing, ..self }
    }

    pub(super) const fn yields_value(self) -> Self {
        Self { traced: Traced::NoValue, ..self }
    }

    pub(super) const fn leaves_value(self) -> Self {
        Self { traced: Traced::NoArgument, ..self }
    }

    pub(super) const fn enabled_by(self, enabled_by: &'static [OpKind]) -> Self {
        Self { enabled_by, ..self }
    }

    pub(super) const fn commutes_with(self, commutes_with: &'static [OpKind]) -> Self {
        Self { commutes_with, ..self }
    }

    pub(super) const fn assumes(self, assumes: &'static [Assumption]) -> Self {
        Self { assumes, ..self }
    }
}
