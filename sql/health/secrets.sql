-- Names of secrets that are set for whatever is sent: for all shops at once, or for each active shop by itself.
select distinct secret.name
  from raw_ops.secrets as secret
 where secret.shop_domain = ''
    or (exists (select from raw_ops.shops where active)
        and not exists (select from raw_ops.shops as shop
                         where shop.active
                           and not exists (select from raw_ops.secrets as own
                                            where own.name = secret.name
                                              and own.shop_domain = shop.shop_domain)))
