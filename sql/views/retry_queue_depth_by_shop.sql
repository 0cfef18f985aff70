-- What waits now, and for how long, shop by shop? retry_queue_depth, a row a shop.
create or replace view raw_ops.retry_queue_depth_by_shop as
with queue as (
    select shop_domain,
           count(*) as queue_depth,
           count(*) filter (where processing_status = 'pending') as pending_count,
           count(*) filter (where processing_status = 'failed') as failed_count,
           count(*) filter (where processing_status = 'retrying') as retrying_count,
           count(*) filter (where processing_status <> 'failed' or next_retry_at is null
                                  or next_retry_at <= now()) as due_count,
           min(next_retry_at) filter (where processing_status = 'failed') as next_retry_at,
           max(processing_attempts) as most_attempts,
           min(received_at) as oldest_received_at
      from raw_ops.webhook_inbox
     where processing_status in ('pending', 'failed', 'retrying')
     group by shop_domain
), listed as (
    select shop_domain from raw_ops.shops where active
    union
    select shop_domain from queue
)
select shop_domain, shop.name as shop_name,
       coalesce(queue.queue_depth, 0) as queue_depth,
       coalesce(queue.pending_count, 0) as pending_count,
       coalesce(queue.failed_count, 0) as failed_count,
       coalesce(queue.retrying_count, 0) as retrying_count,
       coalesce(queue.due_count, 0) as due_count,
       queue.next_retry_at, queue.most_attempts, queue.oldest_received_at,
       coalesce(now() - queue.oldest_received_at, interval '0') as oldest_age,
       coalesce(round((date_part('epoch', now() - queue.oldest_received_at) / 60)::numeric, 2), 0) as oldest_age_minutes
  from listed
  left join raw_ops.shops as shop using (shop_domain)
  left join queue using (shop_domain)
 order by shop_domain;
comment on view raw_ops.retry_queue_depth_by_shop is
    'retry_queue_depth with a row a shop: the queue now. Shops of which nothing waits have a row too, unless they are not active.';
comment on column raw_ops.retry_queue_depth_by_shop.shop_domain is 'Empty: webhooks that name no shop.';
comment on column raw_ops.retry_queue_depth_by_shop.queue_depth is 'pending + failed + retrying.';
comment on column raw_ops.retry_queue_depth_by_shop.failed_count is 'Failed so far and waiting for their next attempt.';
comment on column raw_ops.retry_queue_depth_by_shop.due_count is
    'Those the next drain or retry takes; the others wait for their next_retry_at.';
comment on column raw_ops.retry_queue_depth_by_shop.next_retry_at is 'The earliest planned attempt of a failed webhook.';
comment on column raw_ops.retry_queue_depth_by_shop.oldest_age is
    'Since the shop''s oldest webhook of the queue was received; 0 when nothing of it waits.';
revoke all on raw_ops.retry_queue_depth_by_shop from public;
