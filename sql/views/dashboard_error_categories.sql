-- Which errors are there? ORD, question 5.
create or replace view raw_ops.dashboard_error_categories as
select error_category, webhook_count, share_percent
  from raw_ops.error_summary
 order by webhook_count desc, error_category;
comment on view raw_ops.dashboard_error_categories is
    'Question 5, error categories (a pie): webhooks received in the last 7 days that failed at least once, by category of their last failure.';
revoke all on raw_ops.dashboard_error_categories from public;
