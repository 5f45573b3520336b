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

mod carry;
mod choices;
mod dispatch;
mod encode;
mod generate;
mod model;
mod parse;
mod value;

#[allow(unused_imports, reason = "each test binary uses its own part of this")]
pub(crate) use self::{
    carry::carry,
    choices::Choices,
    dispatch::Decoded,
    encode::{
        Encoded, Loss, LossKind, Mark, MarkKind, encode, encode_part, encode_with_unknown_tags,
        varint,
    },
    generate::{generate, generate_bytes, sample},
    model::{Field, Kind, Message, Model, Versions},
    value::Value,
};

/// The declarations, read once.
pub(crate) fn model() -> &'static Model {
    static MODEL: std::sync::LazyLock<Model> = std::sync::LazyLock::new(Model::load);
    &MODEL
}

/// Every message in each of its versions.
pub(crate) fn every_version() -> impl Iterator<Item = (&'static Message, i16)> {
    let all = model().messages.iter();
    all.flat_map(|message| {
        message
            .versions
            .iter()
            .map(move |version| (message, version))
    })
}

/// How many cases are enough in a hurry; `MILENA_LONG=1` asks for many more.
pub(crate) fn cases(hurried: usize) -> usize {
    match std::env::var_os("MILENA_LONG") {
        Some(_) => hurried * 50,
        None => hurried,
    }
}
