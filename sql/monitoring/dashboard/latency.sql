select to_char(day, 'FMDD Mon'), p95_processing_ms::float8 from raw_ops.dashboard_p95_latency order by day
