//! The time in nanoseconds to free an I/O address and to allocate another.
//!
//! `cargo bench -p selvedge-benches --bench iova`. Quote the ratios, since computers differ.

fn main() {
    selvedge_benches::iova::bench([]);
}
