//! `MP_verify_*.txt`: what WeChat reads from a domain to see whose it is. Served from one folder, by a strict name.

use std::io::Read;
use std::path::Path;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response};

use super::PublicServices;

/// WeChat's have 16 letters and digits.
const LONGEST_NAME: usize = 64;
/// WeChat's hold 16 bytes.
const LARGEST: u64 = 1024;

/// The file that a request asks for; none where it asks for something else, or there is none.
pub(super) async fn file(
    public: &PublicServices,
    method: &Method,
    path: &str,
) -> Option<Response<Body>> {
    let folder = public.verify_files.as_ref()?;
    let name = name(path)?;
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    let (folder, name) = (folder.clone(), name.to_owned());
    let read = tokio::task::spawn_blocking(move || read(&folder, &name));
    let mut response = Response::new(Body::from(read.await.ok()??));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Some(response)
}

/// The file's name in a path, if it is one of WeChat's.
fn name(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    let middle = name.strip_prefix("MP_verify_")?.strip_suffix(".txt")?;
    let good = (1..=LONGEST_NAME).contains(&middle.len())
        && middle.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then_some(name)
}

/// Reads it, if it is a small file that really is in the folder: links within the folder are fine, others are not.
fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let folder = folder.canonicalize().ok()?;
    let path = folder.join(name).canonicalize().ok()?;
    let about = path.symlink_metadata().ok()?;
    if !path.starts_with(&folder) || !about.is_file() || about.len() > LARGEST {
        return None;
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LARGEST).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_wechats_own_names_are_names() {
        assert_eq!(name("/MP_verify_aB3.txt"), Some("MP_verify_aB3.txt"));
        for bad in [
            "",
            "/",
            "/MP_verify_.txt",
            "/MP_verify_..txt",
            "/MP_verify_a.b.txt",
            "/MP_verify_a/../b.txt",
            "/MP_verify_%2e.txt",
            "/MP_verify_a.txt/",
            "/x/MP_verify_a.txt",
            "/mp_verify_a.txt",
            "/MP_verify_a.txt%00",
            &format!("/MP_verify_{}.txt", "a".repeat(65)),
        ] {
            assert_eq!(name(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_is_read_from_the_folder_alone() {
        let world = tempfile::tempdir().unwrap();
        let (folder, outside) = (world.path().join("verify"), world.path().join("secret"));
        std::fs::create_dir_all(folder.join("..data")).unwrap();
        std::fs::write(&outside, "secret").unwrap();
        std::fs::write(folder.join("MP_verify_a.txt"), "abc").unwrap();
        std::fs::write(folder.join("..data/b"), "mounted").unwrap();
        symlink(folder.join("..data/b"), folder.join("MP_verify_b.txt")).unwrap();
        symlink(&outside, folder.join("MP_verify_c.txt")).unwrap();
        std::fs::write(folder.join("MP_verify_d.txt"), [b'x'; 1025]).unwrap();
        std::fs::create_dir(folder.join("MP_verify_e.txt")).unwrap();
        assert_eq!(read(&folder, "MP_verify_a.txt").unwrap(), b"abc");
        assert_eq!(read(&folder, "MP_verify_b.txt").unwrap(), b"mounted");
        for name in ["c", "d", "e", "f"] {
            assert_eq!(read(&folder, &format!("MP_verify_{name}.txt")), None);
        }
    }
}
