//! An example of a custom scenario: a lock built from an atomic word, and an invariant about it.
//!
//! Run with `cargo run --release --example own_lock`. The lock tests the word and then sets it, in
//! two steps, so another thread can come in between. Replace them by one `compare_exchange`, and
//! the correct claim is `.expect_proof()`.

use selvedge_core::sync::{Atomic, Ghost};
use selvedge_core::{Engine, Scenario, ViolationKind};

struct World {
    word: Atomic,
    inside: Ghost<u32>,
}

fn critical_section(world: &World) {
    if world.word.load() == 1 {
        return;
    }
    world.word.store(1);
    world.inside.update(|inside| *inside += 1);
    world.inside.check("MUTEX", |inside| match inside {
        1 => Ok(()),
        n => Err(format!("{n} threads hold the lock")),
    });
    world.inside.update(|inside| *inside -= 1);
    world.word.store(0);
}

fn main() {
    let world = || World { word: Atomic::new("word", 0), inside: Ghost::new("inside", 0) };
    let scenario = Scenario::builder("example/own-lock", world)
        .thread("T1", critical_section)
        .thread("T2", critical_section)
        .expect_violations([ViolationKind::invariant("MUTEX")]);
    for engine in Engine::ALL {
        println!("{engine}: {}", scenario.verify(*engine));
        scenario.assert_as_expected(*engine);
    }
}
