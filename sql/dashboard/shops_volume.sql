select shop_domain, to_char(day, 'FMDD Mon') as day, received_count as received
  from raw_ops.dashboard_daily_volume_by_shop as days
 where shop_domain = any ($1)
 order by shop_domain, days.day
