//! The words in the first column of `docs/glossary.md` occur nowhere else.

use std::collections::BTreeSet;

use super::place;
use crate::files::File;

const GLOSSARY: &str = "docs/glossary.md";

pub(super) fn check(files: &[File]) -> Vec<String> {
    let Some(glossary) = files.iter().find(|file| file.path.as_os_str() == GLOSSARY) else {
        return vec![format!("{GLOSSARY} is missing")];
    };
    let banned = banned(&glossary.text);
    let others = files.iter().filter(|file| file.path != glossary.path);
    others.flat_map(|file| check_file(file, &banned)).collect()
}

/// Returns the words and phrases that a row of the glossary replaces: what stands between
/// backticks in its first column.
fn banned(glossary: &str) -> BTreeSet<Vec<String>> {
    let rows = glossary.lines().filter(|line| line.starts_with("| `"));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    let phrases = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    phrases.map(words).collect()
}

/// Splits at everything that is not a letter, and at the humps of a name.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lower = false;
    for c in text.chars() {
        if !c.is_alphabetic() || (c.is_uppercase() && lower) {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphabetic() {
            word.extend(c.to_lowercase());
        }
        lower = c.is_lowercase();
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn check_file(file: &File, banned: &BTreeSet<Vec<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let words = words(line);
        for phrase in banned {
            if words.windows(phrase.len()).any(|window| window == phrase.as_slice()) {
                let message = format!("`{}`; {GLOSSARY} has a better word", phrase.join(" "));
                wrong.push(place(file, number + 1, &message));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let glossary = "| not | but |\n|---|---|\n| `blue`, `very red` | green |\n";
        let file = |path: &str, text: &str| File { path: path.into(), text: text.to_owned() };
        check(&[file(GLOSSARY, glossary), file("a.rs", text)])
    }

    #[test]
    fn a_banned_word_is_found_in_prose_and_in_names() {
        assert!(of("bluer, a blues thing that was very green").is_empty());
        assert_eq!(of("In blue"), ["a.rs:1: `blue`; docs/glossary.md has a better word"]);
        assert_eq!(of("fn in_blue()").len(), 1);
        assert_eq!(of("struct InBlue;").len(), 1);
        assert_eq!(of("fn very_red()").len(), 1);
        assert_eq!(of("it is very red").len(), 1);
    }
}
