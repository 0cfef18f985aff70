//! Providers whose webhooks are kept under their name, and read by nobody yet.

use super::{Command, Provider};
use crate::error::Result;
use crate::json::Json;
use std::convert::Infallible;

macro_rules! awaited {
    ($($provider:ident $name:literal),+ $(,)?) => {$(
        /// Its webhooks wait for somebody who reads them.
        pub struct $provider;

        impl Provider for $provider {
            const NAME: &'static str = $name;
            type Topic = Infallible;
            const TOPICS: &'static [(&'static str, Infallible)] = &[];

            fn read<'a, J: Json<'a>>(topic: Infallible, _: J) -> Result<Command<'a, J>> {
                match topic {}
            }
        }
    )+};
}

awaited!(Clerk "clerk", Stripe "stripe", Mitto "mitto");
