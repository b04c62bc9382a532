//! Agents that are found by their files: without an example, beside agents with many, and over a
//! stored model.

use text_model::{About, Example, Field, Model, TrainingSet};

/// Two agents with forty varied messages each, and two with a file alone.
fn set() -> TrainingSet {
    let (verbs, things) = (
        ["fix", "write", "refactor", "speed up", "rename", "explain", "delete", "port"],
        ["the parser", "the login page", "this function", "the build script", "a unit test"],
    );
    let plans = ["the next sprint", "the roadmap", "the release", "the retro", "the milestones"];
    let asks = ["plan", "schedule", "estimate", "prepare", "move", "present", "shorten", "check"];
    let line = |label: usize, text: String| Example { text, label, weight: 1.0, against: false };
    let of = |label: usize, verbs: [&'static str; 8], things: [&'static str; 5]| {
        verbs
            .into_iter()
            .flat_map(move |verb| things.map(|thing| line(label, format!("{verb} {thing}"))))
    };
    let about = |label: usize, field: Field, text: &str| About { label, field, text: text.into() };
    TrainingSet {
        labels: ["codegen", "pm", "reviewer", "terraform-engineer"].map(str::to_owned).to_vec(),
        examples: of(0, verbs, things).chain(of(1, asks, plans)).collect(),
        about: vec![
            about(0, Field::Name, "codegen"),
            about(0, Field::Description, "Writes and changes code."),
            about(1, Field::Name, "pm"),
            about(1, Field::Description, "Plans the work of the team."),
            about(2, Field::Name, "reviewer"),
            about(2, Field::Description, "Reviews pull requests and diffs."),
            about(3, Field::Name, "terraform-engineer"),
            about(3, Field::Description, "Builds infrastructure as code with Terraform modules."),
            about(3, Field::Statement, "Keeps the state of each environment apart"),
        ],
        seed: 1,
        ..TrainingSet::default()
    }
}

fn winner(model: &Model, text: &str) -> (String, bool) {
    let scored = model.score(text);
    (model.labels().get(scored.winner).cloned().unwrap_or_default(), scored.out_of_scope)
}

#[test]
fn model_finds_agents_without_examples_beside_taught_ones() {
    let model = Model::train(&set()).unwrap();
    for (text, agent) in [
        ("please review PR 212", "reviewer"),
        ("have a look at my diff before the merge", "reviewer"),
        ("write a terraform module for an s3 bucket", "terraform-engineer"),
        ("a vpc with three subnets", "terraform-engineer"),
        ("fix the login page", "codegen"),
        ("plan the retro", "pm"),
    ] {
        assert_eq!(winner(&model, text), (agent.to_owned(), false), "{text}");
    }
}

#[test]
fn model_of_files_alone_routes_and_rejects() {
    let model = Model::train(&TrainingSet { examples: Vec::new(), ..set() }).unwrap();
    assert_eq!(
        winner(&model, "our terraform state is locked"),
        ("terraform-engineer".to_owned(), false)
    );
    assert_eq!(winner(&model, "review this pull request"), ("reviewer".to_owned(), false));
    for text in ["good morning", "book a table for two tonight", "how tall is mount everest"] {
        assert!(winner(&model, text).1, "{text}");
    }
    let scored = model.score("our terraform state is locked");
    assert!((scored.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    assert_eq!(scored.winner_terms[0].text, "terraform");
}

#[test]
fn model_is_unsure_about_a_language_that_the_graph_does_not_know() {
    let model = Model::train(&set()).unwrap();
    for text in ["请帮我修复登录页面的错误", "ログインを直してください", "исправь ошибку входа"]
    {
        let scored = model.score(text);
        assert!(scored.out_of_scope && (0.3..0.7).contains(&scored.in_scope), "{text} {scored:?}");
    }
}

#[test]
fn model_with_an_index_survives_its_bytes_and_damage() {
    let model = Model::train(&set()).unwrap();
    let bytes = model.to_bytes();
    assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
    for place in (0..200).chain((200..bytes.len()).step_by(331)) {
        let mut bad = bytes.clone();
        bad[place] ^= 0x55;
        assert!(Model::from_bytes(&bad).is_err(), "{place}");
    }
}

#[test]
fn model_of_many_described_agents_is_the_same_each_time() {
    let mut many = TrainingSet { seed: 1, ..TrainingSet::default() };
    for n in 0..60 {
        let label = many.labels.len();
        many.labels.push(format!("agent-{n}"));
        let about = About { label, field: Field::Description, text: format!("Tends field{n}") };
        many.about.push(about);
        for verb in ["water", "plough", "mow"] {
            let text = format!("{verb} field{n}");
            many.examples.push(Example { text, label, weight: 1.0, against: false });
        }
    }
    let model = Model::train(&many).unwrap();
    assert_eq!(model.to_bytes(), Model::train(&many).unwrap().to_bytes());
    assert_eq!(winner(&model, "sow field42").0, "agent-42");
}
