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
