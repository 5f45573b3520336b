//! The derives behind `milena-wire`'s declared messages: `Message` for requests and responses, `Fields` for the structs nested in them.
//!
//! A struct lists its fields in wire order, each with the versions it exists in; the derive writes the `Default`, `Encode` and `Decode`
//! of it as straight-line calls on `Writer` and `Reader`. The output names `crate::`, so these derives work inside `milena-wire` only.
//!
//! On the struct: `#[message(key = 0, versions = "3-13", flexible = "9+", response = ProduceResponse<'a>)]`; `response` on requests only.
//!
//! On each field, `#[field(...)]` with
//! - `versions = "3+"`: where the field exists (`"N+"`, `"N-M"` or `"N"`);
//! - `nullable = "5+"`: in which of those null is allowed, on `Option` fields. A nullable field's default is `None`;
//! - `default = -1`: what an absent field reads as, when it is not zero or empty;
//! - `ignorable`: an encoder may drop the value where the field does not exist. Without it, a value that would be lost is an error;
//! - `tag = 0`: a tagged field, written only when it differs from its default.

mod attributes;
mod decode;
mod encode;
mod expand;
mod types;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct a request or a response: `Message`, `Default`, `Encode`, `Decode`, and `Request` if it names its response.
#[proc_macro_derive(Message, attributes(message, field))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::message(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Makes a struct usable inside a message: `Default`, `Encode` and `Decode`.
#[proc_macro_derive(Fields, attributes(field))]
pub fn derive_fields(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::fields(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
