-- What one set came to, one row a provider and shop: providers, shops, processed, failed, milliseconds they took, duplicates.
insert into raw_ops.webhook_tallies (provider, shop_domain, processed, failed, duration_ms, duplicates)
select * from unnest($1, $2, $3, $4, $5, $6)
