//! Colours, which the output stream drops where they are not wanted: if it is no terminal, if
//! `NO_COLOR` is set, or if `TERM` is `dumb`.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();

/// Returns a text that is about something wrong.
pub(crate) fn bad(text: impl Display) -> String {
    format!("{BAD}{text}{BAD:#}")
}

/// Returns a text that is about something that is as it should be.
pub(crate) fn good(text: impl Display) -> String {
    format!("{GOOD}{text}{GOOD:#}")
}
