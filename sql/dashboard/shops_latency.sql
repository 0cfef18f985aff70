select shop_domain, to_char(day, 'FMDD Mon') as day, p95_processing_ms::float8 as p95_ms
  from raw_ops.dashboard_p95_latency_by_shop as days
 where shop_domain = any ($1)
 order by shop_domain, days.day
