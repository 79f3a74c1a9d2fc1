//! The kinds of objects that a text declares.

/// A kind of object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Mutex,
    SpinLock,
    RawSpinLock,
    RwLock,
    RwSem,
    Semaphore,
    Rcu,
    Srcu,
    Completion,
    WaitQueue,
    /// A word with indivisible accesses.
    Int,
    /// A word whose accesses can race.
    Plain,
    Memory,
    /// A variable that is NULL or points to memory.
    Pointer,
    Kref,
    Module,
    Workqueue,
    OrderedWorkqueue,
    Work,
    Timer,
    Hrtimer,
    HardHrtimer,
    Irq,
    HardIrq,
    ThreadedIrq,
    Tasklet,
    Kthread,
    /// A decision between things that can happen.
    Choice,
}

/// The words that declare an object. The first of each kind is the one that messages use.
pub(crate) const WORDS: &[(&str, Kind)] = &[
    ("mutex", Kind::Mutex),
    ("spinlock", Kind::SpinLock),
    ("spinlock_t", Kind::SpinLock),
    ("raw_spinlock", Kind::RawSpinLock),
    ("raw_spinlock_t", Kind::RawSpinLock),
    ("rwlock", Kind::RwLock),
    ("rwlock_t", Kind::RwLock),
    ("rwsem", Kind::RwSem),
    ("rw_semaphore", Kind::RwSem),
    ("percpu_rwsem", Kind::RwSem),
    ("semaphore", Kind::Semaphore),
    ("srcu", Kind::Srcu),
    ("completion", Kind::Completion),
    ("waitqueue", Kind::WaitQueue),
    ("wait_queue_head", Kind::WaitQueue),
    ("int", Kind::Int),
    ("flag", Kind::Int),
    ("bool", Kind::Int),
    ("atomic", Kind::Int),
    ("plain", Kind::Plain),
    ("memory", Kind::Memory),
    ("pointer", Kind::Pointer),
    ("kref", Kind::Kref),
    ("refcount", Kind::Kref),
    ("module", Kind::Module),
    ("workqueue", Kind::Workqueue),
    ("ordered_workqueue", Kind::OrderedWorkqueue),
    ("work", Kind::Work),
    ("timer", Kind::Timer),
    ("hrtimer", Kind::Hrtimer),
    ("hard_hrtimer", Kind::HardHrtimer),
    ("irq", Kind::Irq),
    ("hard_irq", Kind::HardIrq),
    ("threaded_irq", Kind::ThreadedIrq),
    ("tasklet", Kind::Tasklet),
    ("softirq", Kind::Tasklet),
    ("kthread", Kind::Kthread),
];

impl Kind {
    /// Returns the kind that `word` declares.
    pub(crate) fn named(word: &str) -> Option<Self> {
        WORDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
    }

    /// Returns the word that declares the kind.
    pub(crate) fn word(self) -> &'static str {
        let known = WORDS.iter().find(|(_, kind)| *kind == self);
        known.map_or(if self == Self::Rcu { "rcu" } else { "choice" }, |(word, _)| word)
    }

    /// Whether an object of the kind runs a function.
    pub(crate) fn has_body(self) -> bool {
        use Kind::{
            HardHrtimer, HardIrq, Hrtimer, Irq, Kthread, Tasklet, ThreadedIrq, Timer, Work,
        };
        let timers = [Timer, Hrtimer, HardHrtimer];
        let kinds = [Work, Irq, HardIrq, ThreadedIrq, Tasklet, Kthread];
        timers.contains(&self) || kinds.contains(&self)
    }

    /// Whether a value may stand after the name, and what it is.
    pub(crate) fn value(self) -> Option<&'static str> {
        match self {
            Self::Int | Self::Plain | Self::Pointer => Some("the value"),
            Self::Semaphore => Some("the count"),
            Self::Kref => Some("the references"),
            Self::Workqueue => Some("the works that run at a time"),
            _ => None,
        }
    }
}
