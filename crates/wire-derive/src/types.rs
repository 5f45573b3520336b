//! Which wire type a Rust type stands for.

use proc_macro2::{Ident, Span};
use syn::{Error, GenericArgument, PathArguments, Result, Type};

/// A field's type: `optional` and `list` say what is wrapped around the element.
pub(crate) struct FieldType {
    pub(crate) optional: bool,
    pub(crate) list: bool,
    pub(crate) element: Element,
}

/// The innermost type.
pub(crate) enum Element {
    /// Read and written by the method of this name, which takes the given number of bytes.
    Scalar(Ident, usize),
    /// `Numbers<'a, T>`: a list of numbers, each of so many bytes.
    Numbers,
    /// `&'a str`.
    Text,
    /// `&'a [u8]`.
    Bytes,
    /// `Payload`: a hole in the frame.
    Records,
    /// A struct with the `Fields` derive.
    Struct,
}

impl FieldType {
    pub(crate) fn parse(ty: &Type) -> Result<Self> {
        let (optional, ty) = unwrap(ty, "Option");
        let (list, ty) = unwrap(ty, "Vec");
        let element = Element::parse(ty)?;
        if optional && !list && matches!(element, Element::Scalar(..)) {
            return Err(Error::new_spanned(ty, "a number cannot be null"));
        }
        if matches!(element, Element::Records) && (list || !optional) {
            return Err(Error::new_spanned(ty, "records are `Option<Payload>`"));
        }
        if list && matches!(element, Element::Bytes) {
            return Err(Error::new_spanned(ty, "no message has a list of bytes"));
        }
        if list && matches!(element, Element::Scalar(..) | Element::Numbers) {
            return Err(Error::new_spanned(
                ty,
                "a list of numbers is `Numbers<'a, i32>`",
            ));
        }
        Ok(Self {
            optional,
            list,
            element,
        })
    }

    /// The fewest bytes a value of this type takes.
    pub(crate) fn bytes_min(&self) -> usize {
        match &self.element {
            Element::Scalar(_, bytes) if !self.list => *bytes,
            _ => 1,
        }
    }
}

impl Element {
    fn parse(ty: &Type) -> Result<Self> {
        let unknown = || Error::new_spanned(ty, "not a type of the wire");
        match ty {
            Type::Reference(reference) => match &*reference.elem {
                Type::Slice(_) => Ok(Self::Bytes),
                Type::Path(path) if path.path.is_ident("str") => Ok(Self::Text),
                _ => Err(unknown()),
            },
            Type::Path(path) => {
                let name = path
                    .path
                    .segments
                    .last()
                    .ok_or_else(unknown)?
                    .ident
                    .to_string();
                let scalar = |method: &str, bytes| {
                    Self::Scalar(Ident::new(method, Span::call_site()), bytes)
                };
                Ok(match name.as_str() {
                    "bool" | "i8" => scalar(&name, 1),
                    "i16" | "u16" => scalar(&name, 2),
                    "i32" => scalar(&name, 4),
                    "i64" | "f64" => scalar(&name, 8),
                    "ErrorCode" => scalar("error_code", 2),
                    "Uuid" => scalar("uuid", 16),
                    "Payload" => Self::Records,
                    "Numbers" => Self::Numbers,
                    _ => Self::Struct,
                })
            }
            _ => Err(unknown()),
        }
    }
}

/// The type inside `wrapper<...>`, and whether there was one.
fn unwrap<'t>(ty: &'t Type, wrapper: &str) -> (bool, &'t Type) {
    if let Type::Path(path) = ty
        && let Some(last) = path.path.segments.last()
        && last.ident == wrapper
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        return (true, inner);
    }
    (false, ty)
}
