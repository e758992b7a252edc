//! Writes numbers into answers without asking for memory.

const DIGITS: usize = 20;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a number in decimal.
pub(crate) fn push(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; DIGITS];
    let mut at = DIGITS;
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a number as eight hex digits.
pub(crate) fn push_hex(out: &mut Vec<u8>, value: u32) {
    let digits: [u8; 8] = std::array::from_fn(|at| HEX[(value >> (28 - 4 * at) & 15) as usize]);
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_rust_writes_them() {
        for value in [0, 1, 9, 10, 7200, 1_795_000_000_000, u64::MAX] {
            let mut out = Vec::new();
            push(&mut out, value);
            assert_eq!(out, value.to_string().into_bytes());
        }
        for value in [0, 0xdead_beef, 7, u32::MAX] {
            let mut out = Vec::new();
            push_hex(&mut out, value);
            assert_eq!(out, format!("{value:08x}").into_bytes());
        }
    }
}
