-- Rowset `left_elements`: id, webhook_id, shop_domain, provider, path, element, reference, error, wait_us. One without a reference is
-- refused. The same element that waits already, or was kept at an earlier attempt, is not kept twice.
insert into raw_ops.webhook_elements (id, webhook_id, shop_domain, provider, path, element, state, reference, error, waits_until)
select id, webhook_id, shop_domain, provider, path, element,
       case when reference is null then 'refused' else 'waiting' end, reference, error,
       case when reference is not null then clock_timestamp() + wait_us * interval '1 microsecond' end
  from left_elements
    on conflict do nothing
