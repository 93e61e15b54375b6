// SPDX-License-Identifier: GPL-2.0-only

//! Line charts and bar charts as SVG files.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 520);
const FONT: &str = "sans-serif";
/// Space beyond the largest points, as a fraction of the axis.
const MARGIN: f64 = 0.05;
/// Space for one line of the legend above the points, as a fraction of the axis.
const LEGEND_LINE: f64 = 0.065;
/// Fraction of a group's width that its bars take.
const GROUP_WIDTH: f64 = 0.7;
const CENTRE: Pos = Pos {
    h_pos: HPos::Center,
    v_pos: VPos::Center,
};

/// A line through points in any direction.
pub struct Line {
    /// Name in the legend.
    pub name: String,
    /// Points in the order in which they are connected.
    pub points: Vec<(f64, f64)>,
}

/// A line chart.
pub struct Chart {
    /// Title above the chart.
    pub title: &'static str,
    /// Label of the horizontal axis, with its unit.
    pub x: &'static str,
    /// Label of the vertical axis, with its unit.
    pub y: &'static str,
    /// Lines of the chart.
    pub lines: Vec<Line>,
}

/// A bar chart: groups of bars, with one bar of each series in a group.
pub struct Bars {
    /// Title above the chart.
    pub title: &'static str,
    /// Label of the vertical axis, with its unit.
    pub y: &'static str,
    /// Names of the groups from left to right.
    pub groups: Vec<String>,
    /// Names of the series, with the height of the bar in each group or none.
    pub series: Vec<(String, Vec<Option<f64>>)>,
}

/// Colours that can be distinguished with any kind of colour vision (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

impl Chart {
    /// Draws the chart into the file `path`.
    pub fn draw(&self, path: &Path) -> Result<()> {
        self.draw_into(path)
            .with_context(|| format!("cannot draw {}", path.display()))
    }

    fn draw_into(&self, path: &Path) -> Result<()> {
        let right = self.largest(|point| point.0);
        let top = self.largest(|point| point.1);
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, (FONT, 20))
            .margin(12)
            .x_label_area_size(45)
            .y_label_area_size(70)
            .build_cartesian_2d(
                0.0..right * (1.0 + MARGIN),
                0.0..top * (1.0 + MARGIN + LEGEND_LINE * self.lines.len() as f64),
            )?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .axis_desc_style((FONT, 15))
            .label_style((FONT, 13))
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|value| number(*value, right))
            .y_label_formatter(&|value| number(*value, top))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let points = line.points.iter().copied();
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(2))?
                .label(&line.name)
                .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 13))
            .draw()?;
        area.present()?;
        Ok(())
    }

    /// Returns the largest value of a coordinate, at least 1.
    fn largest(&self, coordinate: impl Fn(&(f64, f64)) -> f64) -> f64 {
        let points = self.lines.iter().flat_map(|line| &line.points);
        points.map(coordinate).fold(1.0, f64::max)
    }
}

impl Bars {
    /// Draws the chart into the file `path`.
    pub fn draw(&self, path: &Path) -> Result<()> {
        self.draw_into(path)
            .with_context(|| format!("cannot draw {}", path.display()))
    }

    fn draw_into(&self, path: &Path) -> Result<()> {
        let values = self
            .series
            .iter()
            .flat_map(|(_, bars)| bars.iter().flatten());
        let top = values.copied().fold(f64::MIN_POSITIVE, f64::max);
        let top = top * (1.0 + MARGIN + LEGEND_LINE * self.series.len() as f64);
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, (FONT, 20))
            .margin(12)
            .x_label_area_size(35)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..self.groups.len() as f64, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_desc(self.y)
            .axis_desc_style((FONT, 15))
            .label_style((FONT, 13))
            .light_line_style(TRANSPARENT)
            .y_label_formatter(&|value| number(*value, top))
            .draw()?;
        let width = GROUP_WIDTH / self.series.len() as f64;
        for (index, ((name, bars), colour)) in
            self.series.iter().zip(COLOURS.iter().cycle()).enumerate()
        {
            let left = (1.0 - GROUP_WIDTH) / 2.0 + index as f64 * width;
            let rectangles = bars.iter().enumerate().filter_map(|(group, bar)| {
                let left = group as f64 + left;
                Some(Rectangle::new(
                    [(left, 0.0), (left + width, (*bar)?)],
                    colour.filled(),
                ))
            });
            chart
                .draw_series(rectangles)?
                .label(name)
                .legend(|(x, y)| Rectangle::new([(x, y - 5), (x + 20, y + 5)], colour.filled()));
        }
        let across = SIZE.0 as i32 - 12 - 70 - 12;
        for (group, name) in self.groups.iter().enumerate() {
            let middle = 12 + 70 + across * (2 * group as i32 + 1) / (2 * self.groups.len() as i32);
            let style = (FONT, 13).into_text_style(&area).pos(CENTRE);
            area.draw(&Text::new(
                name.clone(),
                (middle, SIZE.1 as i32 - 28),
                style,
            ))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 13))
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// Returns the label for a number on an axis that ends at `largest`.
fn number(value: f64, largest: f64) -> String {
    if largest < 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
