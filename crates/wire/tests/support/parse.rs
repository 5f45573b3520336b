//! Rust files to declarations. What it does not understand, it refuses: a declaration that is read wrongly would be tested wrongly.

use std::path::Path;

use syn::ext::IdentExt as _;
use syn::{
    Attribute, Expr, GenericArgument, Item, ItemStruct, Lit, LitInt, LitStr, Meta, PathArguments,
    Type, UnOp,
};

use super::model::{Field, Kind, Message, Model, Versions};
use super::value::Value;

/// Adds what `path` declares.
pub(crate) fn add_file(model: &mut Model, path: &Path) {
    let shown = path.display();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let module = path.file_stem().expect("a file").to_string_lossy();
    for item in &file.items {
        let Item::Struct(item) = item else { continue };
        let name = item.ident.to_string();
        if derives(item, "Message") {
            model.messages.push(message(item, &module));
        } else if !derives(item, "Fields") {
            continue;
        }
        let fields = item.fields.iter().map(|item| field(&name, item)).collect();
        let twice = model.structs.insert(name, fields);
        assert!(twice.is_none(), "{shown}: {} twice", item.ident);
    }
}

fn derives(item: &ItemStruct, name: &str) -> bool {
    let mut found = false;
    for attribute in item.attrs.iter().filter(|a| a.path().is_ident("derive")) {
        let look = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident(name);
            Ok(())
        });
        look.expect("derive lists paths");
    }
    found
}

fn message(item: &ItemStruct, module: &str) -> Message {
    let name = item.ident.to_string();
    let (mut key, mut range, mut flexible, mut response) = (None, None, None, None);
    each_argument(&item.attrs, "message", |argument, meta| {
        match argument {
            "key" => key = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?),
            "versions" => range = Some(versions(&meta.value()?.parse()?)),
            "flexible" => flexible = Some(versions(&meta.value()?.parse()?).min),
            "response" => response = Some(last_name(&meta.value()?.parse()?)),
            _ => return Err(meta.error("unknown")),
        }
        Ok(())
    });
    Message {
        versions: range.unwrap_or_else(|| panic!("{name}: versions")),
        name,
        module: module.to_owned(),
        key,
        flexible,
        response,
    }
}

fn field(of: &str, item: &syn::Field) -> Field {
    let name = item.ident.as_ref().expect("fields have names");
    let name = name.unraw().to_string();
    let (mut range, mut nullable, mut default, mut tag) = (None, None, None, None);
    let mut ignorable = false;
    each_argument(&item.attrs, "field", |argument, meta| {
        match argument {
            "versions" => range = Some(versions(&meta.value()?.parse()?)),
            "nullable" => nullable = Some(versions(&meta.value()?.parse()?)),
            "default" => default = Some(constant(&meta.value()?.parse()?)),
            "tag" => tag = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?),
            "ignorable" => ignorable = true,
            _ => return Err(meta.error("unknown")),
        }
        Ok(())
    });
    let (optional, ty) = unwrap(&item.ty, "Option");
    assert_eq!(optional, nullable.is_some(), "{of}.{name}");
    let (mut list, mut ty) = unwrap(ty, "Vec");
    if !list {
        (list, ty) = unwrap(ty, "Numbers");
    }
    Field {
        doc: doc(&item.attrs),
        versions: range.unwrap_or_else(|| panic!("{of}.{name}: versions")),
        kind: kind(ty),
        name,
        list,
        nullable,
        declared_default: default,
        tag,
        ignorable,
    }
}

/// What the comments above say, in one line.
fn doc(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        if let Meta::NameValue(pair) = &attribute.meta
            && pair.path.is_ident("doc")
            && let Expr::Lit(literal) = &pair.value
            && let Lit::Str(line) = &literal.lit
        {
            lines.push(line.value().trim().to_owned());
        }
    }
    lines.join(" ")
}

/// Calls `each` with every argument of the attributes of this name.
fn each_argument(
    attributes: &[Attribute],
    name: &str,
    mut each: impl FnMut(&str, &syn::meta::ParseNestedMeta<'_>) -> syn::Result<()>,
) {
    for attribute in attributes.iter().filter(|a| a.path().is_ident(name)) {
        let read = attribute.parse_nested_meta(|meta| {
            let argument = meta.path.require_ident()?.to_string();
            each(&argument, &meta)
        });
        read.unwrap_or_else(|error| panic!("#[{name}]: {error}"));
    }
}

/// `"3+"`, `"3-5"` or `"3"`.
fn versions(literal: &LitStr) -> Versions {
    let text = literal.value();
    let number = |part: &str| {
        part.parse()
            .unwrap_or_else(|_| panic!("not versions: {text}"))
    };
    if let Some(min) = text.strip_suffix('+') {
        return Versions {
            min: number(min),
            max: None,
        };
    }
    let (min, max) = text.split_once('-').unwrap_or((&text, &text));
    Versions {
        min: number(min),
        max: Some(number(max)),
    }
}

fn kind(ty: &Type) -> Kind {
    if let Type::Reference(reference) = ty {
        return match &*reference.elem {
            Type::Slice(_) => Kind::Bytes,
            Type::Path(path) if path.path.is_ident("str") => Kind::Text,
            _ => panic!("not a type of the wire"),
        };
    }
    match last_name(ty).as_str() {
        "bool" => Kind::Bool,
        "i8" => Kind::I8,
        "i16" => Kind::I16,
        "u16" => Kind::U16,
        "i32" => Kind::I32,
        "i64" => Kind::I64,
        "f64" => Kind::F64,
        "ErrorCode" => Kind::ErrorCode,
        "Uuid" => Kind::Uuid,
        "Payload" => Kind::Records,
        name => Kind::Struct(name.to_owned()),
    }
}

fn constant(expression: &Expr) -> Value {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => Value::Int(number.base10_parse().expect("fits")),
            Lit::Float(number) => Value::Double(number.base10_parse().expect("fits")),
            Lit::Bool(value) => Value::Bool(value.value),
            Lit::Str(text) => Value::Text(text.value()),
            _ => panic!("a default of an unknown kind"),
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => match constant(&unary.expr) {
            Value::Int(number) => Value::Int(-number),
            Value::Double(number) => Value::Double(-number),
            _ => panic!("not a number"),
        },
        Expr::Path(path) => named_constant(&path_text(&path.path)),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) if path.path.is_ident("Some") => constant(&call.args[0]),
            Expr::Path(path) => match path_text(&path.path).as_str() {
                "Vec::new" | "Numbers::default" => Value::List(Vec::new()),
                other => panic!("a default of {other}"),
            },
            _ => panic!("a default of an unknown kind"),
        },
        Expr::Reference(reference) => match &*reference.expr {
            Expr::Array(array) if array.elems.is_empty() => Value::Bytes(Vec::new()),
            _ => panic!("a default of an unknown kind"),
        },
        _ => panic!("a default of an unknown kind"),
    }
}

fn named_constant(name: &str) -> Value {
    match name {
        "None" => Value::Null,
        "i8::MIN" => Value::Int(i8::MIN.into()),
        "i8::MAX" => Value::Int(i8::MAX.into()),
        "i16::MIN" => Value::Int(i16::MIN.into()),
        "i16::MAX" => Value::Int(i16::MAX.into()),
        "i32::MIN" => Value::Int(i32::MIN.into()),
        "i32::MAX" => Value::Int(i32::MAX.into()),
        "i64::MIN" => Value::Int(i64::MIN),
        "i64::MAX" => Value::Int(i64::MAX),
        other => panic!("a default of {other}"),
    }
}

fn path_text(path: &syn::Path) -> String {
    let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
    names.join("::")
}

/// The last name of a path, without its arguments.
fn last_name(ty: &Type) -> String {
    let Type::Path(path) = ty else {
        panic!("not a type of the wire")
    };
    let last = path.path.segments.last().expect("not empty");
    last.ident.to_string()
}

/// The type inside `wrapper<...>`, and whether there was one.
fn unwrap<'t>(ty: &'t Type, wrapper: &str) -> (bool, &'t Type) {
    if let Type::Path(path) = ty
        && let Some(last) = path.path.segments.last()
        && last.ident == wrapper
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
    {
        for argument in &arguments.args {
            if let GenericArgument::Type(inner) = argument {
                return (true, inner);
            }
        }
    }
    (false, ty)
}
