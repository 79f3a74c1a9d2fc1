//! The operations of sequence counters, of killable waits, and of locks with a subclass.

/// Adds these operations to those before.
macro_rules! rows_of_sequences {
    ($($before:tt)*) => {
        rows_of_later_work! {
            $($before)*
            /// `read_seqcount_begin`: waits until no thread writes.
            ReadSeqBegin => op("read_seqcount_begin")
                .waits(SharedRecursive)
                .can_be_disabled()
                .enabled_by(&[WriteSeqEnd]),
            /// `read_seqcount_retry`: replies whether a thread has written since.
            ReadSeqRetry => op("read_seqcount_retry").can_be_disabled().shows(Shows::YesNo),
            /// `write_seqcount_begin`: refused if another thread writes.
            WriteSeqBegin => op("write_seqcount_begin")
                .takes(Exclusive)
                .atomic()
                .can_be_disabled(),
            /// `write_seqcount_end`.
            WriteSeqEnd => op("write_seqcount_end").releases().can_be_disabled(),
            /// The rest of a queued `down_read_killable`, which a fatal signal can end.
            AwaitReadKillable => op("down_read_killable (queued)")
                .takes(Shared)
                .leaves_queue()
                .shows(Shows::Interrupted(REFUSED))
                .yields_value()
                .assumes(&[FairQueues]),
            /// The rest of a queued `down_write_killable`, which a fatal signal can end.
            AwaitWriteKillable => op("down_write_killable (queued)")
                .takes(Exclusive)
                .leaves_queue()
                .shows(Shows::Interrupted(REFUSED))
                .yields_value()
                .assumes(&[FairQueues]),
            /// `downgrade_write`; `a` is the value that stays behind the lock.
            DowngradeWrite => op("downgrade_write")
                .releases()
                .takes(Shared)
                .leaves_value()
                .assumes(&[FairQueues]),
            /// `mutex_lock_nested` with the subclass `a`, and `mutex_lock_nest_lock` with the lock
            /// whose number is one less than `b`.
            LockNested => op("mutex_lock_nested")
                .locks()
                .sleeps()
                .enabled_by(&[Unlock])
                .yields_value()
                .assumes(&[Hashes]),
        }
    };
}
