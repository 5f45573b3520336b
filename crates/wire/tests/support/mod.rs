//! What all tests of messages share: the declarations read as data, random values of any message, and their bytes as the protocol's rules
//! have them. Nothing here names a message, so a new one is tested as soon as it is declared; and nothing here uses the derive's code.
//!
//! ```text
//! let model = Model::load();
//! let value = generate(&model, "MetadataResponse", 13, &mut Choices::seeded(1));
//! let encoded = encode(&model, "MetadataResponse", 13, &value);
//! value.text(&model, "MetadataResponse") // as the decoded message's Debug would print it
//! ```

#![allow(dead_code, reason = "each test binary uses its own part of this")]

mod choices;
mod dispatch;
mod encode;
mod generate;
mod model;
mod parse;
mod value;

#[allow(unused_imports, reason = "each test binary uses its own part of this")]
pub(crate) use self::{
    choices::Choices,
    dispatch::Decoded,
    encode::{
        Encoded, Loss, LossKind, Mark, MarkKind, encode, encode_part, encode_with_unknown_tags,
    },
    generate::{generate, generate_bytes},
    model::{Field, Kind, Message, Model, Struct, Versions},
    value::Value,
};
