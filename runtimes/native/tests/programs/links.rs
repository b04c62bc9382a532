//! Symbolic links that an agent puts in the way of paths.

use crate::attacks::{Home, script};
use platform::ports::{ProgramSpec, Programs, Reach};
use std::os::unix::fs::symlink;

fn reading(path: String, text: &str) -> ProgramSpec {
    ProgramSpec { reach: Reach { readable: vec![path], ..Reach::default() }, ..script(text) }
}

fn writing(path: String, text: &str) -> ProgramSpec {
    ProgramSpec { reach: Reach { writable: vec![path], ..Reach::default() }, ..script(text) }
}

/// With `src` writable, the first run puts a link to the keys in the place of a readable folder.
#[tokio::test]
async fn link_in_the_place_of_a_named_path_starts_no_agent() {
    let home = Home::new();
    std::fs::create_dir(home.path("src/docs")).unwrap();
    let reach = Reach {
        readable: vec![home.text("src/docs")],
        writable: vec![home.text("src/app")],
        ..Reach::default()
    };
    let spec = ProgramSpec { reach, ..script("ls -A ~/.ssh; echo ran") };
    assert!(home.run(spec.clone()).await.ends_with("ran\n"));
    std::fs::remove_dir(home.path("src/docs")).unwrap();
    std::os::unix::fs::symlink(home.path(".ssh"), home.path("src/docs")).unwrap();
    let error = home.programs.start(spec).await.err().unwrap();
    assert!(error.detail.contains("is not the file it was"), "{}", error.detail);
}

/// One agent may write `src`, another reads `src/app`. The server starts again in between.
#[tokio::test]
async fn link_that_an_agent_made_is_not_followed_after_a_restart() {
    let mut home = Home::new();
    let folder = home.path("");
    home.programs = Home::start(&folder, &["src"]);
    let attack = format!(
        "cd {}; mv app app.old; ln -s ../.ssh app; ln -s .. up; echo made",
        home.text("src")
    );
    assert_eq!(home.run(writing(home.text("src"), &attack)).await, "made\n");
    home.programs = Home::start(&folder, &["src"]);
    for path in ["src/app", "src/up", "src/up/.ssh"] {
        let text = format!("cat {}/id_ed25519", home.text(path));
        let error = home.programs.start(reading(home.text(path), &text)).await.err().unwrap();
        assert!(error.detail.contains("goes through the symbolic link"), "{}", error.detail);
        let error = home.programs.start(writing(home.text(path), &text)).await.err().unwrap();
        assert!(error.detail.contains("which an agent may have made"), "{}", error.detail);
    }
}

/// Folders that every agent sees by itself, below one that an agent may write.
#[tokio::test]
async fn link_in_the_place_of_a_tool_chain_is_not_followed() {
    let mut home = Home::new();
    let folder = home.path("");
    std::fs::create_dir_all(home.path(".nvm")).unwrap();
    symlink(home.path(".ssh"), home.path(".nvm/versions")).unwrap();
    let text = format!("cat {}/id_ed25519; echo tried", home.text(".nvm/versions"));
    assert!(home.said(&text).await.contains("the-token"), "the owner's own link is followed");
    home.programs = Home::start(&folder, &[".nvm"]);
    let said = home.said(&text).await;
    assert!(!said.contains("the-token") && said.ends_with("tried\n"), "{said}");
}

#[tokio::test]
async fn link_of_the_owner_is_followed() {
    let home = Home::new();
    symlink(home.path("src/app"), home.path("app")).unwrap();
    let text = format!("cat {}/main.rs", home.text("app"));
    assert!(home.run(reading(home.text("app"), &text)).await.contains("fn main"));
}

/// An agent that may replace such a link chooses the server's configuration at its next start.
#[tokio::test]
async fn folder_with_a_link_to_the_servers_files_is_never_writable() {
    for (path, to) in [
        (".config/quintet/quintet.toml", "real/quintet.toml"),
        (".config/quintet", "real/config"),
        (".local/share/quintet", "real/data"),
        (".cache/quintet-work", "real/work"),
    ] {
        let mut home = Home::new();
        std::fs::create_dir_all(home.path("real")).unwrap();
        std::fs::create_dir_all(home.path("src/etc")).unwrap();
        std::fs::create_dir_all(home.path(".cache/quintet-work")).unwrap();
        std::fs::rename(home.path(path), home.path(to)).unwrap();
        // Two links: the first in a folder of the owner's, the second in one for agents.
        symlink(home.path(to), home.path("src/etc/link")).unwrap();
        symlink(home.path("src/etc/link"), home.path(path)).unwrap();
        home.programs = Home::start(&home.path(""), &["src"]);
        for folder in ["src", "src/etc"] {
            let error =
                home.programs.start(writing(home.text(folder), "true")).await.err().unwrap();
            assert!(
                error.detail.contains("src/etc/link, which an agent must not"),
                "{}",
                error.detail
            );
        }
        assert_eq!(home.run(writing(home.text("src/app"), "echo ran")).await, "ran\n", "{path}");
        assert_eq!(home.run(reading(home.text("src/app"), "echo ran")).await, "ran\n", "{path}");
    }
}
