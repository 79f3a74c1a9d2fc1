//! As much of C as it takes to find the lock calls in a function.

/// Calls that take, release or wait for a lock, with what makes one of another: the kernel's
/// spinlocks and semaphores come in several forms, and a model has one.
const PREFIXES: [&str; 16] = [
    "mutex_lock",
    "mutex_trylock",
    "mutex_unlock",
    "spin_lock",
    "spin_trylock",
    "spin_unlock",
    "down_read",
    "down_write",
    "up_read",
    "up_write",
    "rcu_read_lock",
    "rcu_read_unlock",
    "synchronize_",
    "wait_for_completion",
    "device_lock",
    "device_unlock",
];

/// Forms of a call that a model does not distinguish.
const FORMS: [&str; 7] =
    ["_irqsave", "_irqrestore", "_irq", "_bh", "_nested", "_interruptible", "_killable"];

/// The locks of `guard(..)` and `scoped_guard(..)`, with the calls that they stand for.
const GUARDS: [(&str, [&str; 2]); 6] = [
    ("mutex", ["mutex_lock", "mutex_unlock"]),
    ("spinlock", ["spin_lock", "spin_unlock"]),
    ("rwsem_read", ["down_read", "up_read"]),
    ("rwsem_write", ["down_write", "up_write"]),
    ("rcu", ["rcu_read_lock", "rcu_read_unlock"]),
    ("device", ["device_lock", "device_unlock"]),
];

/// Returns C without comments, strings and characters: each of their bytes is a space.
pub(super) fn code(text: &str) -> String {
    let mut code = text.as_bytes().to_vec();
    let mut at = 0;
    while at < code.len() {
        let length = match &code[at..] {
            [b'/', b'*', rest @ ..] => {
                rest.windows(2).position(|end| end == b"*/").map_or(code.len() - at, |end| end + 4)
            }
            [b'/', b'/', rest @ ..] => {
                2 + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
            }
            [quote @ (b'"' | b'\''), rest @ ..] => 1 + quoted(rest, *quote),
            _ => {
                at += 1;
                continue;
            }
        };
        let kept = |byte: &u8| *byte == b'\n';
        code[at..at + length].iter_mut().filter(|byte| !kept(byte)).for_each(|byte| *byte = b' ');
        at += length;
    }
    String::from_utf8(code.into_iter().map(|byte| byte & 0x7F).collect()).expect("ASCII")
}

/// Returns the length of a literal from after its first quote on, with its last.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Returns the body of a function, or of a macro that is called like one.
pub(super) fn body<'a>(code: &'a str, function: &str) -> Option<&'a str> {
    calls(code).find_map(|call| {
        // A system call is defined by a macro, of which its name is an argument.
        let defined = match call.name.starts_with("SYSCALL_DEFINE") {
            true => call.arguments.split(',').next().unwrap_or_default().trim(),
            false => call.name,
        };
        if defined != function {
            return None;
        }
        let before = code[..call.at].trim_end();
        if before.ends_with("#define") {
            return Some(lines_of_macro(call.after));
        }
        let after = call.after.trim_start();
        after.starts_with('{').then(|| balanced(after)).flatten()
    })
}

/// Returns the lines that a backslash joins.
fn lines_of_macro(text: &str) -> &str {
    let ends = text.match_indices('\n').find(|(end, _)| !text[..*end].trim_end().ends_with('\\'));
    ends.map_or(text, |(end, _)| &text[..end])
}

/// A call, or what looks like one.
struct Call<'a> {
    at: usize,
    name: &'a str,
    arguments: &'a str,
    after: &'a str,
}

fn calls(code: &str) -> impl Iterator<Item = Call<'_>> {
    code.match_indices('(').filter_map(move |(open, _)| {
        let before = code[..open].trim_end();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = &before[before.trim_end_matches(is_name).len()..];
        let arguments = balanced(&code[open..])?;
        let after = &code[open + arguments.len() + 2..];
        (!name.is_empty()).then_some(Call { at: before.len() - name.len(), name, arguments, after })
    })
}

/// Returns what is between the bracket that `text` begins with and the one that closes it.
fn balanced(text: &str) -> Option<&str> {
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(&text[1..at]);
        }
    }
    None
}

/// Returns the lock calls in a piece of code, each with the last part of the name of its lock:
/// `mutex_lock(guests_lock)`.
pub(super) fn lock_calls(code: &str) -> impl Iterator<Item = String> {
    calls(code).flat_map(|call| {
        let arguments: Vec<&str> = call.arguments.split(',').collect();
        let (kind, lock, names) = match call.name {
            "scoped_guard" => (arguments[0], arguments.get(1).copied().unwrap_or(""), None),
            "guard" => (arguments[0], inside(call.after), None),
            name => ("", arguments[0], plain(name)),
        };
        let guard = GUARDS.iter().find(|(name, _)| *name == without_form(kind.trim()));
        let names = names.map(|name| vec![name]).or_else(|| Some(guard?.1.to_vec()));
        let lock = last_part(lock).to_owned();
        names.unwrap_or_default().into_iter().map(move |name| format!("{name}({lock})"))
    })
}

/// Returns the second pair of brackets of `guard(mutex)(&lock)`.
fn inside(after: &str) -> &str {
    Some(after).filter(|after| after.starts_with('(')).and_then(balanced).unwrap_or("")
}

fn plain(name: &str) -> Option<&str> {
    let name = without_form(name);
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)).then_some(name)
}

fn without_form(name: &str) -> &str {
    FORMS.iter().find_map(|form| name.strip_suffix(form)).unwrap_or(name)
}

/// Returns `lock` of `&a->b.lock`.
fn last_part(lock: &str) -> &str {
    lock.rsplit(['>', '.', '&', ' ']).next().unwrap_or(lock).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
        static int decoy(void); /* int wanted(void) { mutex_lock(&a); } */
        int wanted(struct x *x);
        int caller(void) { return wanted(\"}\", '{'); }
        int wanted(struct x *x)
        {
            unsigned long flags;
            // mutex_lock(&commented);
            spin_lock_irqsave(&x->y.lock, flags);
            if (x) { puts(\"mutex_lock(&quoted)\\\"\"); up_read(&sem); }
            guard(rwsem_write)(&x->sem);
            scoped_guard(mutex, &z) { x->f(); }
        }
        int after(void) { mutex_lock(&after); }
        #define joined(x) do { \\
                down_read(&(x)->sem); \\
            } while (0)
        SYSCALL_DEFINE2(call_me, int, a) { mutex_lock_interruptible(&b); }
    ";

    fn locks(function: &str) -> Option<Vec<String>> {
        body(&code(FILE), function).map(|body| lock_calls(body).collect())
    }

    #[test]
    fn the_lock_calls_of_a_definition_are_found() {
        let expected = [
            "spin_lock(lock)",
            "up_read(sem)",
            "down_write(sem)",
            "up_write(sem)",
            "mutex_lock(z)",
            "mutex_unlock(z)",
        ];
        assert_eq!(locks("wanted").unwrap(), expected);
        assert_eq!(locks("joined").unwrap(), ["down_read(sem)"]);
        assert_eq!(locks("call_me").unwrap(), ["mutex_lock(b)"]);
        assert_eq!(locks("decoy"), None);
        assert_eq!(locks("anted"), None);
    }
}
