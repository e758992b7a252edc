//! The ETag of a credential, generation and 8 hex digits of the value's keyed hash, and whether a client has it already.

use wxtoken_core::credential::Credential;

use super::number;

/// Appends the ETag, quotes included.
pub(crate) fn push(out: &mut Vec<u8>, credential: &Credential) {
    out.push(b'"');
    number::push(out, credential.generation.0);
    out.push(b'-');
    number::push_hex(out, (credential.id.0 >> 32) as u32);
    out.push(b'"');
}

/// Whether `If-None-Match` names this ETag (RFC 9110 13.1.2: a list, compared weakly, or `*`).
pub(crate) fn is_named(if_none_match: &[u8], etag: &[u8]) -> bool {
    if_none_match.split(|b| *b == b',').any(|entry| {
        let entry = entry.trim_ascii();
        entry == b"*" || entry.strip_prefix(b"W/").unwrap_or(entry) == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_found_in_a_list_weak_or_strong() {
        let etag = b"\"1795000000000-0a1b2c3d\"";
        assert!(is_named(etag, etag));
        assert!(is_named(b"\"x\" ,W/\"1795000000000-0a1b2c3d\"", etag));
        assert!(is_named(b" * ", etag));
        assert!(!is_named(b"", etag));
        assert!(!is_named(b"1795000000000-0a1b2c3d", etag));
    }
}
