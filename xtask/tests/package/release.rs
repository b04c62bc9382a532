//! The release workflow and the metadata of `cargo binstall` name the files that are packaged.
