-- Views for people, Metabase and the dashboard.

-- What reached nobody: no attempt is left, or it has been on its way for five minutes.
create view raw_ops.undelivered_alerts as
select message.id as message_id, alert.check_name, alert.condition, message.kind, message.severity, message.channel,
       message.title, message.delivery, coalesce(message.last_error, last_attempt.error) as last_error, message.created_at,
       last_attempt.attempt as attempts, last_attempt.state as last_state, next_attempt.send_after as next_attempt_at
  from raw_ops.alert_messages as message
  join raw_ops.alerts as alert on alert.id = message.alert_id
  left join lateral (
       select request.attempt, request.state, request.error
         from raw_ops.http_requests as request
        where request.subject_id = message.id and request.state <> 'queued'
        order by request.created_at desc, request.attempt desc
        limit 1) as last_attempt on true
  left join lateral (
       select min(request.send_after) as send_after
         from raw_ops.http_requests as request
        where request.subject_id = message.id and request.state = 'queued') as next_attempt on true
 where message.delivery in ('pending', 'undelivered')
   and (message.delivery = 'undelivered' or message.created_at < now() - interval '5 minutes');
comment on view raw_ops.undelivered_alerts is
    'Alerts that have reached nobody: no attempt is left, or five minutes have passed. After mending the cause: SELECT raw_ops.fn_resend_alerts_v1();';

-- What the views below have in common:
--   * a webhook counts for the time it was received (created_at, which has the index idx_webhook_inbox_status), a dead
--     letter for the time it became one (last_error_at), whether it is settled by now or not;
--   * the success rate is success / (success + failed + retrying + dlq + resolved_manual): what has had an outcome. It
--     is rounded down, so that 100 means all;
--   * days and hours are those of the session's TimeZone, and one without webhooks is a row of zeros, not a gap;
--   * every day or hour is a narrow index range of its own (lateral), which costs a quarter of grouping by date_trunc().
--     Where it reads the table itself, days and hours are the elements of an array: the planner takes an array for 10
--     rows, a series for 1000, and compiling (jit) the overrated query would take three times as long as running it.

-- ORD's six views.

create view raw_ops.webhook_health as
select received.*, new_dlq.new_dlq_count
  from (select count(*) as received_count,
               count(*) filter (where processing_status = 'pending') as pending_count,
               count(*) filter (where processing_status = 'success') as success_count,
               count(*) filter (where processing_status = 'failed') as failed_count,
               count(*) filter (where processing_status = 'retrying') as retrying_count,
               count(*) filter (where processing_status = 'dlq') as dlq_count,
               count(*) filter (where processing_status = 'resolved_manual') as resolved_manual_count,
               trunc(100.0 * count(*) filter (where processing_status = 'success')
                     / nullif(count(*) filter (where processing_status <> 'pending'), 0), 2) as success_rate_percent,
               round(avg(processing_duration_ms), 1) as avg_processing_ms,
               round((percentile_cont(0.5) within group (order by processing_duration_ms))::numeric, 1) as p50_processing_ms,
               round((percentile_cont(0.95) within group (order by processing_duration_ms))::numeric, 1) as p95_processing_ms,
               round((percentile_cont(0.99) within group (order by processing_duration_ms))::numeric, 1) as p99_processing_ms,
               max(processing_duration_ms) as max_processing_ms,
               coalesce(sum(duplicate_count), 0) as duplicate_count
          from raw_ops.webhook_inbox
         where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
           and created_at >= now() - interval '24 hours') as received
 cross join (
       select count(*) as new_dlq_count
         from raw_ops.webhook_inbox
        where processing_status in ('dlq', 'resolved_manual')
          and created_at >= now() - interval '90 days'
          and coalesce(last_error_at, created_at) >= now() - interval '24 hours') as new_dlq;
comment on view raw_ops.webhook_health is
    'The last 24 hours in one row: webhooks received by state of now, success rate, processing times.';
comment on column raw_ops.webhook_health.success_rate_percent is
    'success / (success + failed + retrying + dlq + resolved_manual), rounded down; null while nothing has an outcome.';
comment on column raw_ops.webhook_health.p95_processing_ms is
    '95 % of the webhooks took no longer. Milliseconds from claim to recorded outcome of the last attempt.';
comment on column raw_ops.webhook_health.dlq_count is 'Received in these 24 hours and now waiting for a person.';
comment on column raw_ops.webhook_health.duplicate_count is 'Repeated deliveries of these webhooks.';
comment on column raw_ops.webhook_health.new_dlq_count is
    'Became dead letters in these 24 hours, whenever received and whether settled by now or not.';

create view raw_ops.retry_queue_depth as
select queue.*,
       coalesce(now() - oldest_received_at, interval '0') as oldest_age,
       coalesce(round((date_part('epoch', now() - oldest_received_at) / 60)::numeric, 2), 0) as oldest_age_minutes
  from (select count(*) as queue_depth,
               count(*) filter (where processing_status = 'pending') as pending_count,
               count(*) filter (where processing_status = 'failed') as failed_count,
               count(*) filter (where processing_status = 'retrying') as retrying_count,
               count(*) filter (where processing_status <> 'failed' or next_retry_at is null
                                      or next_retry_at <= now()) as due_count,
               min(next_retry_at) filter (where processing_status = 'failed') as next_retry_at,
               max(processing_attempts) as most_attempts,
               min(received_at) as oldest_received_at
          from raw_ops.webhook_inbox
         where processing_status in ('pending', 'failed', 'retrying')) as queue;
comment on view raw_ops.retry_queue_depth is
    'The queue now, in one row: how many webhooks wait to be processed or tried again, and how long the oldest has waited.';
comment on column raw_ops.retry_queue_depth.queue_depth is 'pending + failed + retrying.';
comment on column raw_ops.retry_queue_depth.failed_count is 'Failed so far and waiting for their next attempt.';
comment on column raw_ops.retry_queue_depth.due_count is 'Those the next drain or retry takes; the others wait for their next_retry_at.';
comment on column raw_ops.retry_queue_depth.next_retry_at is 'The earliest planned attempt of a failed webhook.';
comment on column raw_ops.retry_queue_depth.oldest_age is 'Since the oldest webhook of the queue was received; 0 when the queue is empty.';

create view raw_ops.webhook_processing_by_hour as
select hours.hour, webhooks.*
  from unnest(array(select date_trunc('hour', now()) - n * interval '1 hour' from generate_series(0, 167) as n))
         as hours (hour)
 cross join lateral (
       select count(*) as received_count,
              count(*) filter (where processing_status = 'success') as success_count,
              count(*) filter (where processing_status in ('pending', 'failed', 'retrying')) as waiting_count,
              count(*) filter (where processing_status in ('dlq', 'resolved_manual')) as dead_lettered_count,
              trunc(100.0 * count(*) filter (where processing_status = 'success')
                    / nullif(count(*) filter (where processing_status <> 'pending'), 0), 2) as success_rate_percent,
              round(avg(processing_duration_ms), 1) as avg_processing_ms,
              round((percentile_cont(0.95) within group (order by processing_duration_ms))::numeric, 1) as p95_processing_ms,
              max(processing_duration_ms) as max_processing_ms
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= hours.hour
          and created_at < hours.hour + interval '1 hour') as webhooks
 order by hours.hour;
comment on view raw_ops.webhook_processing_by_hour is
    'The last 7 days by hour received: volume, success rate, processing times. 168 rows, the current hour last.';
comment on column raw_ops.webhook_processing_by_hour.hour is 'Start of the hour.';
comment on column raw_ops.webhook_processing_by_hour.waiting_count is 'Of those received in this hour, still pending, failed or retrying.';
comment on column raw_ops.webhook_processing_by_hour.dead_lettered_count is
    'Of those received in this hour, dead letters: dlq or, settled by a person, resolved_manual.';

create view raw_ops.error_summary as
select coalesce(error_category, 'unclassified') as error_category,
       count(*) as webhook_count,
       round(100.0 * count(*) / sum(count(*)) over (), 1) as share_percent,
       count(*) filter (where processing_status in ('pending', 'failed', 'retrying')) as waiting_count,
       count(*) filter (where processing_status = 'success') as recovered_count,
       count(*) filter (where processing_status = 'dlq') as dlq_count,
       count(*) filter (where processing_status = 'resolved_manual') as resolved_manual_count,
       string_agg(distinct topic, ', ' order by topic) as topics,
       min(last_error_at) as first_error_at,
       max(last_error_at) as last_error_at,
       (array_agg(last_error order by last_error_at desc nulls last))[1] as sample_error,
       (array_agg(id order by last_error_at desc nulls last))[1] as sample_webhook_id
  from raw_ops.webhook_inbox
 where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
   and created_at >= now() - interval '7 days'
   and (error_category is not null or last_error is not null)
 group by 1
 order by webhook_count desc, error_category;
comment on view raw_ops.error_summary is
    'What went wrong with the webhooks received in the last 7 days, by error category, most frequent first.';
comment on column raw_ops.error_summary.webhook_count is 'Webhooks whose last failure was of this category, whatever became of them.';
comment on column raw_ops.error_summary.share_percent is 'Of all webhooks that failed at least once.';
comment on column raw_ops.error_summary.waiting_count is 'Of them, waiting for another attempt.';
comment on column raw_ops.error_summary.recovered_count is 'Of them, processed by a later attempt.';
comment on column raw_ops.error_summary.sample_error is 'The latest error message of the category; sample_webhook_id is its webhook.';

create view raw_ops.alert_retry_queue_backup as
select threshold.condition, measured.value, threshold.threshold, threshold.unit, threshold.severity, queue.*
  from raw_ops.retry_queue_depth as queue
 cross join lateral (
       values ('retry_queue_depth', queue.queue_depth::numeric),
              ('oldest_pending', (date_part('epoch', queue.oldest_age) / 60)::numeric)) as measured (condition, value)
  join raw_ops.monitor_thresholds as threshold
    on threshold.check_name = 'webhook_health' and threshold.condition = measured.condition and threshold.enabled
 where measured.value > threshold.threshold;
comment on view raw_ops.alert_retry_queue_backup is
    'Empty while all is well: rows only if the queue is deeper, or its oldest webhook older, than monitor_thresholds allows (100 webhooks, 30 minutes).';
comment on column raw_ops.alert_retry_queue_backup.condition is 'retry_queue_depth or oldest_pending: what is over its threshold.';
comment on column raw_ops.alert_retry_queue_backup.value is 'In unit, as is threshold.';

create view raw_ops.alert_slow_processing as
select limits.condition, measured.value, limits.threshold, limits.unit, limits.severity, limits.lookback, measured.processed_count
  from raw_ops.monitor_thresholds as p95
 cross join lateral (
       values (p95.condition, p95.threshold, p95.unit, p95.severity, p95.lookback),
              ('max_latency', 10000, 'milliseconds', p95.severity, p95.lookback))
         as limits (condition, threshold, unit, severity, lookback)
 cross join lateral (
       select case limits.condition
                  when 'max_latency' then max(processing_duration_ms)::numeric
                  else (percentile_cont(0.95) within group (order by processing_duration_ms))::numeric
              end as value,
              count(processing_duration_ms) as processed_count
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= now() - limits.lookback) as measured
 where p95.check_name = 'webhook_health' and p95.condition = 'p95_latency' and p95.enabled
   and measured.value > limits.threshold;
comment on view raw_ops.alert_slow_processing is
    'Empty while all is well: rows only if, within the lookback, the 95th percentile of processing times is over monitor_thresholds'' (5,000 ms) or the longest over 10,000 ms.';
comment on column raw_ops.alert_slow_processing.condition is 'p95_latency or max_latency: what is over its threshold.';
comment on column raw_ops.alert_slow_processing.value is 'In unit, as is threshold.';
comment on column raw_ops.alert_slow_processing.lookback is 'Webhooks received within this time from now are looked at.';
comment on column raw_ops.alert_slow_processing.processed_count is 'How many webhooks the value is taken from.';

-- ORD's eight questions, for Metabase and for fn_dashboard_html_v1().

create view raw_ops.dashboard_success_rate as
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

create view raw_ops.dashboard_queue_depth as
with hours as (
    select hour
      from unnest(array(select date_trunc('hour', now()) - n * interval '1 hour' from generate_series(0, 192) as n))
             as hours (hour)
), waited as (
    -- Only webhooks that outlast the hour they came in can be waiting at a full hour. Nearly none do.
    select webhook.received_at, webhook.left_at
      from hours
     cross join lateral (
           select received_at,
                  case processing_status when 'success' then processed_at else last_error_at end as left_at
             from raw_ops.webhook_inbox
            where processing_status in ('success', 'dlq', 'resolved_manual')
              and created_at >= hours.hour
              and created_at < hours.hour + interval '1 hour'
           -- Kept apart, or the planner takes the two bounds for independent and each hour for a ninth of the table.
           offset 0) as webhook
     where webhook.left_at >= hours.hour + interval '1 hour'
    union all
    select received_at, null
      from raw_ops.webhook_inbox
     where processing_status in ('pending', 'failed', 'retrying')
), changes as (
    -- At the first full hour, or now, that sees them: one more for each that came, one less for each that left.
    select least(greatest(date_trunc('hour', change.at - interval '1 microsecond') + interval '1 hour',
                          date_trunc('hour', now()) - interval '7 days'), now()) as measured_at,
           sum(change.webhooks) as webhooks
      from waited
     cross join lateral (values (waited.received_at, 1), (waited.left_at, -1)) as change (at, webhooks)
     where change.at <= now()
     group by 1
)
select measured_at, (sum(coalesce(changes.webhooks, 0)) over (order by measured_at))::bigint as queue_depth
  from (select hour as measured_at from hours where hour >= date_trunc('hour', now()) - interval '7 days'
        union
        select now()) as measured
  left join changes using (measured_at)
 order by measured_at;
comment on view raw_ops.dashboard_queue_depth is
    'Question 2, queue depth over time: how many webhooks were waiting at each full hour of the last 7 days, and now (last row). Derived from when each webhook came and left.';
comment on column raw_ops.dashboard_queue_depth.queue_depth is
    'Received by then, and processed or dead-lettered only later or not yet. Webhooks that waited for more than a day are not known before the last 7 days.';

create view raw_ops.dashboard_dlq_by_day as
select days.day,
       count(died.day) as dlq_count,
       count(died.day) filter (where died.processing_status = 'dlq') as open_count,
       count(died.day) filter (where died.processing_status = 'resolved_manual') as resolved_manual_count
  from (select current_date - n as day from generate_series(0, 29) as n) as days
  left join (
       select coalesce(last_error_at, created_at)::date as day, processing_status
         from raw_ops.webhook_inbox
        where processing_status in ('dlq', 'resolved_manual')
          and created_at >= now() - interval '90 days') as died on died.day = days.day
 group by days.day
 order by days.day;
comment on view raw_ops.dashboard_dlq_by_day is
    'Question 3, dead letters by the day they became dead letters: the last 30 days.';
comment on column raw_ops.dashboard_dlq_by_day.dlq_count is 'Became dead letters that day, settled by now or not.';
comment on column raw_ops.dashboard_dlq_by_day.open_count is 'Of them, still waiting for a person.';
comment on column raw_ops.dashboard_dlq_by_day.resolved_manual_count is 'Of them, settled by a person.';

create view raw_ops.dashboard_p95_latency as
select days.day, webhooks.*
  from unnest(array(select current_date - n from generate_series(0, 13) as n)) as days (day)
 cross join lateral (
       select count(processing_duration_ms) as processed_count,
              round((percentile_cont(0.5) within group (order by processing_duration_ms))::numeric, 1) as p50_processing_ms,
              round((percentile_cont(0.95) within group (order by processing_duration_ms))::numeric, 1) as p95_processing_ms,
              max(processing_duration_ms) as max_processing_ms
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= days.day::timestamptz
          and created_at < (days.day + 1)::timestamptz) as webhooks
 order by days.day;
comment on view raw_ops.dashboard_p95_latency is
    'Question 4, P95 latency trend: processing times by day received, the last 14 days. By hour: webhook_processing_by_hour.';
comment on column raw_ops.dashboard_p95_latency.p95_processing_ms is
    '95 % of the webhooks took no longer. Milliseconds from claim to recorded outcome of the last attempt; null on a day without any.';

create view raw_ops.dashboard_error_categories as
select error_category, webhook_count, share_percent
  from raw_ops.error_summary
 order by webhook_count desc, error_category;
comment on view raw_ops.dashboard_error_categories is
    'Question 5, error categories (a pie): webhooks received in the last 7 days that failed at least once, by category of their last failure.';

create view raw_ops.dashboard_retry_resolution as
select outcomes.outcome,
       count(retried.outcome) as webhook_count,
       round(100.0 * count(retried.outcome) / nullif(sum(count(retried.outcome)) over (), 0), 1) as share_percent
  from (values (1, 'success'), (2, 'dlq'), (3, 'waiting')) as outcomes (place, outcome)
  left join (
       select case when processing_status = 'success' then 'success'
                   when processing_status in ('dlq', 'resolved_manual') then 'dlq'
                   else 'waiting' end as outcome
         from raw_ops.webhook_inbox
        where processing_status in ('success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= now() - interval '7 days'
          and (processing_attempts > 1 or processing_status <> 'success')) as retried on retried.outcome = outcomes.outcome
 group by outcomes.place, outcomes.outcome
 order by outcomes.place;
comment on view raw_ops.dashboard_retry_resolution is
    'Question 6, retry resolution rate: what became of the webhooks received in the last 7 days whose first attempt failed. Always three rows.';
comment on column raw_ops.dashboard_retry_resolution.outcome is
    'success: a retry succeeded; dlq: became a dead letter, settled by now or not; waiting: another attempt follows.';

create view raw_ops.dashboard_oldest_pending as
select queue.oldest_age_minutes, queue.oldest_age, queue.oldest_received_at, oldest.processing_status, oldest.topic,
       oldest.id as webhook_id, queue.queue_depth
  from raw_ops.retry_queue_depth as queue
  left join lateral (
       select id, topic, processing_status
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'failed', 'retrying')
        order by received_at
        limit 1) as oldest on true;
comment on view raw_ops.dashboard_oldest_pending is
    'Question 7, age of the oldest webhook that waits to be processed or tried again. One row; age 0 when nothing waits.';

create view raw_ops.dashboard_daily_volume as
select days.day, webhooks.received_count, webhooks.success_count,
       webhooks.received_count - webhooks.success_count - webhooks.dead_lettered_count as waiting_count,
       webhooks.dead_lettered_count
  from (select current_date - n as day from generate_series(0, 20) as n) as days
 cross join lateral (
       select count(*) as received_count,
              count(*) filter (where processing_status = 'success') as success_count,
              count(*) filter (where processing_status in ('dlq', 'resolved_manual')) as dead_lettered_count
         from raw_ops.webhook_inbox
        where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
          and created_at >= days.day::timestamptz
          and created_at < (days.day + 1)::timestamptz) as webhooks
 order by days.day;
comment on view raw_ops.dashboard_daily_volume is
    'Question 8, daily volume: webhooks received on each of the last 21 days, by what has become of them.';
comment on column raw_ops.dashboard_daily_volume.waiting_count is 'Of those received that day, still pending, failed or retrying.';
comment on column raw_ops.dashboard_daily_volume.dead_lettered_count is
    'Of those received that day, dead letters: dlq or, settled by a person, resolved_manual.';

-- ORD, "Health Indicators". Where its ranges touch, the better state has the edge: a queue of 10 is healthy, of 50 a warning.
create view raw_ops.health_indicators as
with measured as (
    select health.success_count, health.received_count - health.pending_count as outcome_count,
           health.success_rate_percent, health.p95_processing_ms, health.new_dlq_count, queue.queue_depth
      from raw_ops.webhook_health as health
     cross join raw_ops.retry_queue_depth as queue
), indicators as (
    select indicator.*
      from measured as m
     cross join lateral (values
           (1, 'success_rate', m.success_rate_percent, '%',
            case when m.outcome_count = 0 or m.success_count > 0.99 * m.outcome_count then 'healthy'
                 when m.success_count >= 0.95 * m.outcome_count then 'warning' else 'critical' end,
            '> 99', '95 to 99', '< 95'),
           (2, 'queue_depth', m.queue_depth::numeric, 'webhooks',
            case when m.queue_depth <= 10 then 'healthy' when m.queue_depth <= 50 then 'warning' else 'critical' end,
            '0 to 10', '11 to 50', '> 50'),
           (3, 'p95_latency', m.p95_processing_ms, 'milliseconds',
            case when m.p95_processing_ms > 3000 then 'critical' when m.p95_processing_ms >= 1000 then 'warning'
                 else 'healthy' end,
            '< 1000', '1000 to 3000', '> 3000'),
           (4, 'dlq_per_day', m.new_dlq_count::numeric, 'dead letters',
            case when m.new_dlq_count = 0 then 'healthy' when m.new_dlq_count <= 2 then 'warning' else 'critical' end,
            '0', '1 to 2', '3 or more'))
           as indicator (place, indicator, value, unit, state, healthy, warning, critical)
)
select indicator, value, unit, state, healthy, warning, critical
  from (select * from indicators
        union all
        select 5, 'overall', null, null,
               case when bool_or(state = 'critical') then 'critical' when bool_or(state = 'warning') then 'warning'
                    else 'healthy' end, 'all healthy', 'at least one warning', 'at least one critical'
          from indicators) as rows
 order by place;
comment on view raw_ops.health_indicators is
    'ORD''s table of health: success rate, P95 latency and new dead letters of the last 24 hours and the queue now, each healthy (green), warning (yellow) or critical (red); the row overall is the worst of them.';
comment on column raw_ops.health_indicators.value is 'In unit; null when there is nothing to measure, which is healthy. Null for overall.';
comment on column raw_ops.health_indicators.state is 'healthy, warning or critical.';
comment on column raw_ops.health_indicators.healthy is 'The values that are healthy; warning and critical likewise.';

revoke all on raw_ops.undelivered_alerts, raw_ops.webhook_health, raw_ops.retry_queue_depth,
    raw_ops.webhook_processing_by_hour, raw_ops.error_summary, raw_ops.alert_retry_queue_backup,
    raw_ops.alert_slow_processing, raw_ops.dashboard_success_rate, raw_ops.dashboard_queue_depth,
    raw_ops.dashboard_dlq_by_day, raw_ops.dashboard_p95_latency, raw_ops.dashboard_error_categories,
    raw_ops.dashboard_retry_resolution, raw_ops.dashboard_oldest_pending, raw_ops.dashboard_daily_volume,
    raw_ops.health_indicators from public;
