//! A line of the log as one JSON object, its fields at the top. Written straight into the line: no tree, no memory asked for.
//!
//! Must not know: what is logged, where lines go.

use std::cell::Cell;
use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::moment;

thread_local! {
    /// Where a thread writes its lines, to pass them on whole.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

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
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Taken away meanwhile: a value that logs while it is shown writes a line of its own.
        let mut line = LINE.take();
        line.clear();
        let written = write(&mut line, event).and_then(|()| to.write_str(&line));
        LINE.set(line);
        written
    }
}

fn write(line: &mut String, event: &Event<'_>) -> fmt::Result {
    let about = event.metadata();
    line.push_str("{\"timestamp\":\"");
    moment::push(line);
    line.push_str("\",\"level\":\"");
    line.push_str(about.level().as_str());
    line.push('"');
    let written = Ok(());
    let mut fields = Fields { line, written };
    event.record(&mut fields);
    fields.written?;
    line.push_str(",\"target\":");
    text(line, about.target());
    line.push_str("}\n");
    Ok(())
}

/// The fields of one line.
struct Fields<'l> {
    line: &'l mut String,
    written: fmt::Result,
}

impl Fields<'_> {
    fn named(&mut self, field: &Field) -> &mut String {
        self.line.push(',');
        text(self.line, field.name());
        self.line.push(':');
        self.line
    }

    fn shown(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let written = self.named(field).write_fmt(value);
        self.written = self.written.and(written);
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        text(self.named(field), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.named(field)
            .push_str(if value { "true" } else { "false" });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.shown(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.shown(field, format_args!("{value}"));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.shown(field, format_args!("{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.shown(field, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.shown(field, format_args!("{value}"));
        } else {
            self.named(field).push_str("null");
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let line = self.named(field);
        line.push('"');
        let written = write!(Escaped(line), "{value:?}");
        line.push('"');
        self.written = self.written.and(written);
    }
}

fn text(line: &mut String, text: &str) {
    line.push('"');
    escape(line, text);
    line.push('"');
}

/// The inside of a JSON string: nothing in it can end the string, or the line.
struct Escaped<'l>(&'l mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Which bytes must not stand in a JSON string as they are.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        special[control] = true;
        control += 1;
    }
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special[0x7f] = true;
    special
};

fn escape(line: &mut String, mut text: &str) {
    while let Some(at) = text.bytes().position(|byte| SPECIAL[usize::from(byte)]) {
        let (plain, rest) = text.split_at(at);
        line.push_str(plain);
        match rest.as_bytes()[0] {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            b'\n' => line.push_str("\\n"),
            other => line.push_str(&format!("\\u{other:04x}")),
        }
        text = &rest[1..];
    }
    line.push_str(text);
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
