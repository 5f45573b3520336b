//! The `Encode` impl: one call a field, in wire order, then the tagged fields that are set.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attributes::{FieldAttributes, Versions};
use crate::expand::Declaration;
use crate::types::Element;

pub(crate) fn implementation(declaration: &Declaration) -> TokenStream {
    let (ident, arguments) = (&declaration.ident, &declaration.arguments);
    let within = declaration.versions();
    let begin = declaration
        .message
        .as_ref()
        .map(|_| quote!(writer.begin::<Self>(version)?;));
    let untagged = declaration
        .untagged()
        .map(|field| write_untagged(field, within));
    let tagged = write_tagged(declaration, within);
    quote! {
        impl #arguments crate::Encode for #ident #arguments {
            fn encode(
                &self,
                writer: &mut crate::Writer,
                version: crate::ApiVersion,
            ) -> ::core::result::Result<(), crate::EncodeError> {
                let _ = version;
                #begin
                #(#untagged)*
                #tagged
                ::core::result::Result::Ok(())
            }
        }
    }
}

fn write_untagged(field: &FieldAttributes, within: Versions) -> TokenStream {
    let write = write_value(field, within);
    let Some(condition) = field.versions.condition(within) else {
        return write;
    };
    if field.ignorable {
        return quote!(if #condition { #write });
    }
    let (is_set, refuse) = (field.is_set(), refuse(field));
    quote!(if #condition { #write } else if #is_set { #refuse })
}

/// A value that the version has no room for is lost silently only if the protocol says so.
fn refuse(field: &FieldAttributes) -> TokenStream {
    let name = field.name();
    quote!(return ::core::result::Result::Err(writer.not_in_version(#name));)
}

fn write_tagged(declaration: &Declaration, within: Versions) -> TokenStream {
    let tagged = declaration.tagged();
    if tagged.is_empty() {
        return quote!(writer.tagged_field_count(0););
    }
    let mut refusals = quote!();
    let mut present = Vec::new();
    let mut writes = Vec::new();
    for (tag, field) in tagged {
        let (is_set, write) = (field.is_set(), write_value(field, within));
        let test = match field.versions.condition(within) {
            Some(condition) => {
                if !field.ignorable {
                    let refuse = refuse(field);
                    refusals.extend(quote!(if !(#condition) && #is_set { #refuse }));
                }
                quote!(#condition && #is_set)
            }
            None => is_set,
        };
        present.push(test.clone());
        writes.push(quote! {
            if #test {
                let start = writer.begin_tagged_field(#tag);
                #write
                writer.end_tagged_field(start);
            }
        });
    }
    quote! {
        #refusals
        writer.tagged_field_count(0 #(+ u32::from(#present))*);
        #(#writes)*
    }
}

fn write_value(field: &FieldAttributes, within: Versions) -> TokenStream {
    let (ident, name) = (&field.ident, field.name());
    let Some(nullable) = field.nullable else {
        return write_present(field, &quote!(self.#ident), &name);
    };
    let (null, some) = match (&field.kind.element, field.kind.list) {
        (Element::Text, false) => (
            quote!(null_string),
            write_present(field, &quote!(value), &name),
        ),
        (Element::Struct, false) => (
            quote!(null_struct),
            quote!(writer.struct_present(); crate::Encode::encode(value, writer, version)?;),
        ),
        (Element::Bytes | Element::Records, false) => (
            quote!(null_bytes),
            write_present(field, &quote!(value), &name),
        ),
        _ => (
            quote!(null_array),
            write_present(field, &quote!(value), &name),
        ),
    };
    let narrowed = nullable.condition(Versions {
        min: field.versions.min.max(within.min),
        max: field.versions.max.or(within.max),
    });
    let refuse = narrowed.map(|condition| {
        quote! {
            ::core::option::Option::None if !(#condition) => {
                return ::core::result::Result::Err(writer.null_not_allowed(#name));
            }
        }
    });
    quote! {
        match &self.#ident {
            ::core::option::Option::Some(value) => { #some }
            #refuse
            ::core::option::Option::None => writer.#null(),
        }
    }
}

fn write_present(field: &FieldAttributes, value: &TokenStream, name: &str) -> TokenStream {
    match (&field.kind.element, field.kind.list) {
        (Element::Scalar(method, _), _) => quote!(writer.#method(#value);),
        (Element::Numbers, _) => quote!(writer.numbers(&#value, #name)?;),
        (Element::Text, false) => quote!(writer.string(&#value, #name)?;),
        (Element::Text, true) => quote!(writer.strings(&#value, #name)?;),
        (Element::Bytes, _) => quote!(writer.bytes(&#value, #name)?;),
        (Element::Records, _) => quote!(writer.records(#value, #name)?;),
        (Element::Struct, true) => quote!(writer.structs(&#value, #name, version)?;),
        (Element::Struct, false) => quote!(crate::Encode::encode(&#value, writer, version)?;),
    }
}
