//! The lines of a log without what mails, consoles and syslog put around them.

/// A line of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// Its number in the file, from 1.
    pub(crate) number: usize,
    pub(crate) text: String,
}

/// Returns whether a line begins with a time stamp or the like, as those of logs do.
pub(crate) fn has_prefix(line: &str) -> bool {
    stripped(line).1
}

/// Returns the lines of the log, without prefixes. A line that a mail has wrapped is one again.
pub(crate) fn lines(log: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (at, raw) in log.lines().enumerate() {
        let (text, prefixed) = stripped(raw);
        let wrapped = lines.last().is_some_and(|last| continues(&last.text, text, prefixed));
        match lines.last_mut().filter(|_| wrapped) {
            Some(last) => {
                last.text.push(' ');
                last.text.push_str(text.trim());
            }
            None => lines.push(Line { number: at + 1, text: text.to_owned() }),
        }
    }
    lines
}

/// Returns whether a line is the rest of the one before, which a mail has wrapped.
fn continues(before: &str, text: &str, prefixed: bool) -> bool {
    let text = text.trim();
    if prefixed || text.is_empty() {
        return false;
    }
    let before = before.trim_end();
    let open = before.ends_with("at:") || before.ends_with(',');
    let after_class = before.ends_with('}') && text.starts_with(", at:");
    // `-> #1 (&lo->lo_mutex){+.+.}-{3:3}:` is complete, and so is a function with its offset.
    let after_name = before.contains("->") && text.starts_with('{');
    open && before.contains('{') || after_class || after_name
}

/// Returns the text of a line, and whether something was before it.
fn stripped(raw: &str) -> (&str, bool) {
    let mut text = raw.trim_end();
    // Quotes of mails.
    while let Some(rest) = text.strip_prefix('>').or_else(|| text.strip_prefix("| ")) {
        text = rest.strip_prefix(' ').unwrap_or(rest);
    }
    let mut prefixed = false;
    if let Some(rest) = syslog(text) {
        (text, prefixed) = (rest, true);
    }
    if let Some((level, rest)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        && matches!(level.len(), 1..=3)
        && level.chars().all(|c| c.is_ascii_digit())
    {
        (text, prefixed) = (rest, true);
    }
    while let Some(rest) = bracket(text) {
        (text, prefixed) = (rest, true);
    }
    (text, prefixed)
}

/// Returns what follows `[  12.345678]`, `[   T12]` or `[    C0]`.
fn bracket(text: &str) -> Option<&str> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    let inside = inside.trim();
    let time = inside.split_once('.').is_some_and(|(seconds, fraction)| {
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        digits(seconds) && digits(fraction)
    });
    let context = inside
        .strip_prefix(['T', 'C'])
        .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()));
    (time || context).then(|| rest.strip_prefix(' ').unwrap_or(rest))
}

/// Returns what follows `Nov 27 18:25:28 host kernel: `.
fn syslog(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once("kernel: ")?;
    let words = before.split_whitespace().count();
    (before.contains(':') && words <= 5).then_some(rest)
}
