//! What a text does not have of C is refused with what to do instead.

use super::errors::refused;
use super::verdict;

#[test]
fn braces_are_indentation() {
    let help = "a block is indented below a line that ends with `:`, without braces";
    refused("flag gone\nthread t:\n    if (gone) {\n", (3, 15), "`{` has no meaning", help);
    refused("thread t:\n    pass\n}\n", (3, 1), "`}` has no meaning", help);
}

#[test]
fn declarations_messages_and_initialisation_are_deleted() {
    let declaration = "a declaration within a function has no meaning here";
    for line in ["int ret;", "struct frob *frob;", "unsigned long flags;", "mutex a", "int *p;"] {
        refused(&format!("thread t:\n    {line}\n"), (2, 5), declaration, "delete the line");
    }
    let prints = ["dev_info(&a, \"hot\\n\");", "pr_err(\"no\")", "dev_warn_once(a, \"no\")"];
    for line in prints {
        let message = format!("`{}` has no meaning here", line.split('(').next().expect("a name"));
        let hint = "delete the line: messages have no meaning here";
        refused(&format!("mutex a\nthread t:\n    {line}\n"), (3, 5), &message, hint);
    }
    for line in ["mutex_init(&a);", "timer_setup(&a, poll, 0);", "INIT_WORK(&a, poll);"] {
        let message = format!("`{}` has no meaning here", line.split('(').next().expect("a name"));
        let hint = "delete the line: the declaration of an object initialises it";
        refused(&format!("mutex a\nthread t:\n    {line}\n"), (3, 5), &message, hint);
    }
    refused(
        "static DEFINE_MUTEX(a);\n",
        (1, 1),
        "`static` is C, which has no meaning here",
        "mutex list_lock",
    );
}

/// A function of the text is its own, whatever it is called.
#[test]
fn a_function_of_the_text_may_have_such_a_name() {
    assert_eq!(verdict("int n\nfn dev_info: n = 1\nthread t: dev_info()"), "proved");
}

#[test]
fn a_function_is_left_with_return() {
    refused("thread t: goto out\n", (1, 11), "`goto` has no meaning here", "and `return`");
    refused(
        "thread t:\n    pass\nout:\n",
        (3, 1),
        "`out` begins neither a thread nor a declaration",
        "",
    );
    refused(
        "thread t:\n    out:\n    pass\n",
        (2, 5),
        "`out:` is a label, which has no meaning here",
        "where `goto` jumps to it",
    );
    refused(
        "thread t: return -ENODEV;\n",
        (1, 19),
        "`ENODEV` is not declared",
        "write `return`, or `return 1`",
    );
}

#[test]
fn a_callback_names_the_object_that_it_is_passed() {
    let text = |put: &str| {
        format!("kref ref\nmemory dev\nfn release(o): kfree(o)\nthread t: kref_put(ref, {put})\n")
    };
    refused(
        &text("release"),
        (4, 25),
        "`release` takes 1 argument, not 0",
        "write release(..) with the object that `o` stands for, or declare `fn release:`",
    );
    assert_eq!(verdict(&text("release(dev)")), "proved");
}

/// What C has for a loop, a choice or a value, and what it is here.
#[test]
fn statements_of_c() {
    let help = "write `repeat 3:`, or `while ..:`";
    let what = "`for` has no meaning here";
    refused("int i\nthread t:\n    for (i = 0; i < 3; i++)\n        pass\n", (3, 5), what, help);
    refused("int i\nthread t:\n    for (i = 0; i < 3; i++) {\n", (3, 5), what, help);
    refused(
        "mutex a\nthread t:\n    list_for_each_entry(x, l, n) {\n",
        (3, 34),
        "`{` has no meaning",
        "",
    );
    refused(
        "int i\nthread t:\n    switch (i) {\n",
        (3, 5),
        "`switch` has no meaning here",
        "write `if i == 1:`, `else if i == 2:` and `else:`",
    );
    refused("int i\nthread t:\n    do {\n", (3, 5), "`do` has no meaning here", "write `loop:`");
    refused(
        "flag f\nthread t:\n    while f = 1:\n        pass\n",
        (3, 13),
        "expected `:` before what the loop does, found `=`",
        "`==` compares, and `=` sets",
    );
    refused(
        "flag f\nthread t: if f = 1: pass\n",
        (2, 16),
        "expected `:` before what the thread then does, found `=`",
        "`==` compares, and `=` sets",
    );
}

#[test]
fn what_takes_no_part_is_deleted() {
    for (call, hint) in [
        ("lockdep_assert_held(&a)", "the search finds what it looks for"),
        ("list_add(&x, &y)", "write use(..) where it accesses memory"),
        ("list_del_init(&x)", "write use(..) where it accesses memory"),
        ("cond_resched()", "delete the line"),
        ("udelay(10)", "delete the line"),
        ("smp_mb()", "memory is sequentially consistent here"),
        ("smp_wmb()", "memory is sequentially consistent here"),
        ("WARN_ON_ONCE(1)", "write WARN_ON(..), or delete the line"),
        ("WARN_ONCE(1, \"no\")", "write WARN_ON(..), or delete the line"),
    ] {
        let message = format!("`{}` has no meaning here", call.split('(').next().expect("a name"));
        refused(&format!("mutex a\nthread t:\n    {call}\n"), (3, 5), &message, hint);
    }
}

/// The nearest name is not always what was meant.
#[test]
fn counts_have_no_value() {
    let text = |call: &str| format!("refcount r\nthread t:\n    {call}\n");
    refused(
        &text("refcount_dec(&r)"),
        (3, 5),
        "`refcount_dec` has no meaning here",
        "write refcount_dec_and_test(..)",
    );
    for call in ["kref_read(&r)", "refcount_read(&r)"] {
        let message = format!("`{}` has no meaning here", call.split('(').next().expect("a name"));
        refused(&text(call), (3, 5), &message, "the value of a count is not modelled");
    }
    refused(
        "kref r\nthread t: kref_put(&r, rel)\n",
        (2, 24),
        "no function is called `rel`",
        "declare `fn rel: ..`",
    );
}
