//! Values of any message, and how they are printed.

use std::fmt::Write as _;

use super::model::{Field, Kind, Model};

/// A value of some field or struct. What kind it is, the model knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A number of any width, and an error code.
    Int(i64),
    Double(f64),
    Uuid([u8; 16]),
    Text(String),
    /// Bytes or records.
    Bytes(Vec<u8>),
    List(Vec<Self>),
    /// A list of so many times the first and once the second, for what is too long to be written down.
    Many(usize, Box<Self>, Box<Self>),
    /// One value for each declared field, in the order of the declaration.
    Struct(Vec<Self>),
}

impl Value {
    /// The struct's values.
    pub(crate) fn values(&self) -> &[Self] {
        match self {
            Self::Struct(values) => values,
            other => panic!("not a struct: {other:?}"),
        }
    }

    /// The value, of the struct called `name`, as `{:?}` prints the message in Rust. Names and values of a decoded message are compared
    /// with this.
    pub(crate) fn text(&self, model: &Model, name: &str) -> String {
        let mut text = String::new();
        self.print_struct(model, name, &mut text);
        text
    }

    fn print_struct(&self, model: &Model, name: &str, text: &mut String) {
        text.push_str(name);
        let fields = model.fields(name);
        for (index, (field, value)) in fields.iter().zip(self.values()).enumerate() {
            text.push_str(if index == 0 { " { " } else { ", " });
            text.push_str(&field.name);
            text.push_str(": ");
            value.print_field(model, field, text);
        }
        if !fields.is_empty() {
            text.push_str(" }");
        }
    }

    fn print_field(&self, model: &Model, field: &Field, text: &mut String) {
        if *self == Self::Null {
            text.push_str("None");
            return;
        }
        if field.nullable.is_some() {
            text.push_str("Some(");
        }
        match self {
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    text.push_str(if index == 0 { "[" } else { ", " });
                    item.print_one(model, &field.kind, text);
                }
                text.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            one => one.print_one(model, &field.kind, text),
        }
        if field.nullable.is_some() {
            text.push(')');
        }
    }

    fn print_one(&self, model: &Model, kind: &Kind, text: &mut String) {
        let written = match (self, kind) {
            (Self::Struct(_), Kind::Struct(name)) => {
                self.print_struct(model, name, text);
                Ok(())
            }
            (Self::Int(code), Kind::ErrorCode) => {
                let code = i16::try_from(*code).expect("sixteen bits");
                write!(text, "{:?}", milena_wire::ErrorCode(code))
            }
            (Self::Uuid(bytes), _) => write!(text, "{:?}", milena_wire::Uuid(*bytes)),
            (Self::Bytes(bytes), Kind::Records) => write!(text, "Payload({} bytes)", bytes.len()),
            (Self::Bytes(bytes), _) => write!(text, "{bytes:?}"),
            (Self::Bool(value), _) => write!(text, "{value}"),
            (Self::Int(value), _) => write!(text, "{value}"),
            (Self::Double(value), _) => write!(text, "{value:?}"),
            (Self::Text(value), _) => write!(text, "{value:?}"),
            (other, kind) => panic!("{other:?} is no {kind:?}"),
        };
        written.expect("memory");
    }
}
