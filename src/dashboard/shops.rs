//! The choice of shop, where there are several: a link each, and a section each that its link shows. Pure.
//!
//! No script chooses: the address's fragment does (`:target` in `shops.css`), and an open page keeps it when it reloads. So a
//! shop's fragment is made of its domain and not of its place, which changes.

use super::data::{Data, Shop, ShopFigures};
use super::figures::{age, count, percent};
use super::parts::more;
use super::questions;
use crate::alerts::AllThresholds;
use maud::{Markup, html};
use std::fmt::Write;

pub fn choice(data: &Data) -> Markup {
    let all = data.shops.first().map_or(0, |shop| shop.figures.shops);
    html! {
        div class="shops" {
            nav class="choice" aria-label="Shop" {
                ul {
                    li { a href="#all-shops" { "All shops" } }
                    @for shop in &data.shops { (link(&shop.figures)) }
                }
                (more(data.shops.len(), all, "SELECT * FROM raw_ops.webhook_health_by_shop ORDER BY received_count DESC;"))
            }
            // That of all shops is the last, so that a chosen one before it can hide it.
            @for shop in &data.shops { (section(shop, &data.limits)) }
            section class="all-shops" id="all-shops" aria-labelledby="trends" {
                h2 id="trends" { "Trends: all shops" }
                div class="questions" { (questions::all(data)) }
            }
        }
    }
}

fn link(shop: &ShopFigures) -> Markup {
    html! {
        li {
            a href={ "#" (fragment(&shop.shop_domain)) } { (title(shop)) }
        }
    }
}

/// Its name, and its domain where that is another.
fn title(shop: &ShopFigures) -> Markup {
    let domain = shop.shop_domain.as_str();
    html! {
        @if domain.is_empty() {
            "No shop named"
        } @else if shop.name.is_empty() || shop.name == domain {
            (domain)
        } @else {
            (shop.name) " " small { (domain) }
        }
    }
}

fn section(shop: &Shop, limits: &AllThresholds) -> Markup {
    let id = fragment(&shop.figures.shop_domain);
    let heading = format!("trends-{id}");
    html! {
        section class="shop" id=(id) aria-labelledby=(heading) {
            h2 id=(heading) { "Trends: " (title(&shop.figures)) }
            (figures(&shop.figures))
            div class="questions" { (questions::of_shop(&shop.trends, limits)) }
        }
    }
}

fn figures(shop: &ShopFigures) -> Markup {
    let oldest = if shop.waiting == 0 {
        "–".to_owned()
    } else {
        age(shop.oldest_seconds)
    };
    let rate = shop.success_rate.map_or_else(|| "–".to_owned(), percent);
    let figures = [
        ("Received", "24 hours", count(shop.received)),
        ("Success rate", "24 hours", rate),
        ("New dead letters", "24 hours", count(shop.new_dead_letters)),
        ("Waiting", "now", count(shop.waiting)),
        ("Oldest", "now", oldest),
    ];
    html! {
        dl class="card shop-figures" {
            @for (name, time, figure) in figures {
                div {
                    dt { (name) " " span { (time) } }
                    dd { (figure) }
                }
            }
        }
    }
}

/// The id of a shop's section: nothing in it has a meaning in HTML or in an address, and no two shops share one.
fn fragment(domain: &str) -> String {
    if domain.is_empty() {
        return "no-shop".into();
    }
    domain.chars().fold("shop-".to_owned(), |mut id, c| {
        // Writing to a String cannot fail.
        let _ = match c {
            'a'..='z' | '0'..='9' | '.' | '-' | '_' => id.write_char(c),
            c => write!(id, "~{:x}~", u32::from(c)),
        };
        id
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_safe_and_of_one_shop_only() {
        for (domain, id) in [
            ("", "no-shop"),
            ("uk.my_shop-1.example", "shop-uk.my_shop-1.example"),
            ("a\"><b>&#%", "shop-a~22~~3e~~3c~b~3e~~26~~23~~25~"),
            ("k\u{e4}se", "shop-k~e4~se"),
        ] {
            assert_eq!(fragment(domain), id);
        }
    }

    #[test]
    fn a_shop_is_called_by_its_name_beside_its_domain() {
        let shown = |name: &str, domain: &str| {
            let shop = ShopFigures {
                shop_domain: domain.into(),
                name: name.into(),
                received: 0,
                success_rate: None,
                new_dead_letters: 0,
                waiting: 0,
                oldest_seconds: 0,
                shops: 1,
            };
            title(&shop).into_string()
        };
        assert_eq!(shown("", "uk.example"), "uk.example");
        assert_eq!(
            shown("UK <b>", "uk.example"),
            "UK &lt;b&gt; <small>uk.example</small>"
        );
        assert_eq!(shown("", ""), "No shop named");
    }
}
