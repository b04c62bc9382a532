//! Archives whose bytes depend on their content alone.

use flate2::{Compression, GzBuilder};
use std::io::{Cursor, Write};
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Time of every file, in Unix seconds: 26 October 1985, as npm has it. Zip files begin in 1980.
pub const MTIME: u64 = 499_162_500;

/// A file of an archive.
pub struct Entry {
    /// Relative, with `/`.
    pub path: String,
    pub bytes: Vec<u8>,
    /// Unix permissions.
    pub mode: u32,
}

impl Entry {
    /// A file to read.
    pub fn file(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into(), mode: 0o644 }
    }

    /// A file to execute.
    pub fn program(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { mode: 0o755, ..Self::file(path, bytes) }
    }
}

/// A compressed tar file, sorted by path, all owned by root.
///
/// # Errors
/// When a path is too long for the format.
pub fn tar_gz(mut entries: Vec<Entry>) -> Result<Vec<u8>, String> {
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    // The header names neither a file nor a time nor the system of the build machine.
    let gzip = GzBuilder::new().operating_system(255).write(Vec::new(), Compression::default());
    let mut tar = tar::Builder::new(gzip);
    for entry in &entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(entry.mode);
        header.set_mtime(MTIME);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, &entry.path, entry.bytes.as_slice())
            .map_err(|error| format!("{}: {error}", entry.path))?;
    }
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(|error| error.to_string())
}

/// A zip file in the order of the entries.
///
/// # Errors
/// When a file is too large for the format.
pub fn zip(entries: &[Entry]) -> Result<Vec<u8>, String> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let time = DateTime::from_date_and_time(1985, 10, 26, 8, 15, 0).map_err(|e| e.to_string())?;
    for entry in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(entry.mode)
            .last_modified_time(time);
        zip.start_file(entry.path.as_str(), options)
            .map_err(|error| format!("{}: {error}", entry.path))?;
        zip.write_all(&entry.bytes).map_err(|error| format!("{}: {error}", entry.path))?;
    }
    Ok(zip.finish().map_err(|error| error.to_string())?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_of_the_same_files_have_the_same_bytes() {
        let entries = || vec![Entry::program("b/run", "1"), Entry::file("a", "2")];
        let mut turned = entries();
        turned.reverse();
        assert_eq!(tar_gz(entries()).unwrap(), tar_gz(turned).unwrap());
        assert_eq!(zip(&entries()).unwrap(), zip(&entries()).unwrap());
    }

    #[test]
    fn archive_keeps_permissions_and_names_no_owner() {
        let bytes = tar_gz(vec![Entry::program("b/run", "1"), Entry::file("a", "2")]).unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let found: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.mtime().unwrap(), MTIME);
                assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
                (entry.path().unwrap().display().to_string(), header.mode().unwrap())
            })
            .collect();
        assert_eq!(found, [("a".to_owned(), 0o644), ("b/run".to_owned(), 0o755)]);
    }
}
