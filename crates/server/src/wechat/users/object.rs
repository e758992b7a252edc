//! One answer of WeChat's as an object, read by content: fields may be missing, numbers may be texts and texts numbers.
//!
//! Must not know: which fields a call has.

use serde_json::{Map, Value};

use super::super::wire::Rid;
use super::tolerant::tolerant;

/// The fields of an answer, its `errcode` (zero) and `errmsg` taken out.
pub(super) struct Object(Map<String, Value>);

/// What an answer says besides being an object.
pub(super) enum NoObject {
    /// An errcode other than zero, and WeChat's name for the call.
    Errcode(i64, Option<Rid>),
    /// Nothing WeChat says: HTML, a torn answer, a list.
    Nonsense,
}

impl Object {
    /// Reads the body of an answer. Headers are not asked: `/sns` labels its JSON as text, and error pages come with 200.
    pub(super) fn read(body: &[u8]) -> Result<Self, NoObject> {
        let fields = serde_json::from_str::<Value>(&tolerant(body));
        let Ok(Value::Object(fields)) = fields else {
            return Err(NoObject::Nonsense);
        };
        let mut object = Self(fields);
        let message = object.take_text("errmsg").unwrap_or_default();
        match object.0.remove("errcode") {
            None | Some(Value::Null) => Ok(object),
            Some(errcode) => match integer(&errcode) {
                Some(0) => Ok(object),
                Some(errcode) => {
                    let rid = Rid::find(message.as_bytes());
                    Err(NoObject::Errcode(errcode, rid))
                }
                None => Err(NoObject::Nonsense),
            },
        }
    }

    /// A text, or a number as one; none if it is not there, is empty or something else.
    pub(super) fn take_text(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A whole number, or a text that is one.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        integer(self.0.get(name)?)
    }

    /// An object within it.
    pub(super) fn take_object(&mut self, name: &str) -> Option<Self> {
        match self.0.remove(name)? {
            Value::Object(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    /// The objects of a list within it; what else is in the list is left out.
    pub(super) fn take_objects(&mut self, name: &str) -> Option<Vec<Self>> {
        let Value::Array(list) = self.0.remove(name)? else {
            return None;
        };
        let objects = list.into_iter().filter_map(|value| match value {
            Value::Object(fields) => Some(Self(fields)),
            _ => None,
        });
        Some(objects.collect())
    }

    /// A text that stays where it is.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// All fields that are left.
    pub(super) fn into_fields(self) -> Map<String, Value> {
        self.0
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some((*truth).into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Object, String> {
        Object::read(body.as_bytes()).map_err(|why| match why {
            NoObject::Errcode(code, rid) => {
                format!(
                    "{code} {}",
                    rid.map(|rid| rid.to_string()).unwrap_or_default()
                )
            }
            NoObject::Nonsense => "nonsense".to_owned(),
        })
    }

    #[test]
    fn an_errcode_that_is_absent_zero_or_a_text_is_understood() {
        for good in [
            r#"{"openid":"o"}"#,
            r#"{"errcode":0,"errmsg":"ok","openid":"o"}"#,
            r#"{"errcode":"0","openid":"o"}"#,
            r#"{"errcode":null,"openid":"o"}"#,
        ] {
            assert_eq!(read(good).ok().unwrap().take_text("openid").unwrap(), "o");
        }
        let refused =
            r#"{"errcode":"40163","errmsg":"code been used, rid: 6aac007a-6c02c771-26bf69c4"}"#;
        assert_eq!(
            read(refused).err().unwrap(),
            "40163 6aac007a-6c02c771-26bf69c4"
        );
        for bad in [
            "",
            "[]",
            "<html>",
            r#"{"errcode":{}}"#,
            r#"{"errcode":"no"}"#,
            r#"{"openid":"#,
        ] {
            assert_eq!(read(bad).err().unwrap(), "nonsense", "{bad}");
        }
    }

    #[test]
    fn numbers_may_be_texts_and_texts_numbers() {
        let mut object = read(r#"{"a":"86","b":86,"c":true,"d":" 7 ","e":"","f":[],"g":1.5}"#)
            .ok()
            .unwrap();
        assert_eq!(object.integer("a"), Some(86));
        assert_eq!(object.integer("c"), Some(1));
        assert_eq!(object.integer("d"), Some(7));
        assert_eq!(object.integer("g"), None);
        assert_eq!(object.integer("h"), None);
        assert_eq!(object.take_text("b").as_deref(), Some("86"));
        assert_eq!(object.take_text("e"), None);
        assert_eq!(object.take_text("f"), None);
    }
}
