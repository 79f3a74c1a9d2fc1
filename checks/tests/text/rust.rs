//! What `--rust` prints compiles, and finds the same.

use std::fs;
use std::path::PathBuf;

use super::{selvedge, stdout};

macro_rules! generated {
    ($($module:ident from $file:literal;)*) => {
        $(
            #[allow(unused, nonstandard_style, clippy::all)]
            #[deny(unused_imports)]
            mod $module {
                include!(concat!("generated/", stringify!($module), ".rs"));

                #[test]
                fn finds_the_same() {
                    main();
                }

                #[test]
                fn is_up_to_date() {
                    super::compare(stringify!($module), $file);
                }
            }
        )*
    };
}

generated! {
    abba from "abba";
    allocation_fails from "allocation-fails";
    cancel_under_lock from "cancel-under-lock";
    check_then_act from "check-then-act";
    completion_under_lock from "completion-under-lock";
    data_race from "data-race";
    double_free from "double-free";
    flush_from_own_work from "flush-from-own-work";
    gate_lock from "gate-lock";
    irq_unsafe_spinlock from "irq-unsafe-spinlock";
    kref from "kref";
    kthread_stop_under_lock from "kthread-stop-under-lock";
    lost_wakeup from "lost-wakeup";
    names from "../../tests/text/names";
    ordered_queue from "ordered-queue";
    parallel_writers from "parallel-writers";
    philosophers from "philosophers";
    rcu from "rcu";
    rwsem_recursive_read from "rwsem-recursive-read";
    semaphore_slots from "semaphore-slots";
    sleep_in_atomic from "sleep-in-atomic";
    timer_under_spinlock from "timer-under-spinlock";
    trylock_back_off from "trylock-back-off";
    unlock_touches_memory from "unlock-touches-memory";
    wait_event from "wait-event";
}

#[test]
fn each_example_is_printed() {
    let printed = fs::read_dir(super::examples()).expect("the examples").count();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/text/generated");
    // One more is of names that have a meaning in the program that is printed.
    assert_eq!(fs::read_dir(folder).expect("the folder").count(), printed + 1);
}

/// Compares the file with what the command prints now, or writes it anew if `INSTA_UPDATE` asks
/// for that, as for the snapshots.
fn compare(module: &str, file: &str) {
    let output = selvedge(&["check", "--rust", &format!("{file}.selvedge")]);
    assert_eq!(output.status.code(), Some(0));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = path.join(format!("tests/text/generated/{module}.rs"));
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&path, stdout(&output)).expect("the file is written");
    }
    let written = fs::read_to_string(&path).expect("the file is there");
    assert_eq!(written, stdout(&output), "{file}: INSTA_UPDATE=always writes it anew");
}
