//! A line of the log as one JSON object, its fields at the top. Written straight into the line: no tree, no memory asked for.
//!
//! Must not know: what is logged, where lines go.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes such lines.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(about.level().as_str())?;
        line.write_char('"')?;
        let mut fields = Fields {
            line: line.by_ref(),
            written: Ok(()),
        };
        event.record(&mut fields);
        fields.written?;
        line.write_str(",\"target\":")?;
        text(&mut line, about.target())?;
        line.write_str("}\n")
    }
}

/// The fields of one line.
struct Fields<'w> {
    line: Writer<'w>,
    written: fmt::Result,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.written.is_ok() {
            self.written = self.named(field).and_then(|()| value(&mut self.line));
        }
    }

    fn named(&mut self, field: &Field) -> fmt::Result {
        self.line.write_char(',')?;
        text(&mut self.line, field.name())?;
        self.line.write_char(':')
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |line| text(line, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |line| {
            line.write_str(if value { "true" } else { "false" })
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, |line| write!(line, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |line| {
            if value.is_finite() {
                write!(line, "{value}")
            } else {
                line.write_str("null")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, |line| {
            line.write_char('"')?;
            write!(Escaped(line), "{value:?}")?;
            line.write_char('"')
        });
    }
}

fn text(line: &mut Writer<'_>, text: &str) -> fmt::Result {
    line.write_char('"')?;
    Escaped(line).write_str(text)?;
    line.write_char('"')
}

/// The inside of a JSON string: nothing in it can end the string, or the line.
struct Escaped<'l, 'w>(&'l mut Writer<'w>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        let special = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f);
        while let Some(at) = text.bytes().position(special) {
            let (plain, rest) = text.split_at(at);
            self.0.write_str(plain)?;
            match rest.as_bytes()[0] {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                b'\n' => self.0.write_str("\\n")?,
                other => write!(self.0, "\\u{other:04x}")?,
            }
            text = &rest[1..];
        }
        self.0.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(happening: impl FnOnce()) -> Value {
        let paper = Paper::default();
        let writer = paper.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Json)
            .with_writer(move || writer.clone());
        let log = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(log, happening);
        let bytes = paper.0.lock().unwrap().clone();
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn every_sort_of_value_is_what_it_was() {
        let line = line(|| {
            tracing::warn!(
                text = "a\"b\\c",
                yes = true,
                less = -5_i64,
                more = u64::MAX,
                half = 0.5,
                none = f64::NAN,
                shown = %"d\ne",
                absent = None::<u16>,
                there = Some(7_u16),
                "it is {}", "so"
            );
        });
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "it is so");
        assert_eq!(line["text"], "a\"b\\c");
        assert_eq!((&line["yes"], &line["less"]), (&true.into(), &(-5).into()));
        assert_eq!(
            (&line["more"], &line["half"]),
            (&u64::MAX.into(), &0.5.into())
        );
        assert_eq!((&line["none"], &line["there"]), (&Value::Null, &7.into()));
        assert_eq!(
            (line["shown"].as_str(), line.get("absent")),
            (Some("d\ne"), None)
        );
        assert_eq!(line["target"], "wxtoken_server::telemetry::json::tests");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    proptest! {
        #[test]
        fn whatever_a_text_holds_it_comes_back_and_takes_one_line(text in "\\PC*|[\u{0}-\u{ff}]*") {
            let read = line(|| tracing::info!(text = text.as_str(), shown = %text, "m"));
            prop_assert_eq!(read["text"].as_str(), Some(text.as_str()));
            prop_assert_eq!(read["shown"].as_str(), Some(text.as_str()));
        }
    }
}
