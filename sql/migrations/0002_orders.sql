-- Customers, orders and their items, converged from Shopify's order webhooks.

create table raw_ops.customers (
    id                   uuid        not null,
    shop_domain          text        not null default '',
    shopify_customer_id  bigint,
    email                text,
    first_name           text,
    last_name            text,
    phone                text,
    accepts_marketing    boolean,
    shopify_updated_at   timestamptz,
    shopify_triggered_at timestamptz,
    payload_hash         bigint,
    field_versions       jsonb,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    constraint customers_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint customers_pkey primary key (id),
    -- Shopify's customer ids are unique within a shop only. The shop last: as the first column it would tempt the planner to read all of a shop.
    constraint customers_shop_domain_shopify_customer_id_key unique (shopify_customer_id, shop_domain)
);
-- By a hash: an index entry has a greatest length, what a payload calls an e-mail has none. A text becomes bytes by way of
-- its escaped form, since convert_to() may not be used in an index.
create index idx_customers_email
    on raw_ops.customers (sha256(replace(lower(email), E'\\', E'\\\\')::bytea), shop_domain);
create unique index customers_guest_email_key
    on raw_ops.customers (sha256(replace(lower(email), E'\\', E'\\\\')::bytea), shop_domain)
    where shopify_customer_id is null;

-- Empty where every webhook names its shop.
create index idx_customers_of_no_shop on raw_ops.customers (created_at) where shop_domain = '';

create table raw_ops.customer_former_emails (
    email_key   bytea       not null,
    customer_id uuid        not null,
    created_at  timestamptz not null default now(),
    constraint customer_former_emails_pkey primary key (email_key, customer_id),
    constraint customer_former_emails_email_key_check check (octet_length(email_key) = 32),
    constraint customer_former_emails_customer_id_fkey
        foreign key (customer_id) references raw_ops.customers (id) on delete cascade
);
create index idx_customer_former_emails_customer_id on raw_ops.customer_former_emails (customer_id);

create table raw_ops.orders (
    id                   uuid        not null,
    shop_domain          text        not null default '',
    shopify_order_id     bigint      not null,
    order_number         bigint,
    order_name           text,
    customer_id          uuid,
    email                text,
    currency             text,
    total_price          numeric,
    subtotal_price       numeric,
    total_tax            numeric,
    total_discounts      numeric,
    total_shipping       numeric,
    financial_status     text,
    fulfillment_status   text,
    shipping_address     jsonb,
    billing_address      jsonb,
    note                 text,
    tags                 text,
    is_test              boolean     not null default false,
    ordered_at           timestamptz,
    cancelled_at         timestamptz,
    cancel_reason        text,
    shopify_updated_at   timestamptz,
    shopify_triggered_at timestamptz,
    payload_hash         bigint,
    field_versions       jsonb,
    guest_email_key      bytea,
    export_state         text        not null default 'pending',
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    constraint orders_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint orders_pkey primary key (id),
    constraint orders_customer_id_fkey foreign key (customer_id) references raw_ops.customers (id)
);
create unique index if not exists idx_orders_shopify_order_id on raw_ops.orders (shopify_order_id, shop_domain);
create index idx_orders_customer_id on raw_ops.orders (customer_id);
create index idx_orders_ordered_at on raw_ops.orders (ordered_at);
create index idx_orders_export_state on raw_ops.orders (export_state, ordered_at);

create table raw_ops.order_items (
    id                   uuid        not null,
    shop_domain          text        not null default '',
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
    field_versions       jsonb,
    created_at           timestamptz not null default now(),
    updated_at           timestamptz not null default now(),
    constraint order_items_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint order_items_pkey primary key (id),
    constraint order_items_order_id_fkey foreign key (order_id) references raw_ops.orders (id) on delete cascade,
    constraint order_items_quantity_check check (quantity >= 0),
    constraint order_items_current_quantity_check check (current_quantity >= 0)
);
create unique index idx_order_items_order_id on raw_ops.order_items (order_id, shopify_line_item_id);
create index idx_order_items_product
    on raw_ops.order_items (product_id)
    where product_id is not null;

alter table raw_ops.customers enable row level security;
alter table raw_ops.customer_former_emails enable row level security;
alter table raw_ops.orders enable row level security;
alter table raw_ops.order_items enable row level security;
revoke all on raw_ops.customers, raw_ops.customer_former_emails, raw_ops.orders, raw_ops.order_items from public;

comment on table raw_ops.customers is
    'One row a buyer: Shopify customers by their id, guests by lower-cased e-mail until Shopify gives them an id.';
comment on column raw_ops.customers.shopify_customer_id is 'Null for a guest.';
comment on column raw_ops.customers.shopify_updated_at is
    'updated_at of the newest order payload about this person; an older one never overwrites what it said.';
comment on column raw_ops.customers.shopify_triggered_at is 'When the webhook of that payload was triggered: decides between equal shopify_updated_at.';
comment on column raw_ops.customers.payload_hash is 'XXH3 of that payload: decides where the times do not.';
comment on column raw_ops.customers.field_versions is
    'Fields that the newest payload said nothing about, and the version of the one that did: [updated_at, triggered_at, hash, "phone", …] a version, microseconds since 2000. Null: none.';
comment on table raw_ops.customer_former_emails is
    'E-mails that Shopify gave a customer once and not now: a guest''s order with one of them is still this customer''s.';
comment on column raw_ops.customer_former_emails.email_key is 'SHA-256 of the e-mail in lower case.';
comment on table raw_ops.orders is 'Order headers, one per Shopify order, as of the newest payload seen.';
comment on column raw_ops.orders.shopify_order_id is 'Shopify''s id; beyond 2^53, so never through a JavaScript number.';
comment on column raw_ops.orders.order_name is 'What people call the order: #1001.';
comment on column raw_ops.orders.total_price is 'Major units of currency.';
comment on column raw_ops.orders.total_shipping is 'Major units of currency, shop money.';
comment on column raw_ops.orders.is_test is 'The payload''s test flag: a test order, not a test notification.';
comment on column raw_ops.orders.ordered_at is 'created_at of the payload.';
comment on column raw_ops.orders.shopify_updated_at is
    'updated_at of the newest payload applied; an older payload changes nothing that one said.';
comment on column raw_ops.orders.shopify_triggered_at is
    'When the webhook of that payload was triggered: decides between equal shopify_updated_at.';
comment on column raw_ops.orders.payload_hash is
    'XXH3 of that payload: the same payload again is recognised at a glance, and of two of one time always the same wins.';
comment on column raw_ops.orders.field_versions is
    'Fields that the newest payload said nothing about, and the version of the one that did: [updated_at, triggered_at, hash, "email", …] a version, microseconds since 2000; nulls: nobody yet. Null: every field is as new as the order.';
comment on column raw_ops.orders.guest_email_key is
    'Of a guest''s order: SHA-256 of the e-mail in lower case, by which it was matched to customer_id.';
comment on column raw_ops.orders.export_state is 'For the 3PL export that follows; raw_ops only sets the initial pending.';
comment on table raw_ops.order_items is 'Line items, as in the newest payload of their order.';
comment on column raw_ops.order_items.current_quantity is 'What is left after edits and refunds; 0 for an item removed by an edit.';
comment on column raw_ops.order_items.field_versions is
    'Fields that the newest list of items said nothing about, and the version of the one that did; as in orders. Null: none.';
comment on column raw_ops.order_items.price is 'Unit price, major units of the order''s currency.';
comment on index raw_ops.idx_customers_email is 'Who has an e-mail: SHA-256 of it in lower case, so that its length is no matter.';
comment on index raw_ops.idx_customers_of_no_shop is 'Whether there is anybody whom the only shop takes over.';
comment on index raw_ops.customers_guest_email_key is 'One guest row an e-mail, also when two orders arrive at once.';
