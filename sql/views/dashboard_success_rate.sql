-- How many webhooks succeed, day by day? ORD, question 1, as all dashboard_* for Metabase and fn_dashboard_html_v1().
create or replace view raw_ops.dashboard_success_rate as
select day, success_count, outcome_count,
       trunc(100.0 * success_count / nullif(outcome_count, 0), 2) as success_rate_percent,
       trunc(100.0 * success_count_7_days / nullif(outcome_count_7_days, 0), 2) as rolling_7_day_success_rate_percent
  from (select days.day, webhooks.success_count, webhooks.outcome_count,
               sum(webhooks.success_count) over last_7_days as success_count_7_days,
               sum(webhooks.outcome_count) over last_7_days as outcome_count_7_days
          from (select current_date - n as day from generate_series(0, 26) as n) as days
         cross join lateral (
               select count(*) filter (where processing_status = 'success') as success_count, count(*) as outcome_count
                 from raw_ops.webhook_inbox
                where processing_status in ('success', 'failed', 'retrying', 'dlq', 'resolved_manual')
                  and created_at >= days.day::timestamptz
                  and created_at < (days.day + 1)::timestamptz) as webhooks
        window last_7_days as (order by days.day rows 6 preceding)) as rolling
 where day > current_date - 21
 order by day;
comment on view raw_ops.dashboard_success_rate is
    'Question 1, success rate trend: the last 21 days, each with its own rate and that of the 7 days ending with it.';
comment on column raw_ops.dashboard_success_rate.outcome_count is 'Webhooks received that day that have had an outcome: all but pending.';
comment on column raw_ops.dashboard_success_rate.success_rate_percent is 'Of this day alone, rounded down; null on a day without outcomes.';
comment on column raw_ops.dashboard_success_rate.rolling_7_day_success_rate_percent is
    'Of this day and the six before it, rounded down; null without outcomes.';
revoke all on raw_ops.dashboard_success_rate from public;
