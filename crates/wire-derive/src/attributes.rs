//! What `#[message(...)]` and `#[field(...)]` say.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{DeriveInput, Error, Expr, Field, Ident, LitInt, LitStr, Result, Type};

use crate::types::{Element, FieldType};

/// The versions from `min` to `max`, which is open in the form `"3+"`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Versions {
    pub(crate) min: i16,
    pub(crate) max: Option<i16>,
}

impl Versions {
    fn parse(literal: &LitStr) -> Result<Self> {
        let text = literal.value();
        let number = |part: &str| {
            part.parse::<i16>()
                .map_err(|_| Error::new(literal.span(), "versions are \"N+\", \"N-M\" or \"N\""))
        };
        if let Some(min) = text.strip_suffix('+') {
            return Ok(Self {
                min: number(min)?,
                max: None,
            });
        }
        let (min, max) = text.split_once('-').unwrap_or((&text, &text));
        Ok(Self {
            min: number(min)?,
            max: Some(number(max)?),
        })
    }

    /// The test that `version` lies in this range, or nothing if it always does. `within` bounds what `version` can be.
    pub(crate) fn condition(self, within: Self) -> Option<TokenStream> {
        let (min, max) = (self.min, self.max);
        let low = (min > within.min).then(|| quote!(version.0 >= #min));
        let high = max
            .filter(|max| within.max.is_none_or(|limit| *max < limit))
            .map(|max| quote!(version.0 <= #max));
        match (low, high) {
            (Some(low), Some(high)) => Some(quote!(#low && #high)),
            (low, high) => low.or(high),
        }
    }
}

/// The struct's own attribute.
pub(crate) struct MessageAttributes {
    /// `None` for a schema that lives inside a field.
    pub(crate) key: Option<i16>,
    pub(crate) versions: Versions,
    pub(crate) flexible: Option<i16>,
    pub(crate) response: Option<Type>,
}

impl MessageAttributes {
    pub(crate) fn parse(input: &DeriveInput) -> Result<Self> {
        let (mut key, mut versions, mut flexible, mut response) = (None, None, None, None);
        for attribute in input.attrs.iter().filter(|a| a.path().is_ident("message")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("key") {
                    key = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
                } else if meta.path.is_ident("versions") {
                    versions = Some(Versions::parse(&meta.value()?.parse()?)?);
                } else if meta.path.is_ident("flexible") {
                    flexible = Some(Versions::parse(&meta.value()?.parse()?)?.min);
                } else if meta.path.is_ident("response") {
                    response = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta.error("unknown key"));
                }
                Ok(())
            })?;
        }
        let missing =
            |what| Error::new_spanned(&input.ident, format!("#[message({what} = ...)] is missing"));
        Ok(Self {
            key,
            versions: versions.ok_or_else(|| missing("versions"))?,
            flexible,
            response,
        })
    }
}

/// One field, as declared.
pub(crate) struct FieldAttributes {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) kind: FieldType,
    pub(crate) versions: Versions,
    pub(crate) nullable: Option<Versions>,
    pub(crate) default: Option<Expr>,
    pub(crate) tag: Option<u32>,
    pub(crate) ignorable: bool,
}

impl FieldAttributes {
    pub(crate) fn parse(field: &Field) -> Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new_spanned(field, "fields need names"));
        };
        let kind = FieldType::parse(&field.ty)?;
        let (mut versions, mut nullable, mut default, mut tag, mut ignorable) =
            (None, None, None, None, false);
        for attribute in field.attrs.iter().filter(|a| a.path().is_ident("field")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("versions") {
                    versions = Some(Versions::parse(&meta.value()?.parse()?)?);
                } else if meta.path.is_ident("nullable") {
                    nullable = Some(Versions::parse(&meta.value()?.parse()?)?);
                } else if meta.path.is_ident("default") {
                    default = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("tag") {
                    tag = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
                } else if meta.path.is_ident("ignorable") {
                    ignorable = true;
                } else {
                    return Err(meta.error("unknown key"));
                }
                Ok(())
            })?;
        }
        if kind.optional != nullable.is_some() {
            return Err(Error::new_spanned(
                field,
                "`nullable` and `Option` go together",
            ));
        }
        if tag.is_some() && matches!(kind.element, Element::Records) {
            return Err(Error::new_spanned(
                field,
                "the size of a tagged field leaves no room for a hole",
            ));
        }
        let versions = versions
            .ok_or_else(|| Error::new_spanned(field, "#[field(versions = ...)] is missing"))?;
        Ok(Self {
            ident,
            ty: field.ty.clone(),
            kind,
            versions,
            nullable,
            default,
            tag,
            ignorable,
        })
    }

    /// The variable that holds the field's value while the others are read. It is no name of the caller's, so that a field may be
    /// called `version` like a parameter of the function.
    pub(crate) fn local(&self) -> Ident {
        let mut local = self.ident.clone();
        local.set_span(Span::mixed_site());
        local
    }

    /// The field's name in errors.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// The value of the field where it is absent.
    pub(crate) fn default_value(&self) -> TokenStream {
        match &self.default {
            Some(value) => quote!(#value),
            None => quote!(::core::default::Default::default()),
        }
    }

    /// The test that the field's value would be missed if it were not written.
    pub(crate) fn is_set(&self) -> TokenStream {
        let (ident, ty) = (&self.ident, &self.ty);
        let default = match &self.default {
            Some(value) => quote!(#value),
            None => quote!(<#ty>::default()),
        };
        let list = self.kind.list || matches!(self.kind.element, Element::Numbers);
        match (list, self.kind.optional, &self.default) {
            (true, false, _) => quote!(!self.#ident.is_empty()),
            (_, true, None) => quote!(self.#ident.is_some()),
            // The only default of a list that is not null is the empty one.
            (true, true, Some(_)) => {
                quote!(self.#ident.as_ref().is_none_or(|items| !items.is_empty()))
            }
            (false, _, _) => quote!(self.#ident != #default),
        }
    }
}
