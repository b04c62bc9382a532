//! The targets that are packaged, and their names in each package format.

/// The machine in a binary's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    Arm64,
}

/// The system, and how a Linux binary is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Static, for every distribution.
    LinuxMusl,
    /// Needs the glibc of its build machine or a newer one.
    LinuxGnu,
    MacOs,
}

/// One target.
#[derive(Debug)]
pub struct Target {
    /// As `rustc` names it.
    pub triple: &'static str,
    /// `machine` and `system` are checked in the binary.
    pub machine: Machine,
    pub system: System,
    /// Architecture of Debian; none where there is no Debian package.
    pub deb: Option<&'static str>,
    /// `process.platform` and `process.arch` of Node.
    pub node: (&'static str, &'static str),
}

/// Those that a release is built for, then those for trying.
pub const TARGETS: &[Target] = &[
    linux("x86_64-unknown-linux-musl", System::LinuxMusl, Machine::X86_64, "amd64", "x64"),
    linux("aarch64-unknown-linux-musl", System::LinuxMusl, Machine::Arm64, "arm64", "arm64"),
    mac("x86_64-apple-darwin", Machine::X86_64, "x64"),
    mac("aarch64-apple-darwin", Machine::Arm64, "arm64"),
    linux("x86_64-unknown-linux-gnu", System::LinuxGnu, Machine::X86_64, "amd64", "x64"),
    linux("aarch64-unknown-linux-gnu", System::LinuxGnu, Machine::Arm64, "arm64", "arm64"),
];

const fn linux(
    triple: &'static str,
    system: System,
    machine: Machine,
    deb: &'static str,
    node: &'static str,
) -> Target {
    Target { triple, machine, system, deb: Some(deb), node: ("linux", node) }
}

const fn mac(triple: &'static str, machine: Machine, node: &'static str) -> Target {
    Target { triple, machine, system: System::MacOs, deb: None, node: ("darwin", node) }
}

impl Target {
    /// Whether the binary needs no library of the system.
    pub const fn is_static(&self) -> bool {
        matches!(self.system, System::LinuxMusl)
    }

    /// Whether the binary needs the system's glibc.
    pub const fn needs_glibc(&self) -> bool {
        matches!(self.system, System::LinuxGnu)
    }

    /// Whether a release has packages of this target.
    pub const fn is_released(&self) -> bool {
        !self.needs_glibc()
    }

    /// Platform tag of a Python wheel. A static binary runs with every libc.
    pub fn wheel(&self, glibc: Option<(u32, u32)>) -> String {
        let machine = match self.machine {
            Machine::X86_64 => "x86_64",
            Machine::Arm64 => "aarch64",
        };
        match (self.system, self.machine) {
            // The oldest systems that Rust's standard library supports.
            (System::MacOs, Machine::X86_64) => "macosx_10_12_x86_64".to_owned(),
            (System::MacOs, Machine::Arm64) => "macosx_11_0_arm64".to_owned(),
            (System::LinuxMusl, _) => {
                format!("manylinux_2_17_{machine}.manylinux2014_{machine}.musllinux_1_1_{machine}")
            }
            (System::LinuxGnu, _) => {
                let (major, minor) = glibc.unwrap_or((2, 17));
                format!("manylinux_{major}_{minor}_{machine}")
            }
        }
    }
}

/// The target of this name.
///
/// # Errors
/// With all names, when there is none.
pub fn find(triple: &str) -> Result<&'static Target, String> {
    TARGETS.iter().find(|target| target.triple == triple).ok_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.triple).collect();
        format!("there is no target {triple}. Choose one of {}.", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheel_of_a_static_binary_fits_every_libc() {
        let tag = |triple| find(triple).unwrap().wheel(Some((2, 34)));
        assert_eq!(
            tag("aarch64-unknown-linux-musl"),
            "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"
        );
        assert_eq!(tag("x86_64-unknown-linux-gnu"), "manylinux_2_34_x86_64");
        assert_eq!(tag("aarch64-apple-darwin"), "macosx_11_0_arm64");
    }

    #[test]
    fn unknown_target_is_refused_with_the_known_ones() {
        let why = find("x86_64-pc-windows-msvc").unwrap_err();
        assert!(why.contains("aarch64-apple-darwin"), "{why}");
    }
}
