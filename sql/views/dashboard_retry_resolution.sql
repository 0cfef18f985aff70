-- What became of what was tried again? ORD, question 6.
create or replace view raw_ops.dashboard_retry_resolution as
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
revoke all on raw_ops.dashboard_retry_resolution from public;
