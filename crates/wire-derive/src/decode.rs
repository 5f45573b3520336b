//! The `Decode` impl: one local a field, in wire order, then the tagged fields, then the struct.

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
        .map(|_| quote!(reader.begin::<Self>(version)?;));
    let untagged = declaration
        .untagged()
        .map(|field| read_untagged(field, within));
    let tagged = read_tagged(declaration, within);
    let names = declaration.fields.iter().map(|field| &field.ident);
    let locals = declaration.fields.iter().map(FieldAttributes::local);
    let sizes = declaration.untagged().map(|field| {
        let bytes = field.kind.bytes_min();
        match field.versions.condition(within) {
            Some(condition) => quote!(+ (if #condition { #bytes } else { 0 })),
            None => quote!(+ #bytes),
        }
    });
    quote! {
        impl<'a> crate::Decode<'a> for #ident #arguments {
            fn decode(
                reader: &mut crate::Reader<'a>,
                version: crate::ApiVersion,
            ) -> ::core::result::Result<Self, crate::DecodeError> {
                let _ = version;
                #begin
                #(#untagged)*
                #tagged
                ::core::result::Result::Ok(Self { #(#names: #locals,)* })
            }

            fn bytes_min(version: crate::ApiVersion) -> usize {
                let _ = version;
                0 #(#sizes)*
            }
        }
    }
}

fn read_untagged(field: &FieldAttributes, within: Versions) -> TokenStream {
    let (local, ty, default) = (field.local(), &field.ty, field.default_value());
    let read = read_value(field, within);
    match field.versions.condition(within) {
        Some(condition) => quote!(let #local: #ty = if #condition { #read } else { #default };),
        None => quote!(let #local: #ty = #read;),
    }
}

/// The tagged fields may come in any number; those unknown here are of later versions, and skipped.
fn read_tagged(declaration: &Declaration, within: Versions) -> TokenStream {
    let tagged = declaration.tagged();
    if tagged.is_empty() {
        return quote!(reader.skip_tagged_fields()?;);
    }
    let locals = tagged.iter().map(|(_, field)| {
        let (local, ty, default) = (field.local(), &field.ty, field.default_value());
        quote!(let mut #local: #ty = #default;)
    });
    let arms = tagged.iter().map(|(tag, field)| {
        let (local, read) = (field.local(), read_value(field, within));
        let guard = field
            .versions
            .condition(within)
            .map(|condition| quote!(if #condition));
        quote!(#tag #guard => #local = #read,)
    });
    quote! {
        #(#locals)*
        let mut tags = reader.tagged_fields()?;
        while let ::core::option::Option::Some(field) = tags.next(reader)? {
            match field.tag {
                #(#arms)*
                _ => reader.skip_tagged_field(&field)?,
            }
            reader.end_tagged_field(&field)?;
        }
    }
}

fn read_value(field: &FieldAttributes, within: Versions) -> TokenStream {
    let name = field.name();
    let Some(nullable) = field.nullable else {
        return read_present(field, &name);
    };
    let read = match (&field.kind.element, field.kind.list) {
        (Element::Text, false) => quote!(reader.nullable_string(#name)?),
        (Element::Bytes, _) => quote!(reader.nullable_bytes(#name)?),
        (Element::Records, _) => quote!(reader.nullable_records(#name)?),
        (Element::Text, true) => quote!(reader.nullable_strings(#name)?),
        (Element::Numbers, _) => quote!(reader.nullable_numbers(#name)?),
        (Element::Struct, true) => quote!(reader.nullable_structs(#name, version)?),
        (Element::Struct | Element::Scalar(..), _) => {
            quote!(reader.nullable_struct(#name, version)?)
        }
    };
    // Where null is allowed in every version the field exists in, no test is needed.
    let narrowed = nullable.condition(Versions {
        min: field.versions.min.max(within.min),
        max: field.versions.max.or(within.max),
    });
    match narrowed {
        None => read,
        Some(condition) => {
            let present = read_present(field, &name);
            quote!(if #condition { #read } else { ::core::option::Option::Some(#present) })
        }
    }
}

fn read_present(field: &FieldAttributes, name: &str) -> TokenStream {
    match (&field.kind.element, field.kind.list) {
        (Element::Scalar(method, _), _) => quote!(reader.#method(#name)?),
        (Element::Numbers, _) => quote!(reader.numbers(#name)?),
        (Element::Text, false) => quote!(reader.string(#name)?),
        (Element::Text, true) => quote!(reader.strings(#name)?),
        (Element::Bytes, _) => quote!(reader.bytes(#name)?),
        (Element::Records, _) => quote!(reader.records(#name)?),
        (Element::Struct, true) => quote!(reader.structs(#name, version)?),
        (Element::Struct, false) => quote!(crate::Decode::decode(reader, version)?),
    }
}
