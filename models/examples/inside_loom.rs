//! A model of this crate inside a plain `loom::model`, as users of loom write one.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo run --release --example inside_loom`. With that flag the
//! primitives are those of loom wherever no engine of selvedge runs.

#[cfg(loom)]
fn main() {
    use std::sync::Arc;

    use selvedge_models::ap::{ApBus, ApMask, ApMatrix, ApPerms, Apqn};
    use selvedge_models::ap_perms::v6_0::V6_0;
    use selvedge_models::ap_perms::{MatrixDev, ThreeLocks, VfioAp, VfioApDrv};

    loom::model(|| {
        let apqn = Apqn { apid: 1, apqi: 4 };
        let mut ap_perms = ApPerms::new(ApMask::all(), ApMask::all());
        ap_perms.apm.set(apqn.apid, false);
        let assigned = ApMatrix { apm: ApMask::none(), aqm: ApMask::of([apqn.apqi]) };
        let bus = Arc::new(ApBus::new(ap_perms, [apqn], assigned.apqns()));
        let matrix_dev = Arc::new(ThreeLocks::new(assigned));

        let administrator = {
            let (bus, matrix_dev) = (Arc::clone(&bus), Arc::clone(&matrix_dev));
            loom::thread::spawn(move || V6_0::assign_adapter_store(&matrix_dev, &bus, 1))
        };
        let taken_back = bus.apmask_store(&VfioApDrv::<V6_0>(&matrix_dev), "+1");
        let assigned = administrator.join().unwrap();
        // One of them gets the queue, and the other gets an error.
        assert!(taken_back.is_ok() != assigned.is_ok(), "{taken_back:?}, {assigned:?}");
    });
    println!("loom has explored every interleaving");
}

#[cfg(not(loom))]
fn main() {
    println!("This example needs loom: RUSTFLAGS=\"--cfg loom\" cargo run --example inside_loom");
}
