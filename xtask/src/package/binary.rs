//! The head of a binary: for which system it was built.

use super::target::{Machine, System, Target};

const ELF: &[u8] = b"\x7fELF";
/// 64-bit Mach-O, little-endian.
const MACH_O: &[u8] = &[0xcf, 0xfa, 0xed, 0xfe];
/// Program header of an ELF file that names the dynamic loader.
const PT_INTERP: u32 = 3;

/// Whether the binary is of this target.
///
/// # Errors
/// With the difference.
pub fn check(bytes: &[u8], target: &Target) -> Result<(), String> {
    let wrong = |found: &str| Err(format!("it is {found}, and not for {}", target.triple));
    if bytes.starts_with(MACH_O) {
        let machine = match number(bytes, 4, 4) {
            Some(0x0100_0007) => Machine::X86_64,
            Some(0x0100_000c) => Machine::Arm64,
            _ => return wrong("a program for an unknown machine"),
        };
        return if target.system == System::MacOs && machine == target.machine {
            Ok(())
        } else {
            wrong("a program for macOS")
        };
    }
    if !bytes.starts_with(ELF) {
        return wrong("no program");
    }
    let machine = match number(bytes, 18, 2) {
        Some(62) => Machine::X86_64,
        Some(183) => Machine::Arm64,
        _ => return wrong("a program for an unknown machine"),
    };
    let expected = if has_loader(bytes) { System::LinuxGnu } else { System::LinuxMusl };
    if machine != target.machine {
        wrong("a program for another machine")
    } else if target.system == expected {
        Ok(())
    } else if expected == System::LinuxGnu {
        wrong("dynamically linked for Linux")
    } else {
        wrong("statically linked for Linux")
    }
}

/// The newest glibc whose symbols the binary names.
///
/// # Errors
/// When it names none.
pub fn glibc(bytes: &[u8]) -> Result<(u32, u32), String> {
    const NAME: &[u8] = b"GLIBC_2.";
    let minor = memchr::memmem::find_iter(bytes, NAME)
        .filter_map(|at| {
            let rest = bytes.get(at + NAME.len()..)?;
            let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit());
            String::from_utf8(digits.copied().collect()).ok()?.parse().ok()
        })
        .max()
        .ok_or("the binary names no version of glibc")?;
    Ok((2, minor))
}

/// Whether an ELF file names a dynamic loader.
fn has_loader(bytes: &[u8]) -> bool {
    let header = |at| number(bytes, at, 2).and_then(|value| usize::try_from(value).ok());
    let start = number(bytes, 32, 8).and_then(|value| usize::try_from(value).ok());
    let (Some(start), Some(size), Some(count)) = (start, header(54), header(56)) else {
        return false;
    };
    (0..count).any(|index| {
        let at = size.checked_mul(index).and_then(|skip| start.checked_add(skip));
        at.and_then(|at| number(bytes, at, 4)) == Some(u64::from(PT_INTERP))
    })
}

/// The little-endian number of `size` bytes at `at`.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::super::target::find;
    use super::*;

    /// The head of an ELF file, with one program header of this type.
    fn elf(machine: u8, kind: u8) -> Vec<u8> {
        let mut bytes = ELF.to_vec();
        bytes.resize(128, 0);
        bytes[18] = machine;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64] = kind;
        bytes
    }

    #[test]
    fn binary_of_another_system_is_refused() {
        let fits = |bytes: &[u8], triple| check(bytes, find(triple).unwrap());
        assert_eq!(fits(&elf(62, 3), "x86_64-unknown-linux-gnu"), Ok(()));
        assert_eq!(fits(&elf(183, 1), "aarch64-unknown-linux-musl"), Ok(()));
        let why = fits(&elf(62, 3), "x86_64-unknown-linux-musl").unwrap_err();
        assert!(why.contains("dynamically linked"), "{why}");
        fits(&elf(62, 1), "aarch64-unknown-linux-musl").unwrap_err();
        fits(&elf(62, 3), "x86_64-apple-darwin").unwrap_err();
        fits(b"#!/bin/sh\n", "x86_64-unknown-linux-gnu").unwrap_err();
        let mac = [MACH_O, &[0x0c, 0, 0, 1]].concat();
        assert_eq!(fits(&mac, "aarch64-apple-darwin"), Ok(()));
        fits(&mac, "x86_64-apple-darwin").unwrap_err();
    }

    #[test]
    fn glibc_is_the_newest_that_is_named() {
        assert_eq!(glibc(b"..GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.2.5\0"), Ok((2, 34)));
        glibc(b"none").unwrap_err();
    }
}
