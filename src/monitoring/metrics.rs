//! `fn_metrics_v1()`: Prometheus exposition of the database's figures.
