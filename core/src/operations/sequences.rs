//! The operations of sequence counters and per-CPU semaphores.

/// Adds these operations to those before.
macro_rules! rows_of_sequences {
    ($($before:tt)*) => {
        op_kinds! {
            $($before)*
        }
    };
}
