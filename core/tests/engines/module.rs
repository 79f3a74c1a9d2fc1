//! `struct module`: references that keep the text.

use selvedge_core::sync::ModuleRef;
use selvedge_core::{Scenario, ViolationKind};

use super::check;

#[test]
fn a_module_reference_keeps_the_text() {
    let scenario = Scenario::builder("module", || ModuleRef::new("vfio_ap"))
        .thread("caller", |module| {
            module.call();
        })
        .thread("rmmod", |module| {
            if module.delete().is_ok() {
                module.free();
            }
        })
        .expect_violations([ViolationKind::use_after_release("vfio_ap")]);
    check(&scenario);
}
