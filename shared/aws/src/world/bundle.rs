//! A bundle: many files of the world in one object. It holds what the folder holds, byte for byte, each file as its difference from the one before.
//!
//! A bundle is derived. It names the version of each file that it was made from, so that whoever has a list of the folder knows which of them it may
//! take from the bundle, and has to read the others. A bundle that is lost, damaged, or of another form is made again from the folder.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The number of the form. It is raised whenever what is stored, or what it means, changes; bundles of another form are made again.
const FORM: u8 = 1;

/// Bytes of the digest behind the number of the form.
const DIGEST: usize = 32;

/// Bytes that a bundle may take when it is unpacked. A fold's memory holds more, and no account has as much.
const UNPACKED: u64 = 128 << 20;

/// Bytes that a file may have. AWS's answers are smaller.
const LARGEST_FILE: usize = 64 << 20;

/// Bytes that a file's entry takes in memory besides its path, ETag and difference, approximately.
const OVERHEAD: usize = 96;

/// The ETags of files, by their paths in the world.
pub(super) type Etags = BTreeMap<String, String>;

/// The error when an object is no usable bundle.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableBundle {
    #[error("bundles of form {0} are not known")]
    Form(u8),
    #[error("the bundle is damaged")]
    Damaged,
}

/// Files of the world, ordered by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bundle {
    entries: Vec<Entry>,
    /// The differences of all entries, one behind the other.
    middles: Vec<u8>,
}

/// A file, as its difference from the one before: it begins and ends like that one, and differs in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    path: String,
    etag: String,
    /// Bytes at the beginning that are those of the file before.
    front: usize,
    /// Bytes at the end that are those of the file before.
    back: usize,
    /// Bytes in between.
    middle: usize,
}

impl Bundle {
    /// The number of files.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes that it takes in memory, approximately.
    pub(super) fn bytes(&self) -> usize {
        let of_entry = |entry: &Entry| entry.path.len() + entry.etag.len() + OVERHEAD;
        self.middles.len() + self.entries.iter().map(of_entry).sum::<usize>()
    }

    /// The listed files that it doesn't hold in the version that is listed.
    pub(super) fn lacks(&self, listed: &Etags) -> Vec<(String, String)> {
        let held: BTreeMap<&str, &str> = self.entries.iter().map(|entry| (entry.path.as_str(), entry.etag.as_str())).collect();
        let is_lacking = |(path, etag): &(&String, &String)| held.get(path.as_str()) != Some(&etag.as_str());
        listed.iter().filter(is_lacking).map(|(path, etag)| (path.clone(), etag.clone())).collect()
    }

    /// Hands over each file: its path, its ETag and its content. Only one content is in memory at a time.
    pub(super) fn each(&self, mut take: impl FnMut(&str, &str, &[u8])) {
        let (mut before, mut middles) = (Vec::new(), self.middles.as_slice());
        for entry in &self.entries {
            let (middle, rest) = middles.split_at_checked(entry.middle).unwrap_or_default();
            middles = rest;
            let content = entry.content(&before, middle).unwrap_or_default();
            take(&entry.path, &entry.etag, &content);
            before = content;
        }
    }

    /// The files that are listed: those of this bundle, and `read`, by path, with their ETags.
    pub(super) fn renewed(&self, listed: &Etags, read: BTreeMap<String, (String, Vec<u8>)>) -> Bundle {
        let (mut renewed, mut read) = (Writer::default(), read.into_iter().peekable());
        self.each(|path, etag, content| {
            while let Some((new, (etag, content))) = read.next_if(|(new, _)| new.as_str() <= path) {
                renewed.add(new, etag, content);
            }
            if listed.get(path).is_some_and(|listed| listed == etag) {
                renewed.add(path.to_owned(), etag.to_owned(), content.to_vec());
            }
        });
        for (new, (etag, content)) in read {
            renewed.add(new, etag, content);
        }
        renewed.bundle
    }

    /// The bytes of the object: the number of the form, a digest of what follows, and the entries and differences, deflated.
    pub(super) fn pack(&self) -> Result<Vec<u8>, UnusableBundle> {
        let entries = postcard::to_allocvec(&self.entries).map_err(|_| UnusableBundle::Damaged)?;
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        let written = encoder.write_all(&entries).and_then(|()| encoder.write_all(&self.middles));
        let packed = written.and_then(|()| encoder.finish()).map_err(|_| UnusableBundle::Damaged)?;
        let mut object = vec![FORM];
        object.extend_from_slice(&Sha256::digest(&packed));
        object.extend(packed);
        Ok(object)
    }

    /// The bundle in an object.
    pub(super) fn unpack(object: &[u8]) -> Result<Self, UnusableBundle> {
        let rest = match object.split_first() {
            Some((&FORM, rest)) => rest,
            Some((form, _)) => return Err(UnusableBundle::Form(*form)),
            None => return Err(UnusableBundle::Damaged),
        };
        let (digest, packed) = rest.split_at_checked(DIGEST).ok_or(UnusableBundle::Damaged)?;
        if Sha256::digest(packed).as_slice() != digest {
            return Err(UnusableBundle::Damaged);
        }
        let mut plain = Vec::new();
        DeflateDecoder::new(packed).take(UNPACKED).read_to_end(&mut plain).map_err(|_| UnusableBundle::Damaged)?;
        let (entries, middles) = postcard::take_from_bytes::<Vec<Entry>>(&plain).map_err(|_| UnusableBundle::Damaged)?;
        let bundle = Bundle { entries, middles: middles.to_vec() };
        if bundle.is_whole() { Ok(bundle) } else { Err(UnusableBundle::Damaged) }
    }

    /// Whether its entries are ordered, and their differences can be applied.
    fn is_whole(&self) -> bool {
        let (mut left, mut before) = (self.middles.len(), 0_usize);
        for entry in &self.entries {
            let shared = entry.front.checked_add(entry.back).filter(|shared| *shared <= before);
            let whole = shared.and_then(|shared| shared.checked_add(entry.middle)).filter(|whole| *whole <= LARGEST_FILE);
            let (Some(whole), Some(rest)) = (whole, left.checked_sub(entry.middle)) else { return false };
            (left, before) = (rest, whole);
        }
        left == 0 && self.entries.is_sorted_by(|a, b| a.path < b.path)
    }
}

impl Entry {
    fn content(&self, before: &[u8], middle: &[u8]) -> Option<Vec<u8>> {
        let back = before.len().checked_sub(self.back)?;
        Some([before.get(..self.front)?, middle, before.get(back..)?].concat())
    }
}

/// Makes a bundle of files that come ordered by path.
#[derive(Default)]
struct Writer {
    bundle: Bundle,
    before: Vec<u8>,
}

impl Writer {
    fn add(&mut self, path: String, etag: String, content: Vec<u8>) {
        let alike = |a: &u8, b: &u8| a == b;
        let front = self.before.iter().zip(&content).take_while(|(a, b)| alike(a, b)).count();
        let rest = |whole: &[u8]| whole.len() - front;
        let most = rest(&self.before).min(rest(&content));
        let back = self.before.iter().rev().zip(content.iter().rev()).take(most).take_while(|(a, b)| alike(a, b)).count();
        let middle = content.get(front..content.len() - back).unwrap_or_default();
        self.bundle.middles.extend_from_slice(middle);
        self.bundle.entries.push(Entry { path, etag, front, back, middle: middle.len() });
        self.before = content;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(files: &[(&str, &str)]) -> Bundle {
        let read = files.iter().map(|(path, content)| ((*path).to_owned(), (format!("etag of {content}"), content.as_bytes().to_vec())));
        Bundle::default().renewed(&Etags::new(), read.collect())
    }

    fn files(bundle: &Bundle) -> Vec<(String, String)> {
        let mut files = Vec::new();
        bundle.each(|path, _, content| files.push((path.to_owned(), String::from_utf8(content.to_vec()).unwrap())));
        files
    }

    fn listed(bundle: &Bundle) -> Etags {
        bundle.entries.iter().map(|entry| (entry.path.clone(), entry.etag.clone())).collect()
    }

    const FILES: [(&str, &str); 6] =
        [("a", "aaaa"), ("b", "aa"), ("c", "aaXaa"), ("d", ""), ("e", "aaXaa aaXaa"), ("f", "aaXaa aaYaa aaXaa")];

    #[test]
    fn a_bundle_holds_files_byte_for_byte() {
        let whole = bundle(&FILES);
        assert_eq!(files(&whole), FILES.map(|(path, content)| (path.to_owned(), content.to_owned())));
        assert_eq!(Bundle::unpack(&whole.pack().unwrap()).unwrap(), whole);
        assert!(whole.lacks(&listed(&whole)).is_empty());
    }

    #[test]
    fn what_a_bundle_lacks_is_what_was_written_since() {
        let (before, whole) = (bundle(&FILES[1..]), bundle(&FILES));
        let mut changed = listed(&whole);
        changed.remove("f");
        changed.insert("c".to_owned(), "another".to_owned());
        assert_eq!(before.lacks(&changed), [("a".to_owned(), "etag of aaaa".to_owned()), ("c".to_owned(), "another".to_owned())]);
        let read = [("a", "etag of aaaa", "aaaa"), ("c", "another", "changed")];
        let read = read.map(|(path, etag, content)| (path.to_owned(), (etag.to_owned(), content.as_bytes().to_vec())));
        let renewed = before.renewed(&changed, read.into());
        assert_eq!(listed(&renewed), changed);
        assert_eq!(files(&renewed)[2], ("c".to_owned(), "changed".to_owned()));
    }

    #[test]
    fn a_damaged_bundle_is_not_used() {
        let object = bundle(&FILES).pack().unwrap();
        for at in 0..object.len() {
            let mut damaged = object.clone();
            damaged[at] ^= 0x10;
            assert!(Bundle::unpack(&damaged).is_err(), "byte {at}");
            assert!(Bundle::unpack(&object[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn differences_that_fit_nothing_are_not_applied() {
        let whole = bundle(&FILES);
        let spoilt = |spoil: fn(&mut Bundle)| {
            let mut spoilt = whole.clone();
            spoil(&mut spoilt);
            Bundle::unpack(&spoilt.pack().unwrap()).is_err()
        };
        assert!(spoilt(|bundle| bundle.entries[0].front = 1));
        assert!(spoilt(|bundle| bundle.entries[1].back = usize::MAX));
        assert!(spoilt(|bundle| bundle.entries[1].middle += 1));
        assert!(spoilt(|bundle| bundle.middles.push(b'x')));
        assert!(spoilt(|bundle| bundle.entries.swap(0, 3)));
    }
}
