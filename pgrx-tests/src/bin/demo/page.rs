//! The dashboard page, written where the demo was started.

use anyhow::{Context, Result};
use tokio_postgres::Client;

use crate::checks::Checks;
use crate::screen::Screen;

const FILE: &str = "dashboard.html";

/// Writes the page and says where it is.
pub async fn write(screen: &Screen, checks: &mut Checks, client: &Client) -> Result<()> {
    let html: String = client
        .query_one("SELECT raw_ops.fn_dashboard_html_v1()", &[])
        .await?
        .get(0);
    let path = std::env::current_dir()?.join(FILE);
    std::fs::write(&path, &html).with_context(|| format!("cannot write {}", path.display()))?;
    screen.pair(
        "page",
        &format!(
            "{} ({} KB, open it in a browser)",
            path.display(),
            html.len() / 1000
        ),
    );
    screen.pair("made by", "SELECT raw_ops.fn_dashboard_html_v1();");
    screen.line("");
    let whole =
        html.contains("Webhook Operations") && html.trim_end().ends_with("</html>") && html.contains("<svg");
    checks.holds(
        "it is a whole page with charts",
        whole,
        "a page",
        &format!("{} bytes", html.len()),
    );
    Ok(())
}
