//! The close codes of the Gateway.
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway>

/// How to go on.
#[derive(Debug, PartialEq)]
pub(super) enum Closing {
    /// With the same session.
    Resume,
    /// With another session; the reason.
    Afresh(&'static str),
    /// Not before the owner has changed something.
    Refused { why: String, fix: &'static str },
}

const TOKEN_FIX: &str = "Copy bot_token from the application's Bot page.";
const CONTENT_FIX: &str = "Switch on “Message Content Intent” on the application's Bot page, or write messages = \"mentions\".";
const OWN_FIX: &str = "Update Quintet; with the newest version, report it.";
const SHARD_FIX: &str =
    "Quintet has one connection, which is for at most 2,500 servers: take the bot out of some.";

/// Reads a close code; `None` is a connection that broke.
pub(super) fn read(code: Option<u16>, hears_all: bool) -> Closing {
    let refused = |why: &str, fix| Closing::Refused {
        why: format!("Discord {}: {why}.", code.unwrap_or_default()),
        fix,
    };
    match code {
        Some(4004) => refused("the bot token is wrong", TOKEN_FIX),
        Some(4010 | 4011) => refused("the bot is in too many servers", SHARD_FIX),
        Some(4012) => refused("this version of the Gateway is gone", OWN_FIX),
        Some(4013) => refused("it does not know an intent", OWN_FIX),
        Some(4014) if hears_all => {
            refused("the bot may not read the messages of servers", CONTENT_FIX)
        }
        Some(4014) => refused("an intent is not allowed", OWN_FIX),
        Some(4007 | 4009) => Closing::Afresh("Discord has ended the session."),
        _ => Closing::Resume,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_resume_begin_afresh_or_name_the_fix() {
        let again = [
            None,
            Some(1000),
            Some(1001),
            Some(1006),
            Some(4000),
            Some(4001),
            Some(4002),
            Some(4003),
            Some(4005),
            Some(4008),
        ];
        for code in again {
            assert_eq!(read(code, false), Closing::Resume, "{code:?}");
        }
        for code in [4007, 4009] {
            assert!(matches!(read(Some(code), false), Closing::Afresh(_)), "{code}");
        }
        for (code, all, named) in
            [(4004, false, "bot_token"), (4011, false, "2,500"), (4014, true, "Message Content")]
        {
            let Closing::Refused { why, fix } = read(Some(code), all) else { panic!("{code}") };
            assert!(why.contains(&code.to_string()) && fix.contains(named), "{why} {fix}");
        }
    }
}
