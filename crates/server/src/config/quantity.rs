//! Amounts as people write them in the configuration: `"90s"`, `"200/s"`, `"1MiB"`, `"0640"`.
//!
//! Must not know: which amount is sensible where; each section checks its own.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::words::InChinese;

/// Why a text is not the amount it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuantity {
    /// Not a span of time.
    #[error(
        "a span of time is a whole number and a unit: \"250ms\", \"90s\", \"15m\", \"2h\", \"1d\""
    )]
    Span,
    /// Not a rate.
    #[error("a rate is a whole number above zero and a period: \"200/s\", \"1000/m\", \"5000/h\"")]
    Rate,
    /// Not a size.
    #[error(
        "a size is a whole number and a unit: \"64KiB\", \"1MiB\", \"1GiB\", or plain bytes \"4096B\""
    )]
    Size,
    /// Not file permissions.
    #[error("permissions are three or four octal digits in quotes: \"0600\", \"0640\"")]
    Mode,
}

impl InChinese for InvalidQuantity {
    fn in_chinese(&self) -> String {
        match self {
            Self::Span => "时长是整数加单位，例如 \"250ms\"、\"90s\"、\"15m\"、\"2h\"、\"1d\"",
            Self::Rate => "速率是大于零的整数加周期，例如 \"200/s\"、\"1000/m\"、\"5000/h\"",
            Self::Size => {
                "大小是整数加单位，例如 \"64KiB\"、\"1MiB\"、\"1GiB\"，或字节数 \"4096B\""
            }
            Self::Mode => "权限是引号里的三到四位八进制数字，例如 \"0600\"、\"0640\"",
        }
        .to_owned()
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim_start_matches(' ')))
}

/// A span of time: `"90s"`, `"15m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let (count, unit) = number_and_unit(text).ok_or(InvalidQuantity::Span)?;
        let unit_millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(InvalidQuantity::Span),
        };
        let millis = count
            .checked_mul(unit_millis)
            .ok_or(InvalidQuantity::Span)?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0 => write!(f, "0s"),
            _ if millis.is_multiple_of(86_400_000) => write!(f, "{}d", millis / 86_400_000),
            _ if millis.is_multiple_of(3_600_000) => write!(f, "{}h", millis / 3_600_000),
            _ if millis.is_multiple_of(60_000) => write!(f, "{}m", millis / 60_000),
            _ if millis.is_multiple_of(1000) => write!(f, "{}s", millis / 1000),
            _ => write!(f, "{millis}ms"),
        }
    }
}

/// So many a period: `"200/s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how long.
    pub per: Duration,
}

impl FromStr for Rate {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let (count, unit) = text.split_once('/').ok_or(InvalidQuantity::Rate)?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(InvalidQuantity::Rate),
        };
        Ok(Self {
            count: count.trim().parse().map_err(|_| InvalidQuantity::Rate)?,
            per: Duration::from_secs(seconds),
        })
    }
}

/// A number of bytes: `"1MiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let (count, unit) = number_and_unit(text).ok_or(InvalidQuantity::Size)?;
        let unit_bytes: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "KB" | "kB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return Err(InvalidQuantity::Size),
        };
        let bytes = count.checked_mul(unit_bytes);
        bytes.map(Self).ok_or(InvalidQuantity::Size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        match bytes {
            0 => write!(f, "0B"),
            _ if bytes.is_multiple_of(1 << 30) => write!(f, "{}GiB", bytes >> 30),
            _ if bytes.is_multiple_of(1 << 20) => write!(f, "{}MiB", bytes >> 20),
            _ if bytes.is_multiple_of(1 << 10) => write!(f, "{}KiB", bytes >> 10),
            _ => write!(f, "{bytes}B"),
        }
    }
}

/// A file's permissions: `"0640"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl FromStr for Mode {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let digits = match text.len() {
            3 => text,
            4 => text.strip_prefix('0').ok_or(InvalidQuantity::Mode)?,
            _ => return Err(InvalidQuantity::Mode),
        };
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidQuantity::Mode);
        }
        let mode = u32::from_str_radix(digits, 8);
        mode.map(Self).map_err(|_| InvalidQuantity::Mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let span = |text: &str| text.parse::<Span>().map(|s| s.0.as_millis());
        assert_eq!(span("90s"), Ok(90_000));
        assert_eq!(span("15m"), Ok(900_000));
        assert_eq!(span("250ms"), Ok(250));
        assert_eq!(span("0s"), Ok(0));
        let rate: Rate = "200/s".parse().unwrap();
        assert_eq!((rate.count.get(), rate.per.as_secs()), (200, 1));
        assert_eq!("1MiB".parse(), Ok(Size(1 << 20)));
        assert_eq!("0640".parse(), Ok(Mode(0o640)));
        assert_eq!("600".parse(), Ok(Mode(0o600)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "s",
            "90",
            "-1s",
            "1.5s",
            "90 parsecs",
            "99999999999999999999s",
            "9999999999999999d",
        ] {
            assert_eq!(text.parse::<Span>(), Err(InvalidQuantity::Span), "{text}");
        }
        for text in ["", "/", "0/s", "200", "200/", "-1/s", "200/y"] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidQuantity::Rate), "{text}");
        }
        for text in ["", "1", "MiB", "1TiB", "99999999999GiB"] {
            assert_eq!(text.parse::<Size>(), Err(InvalidQuantity::Size), "{text}");
        }
        for text in ["", "9", "0999", "1600", "+600", "rw-r-----", "00600"] {
            assert_eq!(text.parse::<Mode>(), Err(InvalidQuantity::Mode), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in ["90s", "15m", "2h", "1d", "250ms", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["1MiB", "100MiB", "1GiB", "3KiB", "7B", "0B"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
    }
}
