//! The signatures of cards (附录4 卡券扩展字段及签名): the values in use, sorted, one behind the other.
//!
//! Must not know: how a page hands them to `wx.addCard` and `wx.chooseCard`.

use wxtoken_core::app::AppId;
use wxtoken_core::credential::Token;

use super::{Nonce, Signature};
use crate::words::InChinese;

/// The longest value, in bytes. WeChat's own are shorter by far.
const LONGEST: usize = 128;

/// A card that a user is to be given.
#[derive(Debug, Clone, Copy)]
pub struct AddCard<'a> {
    card_id: &'a str,
    code: &'a str,
    openid: &'a str,
}

/// Cards that a user is to choose among.
#[derive(Debug, Clone, Copy)]
pub struct ChooseCard<'a> {
    location_id: &'a str,
    card_id: &'a str,
    card_type: &'a str,
}

/// A value that no card has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCard {
    /// There is none where there must be one.
    #[error("`{0}` is missing: write which card it is")]
    Missing(&'static str),
    /// It is too long, or not text.
    #[error("`{0}` has more than {LONGEST} bytes, or a control character in it")]
    Value(&'static str),
}

impl InChinese for InvalidCard {
    fn in_chinese(&self) -> String {
        match self {
            Self::Missing(field) => format!("缺少 `{field}`：写出是哪张卡券"),
            Self::Value(field) => format!("`{field}` 超过 {LONGEST} 字节，或含有控制字符"),
        }
    }
}

impl<'a> AddCard<'a> {
    /// A card, maybe with a code and a user of its own; what is empty is left out.
    ///
    /// # Errors
    /// No card is named, or a value is not one.
    pub fn new(card_id: &'a str, code: &'a str, openid: &'a str) -> Result<Self, InvalidCard> {
        if card_id.is_empty() {
            return Err(InvalidCard::Missing("card_id"));
        }
        Ok(Self {
            card_id: checked("card_id", card_id)?,
            code: checked("code", code)?,
            openid: checked("openid", openid)?,
        })
    }

    /// Signs it for `cardExt`.
    #[must_use]
    pub fn signature(&self, ticket: &Token, nonce: &Nonce, unix_seconds: u64) -> Signature {
        let timestamp = unix_seconds.to_string();
        Signature::of_sorted(&mut [
            ticket.expose(),
            &timestamp,
            self.card_id,
            self.code,
            self.openid,
            nonce.as_str(),
        ])
    }
}

impl<'a> ChooseCard<'a> {
    /// A shop, a card and a type of card; each may be empty, and is left out then.
    ///
    /// # Errors
    /// A value is not one.
    pub fn new(
        location_id: &'a str,
        card_id: &'a str,
        card_type: &'a str,
    ) -> Result<Self, InvalidCard> {
        Ok(Self {
            location_id: checked("shop_id", location_id)?,
            card_id: checked("card_id", card_id)?,
            card_type: checked("card_type", card_type)?,
        })
    }

    /// Signs it for `cardSign`.
    #[must_use]
    pub fn signature(
        &self,
        ticket: &Token,
        app: &AppId,
        nonce: &Nonce,
        unix_seconds: u64,
    ) -> Signature {
        let timestamp = unix_seconds.to_string();
        Signature::of_sorted(&mut [
            ticket.expose(),
            app.as_str(),
            self.location_id,
            &timestamp,
            nonce.as_str(),
            self.card_id,
            self.card_type,
        ])
    }
}

fn checked<'a>(name: &'static str, value: &'a str) -> Result<&'a str, InvalidCard> {
    if value.len() > LONGEST || value.chars().any(char::is_control) {
        return Err(InvalidCard::Value(name));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Token {
        Token::new("ticket_aaa").unwrap()
    }

    #[test]
    fn a_card_is_signed_over_its_values_sorted_as_text() {
        let card = AddCard::new("pjZ8Yt1XGILfi-FUsewpnnolGgZk", "", "").unwrap();
        let nonce = Nonce::from_text("nonce123");
        let signed = card.signature(&ticket(), &nonce, 1_404_896_688);
        assert_eq!(signed.as_str(), "e2eb4d1cc53d271c3a7d5988af957932f9103d59");
    }

    #[test]
    fn code_and_user_of_a_card_are_signed_with_it() {
        // printf 1404896688codenonce123oUserpjZ8Yt1XGILfi-FUsewpnnolGgZkticket_aaa | sha1sum
        let card = AddCard::new("pjZ8Yt1XGILfi-FUsewpnnolGgZk", "code", "oUser").unwrap();
        let nonce = Nonce::from_text("nonce123");
        let signed = card.signature(&ticket(), &nonce, 1_404_896_688);
        assert_eq!(signed.as_str(), "8f77b061ca223f0c321073ffcebd15707851f8a2");
    }

    #[test]
    fn a_choice_is_signed_with_the_app_and_without_what_is_empty() {
        // printf 1404896688GROUPONnonce123ticket_aaawx0123456789abcdef | sha1sum
        let choice = ChooseCard::new("", "", "GROUPON").unwrap();
        let app = "wx0123456789abcdef".parse().unwrap();
        let nonce = Nonce::from_text("nonce123");
        let signed = choice.signature(&ticket(), &app, &nonce, 1_404_896_688);
        assert_eq!(signed.as_str(), "6222a633370c9546e416337fa6803c43c7189d70");
    }

    #[test]
    fn what_is_no_value_is_refused_by_name() {
        let long = "x".repeat(LONGEST + 1);
        let missing = AddCard::new("", "", "").unwrap_err();
        assert_eq!(missing, InvalidCard::Missing("card_id"));
        for (error, name) in [
            (AddCard::new(&long, "", "").unwrap_err(), "card_id"),
            (AddCard::new("p", "a\nb", "").unwrap_err(), "code"),
            (AddCard::new("p", "", "\u{7f}").unwrap_err(), "openid"),
            (ChooseCard::new(&long, "", "").unwrap_err(), "shop_id"),
            (ChooseCard::new("", &long, "").unwrap_err(), "card_id"),
            (ChooseCard::new("", "", &long).unwrap_err(), "card_type"),
        ] {
            assert_eq!(error, InvalidCard::Value(name));
            assert!(error.in_chinese().contains(name));
        }
    }
}
