//! The operations of variables, of files of kernfs, and the rest of reference counts.

/// Adds these operations to those before.
macro_rules! rows_of_data {
    ($($before:tt)*) => {
        rows_of_callbacks! {
            $($before)*
            /// A plain read begins.
            PlainRead => op("read")
                .commutes_with(&[PlainRead, PlainReadEnds, MarkedRead])
                .yields_value()
                .assumes(&[Hashes]),
            /// A plain read ends.
            PlainReadEnds => op("read (ends)")
                .commutes_with(&[PlainRead, PlainReadEnds, MarkedRead]),
            /// A plain write begins.
            PlainWrite => op("write"),
            /// A plain write of the value `a` ends.
            PlainWriteEnds => op("write (ends)").leaves_value(),
            /// `READ_ONCE`.
            MarkedRead => op("READ_ONCE").reads(Reads::Always).yields_value().assumes(&[Hashes]),
            /// `WRITE_ONCE` of the value `a`.
            MarkedWrite => op("WRITE_ONCE").leaves_value(),
            /// `kernfs_get_active`: refused if the file is being removed.
            KernfsGetActive => op("kernfs_get_active")
                .takes(Shared)
                .can_be_disabled()
                .reads(Reads::If(REFUSED)),
            /// `kernfs_put_active`.
            KernfsPutActive => op("kernfs_put_active").releases().can_be_disabled(),
            /// `kernfs_unbreak_active_protection`: takes the reference again.
            KernfsUnbreak => op("kernfs_unbreak_active_protection")
                .takes(Shared)
                .can_be_disabled(),
            /// The beginning of a removal: replies whether it is the first.
            KernfsDeactivate => op("kernfs_remove").can_be_disabled(),
            /// The rest of a removal: waits until no active reference is left.
            KernfsDrain => op("kernfs_drain")
                .waits(Exclusive)
                .sleeps()
                .can_be_disabled()
                .reads(Reads::Always)
                .enabled_by(&[KernfsPutActive]),
            /// `refcount_dec_not_one`: drops a reference unless it is the last; replies whether.
            KrefDecNotOne => op("refcount_dec_not_one").shows(Shows::YesNo),
            /// `kref_read`; it acquires if `a` is 1.
            KrefRead => op("kref_read").reads(Reads::Always).shows(Shows::Value),
        }
    };
}
