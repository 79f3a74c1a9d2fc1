//! The rest of the operations of words, and the fences.

/// Adds these operations to those before.
macro_rules! rows_of_memory {
    ($($before:tt)*) => {
        rows_of_user_space! {
            $($before)*
            /// An atomic change by `a`, the one with the number `b`; replies with the previous
            /// value.
            FetchModify => op("atomic_fetch").shows(Shows::Value),
            /// A fence of the memory.
            Fence => op("fence"),
        }
    };
}
