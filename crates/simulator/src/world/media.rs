//! Uploaded files, as long as there is room.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

/// Beyond this the oldest files are forgotten.
const ROOM: usize = 128 * 1024 * 1024;

/// An uploaded file.
pub(crate) struct Media {
    pub(crate) app: u32,
    pub(crate) video: bool,
    pub(crate) name: String,
    pub(crate) content: String,
    pub(crate) bytes: Bytes,
}

/// Files by their `media_id`.
#[derive(Default)]
pub(crate) struct MediaStore {
    files: HashMap<String, Media>,
    order: VecDeque<String>,
    held: usize,
}

impl MediaStore {
    pub(crate) fn put(&mut self, id: String, media: Media) {
        self.held += media.bytes.len();
        self.order.push_back(id.clone());
        self.files.insert(id, media);
        while self.held > ROOM {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.held -= self
                .files
                .remove(&oldest)
                .map_or(0, |media| media.bytes.len());
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Media> {
        self.files.get(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_files_make_room_for_new_ones() {
        let mut store = MediaStore::default();
        let piece = Bytes::from(vec![0; ROOM / 4]);
        for n in 0..5 {
            let bytes = piece.clone();
            let media = Media {
                app: 0,
                video: false,
                name: String::new(),
                content: String::new(),
                bytes,
            };
            store.put(n.to_string(), media);
        }
        assert!(store.get("0").is_none());
        assert!((1..5).all(|n| store.get(&n.to_string()).is_some()));
    }
}
