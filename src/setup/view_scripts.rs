//! The scripts of the views, one a file in `sql/views/`.

/// A view, as `setup()` makes it.
pub struct View {
    pub name: &'static str,
    pub sql: &'static str,
}

macro_rules! views {
    ($($name:literal),+ $(,)?) => {
        [$(View {
            name: $name,
            sql: include_str!(concat!("../../sql/views/", $name, ".sql")),
        }),+]
    };
}

/// Every view; each stands after those it reads.
pub const VIEWS: &[View] = &views![
    "webhook_elements_left",
    "undelivered_alerts",
    "missing_orders",
    "webhook_health",
    "retry_queue_depth",
    "webhook_processing_by_hour",
    "error_summary",
    "alert_retry_queue_backup",
    "alert_slow_processing",
    "dashboard_success_rate",
    "dashboard_queue_depth",
    "dashboard_dlq_by_day",
    "dashboard_p95_latency",
    "dashboard_error_categories",
    "dashboard_retry_resolution",
    "dashboard_oldest_pending",
    "dashboard_daily_volume",
    "webhook_health_by_shop",
    "retry_queue_depth_by_shop",
    "dashboard_success_rate_by_shop",
    "dashboard_dlq_by_day_by_shop",
    "dashboard_p95_latency_by_shop",
    "dashboard_daily_volume_by_shop",
    "health_indicators",
    "courier_exceptions_by_type",
    "courier_exceptions_by_day",
    "courier_notification_success",
    "courier_time_to_notify",
    "courier_failed_notifications",
    "courier_open_tasks",
    "courier_manual_interventions",
    "courier_delivery_after_exception",
    "courier_delivery_attempts",
    "courier_kpis",
];
