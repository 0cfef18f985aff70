select to_char(day, 'FMDD Mon') as day, p95_processing_ms::float8 as p95_ms from raw_ops.dashboard_p95_latency as days order by days.day
