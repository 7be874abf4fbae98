// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads JSON objects: names match in any letter case, as in Go; repeated fields are errors.

use serde::de;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::os::unix::ffi::OsStringExt;

/// A type that is read from an object.
pub(crate) trait Fields: Default {
    /// The object's name in errors: `a mount`.
    const WHAT: &'static str;
    /// Whether unknown fields are ignored.
    const IGNORES_UNKNOWN: bool;

    /// Returns the canonical name, in lower case, of a field with two names.
    fn own_name(name: String) -> String {
        name
    }

    /// Records the name of a field as it is written.
    fn see(&mut self, _written: &str) {}

    /// Reads the value of a field. Returns false, without reading it, for an unknown field.
    ///
    /// # Errors
    /// Those of the value.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// Reads all fields of an object.
pub(crate) fn fields<'de, T: Fields, A: MapAccess<'de>>(mut map: A) -> Result<T, A::Error> {
    let (mut value, mut seen) = (T::default(), Vec::new());
    while let Some(written) = map.next_key::<String>()? {
        let name = T::own_name(written.to_ascii_lowercase());
        // A later value would silently replace the first.
        if seen.contains(&name) {
            return Err(de::Error::custom(format!("the field `{written}` is given twice in {}", T::WHAT)));
        }
        value.see(&written);
        if value.take(&name, &mut map)? {
            seen.push(name);
        } else if T::IGNORES_UNKNOWN {
            map.next_value::<IgnoredAny>()?;
        } else {
            return Err(de::Error::custom(format!("unknown field `{written}` in {}", T::WHAT)));
        }
    }
    Ok(value)
}

/// Deserializes a type whose JSON form is always an object.
pub(crate) fn object<'de, T: Fields, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Fields> Visitor<'de> for Object<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}: an object", T::WHAT)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            fields(map)
        }
    }
    deserializer.deserialize_map(Object(PhantomData))
}

/// A JSON string as bytes, which need not be valid UTF-8.
pub(crate) struct Bytes(pub(crate) OsString);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes(OsString::from(text)))
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(OsString::from_vec(bytes.to_vec())))
            }
        }
        deserializer.deserialize_byte_buf(Text)
    }
}
