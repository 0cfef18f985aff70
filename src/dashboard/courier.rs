//! The courier panel: what a person has to do, what couriers report, whether customers hear of it. Pure.

use super::data::{Courier, CourierTask, CourierType};
use super::figures::{age, count, counted, milliseconds, percent, plural};
use super::parts::{more, nothing, panel, table};
use maud::{Markup, html};

pub fn all(courier: &Courier) -> Markup {
    let open = courier.open_tasks;
    let content = html! {
        (tasks(courier))
        (types(courier))
        (notifications(courier))
    };
    let unit = plural(open, "open task", "open tasks");
    panel(("courier", "Courier Watchdog"), (open, unit), content)
}

fn tasks(courier: &Courier) -> Markup {
    let tasks = &courier.tasks;
    html! {
        @if tasks.is_empty() {
            (nothing("Nothing for a person to do."))
        } @else {
            (table("rows", &["Task", "Shipment", "Due"], tasks.iter().map(task_row)))
            (more(tasks.len(), courier.open_tasks, "SELECT * FROM raw_ops.courier_open_tasks;"))
        }
    }
}

fn task_row(task: &CourierTask) -> Markup {
    html! {
        tr {
            td class="wide" { b { (task.event_type) } " (" (task.code) ")" br; (task.action) }
            td data-label="shipment" {
                (task.tracking_no)
                @if !task.order_name.is_empty() { br; span class="about" { (task.order_name) } }
            }
            td data-label="due" {
                @if task.seconds_left < 0 {
                    b { "overdue" } " by " (age(-task.seconds_left))
                } @else {
                    "in " (age(task.seconds_left))
                }
            }
        }
    }
}

fn types(courier: &Courier) -> Markup {
    const HEADINGS: &[&str] = &["Reported in 30 days", "Events", "Customer told"];
    html! {
        @if !courier.types.is_empty() {
            (table("rows figures", HEADINGS, courier.types.iter().map(type_row)))
        }
    }
}

fn type_row(line: &CourierType) -> Markup {
    html! {
        tr {
            th scope="row" { (line.event_type) }
            td data-label="events" { (count(line.events)) }
            td data-label="customer told" { (count(line.told)) }
        }
    }
}

fn notifications(courier: &Courier) -> Markup {
    html! {
        p class="about" {
            @if courier.notifications == 0 {
                "No notifications to customers in the last 30 days."
            } @else {
                (counted(courier.notifications, "notification", "notifications"))
                " to customers in 30 days: "
                (count(courier.sent)) " sent, "
                (count(courier.failed)) " failed, "
                (count(courier.waiting)) " waiting, "
                (count(courier.skipped)) " without an address."
                @if let Some(rate) = courier.success_percent {
                    " " (percent(rate)) " arrived"
                    @if let Some(seconds) = courier.p95_seconds {
                        ", 95 % of them within " (milliseconds(seconds * 1000.0))
                    }
                    "."
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::html::ascii;

    fn page(courier: &Courier) -> String {
        ascii(all(courier))
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
