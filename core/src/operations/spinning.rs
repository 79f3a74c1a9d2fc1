//! The operations of `raw_spinlock_t`, `rwlock_t` and high-resolution timers.

/// Adds these operations to those before.
macro_rules! rows_of_spinning_locks {
    ($($before:tt)*) => {
        rows_of_sequences! {
            $($before)*
            /// `raw_spin_lock`, in all its forms.
            RawSpinLock => op("raw_spin_lock")
                .locks()
                .atomic()
                .raw()
                .enabled_by(&[RawSpinUnlock])
                .yields_value()
                .assumes(&[Hashes]),
            /// `raw_spin_trylock`.
            TryRawSpinLock => op("raw_spin_trylock")
                .tries_lock()
                .atomic()
                .raw()
                .shows(Shows::Taken)
                .reads(Reads::If(REFUSED))
                .yields_value(),
            /// `raw_spin_unlock`; `a` is the value that stays behind the lock.
            RawSpinUnlock => op("raw_spin_unlock").unlocks(),
            /// `read_lock`: granted at once, or queued.
            ReadLock => op("read_lock")
                .waits(Shared)
                .takes(Shared)
                .atomic()
                .shows(Shows::Queued)
                .can_be_disabled()
                .yields_value()
                .assumes(&[NotPreemptRt, FairQueues, Hashes]),
            /// The rest of a queued `read_lock`.
            AwaitReadLock => op("read_lock (queued)")
                .takes(Shared)
                .atomic()
                .can_be_disabled()
                .enabled_by(&[WriteUnlock])
                .yields_value(),
            /// `read_lock` in an interrupt, or on PREEMPT_RT: passes the writers that wait.
            ReadLockPassing => op("read_lock (passing)")
                .waits(SharedRecursive)
                .takes(SharedRecursive)
                .atomic()
                .sleeps_on_rt()
                .can_be_disabled()
                .enabled_by(&[WriteUnlock])
                .yields_value(),
            /// `read_trylock`.
            TryReadLock => op("read_trylock")
                .takes(Shared)
                .atomic()
                .shows(Shows::Taken)
                .can_be_disabled()
                .reads(Reads::If(REFUSED))
                .yields_value(),
            /// `read_unlock`.
            ReadUnlock => op("read_unlock").releases().can_be_disabled(),
            /// `write_lock`: granted at once, or queued.
            WriteLock => op("write_lock")
                .waits(Exclusive)
                .takes(Exclusive)
                .atomic()
                .shows(Shows::Queued)
                .can_be_disabled()
                .yields_value()
                .assumes(&[NotPreemptRt, FairQueues, Hashes]),
            /// The rest of a queued `write_lock`.
            AwaitWriteLock => op("write_lock (queued)")
                .takes(Exclusive)
                .atomic()
                .can_be_disabled()
                .enabled_by(&[ReadUnlock, WriteUnlock])
                .yields_value(),
            /// `write_lock` on PREEMPT_RT: waits for the holders alone.
            WriteLockPassed => op("write_lock (passed)")
                .waits(Exclusive)
                .takes(Exclusive)
                .atomic()
                .sleeps_on_rt()
                .can_be_disabled()
                .enabled_by(&[ReadUnlock, WriteUnlock])
                .yields_value(),
            /// `write_trylock`.
            TryWriteLock => op("write_trylock")
                .takes(Exclusive)
                .atomic()
                .shows(Shows::Taken)
                .can_be_disabled()
                .reads(Reads::If(REFUSED))
                .yields_value(),
            /// `write_unlock`; `a` is the value that stays behind the lock.
            WriteUnlock => op("write_unlock").releases().leaves_value().can_be_disabled(),
            /// A high-resolution timer expires in the thread that it interrupts, or not.
            HrtimerArrives => op("hrtimer expires").arrives(Hardirq).raw(),
            /// A high-resolution timer expires on an idle CPU.
            HrtimerExpires => op("hrtimer expires")
                .interrupts(Hardirq)
                .raw()
                .enabled_by(&[ModTimer, TimerReturns]),
        }
    };
}
