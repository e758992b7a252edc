//! How the configuration's mistakes are put in words: one typed value, one sentence in each language, side by side.
//!
//! Must not know: where a mistake is found. What there is to say is listed in `flaw` and `phrase`.

use std::io;
use std::path::PathBuf;

use wxtoken_core::app::{AppId, InvalidAppId};
use wxtoken_core::credential::{InvalidToken, Kind};

use super::network::{InvalidNet, IpNet};
use super::quantity::{InvalidQuantity, Size, Span};
use super::secret::InvalidKeyHash;
use super::substitute::Incomplete;
use crate::jssdk::InvalidOrigin;
use crate::redis::InvalidAddress;
use crate::sdk::InvalidTemplate;
use crate::store::InvalidMasterKey;
use crate::store::redis::InvalidPrefix;
use crate::words::{InChinese, of_system};

/// What can be said in both languages.
pub(super) trait InWords {
    fn en(&self) -> String;
    fn zh(&self) -> String;
}

/// An enum whose every variant is a sentence in English and in Chinese; the fields stand in braces in both.
macro_rules! bilingual {
    (
        $(#[$meta:meta])*
        enum $Name:ident {
            $( $Variant:ident $({ $($field:ident: $type:ty),+ $(,)? })? => $en:literal, $zh:literal; )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(super) enum $Name {
            $( $Variant $({ $($field: $type),+ })? ),+
        }

        impl $crate::config::words::InWords for $Name {
            fn en(&self) -> String {
                match self {
                    $( Self::$Variant $({ $($field),+ })? => {
                        $($( let $field = $crate::config::words::InWords::en($field); )+)?
                        format!($en)
                    } )+
                }
            }

            fn zh(&self) -> String {
                match self {
                    $( Self::$Variant $({ $($field),+ })? => {
                        $($( let $field = $crate::config::words::InWords::zh($field); )+)?
                        format!($zh)
                    } )+
                }
            }
        }

        impl From<$Name> for $crate::words::Sentence {
            fn from(what: $Name) -> Self {
                use $crate::config::words::InWords as _;
                Self::new(what.zh(), what.en())
            }
        }

        #[cfg(test)]
        impl $Name {
            /// Each variant's name and its two sentences, before anything is put in.
            pub(super) const WORDS: &'static [(&'static str, &'static str, &'static str)] =
                &[$( (stringify!($Variant), $en, $zh) ),+];
        }
    };
}
pub(super) use bilingual;

macro_rules! alike_in_both {
    ($($type:ty),+) => {
        $( impl InWords for $type {
            fn en(&self) -> String {
                self.to_string()
            }

            fn zh(&self) -> String {
                self.to_string()
            }
        } )+
    };
}

alike_in_both!(
    String,
    &'static str,
    u32,
    u64,
    usize,
    AppId,
    Kind,
    Span,
    Size,
    IpNet
);

impl InWords for PathBuf {
    fn en(&self) -> String {
        self.display().to_string()
    }

    fn zh(&self) -> String {
        self.en()
    }
}

/// Names one after the other: "a, b and c".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List(Vec<String>);

impl List {
    pub(super) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(ToString::to_string).collect())
    }

    fn joined(&self, comma: &str, and: &str, none: &str) -> String {
        match self.0.as_slice() {
            [] => none.to_owned(),
            [only] => only.clone(),
            [first @ .., last] => format!("{}{and}{last}", first.join(comma)),
        }
    }
}

impl InWords for List {
    fn en(&self) -> String {
        self.joined(", ", " and ", "nothing")
    }

    fn zh(&self) -> String {
        self.joined("、", " 和 ", "空")
    }
}

/// What the system said to an attempt to read a file; the usual reasons in either language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct System {
    kind: io::ErrorKind,
    said: String,
}

impl From<io::Error> for System {
    fn from(error: io::Error) -> Self {
        Self {
            kind: error.kind(),
            said: error.to_string(),
        }
    }
}

impl InWords for System {
    fn en(&self) -> String {
        self.said.clone()
    }

    fn zh(&self) -> String {
        of_system(self.kind).map_or_else(|| self.said.clone(), str::to_owned)
    }
}

impl InWords for InvalidQuantity {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        self.in_chinese()
    }
}

impl InWords for InvalidNet {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        match self {
            Self::Form => {
                "网段是一个地址，或地址加前缀长度，例如 \"10.0.0.0/8\"、\"192.0.2.7\"、\"fd00::/8\""
                    .to_owned()
            }
            Self::HostBits { bits, network } => {
                format!("地址在 /{bits} 之后还有非零位；整个网段写 {network}，单个主机只写地址")
            }
        }
    }
}

impl InWords for InvalidOrigin {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        self.in_chinese()
    }
}

impl InWords for InvalidAppId {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        self.in_chinese()
    }
}

impl InWords for InvalidPrefix {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        self.in_chinese()
    }
}

impl InWords for InvalidToken {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        match self {
            Self::Empty => "令牌是空的".to_owned(),
            Self::TooLong(length) => format!("令牌有 {length} 个字符；最多 512 个"),
            Self::Character => "令牌里有不可能出现的字符".to_owned(),
        }
    }
}

impl InWords for InvalidKeyHash {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        "这不是 SHA-256：写 64 个十六进制数字，`wxtoken key` 会打印出来".to_owned()
    }
}

impl InWords for InvalidMasterKey {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        self.in_chinese()
    }
}

impl InWords for InvalidAddress {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        self.in_chinese()
    }
}

impl InWords for InvalidTemplate {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        self.in_chinese()
    }
}

impl InWords for Incomplete {
    fn en(&self) -> String {
        self.to_string()
    }

    fn zh(&self) -> String {
        match self {
            Self::Open => "`${` 没有结束；写 ${NAME}，如果就要这两个字符则写 $${".to_owned(),
            Self::Name => "`${…}` 里没有变量名；写 ${NAME} 或 ${NAME:-默认值}".to_owned(),
            Self::Unset(name) => {
                format!("环境变量 {name} 没有设置；设置它，或写上默认值：${{{name}:-…}}")
            }
            Self::UnsetUnnamed => {
                "这里引用的环境变量没有设置；设置它，或写上默认值：${NAME:-…}".to_owned()
            }
        }
    }
}
