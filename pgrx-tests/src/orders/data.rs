//! Names, places and goods to choose from.

use fastrand::Rng;

/// A shop: its money and its clock.
#[derive(Debug)]
pub(super) struct Shop {
    pub currency: &'static str,
    pub decimals: u32,
    /// Seconds east of UTC.
    pub offset: i32,
    pub locale: &'static str,
    pub tax_included: bool,
    /// Per mille.
    pub tax_rate: i64,
    pub tax_title: &'static str,
}

const SHOPS: [Shop; 4] = [
    Shop {
        currency: "USD",
        decimals: 2,
        offset: -18_000,
        locale: "en-US",
        tax_included: false,
        tax_rate: 88,
        tax_title: "State Tax",
    },
    Shop {
        currency: "EUR",
        decimals: 2,
        offset: 7_200,
        locale: "de-DE",
        tax_included: true,
        tax_rate: 190,
        tax_title: "MwSt",
    },
    Shop {
        currency: "GBP",
        decimals: 2,
        offset: 3_600,
        locale: "en-GB",
        tax_included: true,
        tax_rate: 200,
        tax_title: "VAT",
    },
    Shop {
        currency: "JPY",
        decimals: 0,
        offset: 32_400,
        locale: "ja-JP",
        tax_included: true,
        tax_rate: 100,
        tax_title: "消費税",
    },
];

pub(super) fn shop(rng: &mut Rng) -> &'static Shop {
    &SHOPS[[0, 0, 0, 1, 1, 1, 2, 2, 2, 3][rng.usize(..10)]]
}

/// A person with an address. Number `n` is always the same one.
#[derive(Clone, Debug)]
pub(super) struct Person {
    number: u64,
    pub first: &'static str,
    pub last: &'static str,
    pub street: String,
    pub place: Place,
    pub phone: Option<String>,
}

/// A town.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub city: &'static str,
    pub province: Option<&'static str>,
    pub province_code: Option<&'static str>,
    pub zip: &'static str,
    pub country: &'static str,
    pub country_code: &'static str,
}

impl Person {
    pub fn number(number: u64) -> Self {
        let mut rng = Rng::with_seed(number ^ 0x00C0_FFEE);
        Self {
            number,
            first: pick(&mut rng, &FIRST),
            last: pick(&mut rng, &LAST),
            street: format!("{} {}", rng.u32(1..240), pick(&mut rng, &STREETS)),
            place: pick(&mut rng, &PLACES),
            phone: (rng.u8(..10) < 6).then(|| format!("+1555{:07}", rng.u32(..10_000_000))),
        }
    }

    /// An address under a domain reserved for examples; some are written with capitals, as people do.
    pub fn email(&self, prefix: &str) -> String {
        let ascii: String = self.last.chars().filter(char::is_ascii_alphabetic).collect();
        let name = if self.number.is_multiple_of(9) {
            ascii
        } else {
            ascii.to_lowercase()
        };
        format!("{prefix}{name}.{}@example.com", self.number)
    }
}

/// Something to buy: title, vendor, variants, price in smallest units of a currency with two decimals, grams.
pub(super) type Product = (&'static str, &'static str, [&'static str; 2], i64, i64);

pub(super) fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

const FIRST: [&str; 16] = [
    "Ada",
    "Björn",
    "Chloé",
    "Dmitri",
    "Élodie",
    "Fatima",
    "Grace",
    "Håkon",
    "Íris",
    "Jürgen",
    "Łucja",
    "Nguyễn",
    "Søren",
    "Zoë",
    "太郎",
    "Mary-Jane",
];
const LAST: [&str; 16] = [
    "Lovelace",
    "Åkesson",
    "Müller-Lüdenscheidt",
    "O'Connor",
    "Kowalska",
    "García",
    "Smith",
    "Nakamura",
    "Brontë",
    "da Silva",
    "Þórsdóttir",
    "Öztürk",
    "Petrov",
    "van der Berg",
    "Ó Briain",
    "Jones",
];
const STREETS: [&str; 8] = [
    "High Street",
    "Chestnut Street",
    "Hauptstraße",
    "Rue de l'Église",
    "Elm Avenue",
    "Calle Mayor",
    "Ring Road",
    "Kungsgatan",
];
const PLACES: [Place; 6] = [
    Place {
        city: "Louisville",
        province: Some("Kentucky"),
        province_code: Some("KY"),
        zip: "40202",
        country: "United States",
        country_code: "US",
    },
    Place {
        city: "Köln",
        province: None,
        province_code: None,
        zip: "50667",
        country: "Germany",
        country_code: "DE",
    },
    Place {
        city: "Leeds",
        province: Some("England"),
        province_code: Some("ENG"),
        zip: "LS1 4AP",
        country: "United Kingdom",
        country_code: "GB",
    },
    Place {
        city: "Montréal",
        province: Some("Québec"),
        province_code: Some("QC"),
        zip: "H2X 1Y4",
        country: "Canada",
        country_code: "CA",
    },
    Place {
        city: "大阪市",
        province: Some("Ōsaka"),
        province_code: Some("JP-27"),
        zip: "530-0001",
        country: "Japan",
        country_code: "JP",
    },
    Place {
        city: "Aarhus",
        province: None,
        province_code: None,
        zip: "8000",
        country: "Denmark",
        country_code: "DK",
    },
];
pub(super) const PRODUCTS: [Product; 12] = [
    ("Wool Coat", "Nordlicht", ["S / Grey", "M / Grey"], 18_900, 1400),
    (
        "Silk Scarf – Édition Limitée",
        "Maison Brûlé",
        ["Red", "Blue"],
        7_950,
        90,
    ),
    ("Leather Boots", "Ironside & Sons", ["42", "43"], 21_500, 1800),
    ("Linen Shirt", "Nordlicht", ["L / White", "M / White"], 6_900, 260),
    ("Vintage Denim Jacket", "Second Life", ["M", "L"], 9_800, 950),
    (
        "Cashmere Beanie",
        "Highland Mill",
        ["One Size", "Kids"],
        4_450,
        110,
    ),
    (
        "Canvas Tote \"Everyday\"",
        "Second Life",
        ["Natural", "Black"],
        2_500,
        300,
    ),
    ("Ceramic Mug", "Töpferei Süd", ["300 ml", "450 ml"], 1_800, 420),
    ("Enamel Pin", "Second Life", ["Star", "Moon"], 650, 20),
    ("Gift Wrapping", "House", ["Paper", "Cloth"], 399, 50),
    (
        "Trail Backpack 24L",
        "Ironside & Sons",
        ["Olive", "Slate"],
        12_900,
        870,
    ),
    (
        "Merino Socks (3 pack)",
        "Highland Mill",
        ["36-40", "41-45"],
        2_999,
        180,
    ),
];
