//! Atomic words.

use selvedge_core::sync::Atomic;
use selvedge_core::{Scenario, ViolationKind};

use super::check;

#[test]
fn atomics_lose_updates_that_are_not_atomic() {
    let scenario = Scenario::builder("atomic", || Atomic::new("x", 0))
        .thread("T1", |x| x.store(x.load() + 1))
        .thread("T2", |x| {
            x.fetch_add(1);
        })
        .finally(|x| assert_eq!(x.load(), 2, "lost"))
        .expect_violations([ViolationKind::Panic(
            "assertion `left == right` failed: lost\n  left: 1\n right: 2".into(),
        )]);
    check(&scenario);
}

#[test]
fn an_atomic_holds_any_small_value() {
    let world = || (Atomic::new("flag", false), Atomic::new("delta", -1), Atomic::new("vm", None));
    let scenario = Scenario::builder("values", world)
        .thread("T1", |(flag, delta, vm)| {
            assert_eq!(vm.compare_exchange(None, Some(7_u8)), Ok(None));
            assert_eq!(delta.swap(i64::MIN), -1);
            flag.store(true);
        })
        .thread("T2", |(flag, delta, vm)| {
            if flag.load() {
                assert_eq!(vm.compare_exchange(Some(0), None), Err(Some(7)));
                assert_eq!(delta.load(), i64::MIN);
            }
        })
        .expect_proof();
    check(&scenario);
}

/// The word is what a value of the type would be, so it is found again after a sum that wraps.
#[test]
fn a_sum_wraps_where_the_integer_ends() {
    let world = || (Atomic::new("u8", u8::MAX), Atomic::new("i16", i16::MAX));
    let scenario = Scenario::builder("wraps", world)
        .thread("T1", |(byte, short)| {
            assert_eq!((byte.fetch_add(2), short.fetch_add(1)), (255, i16::MAX));
            assert_eq!(byte.compare_exchange(1, 0), Ok(1));
            assert_eq!(short.compare_exchange(i16::MIN, 0), Ok(i16::MIN));
            assert_eq!((short.fetch_add(-1), short.load()), (0, -1));
            assert_eq!((byte.fetch_sub(1), byte.load()), (0, u8::MAX));
            assert_eq!((short.fetch_sub(-2), short.fetch_and(-2)), (-1, 1));
            assert_eq!((short.fetch_or(6), short.load()), (0, 6));
        })
        .expect_proof();
    check(&scenario);
}
