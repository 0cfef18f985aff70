-- Rowset `claims`: e-mails that payloads gave to customers. Those that are not the customer's now are kept: they still
-- tell whose a guest's order is.
insert into raw_ops.customer_former_emails (email_key, customer_id)
select distinct sha256(replace(lower(claim.email), E'\\', E'\\\\')::bytea), customer.id
  from claims as claim
  join raw_ops.customers as customer on customer.id = claim.customer_id
 where lower(claim.email) is distinct from lower(customer.email)
    on conflict do nothing
