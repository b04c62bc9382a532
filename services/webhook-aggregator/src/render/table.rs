//! A table in a typeface of one width: no chat shows tables.

use pulldown_cmark::Alignment;

/// Maximum characters of a padded table. One long cell among many rows would make gigabytes; a
/// larger table is not padded.
const DRAWN_CHARS_MAX: usize = 60_000;

/// Cells without markup, row by row; the first row is the head.
#[derive(Debug, Default)]
pub struct Table {
    pub alignments: Vec<Alignment>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The cell that is being read.
    pub fn cell(&mut self) -> Option<&mut String> {
        self.rows.last_mut()?.last_mut()
    }
    /// Lines of padded cells, with a rule below the head.
    pub fn drawn(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default().max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let size = widths.iter().map(|width| width + 3).sum::<usize>();
        let is_small = size.saturating_mul(self.rows.len()) <= DRAWN_CHARS_MAX;
        let widths = if is_small { widths } else { vec![0; columns] };
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let mut lines: Vec<String> = self.rows.iter().map(|row| self.line(row, &widths)).collect();
        if !lines.is_empty() {
            lines.insert(1, rule.join("-+-"));
        }
        lines.join("\n")
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = widths.iter().enumerate().map(|(column, width)| {
            let cell = row.get(column).map(String::as_str).unwrap_or_default();
            match self.alignments.get(column) {
                Some(Alignment::Right) => format!("{cell:>width$}"),
                Some(Alignment::Center) => format!("{cell:^width$}"),
                _ => format!("{cell:<width$}"),
            }
        });
        cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned()
    }
}
