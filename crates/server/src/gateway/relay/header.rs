//! One header as it is passed on, either way.
//!
//! Must not know: which headers pass.

/// Writes a header in lower case, if one of that name passes.
pub(crate) fn push_line(
    out: &mut Vec<u8>,
    name: &str,
    value: &[u8],
    passes: impl Fn(&[u8]) -> bool,
) {
    let start = out.len();
    out.extend_from_slice(name.as_bytes());
    out[start..].make_ascii_lowercase();
    if !passes(&out[start..]) {
        return out.truncate(start);
    }
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
