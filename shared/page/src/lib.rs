//! The report as a page: one HTML file that needs nothing else, and its heat map as SVG.
//!
//! The first screen is rendered here, so it is there without JavaScript and in print. The findings lie in the page as compressed columns
//! (module `rows`), and its script lists and filters them. The page loads nothing and sends nothing: its Content-Security-Policy allows the
//! one script and the one style sheet that it holds, by their hashes. Values from outside are escaped by the template engine here, and only
//! ever set as text by the script.

mod by_day;
mod heat_map;
mod numbers;
mod page;
mod rows;
mod summary;

pub use page::{PageError, html};

use askama::Template as _;
use audit_core::report::Report;

/// The heat map of a report, accounts by Regions, as an SVG file for wikis and slides.
///
/// # Errors
///
/// Fails only if a template can't be rendered, which none does.
pub fn heat_map_svg(report: &Report) -> Result<String, PageError> {
    Ok(heat_map::HeatMap::of(report, heat_map::Use::File).render()?)
}
