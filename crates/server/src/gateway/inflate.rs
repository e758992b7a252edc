//! Reads an answer that upstream compressed although it was asked not to: only to look at it, never to pass it on.

use std::io::Read;

use flate2::read::{GzDecoder, ZlibDecoder};

/// The beginning of a compressed answer, up to a length. None if the coding is not known here or the bytes are not in it.
pub(crate) fn inflated(coding: &[u8], body: &[u8], longest: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let limit = longest as u64;
    let read = match coding.trim_ascii() {
        b"gzip" | b"x-gzip" => GzDecoder::new(body).take(limit).read_to_end(&mut plain),
        b"deflate" => ZlibDecoder::new(body).take(limit).read_to_end(&mut plain),
        b"identity" => {
            plain.extend_from_slice(body);
            Ok(plain.len())
        }
        _ => return None,
    };
    read.ok().map(|_| plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn what_upstream_compressed_is_read_to_a_length() {
        let body = b"{\"errcode\":40001}";
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(body).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(body).unwrap();
        let zlib = zlib.finish().unwrap();
        assert_eq!(inflated(b"gzip", &gzip, 99).as_deref(), Some(&body[..]));
        assert_eq!(inflated(b"deflate", &zlib, 99).as_deref(), Some(&body[..]));
        assert_eq!(inflated(b"identity", body, 99).as_deref(), Some(&body[..]));
        assert_eq!(inflated(b"gzip", &gzip, 5).as_deref(), Some(&body[..5]));
        assert_eq!(inflated(b"gzip", body, 99), None);
        assert_eq!(inflated(b"br", body, 99), None);
    }
}
