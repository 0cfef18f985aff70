select error_category, webhook_count, share_percent::float8 as share
  from raw_ops.dashboard_error_categories
 order by webhook_count desc, error_category
