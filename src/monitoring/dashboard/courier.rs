//! The courier panel: what a person has to do, what couriers report, whether customers hear of it. Pure.

use super::data::{Courier, CourierTask};
use super::figures::{age, count, counted, milliseconds, percent, plural};
use super::html::Html;
use super::panels::{more, panel};

pub fn all(html: &mut Html, courier: &Courier) {
    let open = courier.open_tasks;
    panel(
        html,
        ("courier", "Courier Watchdog"),
        (open, plural(open, "open task", "open tasks")),
        |html| {
            tasks(html, courier);
            types(html, courier);
            notifications(html, courier);
        },
    );
}

fn tasks(html: &mut Html, courier: &Courier) {
    if courier.tasks.is_empty() {
        html.raw("<p class=\"nothing\">Nothing for a person to do.</p>\n");
        return;
    }
    html.raw(
        "<table class=\"rows\">\n<thead><tr><th>Task</th><th>Shipment</th><th>Due</th></tr></thead>\n<tbody>\n",
    );
    for task in &courier.tasks {
        row(html, task);
    }
    html.raw("</tbody>\n</table>\n");
    more(
        html,
        courier.tasks.len(),
        courier.open_tasks,
        "SELECT * FROM raw_ops.courier_open_tasks;",
    );
}

fn row(html: &mut Html, task: &CourierTask) {
    html.raw("<tr><td class=\"wide\"><b>")
        .text(&task.event_type)
        .raw("</b> (")
        .text(&task.code)
        .raw(")<br>")
        .text(&task.action);
    html.raw("</td><td data-label=\"shipment\">")
        .text(&task.tracking_no);
    if !task.order_name.is_empty() {
        html.raw("<br><span class=\"about\">")
            .text(&task.order_name)
            .raw("</span>");
    }
    html.raw("</td><td data-label=\"due\">");
    match task.seconds_left {
        late if late < 0 => html.raw("<b>overdue</b> by ").text(&age(-late)),
        left => html.raw("in ").text(&age(left)),
    };
    html.raw("</td></tr>\n");
}

fn types(html: &mut Html, courier: &Courier) {
    if courier.types.is_empty() {
        return;
    }
    html.raw("<table class=\"rows figures\">\n<thead><tr><th>Reported in 30 days</th><th>Events</th><th>Customer told</th></tr></thead>\n<tbody>\n");
    for line in &courier.types {
        html.raw("<tr><th scope=\"row\">")
            .text(&line.event_type)
            .raw("</th><td data-label=\"events\">");
        html.text(&count(line.events))
            .raw("</td><td data-label=\"customer told\">");
        html.text(&count(line.told)).raw("</td></tr>\n");
    }
    html.raw("</tbody>\n</table>\n");
}

fn notifications(html: &mut Html, courier: &Courier) {
    if courier.notifications == 0 {
        html.raw("<p class=\"about\">No notifications to customers in the last 30 days.</p>\n");
        return;
    }
    html.raw("<p class=\"about\">")
        .text(&counted(courier.notifications, "notification", "notifications"))
        .raw(" to customers in 30 days: ");
    html.text(&count(courier.sent))
        .raw(" sent, ")
        .text(&count(courier.failed))
        .raw(" failed, ");
    html.text(&count(courier.waiting))
        .raw(" waiting, ")
        .text(&count(courier.skipped))
        .raw(" without an address.");
    if let Some(rate) = courier.success_percent {
        html.raw(" ").text(&percent(rate)).raw(" arrived");
        if let Some(seconds) = courier.p95_seconds {
            html.raw(", 95 % of them within ")
                .text(&milliseconds(seconds * 1000.0));
        }
        html.raw(".");
    }
    html.raw("</p>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitoring::dashboard::data::CourierType;

    fn page(courier: &Courier) -> String {
        let mut html = Html::default();
        all(&mut html, courier);
        html.finish()
    }

    #[test]
    fn a_shop_without_shipments_says_so() {
        let page = page(&Courier::default());
        assert!(page.contains("Nothing for a person to do."), "{page}");
        assert!(page.contains("No notifications to customers"), "{page}");
    }

    #[test]
    fn tasks_types_and_notifications_are_shown_and_escaped() {
        let courier = Courier {
            notifications: 1_200,
            sent: 1_190,
            failed: 4,
            skipped: 5,
            waiting: 1,
            success_percent: Some(99.66),
            p95_seconds: Some(0.04),
            open_tasks: 12,
            overdue_tasks: 1,
            tasks: vec![CourierTask {
                event_type: "address_issue".into(),
                code: "03".into(),
                action: "Ask <b>her</b>".into(),
                tracking_no: "1550".into(),
                order_name: "#1001".into(),
                seconds_left: -120,
            }],
            types: vec![CourierType {
                event_type: "address_issue".into(),
                events: 7,
                told: 7,
            }],
            ..Courier::default()
        };
        let page = page(&courier);
        for shown in [
            "overdue</b> by 2&#xa0;min",
            "Ask &lt;b&gt;her&lt;/b&gt;",
            "and 11 more",
            "1,190 sent",
            "within 40&#xa0;ms",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
    }
}
