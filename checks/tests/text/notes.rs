//! What a proof of a text may be vacuous by.

use super::command::check;

/// Returns the notes on a text, of both outputs.
fn notes(text: &str) -> Vec<String> {
    let (code, out, errors) = check("t.selvedge", text);
    assert_ne!(code, Some(2), "{errors}");
    let of = |line: &str| {
        let at = line.to_lowercase().find("note: ")?;
        Some(line[at + "note: ".len()..].to_owned())
    };
    errors.lines().chain(out.lines()).filter_map(of).collect()
}

#[test]
fn a_flag_that_nothing_sets() {
    let text = "flag dying\nmutex a\nthread t:\n    if !dying:\n        a\n";
    assert_eq!(notes(text), ["`dying` is read and never set, so it is always 0"]);
    assert_eq!(notes(&format!("{text}thread u: dying = 1\n")), [""; 0]);
    let text = "int n = 3\nthread t: wait_event(q, n == 3)\nwaitqueue q\n";
    assert_eq!(notes(text), ["`n` is read and never set, so it is always 3"]);
    for sets in ["atomic_inc(n)", "set_bit(0, &n)", "WRITE_ONCE(n, 1)", "if xchg(n, 1): pass"] {
        let text =
            format!("flag n\nthread t:\n    {sets}\n    if n: return\nthread u: if n: return\n");
        assert_eq!(notes(&text), [""; 0], "{sets}");
    }
}

#[test]
fn an_object_that_nothing_uses() {
    assert_eq!(notes("mutex a, b\nthread t: a\n"), ["`b` is declared and never used"]);
    for used in [
        "workqueue wq\nwork w on wq: pass\nthread t: queue_work(w)\n",
        "memory m:\n    mutex a\nthread t: a\n",
        "mutex a[2]\nthread t: a[0]\n",
        "mutex a\nfn f(l): mutex_lock(l); mutex_unlock(l)\nthread t: f(a)\n",
    ] {
        assert_eq!(notes(used), [""; 0], "{used}");
    }
    // One scenario of several may do without what all share.
    let text = "mutex a, b\nscenario one:\nthread t: a\nscenario other:\nthread t: b\n";
    assert_eq!(notes(text), [""; 0]);
    let text = "mutex a, b, c\nscenario one:\nthread t: a\nscenario other:\nthread t: b\n";
    assert_eq!(notes(text), ["`c` is declared and never used"]);
}

#[test]
fn a_line_that_no_interleaving_reaches() {
    let text = "flag x\nmutex a, b\nthread t:\n    mutex_lock(a)\n    if x == 2:\n        b\n    \
                mutex_unlock(a)\nthread u: x = 1\n";
    assert_eq!(notes(text), ["no interleaving reaches line 6."]);
    let text = "flag x\nmutex a\nfn f: a\nthread t:\n    x = 0\n    if x:\n        f()\n        \
                f()\nthread u: f()\n";
    assert_eq!(notes(text), ["no interleaving reaches line 7 and line 8."]);
    let text = "flag x\nmutex a\nthread t:\n    if x == 2: a\nthread u: x = 1\n";
    assert_eq!(notes(text), ["no interleaving reaches all of line 4."]);
    assert_eq!(notes("mutex a\nthread t:\n    if maybe(x):\n        a\n"), [""; 0]);
    // An object that never runs has a note already.
    let text = "mutex a\nwork w: a\nthread t: flush_work(w)\n";
    assert_eq!(notes(text), ["`w` never runs: nothing calls queue_work(w)"]);
    // Where something goes wrong, an execution ends there.
    let text = "mutex a\nthread t:\n    mutex_lock(a)\n    mutex_lock(a)\n    mutex_unlock(a)\n    \
                mutex_unlock(a)\nexpect deadlock(a)\n";
    assert_eq!(notes(text), [""; 0]);
}
