//! Small charts as inline SVG. Pure: numbers in, markup out. Colours are the style sheet's, by class.

use super::svg::Svg;
use maud::Markup;

// One unit is about one pixel, whatever the width of the screen.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 136.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 318.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 114.0;

/// The plane of a chart: `slots` places from left to right, values from `low` at the bottom to `high` at the top.
pub struct Plot {
    slots: usize,
    low: f64,
    high: f64,
}

impl Plot {
    pub fn new(slots: usize, low: f64, high: f64) -> Self {
        Self {
            slots: slots.max(1),
            low,
            high: if high > low { high } else { low + 1.0 },
        }
    }

    /// From zero to a round figure that holds all values and at least `least`.
    pub fn from_zero(slots: usize, values: impl IntoIterator<Item = f64>, least: f64) -> Self {
        Self::new(slots, 0.0, round_up(values.into_iter().fold(least, f64::max)))
    }

    pub fn low(&self) -> f64 {
        self.low
    }

    pub fn high(&self) -> f64 {
        self.high
    }

    fn slot_width(&self) -> f64 {
        (RIGHT - LEFT) / self.slots as f64
    }

    /// The middle of a slot.
    fn x(&self, slot: usize) -> f64 {
        LEFT + (slot as f64 + 0.5) * self.slot_width()
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    }

    /// Horizontal lines with their figures.
    pub fn grid(&self, svg: &mut Svg, lines: &[(f64, String)]) {
        for (value, label) in lines {
            let y = self.y(*value);
            let ends = [("x1", LEFT), ("x2", RIGHT), ("y1", y), ("y2", y)];
            svg.shape("line", "grid", &ends, None);
            text(svg, "axis end", LEFT - 6.0, y + 3.5, label);
        }
    }

    /// A limit, if it is within the chart; labelled if there is room above it.
    pub fn limit(&self, svg: &mut Svg, value: f64, label: &str) {
        if value <= self.low || value > self.high {
            return;
        }
        let y = self.y(value);
        let ends = [("x1", LEFT), ("x2", RIGHT), ("y1", y), ("y2", y)];
        svg.shape("line", "limit", &ends, None);
        if y > TOP + 13.0 && y < BOTTOM - 12.0 {
            text(svg, "axis halo", LEFT + 3.0, y - 4.0, label);
        }
    }

    /// The first and the last label below their slots, and one in the middle.
    pub fn span(&self, svg: &mut Svg, first: &str, middle: &str, last: &str) {
        let y = BOTTOM + 16.0;
        text(svg, "axis", LEFT, y, first);
        text(svg, "axis middle", f64::midpoint(LEFT, RIGHT), y, middle);
        text(svg, "axis end", RIGHT, y, last);
    }

    /// What lies below a line, for charts that begin at zero.
    pub fn area(&self, svg: &mut Svg, values: &[Option<f64>]) {
        svg.raw("<path class=\"area\" d=\"");
        for run in runs(values) {
            let (first, last) = (run[0].0, run[run.len() - 1].0);
            svg.raw("M").number(self.x(first)).raw(" ").number(BOTTOM);
            self.points(svg, &run, "L");
            svg.raw("L").number(self.x(last)).raw(" ").number(BOTTOM).raw("Z");
        }
        svg.raw("\"/>");
    }

    /// A line through the values, with gaps where there are none; its last value gets a dot.
    pub fn line(&self, svg: &mut Svg, values: &[Option<f64>]) {
        svg.raw("<path class=\"line\" d=\"");
        for run in runs(values) {
            self.points(svg, &run, "M");
            if run.len() == 1 {
                // A point between two gaps: half as wide as its slot, or it would not be seen.
                svg.raw("m").number(-self.slot_width() / 4.0);
                svg.raw(" 0h").number(self.slot_width() / 2.0);
            }
        }
        svg.raw("\"/>");
        if let Some((slot, value)) = runs(values).last().and_then(|run| run.last().copied()) {
            let dot = [("cx", self.x(slot)), ("cy", self.y(value)), ("r", 3.2)];
            svg.shape("circle", "dot", &dot, None);
        }
    }

    fn points(&self, svg: &mut Svg, run: &[(usize, f64)], start: &'static str) {
        for (index, (slot, value)) in run.iter().enumerate() {
            svg.raw(if index == 0 { start } else { "L" });
            svg.number(self.x(*slot)).raw(" ").number(self.y(*value));
        }
    }

    /// Small dots, for values that only accompany a line.
    pub fn dots(&self, svg: &mut Svg, values: &[Option<f64>]) {
        for (slot, value) in values.iter().enumerate() {
            if let Some(value) = value {
                let dot = [("cx", self.x(slot)), ("cy", self.y(*value)), ("r", 1.6)];
                svg.shape("circle", "small-dot", &dot, None);
            }
        }
    }

    /// Bars, `upper` standing on `lower`.
    pub fn bars(&self, svg: &mut Svg, lower: (&'static str, &[f64]), upper: (&'static str, &[f64])) {
        let width = (self.slot_width() * 0.68).max(1.0);
        for slot in 0..self.slots {
            let mut base = 0.0;
            for (class, values) in [lower, upper] {
                let value = values.get(slot).copied().unwrap_or_default();
                if value <= 0.0 {
                    continue;
                }
                let (foot, head) = (self.y(base), self.y(base + value));
                // What is there is seen, be it ever so little.
                let height = (foot - head).max(1.0);
                let x = self.x(slot) - width / 2.0;
                let place = [
                    ("x", x),
                    ("y", foot - height),
                    ("width", width),
                    ("height", height),
                ];
                svg.shape("rect", class, &place, None);
                base += value;
            }
        }
    }

    /// What each slot says to a pointer resting on it.
    pub fn tips(&self, svg: &mut Svg, tips: impl IntoIterator<Item = String>) {
        for (slot, tip) in tips.into_iter().enumerate().take(self.slots) {
            let x = LEFT + slot as f64 * self.slot_width();
            let place = [
                ("x", x),
                ("y", TOP),
                ("width", self.slot_width()),
                ("height", BOTTOM - TOP),
            ];
            svg.shape("rect", "tip", &place, Some(&tip));
        }
    }

    /// A note in the middle of a chart that shows nothing.
    pub fn note(&self, svg: &mut Svg, note: &str) {
        text(
            svg,
            "note middle",
            f64::midpoint(LEFT, RIGHT),
            f64::midpoint(TOP, BOTTOM) + 4.0,
            note,
        );
    }
}

/// A drawing of the size of [`Plot`]; `summary` is what it says to those who cannot see it.
pub fn drawing(summary: &str, draw: impl FnOnce(&mut Svg)) -> Markup {
    sized("chart", (WIDTH, HEIGHT), summary, draw)
}

fn sized(class: &'static str, size: (f64, f64), summary: &str, draw: impl FnOnce(&mut Svg)) -> Markup {
    let mut svg = Svg::default();
    svg.raw("<svg class=\"").raw(class).raw("\" viewBox=\"0 0 ");
    svg.number(size.0).raw(" ").number(size.1);
    svg.raw("\" role=\"img\" aria-label=\"").text(summary).raw("\">");
    draw(&mut svg);
    svg.raw("</svg>\n");
    svg.finish()
}

/// A chart with its axes and nothing in it yet.
pub fn empty(note: &str) -> Markup {
    drawing(note, |svg| {
        let plot = Plot::new(1, 0.0, 1.0);
        let line = |y| [("x1", LEFT), ("x2", RIGHT), ("y1", y), ("y2", y)];
        svg.shape("line", "grid", &line(BOTTOM), None);
        svg.shape("line", "grid", &line(TOP), None);
        plot.note(svg, note);
    })
}

/// A part of a whole: style class, share from 0 to 1, what it says to a pointer.
pub struct Part {
    pub class: &'static str,
    pub share: f64,
    pub tip: String,
}

/// A ring of parts, clockwise from the top.
pub fn ring(summary: &str, parts: &[Part]) -> Markup {
    const RADIUS: f64 = 44.0;
    const AROUND: f64 = 2.0 * std::f64::consts::PI * RADIUS;
    sized("ring", (120.0, 120.0), summary, |svg| {
        // A gap parts neighbours, so that they differ by more than colour.
        let gap = if parts.len() > 1 { 2.0 } else { 0.0 };
        let mut start = 0.0;
        for part in parts {
            let length = (part.share * AROUND - gap).max(0.6);
            svg.raw("<circle class=\"")
                .raw(part.class)
                .raw("\" fill=\"none\" cx=\"60\" cy=\"60\" r=\"");
            svg.number(RADIUS)
                .raw("\" transform=\"rotate(-90 60 60)\" stroke-dasharray=\"");
            svg.number(length).raw(" ").number(AROUND - length);
            svg.raw("\" stroke-dashoffset=\"").number(-start - gap / 2.0);
            svg.raw("\"><title>").text(&part.tip).raw("</title></circle>");
            start += part.share * AROUND;
        }
    })
}

/// One bar of parts, from left to right.
pub fn band(summary: &str, parts: &[Part]) -> Markup {
    const HIGH: f64 = 30.0;
    sized("band", (WIDTH, HIGH), summary, |svg| {
        let mut x = 0.0;
        for part in parts.iter().filter(|part| part.share > 0.0) {
            let width = (part.share * WIDTH - 2.0).max(1.0);
            let place = [("x", x), ("y", 1.0), ("width", width), ("height", HIGH - 2.0)];
            svg.shape("rect", part.class, &place, Some(&part.tip));
            x += part.share * WIDTH;
        }
    })
}

/// How far `value` has come on a scale from 0 to `high`, with a limit on it.
pub struct Gauge<'a> {
    pub value: f64,
    pub high: f64,
    pub high_label: &'a str,
    pub limit: Option<(f64, &'a str)>,
}

pub fn gauge(summary: &str, gauge: &Gauge) -> Markup {
    let x = |value: f64| (value / gauge.high).clamp(0.0, 1.0) * WIDTH;
    sized("gauge", (WIDTH, 64.0), summary, |svg| {
        let track = [("x", 0.0), ("y", 20.0), ("width", WIDTH), ("height", 22.0)];
        svg.shape("rect", "track", &track, None);
        let is_over = gauge.limit.is_some_and(|(limit, _)| gauge.value > limit);
        if gauge.value > 0.0 {
            let fill = [
                ("x", 0.0),
                ("y", 20.0),
                ("width", x(gauge.value).max(2.0)),
                ("height", 22.0),
            ];
            svg.shape("rect", if is_over { "fill over" } else { "fill" }, &fill, None);
        }
        text(svg, "axis", 0.0, 58.0, "0");
        text(svg, "axis end", WIDTH, 58.0, gauge.high_label);
        if let Some((limit, label)) = gauge.limit {
            let at = x(limit);
            let ends = [("x1", at), ("x2", at), ("y1", 14.0), ("y2", 48.0)];
            svg.shape("line", "limit", &ends, None);
            text(svg, "axis middle", at.clamp(50.0, WIDTH - 50.0), 9.5, label);
        }
    })
}

fn text(svg: &mut Svg, class: &'static str, x: f64, y: f64, label: &str) {
    svg.raw("<text class=\"").raw(class).raw("\" x=\"").number(x);
    svg.raw("\" y=\"").number(y).raw("\">").text(label).raw("</text>");
}

/// Stretches of values without a gap.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut runs = Vec::new();
    let mut run = Vec::new();
    for (slot, value) in values.iter().enumerate() {
        match value {
            Some(value) => run.push((slot, *value)),
            None if !run.is_empty() => runs.push(std::mem::take(&mut run)),
            None => {}
        }
    }
    if !run.is_empty() {
        runs.push(run);
    }
    runs
}

/// The next of 1, 2, 4, 5, 8, 10, 20, 40 …: half of it is a round figure too.
pub fn round_up(value: f64) -> f64 {
    if value.is_nan() || value <= 1.0 {
        return 1.0;
    }
    let scale = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    steps
        .iter()
        .map(|step| step * scale)
        .find(|round| *round >= value * 0.999_999)
        .unwrap_or(10.0 * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_figures() {
        let cases = [
            (0.0, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (3.0, 4.0),
            (4.5, 5.0),
            (10.0, 10.0),
            (11.0, 20.0),
            (990.0, 1000.0),
            (1000.0, 1000.0),
            (41_000.0, 50_000.0),
            (f64::NAN, 1.0),
        ];
        for (value, round) in cases {
            assert_eq!(round_up(value), round, "{value}");
        }
    }

    #[test]
    fn a_line_has_gaps_where_there_is_no_value() {
        let runs = runs(&[None, Some(1.0), Some(2.0), None, None, Some(3.0)]);
        assert_eq!(runs, [vec![(1, 1.0), (2, 2.0)], vec![(5, 3.0)]]);
    }

    #[test]
    fn values_are_placed_within_the_plane() {
        let plot = Plot::new(10, 0.0, 100.0);
        assert_eq!(plot.y(0.0), BOTTOM);
        assert_eq!(plot.y(100.0), TOP);
        assert_eq!(plot.y(1e9), TOP);
        assert_eq!(plot.y(-5.0), BOTTOM);
        assert!(plot.x(0) > LEFT && plot.x(9) < RIGHT);
    }
}
