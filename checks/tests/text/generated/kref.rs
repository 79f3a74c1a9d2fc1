// The last of two references frees the device, whichever that is

use selvedge_core::sync::{Kref, Tracked};
use selvedge_core::{Engine, Scenario, function};

struct World {
    dev: Tracked,
    dev_ref: Kref,
}

fn world() -> World {
    let dev = Tracked::new("dev", ());
    let dev_ref = { let kref = Kref::new("dev->ref"); kref.get(); kref };
    World { dev, dev_ref }
}

fn close(w: &World) {
    {
        let _function = function("put");
        w.dev.get();
        if w.dev_ref.put() { {
                let _function = function("release");
                w.dev.release();
            } };
    }
}

fn disconnect(w: &World) {
    {
        let _function = function("put");
        w.dev.get();
        if w.dev_ref.put() { {
                let _function = function("release");
                w.dev.release();
            } };
    }
}

fn scenario() -> Scenario {
    Scenario::builder("kref", world)
        .about("The last of two references frees the device, whichever that is")
        .thread("close", close)
        .thread("disconnect", disconnect)
        .expect_proof()
}

fn main() {
    scenario().assert_as_expected(Engine::Native);
}
