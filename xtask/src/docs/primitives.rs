//! `docs/primitives.md`: each kernel function that has a counterpart in `core/src/sync`, generated
//! from the documentation there.
//!
//! The kernel names are the doc aliases, and the name that is the first word of a summary:
//! "`down`: takes one of the count".

use std::collections::HashSet;
use std::path::Path;

use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, FnArg, ImplItem, Item, Lit, Meta, ReturnType, Signature, Type, Visibility,
};

use super::markdown;
use crate::files;

pub(super) const PAGE: &str = "docs/primitives.md";

const HEADING: &str = "\
# Primitives

Each kernel function and type that has a counterpart in `selvedge_core::sync`, what of it is
modelled, and what lockdep sees. `cargo xtask docs` generates this page from the documentation of
the library; `cargo doc -p selvedge-core --open` has the whole of it, with examples and sources.
Under a type stand the functions that make one, and indented, a call from an example.
";

/// The end of the page, which is written by hand.
const NO_COUNTERPART: &str = include_str!("no_counterpart.md");

const WIDTH: usize = 100;

/// The heading above what a type does not model.
const LEFT_OUT: &str = "# What is left out";

/// Generates the page.
pub(super) fn page(root: &Path) -> String {
    let mut sections = Vec::new();
    for file in files::read(root, "core/src/sync", &["rs"]) {
        let module = file.path.file_stem().and_then(|stem| stem.to_str()).expect("it has a name");
        sections.extend(sections_of(module, &file.parse()));
    }
    sections.sort_by_key(|section| section.title.to_lowercase());
    let mut page = HEADING.to_owned();
    for section in sections.iter().filter(|section| !section.rows.is_empty()) {
        page += &section.write();
    }
    page + NO_COUNTERPART
}

/// A type with its functions, or the functions of a module.
struct Section {
    title: String,
    doc: Vec<String>,
    kernel: Vec<String>,
    /// The functions that make one, with their parameters.
    constructors: Vec<String>,
    /// A line of an example that makes one.
    example: Option<String>,
    rows: Vec<[String; 3]>,
}

impl Section {
    fn write(&self) -> String {
        let mut text = format!("\n## {}\n\n", self.title);
        if let Some(summary) = self.doc.first().filter(|summary| !summary.is_empty()) {
            text += &wrap(summary)[1..];
            text.push('\n');
        }
        if !self.constructors.is_empty() {
            let lines: Vec<&str> =
                self.constructors.iter().chain(&self.example).map(String::as_str).collect();
            text += &format!("```text\n{}\n```\n\n", lines.join("\n"));
        }
        let rows = self.rows.iter().cloned();
        text += &markdown(["kernel", "Selvedge", "what it does"], rows);
        let about = |word: &str| self.doc.iter().skip(1).find(|text| text.contains(word));
        if let Some(lockdep) = about("lockdep") {
            text += &wrap(&format!("lockdep: {lockdep}"));
        }
        let left_out = self.doc.iter().skip_while(|text| *text != LEFT_OUT).skip(1);
        for (index, paragraph) in left_out.take_while(|text| !text.starts_with("# ")).enumerate() {
            text += &match index {
                0 if paragraph.starts_with("- ") => wrap("Left out:") + &wrap(paragraph),
                0 => wrap(&format!("Left out: {paragraph}")),
                _ => wrap(paragraph),
            };
        }
        text
    }
}

fn sections_of(module: &str, file: &syn::File) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let section = |title: String, attrs: &[Attribute]| Section {
        doc: if attrs.is_empty() { Vec::new() } else { paragraphs(attrs) },
        kernel: aliases(attrs),
        constructors: Vec::new(),
        example: example(attrs, &title),
        title,
        rows: Vec::new(),
    };
    let mut free = section(String::new(), &[]);
    for item in &file.items {
        match item {
            Item::Struct(item) if is_public(&item.vis) => {
                sections.push(section(item.ident.to_string(), &item.attrs));
            }
            Item::Fn(item) if is_public(&item.vis) => {
                let name = item.sig.ident.to_string();
                free.rows.extend(row(&item.attrs, &name, name.clone(), &[]));
            }
            _ => {}
        }
    }
    for item in &file.items {
        let Item::Impl(item) = item else { continue };
        let Type::Path(path) = &*item.self_ty else { continue };
        let name = path.path.segments.last().expect("a path has a segment").ident.to_string();
        let Some(section) = sections.iter_mut().find(|section| section.title == name) else {
            continue;
        };
        for function in &item.items {
            let ImplItem::Fn(function) = function else { continue };
            let method = function.sig.ident.to_string();
            if is_public(&function.vis) {
                let kernel =
                    if method == "new" { std::mem::take(&mut section.kernel) } else { Vec::new() };
                let call = format!("{name}::{method}");
                if let Some(parameters) = constructs(&function.sig) {
                    section.constructors.push(format!("{call}({parameters})"));
                    let own = example(&function.attrs, &name);
                    section.example = section.example.take().or(own);
                }
                section.rows.extend(row(&function.attrs, &method, call, &kernel));
            }
        }
    }
    if !free.rows.is_empty() {
        free.title = format!("`{module}`");
        sections.push(free);
    }
    sections
}

/// Returns the parameters of a function that makes an object of its type, if it does.
fn constructs(signature: &Signature) -> Option<String> {
    let ReturnType::Type(_, returns) = &signature.output else { return None };
    if returns.span().source_text()? != "Self" {
        return None;
    }
    let parameters: Option<Vec<String>> = signature
        .inputs
        .iter()
        .map(|input| match input {
            FnArg::Typed(typed) => typed.span().source_text(),
            FnArg::Receiver(_) => None,
        })
        .collect();
    // A function is that of a thread, which every closure of a scenario is.
    Some(parameters?.join(", ").replace(" + Send + Sync + 'static", ""))
}

/// Returns the first call in an example that makes an object of the type, if it is in one line.
fn example(attrs: &[Attribute], of: &str) -> Option<String> {
    let lines = attrs.iter().filter_map(doc_line);
    let mut code = lines.skip_while(|line| !line.trim().starts_with("```"));
    code.find_map(|line| {
        let call = &line[line.find(&format!("{of}::"))?..];
        let mut open = 0;
        for (at, c) in call.char_indices() {
            open += i32::from(c == '(') - i32::from(c == ')');
            match (c, open) {
                (')', 0) => return Some(format!("    {}", &call[..=at])),
                ('(' | ')', _) | (_, 1..) => {}
                (c, _) if c.is_alphanumeric() || "_:".contains(c) => {}
                _ => return None,
            }
        }
        None
    })
}

/// Returns the row of a function that stands for one of the kernel.
fn row(attrs: &[Attribute], method: &str, call: String, kernel: &[String]) -> Option<[String; 3]> {
    let doc = paragraphs(attrs);
    let summary = doc.first()?;
    let mut names = kernel.to_vec();
    let mut rest = summary.clone();
    if let Some((lead, after)) = summary.split_once(": ") {
        let code: Vec<&str> = lead.split(", ").collect();
        if code.iter().all(|name| name.starts_with('`') && name.ends_with('`')) {
            names.extend(code.iter().map(|name| name.trim_matches('`').to_owned()));
            rest = after.to_owned();
        }
    }
    if summary.contains(&format!("`{method}`")) {
        names.push(method.to_owned());
    }
    names.extend(aliases(attrs));
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    if names.is_empty() {
        return None;
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Some([names.join(", "), format!("`{call}`"), first_sentence(&rest).replace('|', "\\|")])
}

/// Returns a paragraph after an empty line, in lines of at most 100 columns.
fn wrap(text: &str) -> String {
    let indent = if text.starts_with("- ") { "  " } else { "" };
    let (mut wrapped, mut column) = (String::from("\n"), 0);
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH {
            wrapped.extend(["\n", indent]);
            column = indent.len();
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped += word;
        column += word.len();
    }
    wrapped.push('\n');
    wrapped
}

fn first_sentence(text: &str) -> String {
    match text.find(". ") {
        Some(end) => text[..=end].to_owned(),
        None => text.to_owned(),
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Returns the paragraphs of a doc comment up to its example, each as one line and without links.
fn paragraphs(attrs: &[Attribute]) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in attrs.iter().filter_map(doc_line) {
        let line = line.trim();
        if line.starts_with("```") {
            break;
        }
        match line.is_empty() {
            true => paragraphs.push(String::new()),
            false if line.starts_with("- ") => paragraphs.push(line.to_owned()),
            false => {
                let last = paragraphs.last_mut().expect("there is one");
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(line);
            }
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.iter().map(|paragraph| without_links(paragraph)).collect()
}

/// Replaces each link to code, with or without a target, by the code.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("[`") {
        let Some(end) = rest[start..].find("`]") else { break };
        plain += &rest[..start];
        plain += &rest[start + 1..=start + end];
        rest = &rest[start + end + 2..];
        if let Some(target) = rest.strip_prefix('(') {
            rest = target.split_once(')').map_or("", |(_, after)| after);
        }
    }
    plain + rest
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(value) = &meta.value else { return None };
    match &value.lit {
        Lit::Str(text) if meta.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

/// Returns the names in `#[doc(alias = "..")]` and `#[doc(alias("..", ".."))]`.
fn aliases(attrs: &[Attribute]) -> Vec<String> {
    let tokens = attrs.iter().filter_map(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("doc") => Some(list.tokens.to_string()),
        _ => None,
    });
    let quoted = |text: String| -> Vec<String> {
        let names = text.starts_with("alias").then(|| text.split('"').skip(1).step_by(2));
        names.into_iter().flatten().map(str::to_owned).collect()
    };
    tokens.flat_map(quoted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_stands_under_its_kernel_names() {
        let source = "
            /// A lock. lockdep tracks it.
            ///
            /// As [`Lock::take`](x) and lockdep have it.
            ///
            /// # What is left out
            ///
            /// Spinning.
            #[doc(alias = \"struct lock\")]
            ///
            /// ```
            /// let a = Lock::new(\"a\", 1);
            /// ```
            pub struct Lock;
            impl Lock {
                /// Makes one.
                pub fn new(name: &str, value: T) -> Self {}
                /// `down`: takes it. Waits.
                #[doc(alias(\"down_killable\", \"down_io\"))]
                pub fn take(&self) {}
                /// Is not of the kernel.
                pub fn other(&self) {}
            }";
        let sections = sections_of("lock", &syn::parse_file(source).unwrap());
        let page = sections[0].write();
        assert!(page.contains("| `down`, `down_killable`, `down_io` | `Lock::take` | takes it. |"));
        assert!(page.contains("lockdep: As `Lock::take` and lockdep have it.\n"), "{page}");
        assert!(page.contains("Left out: Spinning.\n"), "{page}");
        assert!(!page.contains("other"), "{page}");
        let made = "\n```text\nLock::new(name: &str, value: T)\n    Lock::new(\"a\", 1)\n```\n";
        assert!(page.contains(made), "{page}");
    }
}
