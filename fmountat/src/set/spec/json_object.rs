// SPDX-License-Identifier: Apache-2.0 OR MIT
//! JSON objects field by field: names in any letter case, as Go's decoder has them, and no field twice.

use serde::de;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::os::unix::ffi::OsStringExt;

/// What is read from an object.
pub(crate) trait Fields: Default {
    /// What the object is, for messages: `a mount`.
    const WHAT: &'static str;
    /// Whether a field that is not known is passed over.
    const PASSES_OVER: bool;

    /// The field's own name, in small letters, where it has another one.
    fn own_name(name: String) -> String {
        name
    }

    /// Takes the value of a field; false, without taking it, for one that is not known.
    ///
    /// # Errors
    /// Those of the value.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// All fields of an object.
pub(crate) fn fields<'de, T: Fields, A: MapAccess<'de>>(mut map: A) -> Result<T, A::Error> {
    let (mut made, mut seen) = (T::default(), Vec::new());
    while let Some(written) = map.next_key::<String>()? {
        let name = T::own_name(written.to_ascii_lowercase());
        // What came later would take the place of what came first, and nobody would know.
        if seen.contains(&name) {
            return Err(de::Error::custom(format!("the field `{written}` is given twice in {}", T::WHAT)));
        }
        if made.take(&name, &mut map)? {
            seen.push(name);
        } else if T::PASSES_OVER {
            map.next_value::<IgnoredAny>()?;
        } else {
            return Err(de::Error::custom(format!("unknown field `{written}` in {}", T::WHAT)));
        }
    }
    Ok(made)
}

/// For `Deserialize` of a type that is always such an object.
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

/// A JSON string as bytes: it need not be UTF-8.
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
