//! Aligned tables, also for names in any script.

/// Which side a column leans to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lean {
    Left,
    Right,
}

/// A table with a head.
pub struct Table {
    heads: Vec<(&'static str, Lean)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns; a name with a leading `>` leans right, as numbers do.
    pub fn new(heads: &[&'static str]) -> Self {
        let heads = heads.iter().map(|head| match head.strip_prefix('>') {
            Some(head) => (head, Lean::Right),
            None => (*head, Lean::Left),
        });
        Self {
            heads: heads.collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; a short one is filled up.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a line across.
    pub fn rule(&mut self) {
        self.rows.push(Vec::new());
    }

    /// Its lines: head, rule, rows.
    pub fn lines(&self) -> Vec<String> {
        let widths: Vec<usize> = self
            .heads
            .iter()
            .enumerate()
            .map(|(column, (head, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| width(cell))
                    .chain([width(head)])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let rule = widths
            .iter()
            .map(|width| "─".repeat(*width))
            .collect::<Vec<_>>()
            .join("  ");
        let heads: Vec<String> = self.heads.iter().map(|(head, _)| (*head).to_owned()).collect();
        let mut lines = vec![self.line(&heads, &widths), rule.clone()];
        lines.extend(self.rows.iter().map(|row| match row.is_empty() {
            true => rule.clone(),
            false => self.line(row, &widths),
        }));
        lines
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let padded = widths.iter().enumerate().map(|(column, wanted)| {
            let cell = cells.get(column).map_or("", String::as_str);
            let spaces = " ".repeat(wanted.saturating_sub(width(cell)));
            match self.heads[column].1 {
                Lean::Left => format!("{cell}{spaces}"),
                Lean::Right => format!("{spaces}{cell}"),
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// Columns that a text takes on a terminal: East Asian characters take two.
pub fn width(text: &str) -> usize {
    text.chars()
        .map(|character| match u32::from(character) {
            0x0300..=0x036F => 0,
            0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F => 2,
            0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF => 2,
            _ => 1,
        })
        .sum()
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
}
