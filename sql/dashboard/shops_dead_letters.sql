select shop_domain, to_char(day, 'FMDD Mon') as day, open_count as open, resolved_manual_count as settled
  from raw_ops.dashboard_dlq_by_day_by_shop as days
 where shop_domain = any ($1)
 order by shop_domain, days.day
