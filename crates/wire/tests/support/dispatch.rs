//! From the name of a message to the type that reads and writes it.

use bytes::{Buf, Bytes};
use milena_wire::messages::*;
use milena_wire::{
    ApiKey, ApiVersion, CorrelationId, Decode, DecodeError, Encode, EncodeError, Reader, Writer,
};

use super::model::Message;

/// A message of any kind, as the crate has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decoded<'a> {
    Request(AnyRequest<'a>),
    Response(AnyResponse<'a>),
    Inner(Inner<'a>),
}

impl<'a> Decoded<'a> {
    /// Reads a body, all of whose bytes must be used.
    pub(crate) fn decode(
        message: &Message,
        version: i16,
        body: &'a Bytes,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let version = ApiVersion(version);
        let decoded = match message.key.map(ApiKey) {
            None => Self::Inner(Inner::decode(&message.name, &mut reader, version)?),
            Some(key) if message.response.is_some() => {
                Self::Request(AnyRequest::decode(key, &mut reader, version)?)
            }
            Some(key) => Self::Response(AnyResponse::decode(key, &mut reader, version)?),
        };
        reader.finish()?;
        Ok(decoded)
    }

    /// The message with all its fields at their defaults.
    pub(crate) fn default_of(message: &Message) -> Decoded<'static> {
        let found = match message.key.map(ApiKey) {
            None => Inner::default_of(&message.name).map(Decoded::Inner),
            Some(key) if message.response.is_some() => {
                AnyRequest::default_of(key).map(Decoded::Request)
            }
            Some(key) => AnyResponse::default_of(key).map(Decoded::Response),
        };
        found.unwrap_or_else(|| panic!("{} is not in src/messages/mod.rs", message.name))
    }

    /// The body's bytes.
    pub(crate) fn encode(&self, message: &Message, version: i16) -> Result<Vec<u8>, EncodeError> {
        let flexible = message.is_flexible(version);
        let version = ApiVersion(version);
        let (frame, header) = match self {
            Self::Request(request) => {
                let frame = request.to_frame(version, CorrelationId(0), None)?;
                (frame, 10 + usize::from(flexible))
            }
            Self::Response(response) => {
                let frame = response.to_frame(version, CorrelationId(0))?;
                let tagged = flexible && response.key() != ApiKey::API_VERSIONS;
                (frame, 4 + usize::from(tagged))
            }
            Self::Inner(inner) => {
                let mut writer = Writer::new("test", version);
                inner.encode(&mut writer, version)?;
                (writer.finish()?, 0)
            }
        };
        let mut bytes = frame.to_bytes();
        bytes.advance(4 + header);
        Ok(bytes.to_vec())
    }

    /// As `{:?}` prints the message itself.
    pub(crate) fn text(&self) -> String {
        let text = match self {
            Self::Request(request) => format!("{request:?}"),
            Self::Response(response) => format!("{response:?}"),
            Self::Inner(inner) => format!("{inner:?}"),
        };
        // Without the name of the variant around it.
        let (_, text) = text.split_once('(').expect("a variant");
        text.strip_suffix(')').expect("a variant").to_owned()
    }
}

macro_rules! inner {
    ($($name:ident $(<$life:lifetime>)?;)*) => {
        /// What has no key of its own.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum Inner<'a> {
            $($name($name $(<$life>)?),)*
        }

        impl<'a> Inner<'a> {
            fn decode(name: &str, reader: &mut Reader<'a>, version: ApiVersion) -> Result<Self, DecodeError> {
                match name {
                    $(stringify!($name) => Decode::decode(reader, version).map(Self::$name),)*
                    other => panic!("{other} belongs into the list of this file"),
                }
            }

            fn default_of(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name(Default::default())),)*
                    _ => None,
                }
            }

            fn encode(&self, writer: &mut Writer, version: ApiVersion) -> Result<(), EncodeError> {
                match self {
                    $(Self::$name(message) => message.encode(writer, version),)*
                }
            }
        }
    };
}

inner! {
    ConsumerProtocolSubscription<'a>;
    ConsumerProtocolAssignment<'a>;
    ControlRecordTypeSchema;
    EndTxnMarker;
    LeaderChangeMessage;
    SnapshotHeaderRecord;
    SnapshotFooterRecord;
    KRaftVersionRecord;
    VotersRecord<'a>;
    DefaultPrincipalData<'a>;
}
