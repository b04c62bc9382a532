//! The data directory, with the sandbox and without.

use crate::bed::{BOTH, Bed, bed, reach, script, well};
use platform::ports::{Confinement, PortErrorKind, ProgramSpec, Programs};

/// Every way to the token for a program of the same user: the path, removing the cover, and the
/// namespaces and roots of outside processes.
fn burglar(bed: &Bed) -> String {
    let data = bed.work.path().join("data").display().to_string();
    let test = std::process::id();
    format!(
        r"
cat {data}/tokens/operator
ls -A {data}
umount {data}; umount -l {data}; cat {data}/tokens/operator
unshare -Urm sh -c 'umount -l {data}; cat {data}/tokens/operator'
unshare -Urm sh -c 'mount --bind {root} /mnt && cat /mnt/data/tokens/operator'
cat /proc/{test}/root{data}/tokens/operator
nsenter -t {test} -U -m cat {data}/tokens/operator
nsenter -t {test} -m cat {data}/tokens/operator
cat /proc/{test}/environ
echo tried
",
        root = bed.work.path().display(),
    )
}

#[tokio::test]
async fn program_cannot_reach_the_data_directory_unless_it_is_visible() {
    let bed = bed();
    for confinement in BOTH {
        let text = format!("exec 2>&1\n{}", burglar(&bed));
        let (lines, end) =
            bed.run(ProgramSpec { reach: reach(confinement), ..script(&text) }).await;
        assert_eq!(end, well());
        let said = lines.join("\n");
        assert!(
            !said.contains("the-token") && !said.contains("tokens\n") && !said.contains("CARGO"),
            "{said}"
        );
        assert_eq!(lines.last().map(String::as_str), Some("tried"));
    }
    let reads = format!("cat {}", bed.work.path().join("data/tokens/operator").display());
    let trusted = ProgramSpec { data_visible: true, ..script(&reads) };
    assert_eq!(bed.run(trusted).await.0, ["the-token"], "the test looks in the right place");
}

#[tokio::test]
async fn program_without_sandbox_reaches_the_rest_of_the_machine() {
    let bed = bed();
    let file = bed.work.path().join("owners-file");
    let text = format!("id -u; echo mine > {}; ls /proc/1 >/dev/null && echo seen", file.display());
    let unconfined = ProgramSpec { reach: reach(Confinement::Off), ..script(&text) };
    let (lines, end) = bed.run(unconfined).await;
    assert_eq!((lines, end), (vec![nix::unistd::geteuid().to_string(), "seen".to_owned()], well()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine\n");
    assert!(bed.work.path().join("data/tokens/operator").exists(), "covered for the program alone");
}

#[tokio::test]
async fn program_never_starts_if_the_data_directory_cannot_be_hidden() {
    let bed = bed();
    std::fs::remove_dir_all(bed.work.path().join("data")).unwrap();
    let error = bed.programs.start(script("echo ran")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Invalid);
    assert!(
        error.detail.contains("is not the file it was when the server started"),
        "{}",
        error.detail
    );
    assert!(
        std::fs::read_dir(bed.work.path().join("work")).unwrap().next().is_none(),
        "no directory is left"
    );
}
