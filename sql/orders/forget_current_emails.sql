-- Rowset `claims`, as in keep_former_emails.sql: an e-mail that is the customer's again is no former one.
delete from raw_ops.customer_former_emails as former
 using claims as claim
  join raw_ops.customers as customer on customer.id = claim.customer_id
 where former.customer_id = customer.id
   and former.email_key = sha256(replace(lower(customer.email), E'\\', E'\\\\')::bytea)
