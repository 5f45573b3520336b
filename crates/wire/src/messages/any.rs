//! The table of all APIs, and what follows from it: their keys, and a request or response of any of them.

/// One row an API: key, constant of [`ApiKey`](crate::ApiKey), name, module, request, response.
macro_rules! apis {
    ($($number:literal, $constant:ident, $name:ident, $module:ident, $request:ty, $response:ty;)*) => {
        $(
            pub mod $module;
            pub use $module::*;
        )*

        impl $crate::ApiKey {
            $(
                #[doc = concat!("[`", stringify!($name), "`](crate::messages::", stringify!($module), ").")]
                pub const $constant: Self = Self($number);
            )*

            /// Every API that milena speaks, by rising key.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];

            /// The API's name as Kafka writes it, or `Unknown`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$constant => stringify!($name),)*
                    _ => "Unknown",
                }
            }

            /// The versions of it that can be written and read; `None` for an API that milena does not speak.
            pub const fn versions(self) -> Option<$crate::VersionRange> {
                AnyRequest::versions(self)
            }

            /// The first version with compact lengths and tagged fields, which is also the first with the longer headers.
            /// `None` where there is no such version, and for an API that milena does not speak.
            pub const fn flexible_since(self) -> Option<$crate::ApiVersion> {
                AnyRequest::flexible_since(self)
            }
        }

        /// A request of any API.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each is the request of its name")]
        pub enum AnyRequest<'a> {
            $($name($request),)*
        }

        impl<'a> AnyRequest<'a> {
            const fn versions(key: $crate::ApiKey) -> Option<$crate::VersionRange> {
                match key {
                    $($crate::ApiKey::$constant => Some(<$request as $crate::Message>::VERSIONS),)*
                    _ => None,
                }
            }

            const fn flexible_since(key: $crate::ApiKey) -> Option<$crate::ApiVersion> {
                match key {
                    $($crate::ApiKey::$constant => <$request as $crate::Message>::FLEXIBLE_SINCE,)*
                    _ => None,
                }
            }

            /// The request of `key` with every field at its default; `None` for an API that milena does not speak.
            pub fn default_of(key: $crate::ApiKey) -> Option<Self> {
                match key {
                    $($crate::ApiKey::$constant => Some(Self::$name(Default::default())),)*
                    _ => None,
                }
            }

            /// Reads the body of a request to `key`; the reader stands behind the header.
            pub fn decode(
                key: $crate::ApiKey,
                reader: &mut $crate::Reader<'a>,
                version: $crate::ApiVersion,
            ) -> Result<Self, $crate::DecodeError> {
                match key {
                    $($crate::ApiKey::$constant => {
                        $crate::Decode::decode(reader, version).map(Self::$name)
                    })*
                    other => Err(reader.unknown_api(other, version)),
                }
            }

            /// The API it belongs to.
            pub const fn key(&self) -> $crate::ApiKey {
                match self {
                    $(Self::$name(_) => $crate::ApiKey::$constant,)*
                }
            }

            /// The request ready to be written to a connection.
            pub fn to_frame(
                &self,
                version: $crate::ApiVersion,
                correlation_id: $crate::CorrelationId,
                client_id: Option<&str>,
            ) -> Result<$crate::Frame, $crate::EncodeError> {
                match self {
                    $(Self::$name(request) => {
                        $crate::encode_request(request, version, correlation_id, client_id)
                    })*
                }
            }
        }

        $(
            impl<'a> From<$request> for AnyRequest<'a> {
                fn from(request: $request) -> Self {
                    Self::$name(request)
                }
            }
        )*

        /// A response of any API.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "each is the response of its name")]
        pub enum AnyResponse<'a> {
            $($name($response),)*
        }

        impl<'a> AnyResponse<'a> {
            /// The response of `key` with every field at its default; `None` for an API that milena does not speak.
            pub fn default_of(key: $crate::ApiKey) -> Option<Self> {
                match key {
                    $($crate::ApiKey::$constant => Some(Self::$name(Default::default())),)*
                    _ => None,
                }
            }

            /// Reads the body of a response of `key`; the reader stands behind the header.
            pub fn decode(
                key: $crate::ApiKey,
                reader: &mut $crate::Reader<'a>,
                version: $crate::ApiVersion,
            ) -> Result<Self, $crate::DecodeError> {
                match key {
                    $($crate::ApiKey::$constant => {
                        $crate::Decode::decode(reader, version).map(Self::$name)
                    })*
                    other => Err(reader.unknown_api(other, version)),
                }
            }

            /// The API it belongs to.
            pub const fn key(&self) -> $crate::ApiKey {
                match self {
                    $(Self::$name(_) => $crate::ApiKey::$constant,)*
                }
            }

            /// The response ready to be written to a connection.
            pub fn to_frame(
                &self,
                version: $crate::ApiVersion,
                correlation_id: $crate::CorrelationId,
            ) -> Result<$crate::Frame, $crate::EncodeError> {
                match self {
                    $(Self::$name(response) => {
                        $crate::encode_response(response, version, correlation_id)
                    })*
                }
            }
        }

        $(
            impl<'a> From<$response> for AnyResponse<'a> {
                fn from(response: $response) -> Self {
                    Self::$name(response)
                }
            }
        )*
    };
}

pub(super) use apis;
