//! Tables for a terminal: columns two spaces apart, a rule below the head, names in any script.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Row};
use unicode_width::UnicodeWidthStr;

/// A table with a head.
#[derive(Debug)]
pub struct Table {
    grid: comfy_table::Table,
    /// The rows that are a line across.
    rules: Vec<usize>,
}

impl Table {
    /// A table of these columns; a name with a leading `>` leans right, as numbers do.
    pub fn new(heads: &[&str]) -> Self {
        let mut grid = comfy_table::Table::new();
        grid.load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(heads.iter().map(|head| head.trim_start_matches('>')));
        for (column, head) in grid.column_iter_mut().zip(heads) {
            column.set_padding((0, 2));
            if head.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut table = Self {
            grid,
            rules: Vec::new(),
        };
        table.rule();
        table
    }

    /// Adds a row; a short one is filled up.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.grid.add_row(cells);
    }

    /// Adds a line across.
    pub fn rule(&mut self) {
        self.rules.push(self.grid.row_count());
        self.grid.add_row(Row::new());
    }

    /// Its lines: head, rule, rows.
    pub fn lines(&self) -> Vec<String> {
        let mut grid = self.grid.clone();
        let widths = grid.column_max_content_widths();
        let rule = widths.iter().map(|width| "─".repeat(usize::from(*width)));
        let rule = Row::from(rule);
        for index in &self.rules {
            if let Some(row) = grid.row_mut(*index) {
                *row = rule.clone();
            }
        }
        grid.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

/// Columns that a text takes on a terminal: East Asian characters and emoji take two.
pub fn width(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_in_any_script() {
        let mut table = Table::new(&["name", ">n"]);
        table.row(["太郎".to_owned(), "1".to_owned()]);
        table.row(["Zoë".to_owned(), "20".to_owned()]);
        assert_eq!(table.lines(), ["name   n", "────  ──", "太郎   1", "Zoë   20"]);
    }

    #[test]
    fn a_short_row_is_filled_up_and_a_rule_goes_across() {
        let mut table = Table::new(&["name", ">n", "note"]);
        table.row(["🎁".to_owned()]);
        table.rule();
        table.row(["sum".to_owned(), "1,000".to_owned(), "of all".to_owned()]);
        assert_eq!(
            table.lines(),
            [
                "name      n  note",
                "────  ─────  ──────",
                "🎁",
                "────  ─────  ──────",
                "sum   1,000  of all"
            ]
        );
    }
}
