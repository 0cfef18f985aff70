-- What is left of list-shaped webhooks, and why?
create or replace view raw_ops.webhook_elements_left as
select webhook_id, provider, path,
       case when state = 'waiting' and waits_until < now() then 'expired' else state end as state,
       reference, error, waits_until, created_at, id as element_id, shop_domain
  from raw_ops.webhook_elements;
comment on view raw_ops.webhook_elements_left is
    'What is left of list-shaped webhooks: waiting, expired (what it waited for did not come) or refused. Kept as log_retention says; delete from webhook_elements what is settled.';
revoke all on raw_ops.webhook_elements_left from public;
