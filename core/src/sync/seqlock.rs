//! `seqcount_t` and `seqlock_t`: readers that never hold up a writer, and read again after it.

use std::fmt;
use std::panic::Location;

use smallvec::SmallVec;

use crate::declare;
use crate::machine::{Fault, Machine, REFUSED, Ready};
use crate::name::Name;
use crate::op::{Op, Place, ThreadId};
use crate::operations::OpKind;
use crate::renaming::Renaming;
use crate::runtime;
use crate::runtime::interrupts::{begin_to_spin, change_cpu};
use crate::runtime::object::{Object, unwinding};

use super::{SpinGuard, SpinLock};

/// The kernel's `seqcount_t`, without the data.
///
/// The rules are those of `Documentation/locking/seqlock.rst` and `include/linux/seqlock.h`, v6.6.
/// A reader that begins while a thread writes spins until that has ended, so a reader in an
/// interrupt on top of a writer spins for ever. A reader reads again if a thread has written since
/// it began. A writer may not sleep, and writers exclude each other by other means. The data are
/// [`Atomic`](super::Atomic)s, since readers read them while they change.
///
/// # What is left out
///
/// The count itself: a reader only observes whether it has changed. On PREEMPT_RT a reader takes
/// the lock of the writer for a moment, where there is one; here it waits without.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{Atomic, SeqCount};
/// let (seq, low, high) = (SeqCount::new("seq"), Atomic::new("low", 0), Atomic::new("high", 0));
/// let write = seq.write_seqcount_begin();
/// low.store(1);
/// high.store(1);
/// write.write_seqcount_end();
/// assert_eq!(seq.read(|| (low.load(), high.load())), (1, 1));
/// # });
/// ```
#[doc(alias = "seqcount_t")]
pub struct SeqCount {
    object: Object,
}

/// A section of a reader: see [`SeqCount::read_seqcount_begin`].
#[must_use = "the section is read again if `read_seqcount_retry` says so"]
#[derive(Debug)]
pub struct SeqSection(());

impl SeqCount {
    /// `seqcount_init`: creates a count of lock class `class`.
    #[doc(alias = "seqcount_init")]
    pub fn new(class: impl Into<Name>) -> Self {
        let state = State { writer: None, sections: SmallVec::new() };
        Self { object: Object::new(class, Box::new(state)) }
    }

    /// `read_seqcount_begin`: waits until no thread writes, and begins a section.
    #[track_caller]
    pub fn read_seqcount_begin(&self) -> SeqSection {
        self.object.perform(Op::new(OpKind::ReadSeqBegin), Location::caller());
        SeqSection(())
    }

    /// `read_seqcount_retry`: ends the section, and returns whether a thread has written since its
    /// beginning.
    #[track_caller]
    pub fn read_seqcount_retry(&self, section: SeqSection) -> bool {
        let SeqSection(()) = section;
        self.object.perform(Op::new(OpKind::ReadSeqRetry), Location::caller()) == 1
    }

    /// Runs `section` until no thread has written meanwhile, and returns its last result: the loop
    /// around [`read_seqcount_begin`](Self::read_seqcount_begin) and
    /// [`read_seqcount_retry`](Self::read_seqcount_retry). A round in vain carries nothing over.
    #[track_caller]
    pub fn read<R>(&self, section: impl Fn() -> R) -> R {
        let at = Location::caller();
        let start = runtime::round();
        loop {
            self.object.perform(Op::new(OpKind::ReadSeqBegin), at);
            let result = section();
            if self.object.perform(Op::new(OpKind::ReadSeqRetry), at) == 0 {
                return result;
            }
            runtime::come_round(start);
        }
    }

    /// `write_seqcount_begin`: begins to write.
    ///
    /// # Violations
    ///
    /// The invariant `write_seqcount_begin` if another thread writes.
    #[track_caller]
    pub fn write_seqcount_begin(&self) -> SeqWriter<'_> {
        let at = Location::caller();
        begin_to_spin();
        if self.object.perform(Op::new(OpKind::WriteSeqBegin), at) == REFUSED {
            declare::broken_at("write_seqcount_begin", "another thread writes".to_owned(), at);
        }
        change_cpu(|cpu| cpu.spinning += 1);
        SeqWriter { count: self, at }
    }
}

impl fmt::Debug for SeqCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeqCount").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A writer of a [`SeqCount`]. Dropping it is `write_seqcount_end`.
#[must_use = "it writes only as long as this lives"]
#[derive(Debug)]
pub struct SeqWriter<'a> {
    count: &'a SeqCount,
    at: Place,
}

impl SeqWriter<'_> {
    /// `write_seqcount_end`: ends the section of the writer.
    #[track_caller]
    pub fn write_seqcount_end(mut self) {
        self.at = Location::caller();
    }
}

impl Drop for SeqWriter<'_> {
    fn drop(&mut self) {
        if !unwinding() {
            self.count.object.perform(Op::new(OpKind::WriteSeqEnd), self.at);
            change_cpu(|cpu| cpu.spinning = cpu.spinning.saturating_sub(1));
        }
    }
}

/// The kernel's `seqlock_t`: a [`SeqCount`] whose writers exclude each other by a spinlock.
///
/// ```
/// use selvedge_core::sync::{Atomic, SeqLock};
/// use selvedge_core::{Engine, Scenario};
/// let world = || (SeqLock::new("seq"), ["low", "high"].map(|name| Atomic::new(name, 0)));
/// Scenario::builder("example/seqlock", world)
///     .threads(2, |i| format!("writer {i}"), |(seq, words), i| {
///         let _write = seq.write_seqlock();
///         words.iter().for_each(|word| word.store(i as u64 + 1));
///     })
///     .thread("reader", |(seq, [low, high])| {
///         assert_eq!(seq.read(|| low.load().abs_diff(high.load())), 0);
///     })
///     .expect_proof()
///     .assert_as_expected(Engine::Native);
/// ```
#[doc(alias = "seqlock_t")]
#[derive(Debug)]
pub struct SeqLock {
    lock: SpinLock,
    count: SeqCount,
}

impl SeqLock {
    /// `seqlock_init`: creates a lock of lock class `class`. Its count has the class
    /// `class.seqcount`.
    #[doc(alias("seqlock_init", "DEFINE_SEQLOCK"))]
    pub fn new(class: impl Into<Name>) -> Self {
        let class = class.into();
        let count = SeqCount::new(format!("{class}.seqcount"));
        Self { lock: SpinLock::new(class, ()), count }
    }

    /// `read_seqbegin`: see [`SeqCount::read_seqcount_begin`].
    #[track_caller]
    pub fn read_seqbegin(&self) -> SeqSection {
        self.count.read_seqcount_begin()
    }

    /// `read_seqretry`: see [`SeqCount::read_seqcount_retry`].
    #[track_caller]
    pub fn read_seqretry(&self, section: SeqSection) -> bool {
        self.count.read_seqcount_retry(section)
    }

    /// The loop around both: see [`SeqCount::read`].
    #[track_caller]
    pub fn read<R>(&self, section: impl Fn() -> R) -> R {
        self.count.read(section)
    }

    /// `read_seqlock_excl`: excludes writers, and the other readers that do.
    #[track_caller]
    pub fn read_seqlock_excl(&self) -> SpinGuard<'_, ()> {
        self.lock.spin_lock()
    }

    /// `write_seqlock`: takes the spinlock and begins to write.
    #[track_caller]
    pub fn write_seqlock(&self) -> SeqLockWriter<'_> {
        let guard = self.lock.spin_lock();
        SeqLockWriter { count: self.count.write_seqcount_begin(), guard }
    }

    /// `write_seqlock_bh`: the same, with bottom halves disabled.
    #[track_caller]
    pub fn write_seqlock_bh(&self) -> SeqLockWriter<'_> {
        let guard = self.lock.spin_lock_bh();
        SeqLockWriter { count: self.count.write_seqcount_begin(), guard }
    }

    /// `write_seqlock_irq`: the same, with interrupts disabled. The unlock enables them.
    #[track_caller]
    pub fn write_seqlock_irq(&self) -> SeqLockWriter<'_> {
        let guard = self.lock.spin_lock_irq();
        SeqLockWriter { count: self.count.write_seqcount_begin(), guard }
    }

    /// `write_seqlock_irqsave`: the same, with interrupts disabled. The unlock restores what was.
    #[track_caller]
    pub fn write_seqlock_irqsave(&self) -> SeqLockWriter<'_> {
        let guard = self.lock.spin_lock_irqsave();
        SeqLockWriter { count: self.count.write_seqcount_begin(), guard }
    }
}

/// A writer of a [`SeqLock`]. Dropping it is `write_sequnlock`, or the counterpart of the function
/// that began it.
#[must_use = "it writes only as long as this lives"]
#[derive(Debug)]
pub struct SeqLockWriter<'a> {
    // Dropped in this order: the count first, so that the lock excludes other writers until then.
    count: SeqWriter<'a>,
    guard: SpinGuard<'a, ()>,
}

impl SeqLockWriter<'_> {
    /// `write_sequnlock`, or the counterpart of the function that began it.
    #[doc(alias("write_sequnlock_bh", "write_sequnlock_irq", "write_sequnlock_irqrestore"))]
    #[track_caller]
    pub fn write_sequnlock(self) {
        self.count.write_seqcount_end();
        self.guard.unlock();
    }
}

/// The state of a count.
#[derive(Clone)]
struct State {
    writer: Option<ThreadId>,
    /// The open sections, and whether a thread has written since. Sorted by the reader; those of
    /// one reader are in the order in which they began.
    sections: SmallVec<[(ThreadId, bool); 2]>,
}

impl Machine for State {
    fn ready(&self, _me: ThreadId, op: Op) -> Ready {
        Ready::when(op.kind != OpKind::ReadSeqBegin || self.writer.is_none())
    }

    fn apply(&mut self, me: ThreadId, op: Op, _outcome: u8) -> Result<u64, Fault> {
        Ok(match op.kind {
            OpKind::ReadSeqBegin => {
                self.sections.push((me, false));
                self.sections.sort_by_key(|(reader, _)| *reader);
                0
            }
            OpKind::ReadSeqRetry => {
                let mine = self.sections.iter().rposition(|(reader, _)| *reader == me);
                let (_, written) = self.sections.remove(mine.ok_or(Fault::NotOwner)?);
                u64::from(written)
            }
            OpKind::WriteSeqBegin if self.writer.is_some() => REFUSED,
            OpKind::WriteSeqBegin => {
                self.writer = Some(me);
                self.sections.iter_mut().for_each(|(_, written)| *written = true);
                0
            }
            OpKind::WriteSeqEnd if self.writer != Some(me) => return Err(Fault::NotOwner),
            OpKind::WriteSeqEnd => {
                self.writer = None;
                0
            }
            other => unreachable!("{other} is not an operation of a sequence counter"),
        })
    }

    fn blockers(&self, _me: ThreadId, _op: Op) -> SmallVec<[ThreadId; 4]> {
        self.writer.into_iter().collect()
    }

    fn rename(&mut self, renaming: &Renaming) -> bool {
        renaming.apply(&mut self.writer);
        renaming.apply(self.sections.iter_mut().map(|(reader, _)| reader));
        self.sections.sort_by_key(|(reader, _)| *reader);
        true
    }

    fn encode(&self, key: &mut Vec<u64>) {
        key.push(self.writer.map_or(0, |writer| writer.index() as u64 + 1));
        key.push(self.sections.len() as u64);
        let word =
            |(reader, written): &(ThreadId, bool)| reader.index() as u64 * 2 + u64::from(*written);
        key.extend(self.sections.iter().map(word));
    }

    fn leaked(&self) -> bool {
        self.is_held()
    }

    fn is_held(&self) -> bool {
        self.writer.is_some()
    }
}
