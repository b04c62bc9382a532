//! Two machines run the same agent: both get work, a drained one gets none, and a lost one delays
//! none.

use crate::bed::{Home, until};
use serde_json::Value;
use std::process::{Child, Stdio};

/// codegen prints its machine and costs nothing.
fn agent(place: &str) -> String {
    format!(
        "[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\ncommand = [\"/bin/sh\", \"-c\", \"echo done at {place}\"]\n"
    )
}

pub struct Joined(pub Child);

impl Drop for Joined {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Joins a second gateway to the server.
fn join(home: &Home, address: &str) -> Joined {
    std::fs::write(home.path("office.toml"), agent("the office")).unwrap();
    let mut command = home.command(&["gateway", "--control", &format!("http://{address}")]);
    command.arg("--config").arg(home.path("office.toml")).arg("--data").arg(home.path("office"));
    command
        .env("QUINTET_GATEWAY_TOKEN", home.token("gateway"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Joined(command.spawn().unwrap())
}

fn gateways(home: &Home) -> Vec<Value> {
    home.run(&["gateways", "--json"]).json()["gateways"].as_array().unwrap().clone()
}

fn ids(home: &Home) -> Vec<String> {
    gateways(home).iter().map(|row| row["gatewayId"].as_str().unwrap().to_owned()).collect()
}

fn answer(home: &Home) -> String {
    home.run(&["send", "telegram", "@codegen fix the login flow"]).ok()
}

#[test]
fn gateway_gets_no_tasks_while_drained_and_delays_none_when_lost() {
    let home = Home::with_config(&agent("home"));
    let server = home.up();
    let first = until("the server's own gateway asks for work", || ids(&home).pop());
    assert!(answer(&home).contains("done at home"));
    let joined = join(&home, &server.address);
    let second =
        until("the other gateway asks for work", || ids(&home).into_iter().find(|id| *id != first));

    assert!(home.run(&["gateways", "--drain", &first]).ok().contains("gets no new tasks"));
    assert!(home.run(&["gateways"]).ok().contains("out of service"));
    assert!((0..3).all(|_| answer(&home).contains("done at the office")));
    assert!(home.run(&["gateways", "--restore", &first]).ok().contains("gets tasks again"));
    home.run(&["gateways", "--drain", &second]).ok();
    assert!((0..3).all(|_| answer(&home).contains("done at home")));
    home.run(&["gateways", "--restore", &second]).ok();

    drop(joined);
    assert!(
        (0..3).all(|_| answer(&home).contains("done at home")),
        "the remaining gateway leases every task, also one reserved for the lost one"
    );
    let unknown = home.run(&["gateways", "--drain", "nobody"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""), "{unknown:?}");
    assert_eq!(home.run(&["gateways", "--drain", "no/body"]).code, 2);
}
