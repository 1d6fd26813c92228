//! The figures as people read them.

use std::fmt::Write as _;

use crate::{rounds::Measured, verdict};

const HEADINGS: [&str; 8] = ["workload", "subject", "median", "spread", "unit", "beside", "ratio", "wanted"];

type Row = [String; 8];

/// A table of all figures: a line a figure, and one more for each further comparison.
pub(crate) fn of(measured: &[Measured]) -> String {
    aligned(std::iter::once(HEADINGS.map(str::to_owned)).chain(measured.iter().flat_map(rows)).collect())
}

fn rows(measured: &Measured) -> Vec<Row> {
    let mut rows = Vec::new();
    for ((name, unit), figure) in measured.workload.figures().zip(&measured.figures) {
        let spread = format!("{}..{}", short(figure.lowest), short(figure.highest));
        let first = [measured.workload.name, name, &short(figure.median), &spread, unit.name()];
        let mut left = first.map(str::to_owned);
        let verdicts = verdict::of(measured, name);
        if verdicts.is_empty() {
            rows.push(row(left, [const { String::new() }; 3]));
            continue;
        }
        for verdict in verdicts {
            let (beside, ratio) = verdict.ratio.unzip();
            let right = [
                beside.unwrap_or_default().to_owned(),
                ratio.map(|ratio| format!("{ratio:.2}×")).unwrap_or_default(),
                verdict.wanted,
            ];
            rows.push(row(std::mem::take(&mut left), right));
        }
    }
    rows
}

fn row([workload, subject, median, spread, unit]: [String; 5], [beside, ratio, wanted]: [String; 3]) -> Row {
    [workload, subject, median, spread, unit, beside, ratio, wanted]
}

/// A figure in three places or more, with `k` or `M` where it is large.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 999_500.0 => format!("{:.2} M", value / 1e6),
        size if size >= 9_995.0 => format!("{:.1} k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

/// Columns as wide as their widest cell, two spaces apart.
fn aligned(rows: Vec<Row>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing into a String cannot fail.
            _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{figure::Figure, samples};

    #[test]
    fn a_figure_is_short() {
        let shown = [5_432_100.0, 999_600.0, 123_456.0, 1_234.4, 59.96, 0.0, -3.25].map(short);
        assert_eq!(shown, ["5.43 M", "1.00 M", "123.5 k", "1234", "60.0", "0.0", "-3.2"]);
    }

    #[test]
    fn a_subject_has_a_line_and_another_for_each_further_comparison() {
        let figure = |median| Figure { median, lowest: median - 1.0, highest: median + 1.0 };
        let measured = samples::measured([figure(300.0), figure(100.0), figure(200.0)]);
        let expected = "\
workload  subject  median  spread    unit      beside  ratio  wanted
race      owl      300     299..301  events/s  hen     3.00×  ≥ 2× yes
                                               duck    1.50×
                                                              ≤ 250 no
race      hen      100     99.0..101  events/s
race      duck     200     199..201  events/s                  ≤ 200 always no
";
        let squeeze = |text: &str| {
            let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(squeeze(&of(&[measured])), squeeze(expected));
    }

    #[test]
    fn columns_stand_below_each_other() {
        let cells = |text: &str| std::array::from_fn(|_| text.to_owned());
        let text = aligned(vec![cells("×"), cells("long")]);
        let starts = |line: &str, cell: &str| {
            let chars: Vec<char> = line.chars().collect();
            let length = cell.chars().count();
            (0..=chars.len() - length)
                .filter(|at| chars[*at..*at + length].iter().collect::<String>() == cell)
                .collect::<Vec<_>>()
        };
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(starts(lines[0], "×"), starts(lines[1], "long"));
        assert!(!text.contains(" \n"));
    }
}
