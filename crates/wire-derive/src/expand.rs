//! From a declared struct to its impls.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result};

use crate::attributes::{FieldAttributes, MessageAttributes, Versions};
use crate::{decode, encode};

/// A declared struct, read.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    /// The struct's type arguments: `<'a>` or nothing.
    pub(crate) arguments: TokenStream,
    pub(crate) fields: Vec<FieldAttributes>,
    pub(crate) message: Option<MessageAttributes>,
}

/// The impls of a request or response.
pub(crate) fn message(input: &DeriveInput) -> Result<TokenStream> {
    let declaration = Declaration::parse(input, Some(MessageAttributes::parse(input)?))?;
    let message = declaration.message_impl();
    let common = declaration.common_impls();
    Ok(quote!(#message #common))
}

/// The impls of a nested struct.
pub(crate) fn fields(input: &DeriveInput) -> Result<TokenStream> {
    Ok(Declaration::parse(input, None)?.common_impls())
}

impl Declaration {
    fn parse(input: &DeriveInput, message: Option<MessageAttributes>) -> Result<Self> {
        let Data::Struct(data) = &input.data else {
            return Err(Error::new_spanned(input, "messages are structs"));
        };
        let Fields::Named(named) = &data.fields else {
            return Err(Error::new_spanned(input, "messages have named fields"));
        };
        let mut lifetimes = input.generics.lifetimes();
        let arguments = match (lifetimes.next(), input.generics.params.len()) {
            (None, 0) => quote!(),
            (Some(only), 1) if only.lifetime.ident == "a" => quote!(<'a>),
            _ => {
                return Err(Error::new_spanned(
                    &input.generics,
                    "at most one lifetime, called 'a",
                ));
            }
        };
        let fields = named
            .named
            .iter()
            .map(FieldAttributes::parse)
            .collect::<Result<_>>()?;
        Ok(Self {
            ident: input.ident.clone(),
            arguments,
            fields,
            message,
        })
    }

    /// What `version` can be when the fields are read or written.
    pub(crate) fn versions(&self) -> Versions {
        let any = Versions { min: 0, max: None };
        self.message
            .as_ref()
            .map_or(any, |message| message.versions)
    }

    /// The untagged fields, in wire order.
    pub(crate) fn untagged(&self) -> impl Iterator<Item = &FieldAttributes> {
        self.fields.iter().filter(|field| field.tag.is_none())
    }

    /// The tagged fields by rising tag, which is their wire order.
    pub(crate) fn tagged(&self) -> Vec<(u32, &FieldAttributes)> {
        let mut tagged: Vec<_> = self
            .fields
            .iter()
            .filter_map(|field| Some((field.tag?, field)))
            .collect();
        tagged.sort_by_key(|(tag, _)| *tag);
        tagged
    }

    fn message_impl(&self) -> TokenStream {
        let Some(message) = &self.message else {
            return quote!();
        };
        let (ident, arguments) = (&self.ident, &self.arguments);
        let name = ident.to_string();
        let min = message.versions.min;
        let max = message.versions.max.unwrap_or(i16::MAX);
        let flexible = match message.flexible {
            Some(since) => quote!(::core::option::Option::Some(crate::ApiVersion(#since))),
            None => quote!(::core::option::Option::None),
        };
        let request = message.response.as_ref().map(|response| {
            let anonymous = if arguments.is_empty() {
                quote!()
            } else {
                quote!(<'_>)
            };
            quote! {
                impl crate::Request for #ident #anonymous {
                    type Response<'a> = #response;
                }
            }
        });
        let api = message.key.map(|key| {
            quote! {
                impl #arguments crate::ApiMessage for #ident #arguments {
                    const KEY: crate::ApiKey = crate::ApiKey(#key);
                }
            }
        });
        quote! {
            impl #arguments crate::Message for #ident #arguments {
                const NAME: &'static str = #name;
                const VERSIONS: crate::VersionRange =
                    crate::VersionRange { min: crate::ApiVersion(#min), max: crate::ApiVersion(#max) };
                const FLEXIBLE_SINCE: ::core::option::Option<crate::ApiVersion> = #flexible;
            }
            #api
            #request
        }
    }

    fn common_impls(&self) -> TokenStream {
        let (ident, arguments) = (&self.ident, &self.arguments);
        let names = self.fields.iter().map(|field| &field.ident);
        let defaults = self.fields.iter().map(FieldAttributes::default_value);
        let encode = encode::implementation(self);
        let decode = decode::implementation(self);
        quote! {
            impl #arguments ::core::default::Default for #ident #arguments {
                fn default() -> Self {
                    Self { #(#names: #defaults,)* }
                }
            }
            #encode
            #decode
        }
    }
}
