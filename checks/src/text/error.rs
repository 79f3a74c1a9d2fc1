//! What is wrong with a text, with the line and a caret.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::tree::Span;

/// Why a text is no scenario: the place, what is wrong there, and what is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    line: usize,
    column: usize,
    message: String,
    rendered: String,
}

impl Error {
    /// Returns the line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column in the line, from 1, in characters.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns what is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn new(file: &str, text: &str, wrong: &Wrong) -> Self {
        let start = wrong.span.start.min(text.len());
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self { line, column, message: wrong.message.clone(), rendered: rendered(file, text, wrong) }
    }
}

/// Returns the message with the line of the text, as compilers print it.
fn rendered(file: &str, text: &str, wrong: &Wrong) -> String {
    let start = wrong.span.start.min(text.len());
    let end = wrong.span.end.clamp(start, text.len());
    let mut annotation = AnnotationKind::Primary.span(start..end);
    if !wrong.label.is_empty() {
        annotation = annotation.label(wrong.label.as_str());
    }
    let mut snippet = Snippet::source(text).path(file).annotation(annotation);
    for (span, label) in &wrong.notes {
        snippet =
            snippet.annotation(AnnotationKind::Context.span(span.clone()).label(label.as_str()));
    }
    let mut group: Group<'_> = Level::ERROR.primary_title(wrong.message.as_str()).element(snippet);
    if let Some(help) = &wrong.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::plain().render(&[group]).to_string()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rendered)
    }
}

impl std::error::Error for Error {}

/// An error before it is rendered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wrong {
    span: Span,
    message: String,
    /// What the caret points out.
    label: String,
    /// Other places that belong to it.
    notes: Vec<(Span, String)>,
    /// What to write instead.
    help: Option<String>,
}

impl Wrong {
    pub(crate) fn new(span: &Span, message: impl Into<String>) -> Self {
        let (message, label) = (message.into(), String::new());
        Self { span: span.clone(), message, label, notes: Vec::new(), help: None }
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn note(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.notes.push((span.clone(), label.into()));
        self
    }

    /// Adds to what is written instead.
    pub(crate) fn also(mut self, help: &str) -> Self {
        let before = self.help.take().map_or(String::new(), |before| format!("{before}; "));
        self.help = Some(before + help);
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Returns the names nearest to `name`, of which one may have been meant. A single letter is like
/// any other.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = known
        .filter(|known| known.len() > 1 && name.len() > 1)
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= 1 + name.len().max(known.len()) / 4)
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, known)| known).collect()
}

/// Returns the word with its article: `a mutex`, `an int`.
pub(crate) fn article(word: &str) -> String {
    let vowel = word.starts_with(['a', 'e', 'i', 'o']);
    format!("{} {word}", if vowel { "an" } else { "a" })
}

/// Returns names as a list in a sentence: `a`, `b` or `c`.
pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
