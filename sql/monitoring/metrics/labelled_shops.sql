-- The shops that have a label of their own, and one more where there are others. By when they came, so that those that have one
-- keep it, also once they are switched off.
select shop_domain from raw_ops.shops order by created_at, shop_domain limit $1
