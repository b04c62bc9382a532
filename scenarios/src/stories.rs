//! The list of stories: each line makes one test per host. To add a story, write its file and its
//! line.

/// Makes a test of every story with `$play(file)`, an async function that panics when the story
/// fails.
#[macro_export]
macro_rules! each_story {
    ($play:path) => {
        $crate::each_story! { $play;
            first_message => "01-first-message.md",
            duplicate_delivery => "02-duplicate-delivery.md",
            approval_while_another_message_comes_in => "03-approval-while-another-message-comes-in.md",
            a_strangers_message => "04-a-strangers-message.md",
            budget_exhausted => "05-budget-exhausted.md",
            halt_during_a_run => "06-halt-during-a-run.md",
            agent_down => "07-agent-down.md",
            dead_letter_and_replay => "08-dead-letter-and-replay.md",
            restart_in_the_middle => "09-restart-in-the-middle.md",
            telegram_has_a_bad_minute => "10-telegram-has-a-bad-minute.md",
            runs_that_cost_more_than_they_may => "11-runs-that-cost-more-than-they-may.md",
            stop_from_the_chat => "12-stop-from-the-chat.md",
            a_conversation => "13-a-conversation.md",
        }
    };
    ($play:path; $($name:ident => $file:literal,)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                $play($file).await;
            }
        )+

        #[test]
        fn story_list_matches_the_folder() {
            assert_eq!($crate::stories(), [$($file),+], "src/stories.rs and the story files differ");
        }
    };
}
