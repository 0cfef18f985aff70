//! The JSON of an order: members, nulls and money as Shopify sends them.

use fastrand::Rng;
use serde_json::{Value, json};

use super::data::{self, Shop};
use super::{Buyer, Totals, money, shop_time};

/// Seconds from an order's creation to its first `updated_at`.
pub(super) const UPDATED_AFTER: i64 = 2;

/// What an order is made of.
pub(super) struct Facts<'a> {
    pub id: i64,
    pub number: i64,
    pub created: i64,
    pub shop: &'static Shop,
    pub buyer: &'a Buyer,
    pub lines: &'a [Line],
}

/// A line item.
pub(super) struct Line {
    id: i64,
    product: usize,
    variant: usize,
    custom: bool,
    quantity: i64,
    price: i64,
    discount: i64,
    tax: i64,
}

impl Line {
    fn net(&self) -> i64 {
        self.price * self.quantity - self.discount
    }
}

/// One to five lines, few rather than many.
pub(super) fn lines(rng: &mut Rng, shop: &Shop, first_id: i64) -> Vec<Line> {
    let count = match rng.u8(..100) {
        0..36 => 1,
        36..66 => 2,
        66..84 => 3,
        84..94 => 4,
        _ => 5,
    };
    let reduced = rng.u8(..5) == 0;
    let first_product = rng.usize(..data::PRODUCTS.len());
    (0..count)
        .map(|index| {
            // Neighbours in the list: no product twice in one order.
            let product = (first_product + index) % data::PRODUCTS.len();
            // A yen price has no decimals, and is about the same number.
            let price = data::PRODUCTS[product].3;
            let quantity = [1, 1, 1, 1, 2, 2, 3][rng.usize(..7)];
            let discount = if reduced { price * quantity / 10 } else { 0 };
            let net = price * quantity - discount;
            Line {
                id: first_id + i64::try_from(index).unwrap_or_default(),
                product,
                variant: rng.usize(..2),
                custom: rng.u8(..40) == 0,
                quantity,
                price,
                discount,
                tax: tax(net, shop),
            }
        })
        .collect()
}

/// The order's payload and its sums.
pub(super) fn order(rng: &mut Rng, facts: &Facts) -> (Value, Totals) {
    let totals = sums(rng, facts.shop, facts.lines);
    let paid = rng.u8(..10) < 8;
    let mut order = said(rng, facts, paid);
    for part in [amounts(facts.shop, &totals, paid), parts(facts, &totals)] {
        if let (Value::Object(order), Value::Object(part)) = (&mut order, part) {
            order.extend(part);
        }
    }
    drop_customer_sometimes(rng, &mut order, facts.buyer);
    (order, totals)
}

/// What the shop says of the order.
fn said(rng: &mut Rng, facts: &Facts, paid: bool) -> Value {
    let Facts { shop, buyer, .. } = facts;
    let created = shop_time(facts.created, shop.offset);
    json!({
        "id": facts.id,
        "admin_graphql_api_id": format!("gid://shopify/Order/{}", facts.id),
        "app_id": 580_111,
        "buyer_accepts_marketing": rng.bool(),
        "cancel_reason": null,
        "cancelled_at": null,
        "checkout_id": 29_000_000_000_000_i64 + rng.i64(..1_000_000_000),
        "closed_at": null,
        "confirmed": true,
        "contact_email": buyer.email,
        "created_at": created,
        "customer_locale": shop.locale,
        "email": buyer.email.clone().unwrap_or_default(),
        "financial_status": if paid { "paid" } else { "pending" },
        "fulfillment_status": null,
        "name": format!("#{}", facts.number),
        "note": pick_note(rng),
        "note_attributes": [],
        "order_number": facts.number,
        "payment_gateway_names": [if paid { "shopify_payments" } else { "manual" }],
        "phone": null,
        "processed_at": created,
        "source_name": "web",
        "tags": data::pick(rng, &["", "", "vip", "wholesale, Berlin", "gift, first order", "café"]),
        "test": false,
        "token": format!("{:032x}", rng.u128(..)),
        "updated_at": shop_time(facts.created + UPDATED_AFTER, shop.offset),
        "user_id": null,
    })
}

/// Its money.
fn amounts(shop: &Shop, totals: &Totals, paid: bool) -> Value {
    let amount = |value: i64| money(value, shop.decimals);
    json!({
        "currency": shop.currency,
        "presentment_currency": shop.currency,
        "current_subtotal_price": amount(totals.subtotal),
        "current_total_discounts": amount(totals.discounts),
        "current_total_price": amount(totals.total),
        "current_total_tax": amount(totals.tax),
        "discount_codes": discount_codes(totals, shop),
        "subtotal_price": amount(totals.subtotal),
        "tax_lines": [tax_line(totals.tax, shop)],
        "taxes_included": shop.tax_included,
        "total_discounts": amount(totals.discounts),
        "total_line_items_price": amount(totals.line_items),
        "total_outstanding": amount(if paid { 0 } else { totals.total }),
        "total_price": amount(totals.total),
        "total_price_set": set(totals.total, shop),
        "total_shipping_price_set": set(totals.shipping, shop),
        "total_tax": amount(totals.tax),
    })
}

/// What hangs on it: customer, addresses, items, shipping.
fn parts(facts: &Facts, totals: &Totals) -> Value {
    let Facts {
        shop, buyer, lines, ..
    } = facts;
    json!({
        "total_weight": lines.iter().map(|line| data::PRODUCTS[line.product].4 * line.quantity).sum::<i64>(),
        "billing_address": address(buyer),
        "customer": customer(buyer, shop, facts.created),
        "fulfillments": [],
        "line_items": lines.iter().map(|line| line_item(line, shop)).collect::<Vec<_>>(),
        "payment_terms": null,
        "refunds": [],
        "shipping_address": address(buyer),
        "shipping_lines": [shipping_line(facts, totals)],
    })
}

fn sums(rng: &mut Rng, shop: &Shop, lines: &[Line]) -> Totals {
    let line_items = lines.iter().map(|line| line.price * line.quantity).sum::<i64>();
    let subtotal = lines.iter().map(Line::net).sum::<i64>();
    let shipping = data::pick(rng, &[0, 495, 590, 1_250]);
    let tax = lines.iter().map(|line| line.tax).sum::<i64>();
    Totals {
        line_items,
        discounts: line_items - subtotal,
        subtotal,
        shipping,
        tax,
        tax_included: shop.tax_included,
        total: subtotal + shipping + if shop.tax_included { 0 } else { tax },
    }
}

/// Rounded half up.
fn tax(net: i64, shop: &Shop) -> i64 {
    let base = if shop.tax_included {
        1000 + shop.tax_rate
    } else {
        1000
    };
    (net * shop.tax_rate * 2 + base) / (base * 2)
}

fn set(value: i64, shop: &Shop) -> Value {
    let side = json!({ "amount": money(value, shop.decimals), "currency_code": shop.currency });
    json!({ "shop_money": side, "presentment_money": side })
}

fn tax_line(tax: i64, shop: &Shop) -> Value {
    let rate = serde_json::Number::from_f64(shop.tax_rate as f64 / 1000.0);
    json!({ "price": money(tax, shop.decimals), "rate": rate, "title": shop.tax_title })
}

fn discount_codes(totals: &Totals, shop: &Shop) -> Value {
    if totals.discounts == 0 {
        return json!([]);
    }
    json!([{ "code": "HERBST10", "amount": money(totals.discounts, shop.decimals), "type": "percentage" }])
}

fn pick_note(rng: &mut Rng) -> Option<&'static str> {
    data::pick(
        rng,
        &[
            None,
            None,
            None,
            Some("Bitte beim Nachbarn abgeben – danke! 🙏"),
            Some("Leave at the \"back\" door\nplease"),
        ],
    )
}

fn line_item(line: &Line, shop: &Shop) -> Value {
    let (title, vendor, variants, _, grams) = data::PRODUCTS[line.product];
    let variant = variants[line.variant];
    let index = i64::try_from(line.product).unwrap_or_default();
    let product_id = (!line.custom).then_some(632_910_392_000_000_000 + index);
    let variant_id = (!line.custom)
        .then(|| 808_950_810_000_000_000 + index * 2 + i64::try_from(line.variant).unwrap_or_default());
    let sku = (!line.custom).then(|| format!("RO-{index:03}-{}", line.variant));
    let properties = if line.product == 9 {
        json!([{ "name": "Message", "value": "Alles Gute, Zoë!" }])
    } else {
        json!([])
    };
    json!({
        "id": line.id,
        "current_quantity": line.quantity,
        "fulfillable_quantity": line.quantity,
        "fulfillment_service": "manual",
        "fulfillment_status": null,
        "gift_card": false,
        "grams": grams,
        "name": format!("{title} - {variant}"),
        "price": money(line.price, shop.decimals),
        "price_set": set(line.price, shop),
        "product_exists": !line.custom,
        "product_id": product_id,
        "properties": properties,
        "quantity": line.quantity,
        "requires_shipping": true,
        "sku": sku,
        "taxable": true,
        "title": title,
        "total_discount": money(line.discount, shop.decimals),
        "variant_id": variant_id,
        "variant_title": variant,
        "vendor": vendor,
        "tax_lines": [tax_line(line.tax, shop)],
        "duties": [],
        "discount_allocations": [],
    })
}

fn shipping_line(facts: &Facts, totals: &Totals) -> Value {
    let price = money(totals.shipping, facts.shop.decimals);
    json!({
        "id": facts.id - 1_000_000,
        "carrier_identifier": null,
        "code": "Standard",
        "discounted_price": price,
        "phone": null,
        "price": price,
        "source": "shopify",
        "title": "Standard",
        "tax_lines": [],
        "discount_allocations": [],
    })
}

fn address(buyer: &Buyer) -> Value {
    let person = &buyer.person;
    json!({
        "first_name": person.first,
        "last_name": person.last,
        "name": format!("{} {}", person.first, person.last),
        "company": null,
        "address1": person.street,
        "address2": null,
        "city": person.place.city,
        "zip": person.place.zip,
        "province": person.place.province,
        "province_code": person.place.province_code,
        "country": person.place.country,
        "country_code": person.place.country_code,
        "phone": person.phone,
        "latitude": null,
        "longitude": null,
    })
}

fn customer(buyer: &Buyer, shop: &Shop, created: i64) -> Value {
    let Some(id) = buyer.customer_id else {
        return Value::Null;
    };
    let person = &buyer.person;
    json!({
        "id": id,
        "email": buyer.email,
        "created_at": shop_time(created, shop.offset),
        "updated_at": shop_time(created + UPDATED_AFTER, shop.offset),
        "first_name": person.first,
        "last_name": person.last,
        "state": "disabled",
        "note": null,
        "verified_email": true,
        "multipass_identifier": null,
        "tax_exempt": false,
        "phone": person.phone,
        "email_marketing_consent": {
            "state": "not_subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": null
        },
        "sms_marketing_consent": null,
        "tags": "",
        "currency": shop.currency,
        "admin_graphql_api_id": format!("gid://shopify/Customer/{id}"),
    })
}

/// A guest's customer is null, absent, or an object without an id; a missing e-mail is empty or null.
fn drop_customer_sometimes(rng: &mut Rng, order: &mut Value, buyer: &Buyer) {
    if buyer.customer_id.is_some() {
        return;
    }
    let Some(members) = order.as_object_mut() else {
        return;
    };
    match rng.u8(..3) {
        0 => drop(members.remove("customer")),
        1 => drop(members.insert("customer".to_owned(), json!({ "id": null, "email": buyer.email }))),
        _ => {}
    }
    if buyer.email.is_none() && rng.bool() {
        members.insert("email".to_owned(), Value::Null);
    }
}
