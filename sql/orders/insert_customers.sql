-- Rowset `new_customers`. Fewer rows than given: somebody else was faster, look again.
insert into raw_ops.customers
       (id, shopify_customer_id, email, first_name, last_name, phone, accepts_marketing, shopify_updated_at)
select id, shopify_customer_id, email, first_name, last_name, phone, accepts_marketing, version
  from new_customers
    on conflict do nothing
