// SPDX-License-Identifier: GPL-2.0-only

//! Finding the place of a mutant in a source file.
//!
//! The comment `// mutant: <marker>`, alone on its line, marks the statement (or the match arm, or the
//! last expression of a block) that begins on the next line that is not a comment. The statement ends
//! with the first line on which all brackets opened since its begin are closed and that ends in `;`,
//! `,` or `}`, or before the line that closes the enclosing block.
//!
//! So names, comments and the layout of the code may change freely; a mutant only depends on the code
//! of the statement that it changes.

use std::ops::Range;

const PREFIX: &str = "// mutant: ";

/// How a marked statement is changed.
pub enum Edit {
    /// The whole statement is replaced by this text.
    Statement(&'static str),
    /// The first text, which occurs once in the statement, is replaced by the second.
    Part(&'static str, &'static str),
    /// This text is inserted before the statement.
    Before(&'static str),
    /// This text is inserted after the statement.
    After(&'static str),
}

/// Returns the markers of a source file, in their order.
pub fn markers(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix(PREFIX))
}

/// Returns `source` with the statement at `marker` changed.
///
/// # Errors
///
/// Returns a sentence that says what is wrong if the marker does not occur exactly once, no statement
/// follows it, or the text of an [`Edit::Part`] does not occur exactly once in the statement.
pub fn apply(source: &str, marker: &str, edit: &Edit) -> Result<String, String> {
    let range = statement(source, marker)?;
    let text = source.get(range.clone()).unwrap_or_default();
    let changed = match edit {
        Edit::Statement(new) => format!("{new}\n"),
        Edit::Before(new) => format!("{new}\n{text}"),
        Edit::After(new) => format!("{text}{new}\n"),
        Edit::Part(from, to) => match text.matches(from).count() {
            1 => text.replacen(from, to, 1),
            count => {
                return Err(format!(
                    "the statement at `{PREFIX}{marker}` has the text `{from}` {count} times instead of once:\n{text}"
                ))
            }
        },
    };
    let (before, after) = (&source[..range.start], &source[range.end..]);
    Ok(format!("{before}{changed}{after}"))
}

/// The bytes of the statement at `marker`, whole lines.
fn statement(source: &str, marker: &str) -> Result<Range<usize>, String> {
    match markers(source).filter(|other| *other == marker).count() {
        1 => {}
        0 => return Err(format!("no line `{PREFIX}{marker}`")),
        count => {
            return Err(format!(
                "{count} lines `{PREFIX}{marker}`: markers are unique"
            ))
        }
    }
    let mut start = None;
    let mut is_marked = false;
    let mut depth = 0;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let code = line.split("//").next().unwrap_or_default().trim();
        if !is_marked {
            is_marked = line.trim().strip_prefix(PREFIX) == Some(marker);
            continue;
        }
        if code.is_empty() {
            continue;
        }
        let is_end_of_block = depth + depth_after(code) < 0;
        match start {
            None if is_end_of_block => break,
            Some(start) if is_end_of_block => return Ok(start..begin),
            _ => {}
        }
        let start = *start.get_or_insert(begin);
        depth += depth_after(code);
        if depth == 0 && code.ends_with([';', ',', '}']) {
            return Ok(start..at);
        }
    }
    Err(format!("no statement after `{PREFIX}{marker}`"))
}

fn depth_after(code: &str) -> i32 {
    code.chars()
        .map(|character| match character {
            '(' | '[' | '{' => 1,
            ')' | ']' | '}' => -1,
            _ => 0,
        })
        .sum()
}

const EXAMPLE: &str = "
fn example() {
    // mutant: call
    // Says why.
    first(
        1, // (
    );
    // mutant: arm
    match second {
        Ok(_) => {}
    }
    // mutant: twice
    third(3, 3);
    // mutant: twice
    // mutant: result
    fourth()
}
";

#[test]
fn a_marked_statement_is_replaced_whole_or_in_part() {
    let changed = |marker, edit| apply(EXAMPLE, marker, &edit).expect("a marked statement");
    let call = changed("call", Edit::Statement("    other();"));
    assert!(call.contains("why.\n    other();\n    // mutant: arm"));
    let arm = changed("arm", Edit::Part("Ok(_)", "Err(_)"));
    assert!(arm.contains("second {\n        Err(_) => {}\n    }\n"));
    let result = changed("result", Edit::Part("fourth", "fifth"));
    assert!(result.ends_with("result\n    fifth()\n}\n"));
}

#[test]
fn a_missing_or_ambiguous_place_is_an_error() {
    let error = |marker, edit| apply(EXAMPLE, marker, &edit).expect_err("nothing to be changed");
    assert!(error("gone", Edit::Statement("")).contains("no line"));
    assert!(error("twice", Edit::Statement("")).contains("2 lines"));
    assert!(error("call", Edit::Part("second", "")).contains("0 times"));
    assert!(error("call", Edit::Part("(", "")).contains("2 times"));
    let unmarked = "{\n    // mutant: end\n}\n";
    assert!(
        apply(unmarked, "end", &Edit::Statement("")).is_err_and(|why| why.contains("no statement"))
    );
}
