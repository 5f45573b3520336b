//! The derives behind `milena-wire`'s declared messages: `Message` for requests and responses, `Fields` for the structs nested in them.
//!
//! A struct lists its fields in wire order, each with the versions it exists in; the derive writes the `Default`, `Encode` and `Decode`
//! of it as straight-line calls on `Writer` and `Reader`. The output names `crate::`, so these derives work inside `milena-wire` only.
//!
//! On the struct: `#[message(key = 0, versions = "3-13", flexible = "9+", response = ProduceResponse<'a>)]`; `response` on requests only,
//! and no `key` on schemas that are found inside a field or a record.
//!
//! On each field, `#[field(...)]` with
//! - `versions = "3+"`: where the field exists (`"N+"`, `"N-M"` or `"N"`);
//! - `nullable = "5+"`: in which of those null is allowed, on `Option` fields;
//! - `default = -1`: what an absent field reads as, when it is not zero, empty or, on `Option` fields, `None`;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use syn::parse_quote;

    use super::*;

    /// Each kind of field once: in all versions or some, null or not, tagged or not, ignorable or not.
    fn expansion() -> String {
        let message: DeriveInput = parse_quote! {
            #[message(key = 99, versions = "1-7", flexible = "5+", response = LendResponse)]
            pub struct LendRequest<'a> {
                #[field(versions = "0+")]
                pub reader_id: i64,
                #[field(versions = "2+", nullable = "4+", ignorable)]
                pub note: Option<&'a str>,
                #[field(versions = "0-3", default = -1)]
                pub days: i32,
                #[field(versions = "1+")]
                pub books: Vec<Book>,
                #[field(versions = "6+", tag = 1)]
                pub shelf: Vec<&'a str>,
                #[field(versions = "5+", nullable = "5+", tag = 0, ignorable)]
                pub voucher: Option<&'a [u8]>,
                #[field(versions = "1+", nullable = "1+")]
                pub cover: Option<Payload>,
                #[field(versions = "1+", nullable = "1+", default = Some(""))]
                pub reason: Option<&'a str>,
                #[field(versions = "1-3", nullable = "2+", default = Some(Numbers::default()))]
                pub pages: Option<Numbers<'a, i32>>,
                #[field(versions = "1+", nullable = "1+")]
                pub insert: Option<Leaf>,
                #[field(versions = "4+")]
                pub version: u16,
                #[field(versions = "4+")]
                pub r#type: Numbers<'a, i8>,
            }
        };
        let nested: DeriveInput = parse_quote! {
            pub struct Book {
                #[field(versions = "1+")]
                pub book_id: Uuid,
                #[field(versions = "3+")]
                pub error_code: ErrorCode,
            }
        };
        let parts = [expand::message(&message), expand::fields(&nested)];
        let parts = parts.map(|part| syn::parse2(part.expect("well declared")).expect("Rust"));
        parts.map(|part| prettyplease::unparse(&part)).join("\n")
    }

    fn on_file() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expansion.txt"))
    }

    /// If a change is meant, `MILENA_BLESS=1` writes the file anew.
    #[test]
    fn expansions_are_those_on_file() {
        if std::env::var_os("MILENA_BLESS").is_some() {
            std::fs::write(on_file(), expansion()).expect("a writable checkout");
        }
        let on_file = std::fs::read_to_string(on_file()).expect("a whole checkout");
        assert_eq!(expansion(), on_file, "if this is meant, set MILENA_BLESS=1");
    }

    #[test]
    fn declarations_that_make_no_sense_are_refused() {
        let refused =
            |input: DeriveInput| expand::fields(&input).expect_err("must fail").to_string();
        let optional =
            parse_quote! { struct S<'a> { #[field(versions = "0+")] a: Option<&'a str> } };
        assert_eq!(refused(optional), "`nullable` and `Option` go together");
        let bare = parse_quote! { struct S { a: i32 } };
        assert_eq!(refused(bare), "#[field(versions = ...)] is missing");
        let typo = parse_quote! { struct S { #[field(version = "0+")] a: i32 } };
        assert_eq!(refused(typo), "unknown key");
        let range = parse_quote! { struct S { #[field(versions = "3..")] a: i32 } };
        assert_eq!(refused(range), "versions are \"N+\", \"N-M\" or \"N\"");
        let tagged = parse_quote! { struct S { #[field(versions = "0+", nullable = "0+", tag = 0)] a: Option<Payload> } };
        assert_eq!(
            refused(tagged),
            "the size of a tagged field leaves no room for a hole"
        );
        let list = parse_quote! { struct S { #[field(versions = "0+")] a: Vec<i64> } };
        assert_eq!(refused(list), "a list of numbers is `Numbers<'a, i32>`");
    }
}
