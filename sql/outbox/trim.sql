-- $1 rows at most, only attempts that have ended. They stay counted, in the same statement.
with old as (
    select id
      from raw_ops.http_requests
     where state in ('succeeded', 'failed', 'abandoned')
       and created_at < now() - (select keep_for from raw_ops.log_retention where log_name = 'http_requests')
       and completed_at < now() - (select keep_for from raw_ops.log_retention where log_name = 'http_requests')
     limit $1
       for update skip locked
), gone as (
    delete from raw_ops.http_requests where id in (select id from old) returning purpose, shop_domain, state
), counted as (
    insert into raw_ops.http_request_totals as total (purpose, shop_domain, succeeded, failed, abandoned)
    select purpose, shop_domain, count(*) filter (where state = 'succeeded'), count(*) filter (where state = 'failed'),
           count(*) filter (where state = 'abandoned')
      from gone
     group by purpose, shop_domain
     order by purpose, shop_domain
        on conflict (purpose, shop_domain) do update
       set succeeded = total.succeeded + excluded.succeeded,
           failed = total.failed + excluded.failed,
           abandoned = total.abandoned + excluded.abandoned
)
select count(*) from gone
