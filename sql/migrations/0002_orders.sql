-- Customers, orders and their items, converged from Shopify's order webhooks.

create table raw_ops.customers (
    id                  uuid        not null,
    shopify_customer_id bigint,
    email               text,
    first_name          text,
    last_name           text,
    phone               text,
    accepts_marketing   boolean,
    shopify_updated_at  timestamptz,
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    constraint customers_pkey primary key (id),
    constraint customers_shopify_customer_id_key unique (shopify_customer_id)
);
create index idx_customers_email on raw_ops.customers (lower(email));
create unique index customers_guest_email_key
    on raw_ops.customers (lower(email))
    where shopify_customer_id is null;

create table raw_ops.orders (
    id                 uuid        not null,
    shopify_order_id   bigint      not null,
    order_number       bigint,
    order_name         text,
    customer_id        uuid,
    email              text,
    currency           text,
    total_price        numeric,
    subtotal_price     numeric,
    total_tax          numeric,
    total_discounts    numeric,
    total_shipping     numeric,
    financial_status   text,
    fulfillment_status text,
    shipping_address   jsonb,
    billing_address    jsonb,
    note               text,
    tags               text,
    is_test            boolean     not null default false,
    ordered_at         timestamptz,
    cancelled_at       timestamptz,
    cancel_reason      text,
    shopify_updated_at timestamptz,
    payload_hash       bigint,
    export_state       text        not null default 'pending',
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now(),
    constraint orders_pkey primary key (id),
    constraint orders_shopify_order_id_key unique (shopify_order_id),
    constraint orders_customer_id_fkey foreign key (customer_id) references raw_ops.customers (id)
);
create index if not exists idx_orders_shopify_order_id on raw_ops.orders (shopify_order_id);
create index idx_orders_customer_id on raw_ops.orders (customer_id);
create index idx_orders_ordered_at on raw_ops.orders (ordered_at);
create index idx_orders_export_state on raw_ops.orders (export_state, ordered_at);

create table raw_ops.order_items (
    id                   uuid        not null,
    order_id             uuid        not null,
    shopify_line_item_id bigint      not null,
    product_id           bigint,
    variant_id           bigint,
    sku                  text,
    title                text,
    variant_title        text,
    vendor               text,
    quantity             integer     not null,
    current_quantity     integer,
    price                numeric     not null,
    total_discount       numeric,
    gift_card            boolean,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    constraint order_items_pkey primary key (id),
    constraint order_items_order_id_shopify_line_item_id_key unique (order_id, shopify_line_item_id),
    constraint order_items_order_id_fkey foreign key (order_id) references raw_ops.orders (id) on delete cascade,
    constraint order_items_quantity_check check (quantity >= 0),
    constraint order_items_current_quantity_check check (current_quantity >= 0)
);
create index idx_order_items_order_id on raw_ops.order_items (order_id);
create index idx_order_items_product
    on raw_ops.order_items (product_id)
    where product_id is not null;

alter table raw_ops.customers enable row level security;
alter table raw_ops.orders enable row level security;
alter table raw_ops.order_items enable row level security;
revoke all on raw_ops.customers, raw_ops.orders, raw_ops.order_items from public;

comment on table raw_ops.customers is
    'One row a buyer: Shopify customers by their id, guests by lower-cased e-mail until Shopify gives them an id.';
comment on column raw_ops.customers.shopify_customer_id is 'Null for a guest.';
comment on column raw_ops.customers.shopify_updated_at is
    'updated_at of the newest order payload that wrote this row; an older one never overwrites it.';
comment on table raw_ops.orders is 'Order headers, one per Shopify order, as of the newest payload seen.';
comment on column raw_ops.orders.shopify_order_id is 'Shopify''s id; beyond 2^53, so never through a JavaScript number.';
comment on column raw_ops.orders.order_name is 'What people call the order: #1001.';
comment on column raw_ops.orders.total_price is 'Major units of currency.';
comment on column raw_ops.orders.total_shipping is 'Major units of currency, shop money.';
comment on column raw_ops.orders.is_test is 'The payload''s test flag: a test order, not a test notification.';
comment on column raw_ops.orders.ordered_at is 'created_at of the payload.';
comment on column raw_ops.orders.shopify_updated_at is
    'updated_at of the newest payload applied; an older payload changes nothing.';
comment on column raw_ops.orders.payload_hash is
    'XXH3 of the payload applied last: the same payload again is recognised at a glance. Null: look closer.';
comment on column raw_ops.orders.export_state is 'For the 3PL export that follows; raw_ops only sets the initial pending.';
comment on table raw_ops.order_items is 'Line items, as in the newest payload of their order.';
comment on column raw_ops.order_items.current_quantity is 'What is left after edits and refunds; 0 for an item removed by an edit.';
comment on column raw_ops.order_items.price is 'Unit price, major units of the order''s currency.';
comment on index raw_ops.customers_guest_email_key is 'One guest row an e-mail, also when two orders arrive at once.';
