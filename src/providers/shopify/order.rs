//! Shopify's order object, as `orders/*` webhooks carry it.
//!
//! Only `id` is required: subscriptions with `include_fields` send parts, and apps without protected-data access get
//! nulls. An absent, null or empty field reads as `None`, which never erases what is known; but what states the order's
//! condition is [`Clearable`].

use crate::error::Result;
use crate::json::{Decimal, Field, Json, Timestamp};
use std::collections::HashMap;

/// `None` when the payload says nothing about it, `Some(None)` when it says that there is none (any more).
pub type Clearable<T> = Option<Option<T>>;

/// What null says nothing about: where the row has null, an older payload may fill it.
pub type Open<T> = Option<T>;
/// The same, of money.
pub type Sum<T> = Option<T>;
/// The same, of an address as it came.
pub type Address<T> = Option<T>;
/// What is never null in the table.
pub type Kept<T> = Option<T>;

/// The columns of an order that a payload fills: the name of each, its type, where it comes from: a method of [`Field`] and the
/// member it reads, or a function of the whole order.
///
/// A new column is a line here, at the end, and its places in `sql/orders/`, which a test of `orders::fields` names.
macro_rules! order_columns {
    ($then:ident) => {
        $then! {
            email: Open<&'a str> = email();
            order_number: Open<i64> = integer("order_number");
            order_name: Open<&'a str> = text("name");
            currency: Open<&'a str> = text("currency");
            total_price: Sum<Decimal<'a>> = decimal("total_price");
            subtotal_price: Sum<Decimal<'a>> = decimal("subtotal_price");
            total_tax: Sum<Decimal<'a>> = decimal("total_tax");
            total_discounts: Sum<Decimal<'a>> = decimal("total_discounts");
            total_shipping: Sum<Decimal<'a>> = shipping();
            financial_status: Clearable<&'a str> = text("financial_status");
            fulfillment_status: Clearable<&'a str> = text("fulfillment_status");
            shipping_address: Address<J> = optional_object("shipping_address");
            billing_address: Address<J> = optional_object("billing_address");
            note: Clearable<&'a str> = text("note");
            tags: Clearable<&'a str> = text_or_empty("tags");
            is_test: Kept<bool> = boolean("test");
            ordered_at: Open<Timestamp> = timestamp("created_at");
            cancelled_at: Clearable<Timestamp> = timestamp("cancelled_at");
            cancel_reason: Clearable<&'a str> = text("cancel_reason");
        }
    };
}
pub(crate) use order_columns;

macro_rules! read_field {
    ($order:ident $kind:ident $read:ident()) => {
        $read(&$order)?
    };
    ($order:ident Clearable $read:ident($member:literal)) => {
        $order.member($member).clearable(Field::$read)?
    };
    ($order:ident $kind:ident $read:ident($member:literal)) => {
        $order.member($member).$read()?
    };
}

macro_rules! order {
    ($($name:ident: $kind:ident<$type:ty> = $read:ident($($member:literal)?);)+) => {
        /// One order, borrowed from its payload.
        #[derive(Clone, Debug)]
        pub struct Order<'a, J> {
            pub shopify_order_id: i64,
            $(pub $name: $kind<$type>,)+
            /// `updated_at`: which of two payloads of one order is the newer.
            pub version: Option<Timestamp>,
            pub customer: Customer<'a>,
            /// `None` when the payload says nothing about items; `Some` is the whole set, also when empty.
            pub items: Option<Vec<Item<'a>>>,
        }

        /// Reads an order.
        ///
        /// # Errors
        /// [`crate::error::Error::Payload`] naming the first field that is not what Shopify documents.
        pub fn parse<'a, J: Json<'a>>(payload: J) -> Result<Order<'a, J>> {
            let order = Field::root("order", payload).object()?;
            let id = order.member("id");
            let mut read = Order {
                shopify_order_id: id.required(id.id()?)?,
                $($name: read_field!(order $kind $read($($member)?)),)+
                version: order.member("updated_at").timestamp()?,
                customer: Customer::default(),
                items: None,
            };
            read.customer = customer(&order, read.email)?;
            read.items = items(&order)?;
            Ok(read)
        }
    };
}
order_columns!(order);

/// Who bought. Without an id it is a guest, known by e-mail if at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer<'a> {
    pub shopify_customer_id: Option<i64>,
    pub email: Option<&'a str>,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub phone: Option<&'a str>,
    pub accepts_marketing: Option<bool>,
}

/// One line item.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub shopify_line_item_id: i64,
    pub product_id: Option<i64>,
    pub variant_id: Option<i64>,
    pub sku: Option<&'a str>,
    pub title: Option<&'a str>,
    pub variant_title: Option<&'a str>,
    pub vendor: Option<&'a str>,
    pub quantity: i32,
    pub current_quantity: Option<i32>,
    pub price: Decimal<'a>,
    pub total_discount: Option<Decimal<'a>>,
    pub gift_card: Option<bool>,
}

fn email<'a, J: Json<'a>>(order: &Field<'_, J>) -> Result<Option<&'a str>> {
    match order.member("email").trimmed()? {
        Some(email) => Ok(Some(email)),
        None => order.member("contact_email").trimmed(),
    }
}

/// What shipping cost, in shop money.
fn shipping<'a, J: Json<'a>>(order: &Field<'_, J>) -> Result<Option<Decimal<'a>>> {
    let set = order.member("total_shipping_price_set");
    if set.is_present() {
        return set.member("shop_money").member("amount").decimal();
    }
    // Before the *_set fields there were the lines alone. A line without a price leaves the sum open.
    let lines = order.member("shipping_lines");
    let mut prices = Vec::new();
    for line in lines.elements()?.into_iter().flatten() {
        if line.member("is_removed").boolean()? != Some(true) {
            match line.member("price").decimal()? {
                Some(price) => prices.push(price),
                None => return Ok(None),
            }
        }
    }
    if prices.is_empty() {
        return Ok(None);
    }
    let sum = Decimal::sum(&prices).ok_or_else(|| lines.error("prices of more than 38 digits"))?;
    Ok(Some(sum))
}

fn customer<'a, J: Json<'a>>(order: &Field<'_, J>, order_email: Option<&'a str>) -> Result<Customer<'a>> {
    let field = order.member("customer").private();
    if field.optional_object()?.is_none() {
        return Ok(Customer {
            email: order_email,
            ..Customer::default()
        });
    }
    let consent = field.member("email_marketing_consent").member("state").text()?;
    let accepts_marketing = match consent {
        Some(state) => Some(state == "subscribed"),
        None => field.member("accepts_marketing").boolean()?,
    };
    let shopify_customer_id = field.member("id").id()?;
    let own_email = field.member("email").trimmed()?;
    Ok(Customer {
        shopify_customer_id,
        // A known customer's own address is theirs; the order's may be somebody else's (a gift).
        email: if shopify_customer_id.is_some() {
            own_email
        } else {
            own_email.or(order_email)
        },
        first_name: field.member("first_name").text()?,
        last_name: field.member("last_name").text()?,
        phone: field.member("phone").text()?,
        accepts_marketing,
    })
}

fn items<'a, J: Json<'a>>(order: &Field<'_, J>) -> Result<Option<Vec<Item<'a>>>> {
    let list = order.member("line_items");
    let Some(elements) = list.elements()? else {
        return Ok(None);
    };
    let items = elements.map(item).collect::<Result<Vec<_>>>()?;
    refuse_repeated_ids(&list, &items)?;
    Ok(Some(items))
}

fn item<'a, J: Json<'a>>(field: Field<'_, J>) -> Result<Item<'a>> {
    let field = field.object()?;
    let id = field.member("id");
    let quantity = field.member("quantity");
    let price = field.member("price");
    Ok(Item {
        shopify_line_item_id: id.required(id.id()?)?,
        product_id: field.member("product_id").id()?,
        variant_id: field.member("variant_id").id()?,
        sku: field.member("sku").text()?,
        title: match field.member("title").text()? {
            Some(title) => Some(title),
            None => field.member("name").text()?,
        },
        variant_title: field.member("variant_title").text()?,
        vendor: field.member("vendor").text()?,
        quantity: quantity.required(quantity.count()?)?,
        current_quantity: field.member("current_quantity").count()?,
        price: price.required(price.decimal()?)?,
        total_discount: field.member("total_discount").decimal()?,
        gift_card: field.member("gift_card").boolean()?,
    })
}

/// Two items with one id would become one row: an item lost in silence. (JavaScript that rounds ids causes this.)
fn refuse_repeated_ids<'a, J: Json<'a>>(list: &Field<'_, J>, items: &[Item<'a>]) -> Result<()> {
    if items.len() < 2 {
        return Ok(());
    }
    let mut seen = HashMap::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        if let Some(first) = seen.insert(item.shopify_line_item_id, index) {
            let id = item.shopify_line_item_id;
            return Err(list.error(format!("items {first} and {index} have the same id {id}")));
        }
    }
    Ok(())
}
