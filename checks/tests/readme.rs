//! The program in the README, which fails as the README says.

use selvedge_core::{check, sync::Mutex, thread};
use std::sync::Arc;

#[test]
#[should_panic(expected = "deadlock(device->mutex, list_lock)")]
fn probe_beside_remove() {
    check(|| {
        let locks = Arc::new((Mutex::new("list_lock", 1), Mutex::new("device->mutex", true)));
        let remover = Arc::clone(&locks);
        let remove = thread::spawn("remove", move || {
            let mut devices = remover.0.lock(); // mutex_lock(&list_lock)
            let mut present = remover.1.lock(); // mutex_lock(&device->mutex)
            *present = false;
            *devices = 0; // the guards unlock where they are dropped
        });
        let (list_lock, mutex) = &*locks;
        let present = mutex.lock();
        *list_lock.lock() += 1; // the other order
        drop(present);
        remove.join();
    });
}

#[test]
fn the_readme_has_this_program() {
    let source = include_str!("readme.rs");
    let start = source.find("use selvedge_core").unwrap();
    let end = source.find("\n}\n").unwrap() + "\n}\n".len();
    let lines = source[start..end].lines().filter(|line| !line.starts_with("#[should_panic"));
    let program: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert!(include_str!("../../README.md").contains(&program), "the README has another program");
}
