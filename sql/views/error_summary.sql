-- What goes wrong, and how often? ORD.
create or replace view raw_ops.error_summary as
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
revoke all on raw_ops.error_summary from public;
