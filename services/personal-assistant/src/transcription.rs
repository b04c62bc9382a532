//! `[transcription]`: how recordings become words, by a server or by a program of the owner.

use crate::recording::Recording;
use contracts::{Effect, Micros};
use platform::config::Section;
use platform::files::FOLDER_IN;
use platform::ports::{
    Exchange, InputFile, Outbound, OutboundRequest, PortError, ProgramEvent, ProgramNetwork,
    ProgramSpec, Programs, Reach,
};
use platform::secret::Secret;
use serde_json::Value;

/// Maximum time of one transcription. The step of a message that waits for it may take a minute.
pub const TIMEOUT_MS: u64 = 45_000;
/// Maximum bytes that a program may print.
const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// Stands for the recording's path in the arguments of a program.
const FILE: &str = "{file}";

/// `[transcription]`.
#[derive(Clone, Debug)]
pub enum Transcriber {
    Server(Server),
    Program(Program),
}

/// A server with `OpenAI`'s `/audio/transcriptions`.
#[derive(Clone, Debug)]
pub struct Server {
    base_url: String,
    api_key: Option<Secret>,
    model: String,
    language: Option<String>,
    /// For a minute.
    price: Micros,
}

/// A program of this machine. It runs in the sandbox without a network, and prints the words.
#[derive(Clone, Debug)]
pub struct Program {
    command: Vec<String>,
    readable: Vec<String>,
}

/// The words, with the length that was billed.
#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    pub text: String,
    /// None if the server does not report it.
    pub seconds: Option<f64>,
}

/// The reason that there are no words.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptionError {
    #[error("the server was unreachable")]
    Port(#[from] PortError),
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("the server's answer has no text")]
    Odd,
    #[error("{0}")]
    Program(String),
    #[error("everything is halted")]
    Halted,
}

impl TranscriptionError {
    /// Whether certainly nothing was transcribed, and so nothing is billed.
    pub fn is_without_effect(&self) -> bool {
        match self {
            Self::Port(error) => error.effect == Effect::None,
            Self::Status(status) => *status < 500,
            Self::Odd | Self::Program(_) | Self::Halted => false,
        }
    }
}

impl Transcriber {
    /// Reads the table and reports its problems.
    pub fn read(mut section: Section<'_>) -> Option<Self> {
        let (by_server, by_program) = (section.has("base_url"), section.has("command"));
        let (server, program) = (Server::read(&mut section), Program::read(&mut section));
        if by_server == by_program {
            let why =
                if by_server { "stands beside command." } else { "is missing, and so is command." };
            section.wrong("base_url", why, "Write base_url for a server, such as \"https://api.openai.com/v1\", or command for a program of this machine, such as [\"whisper-cli\", \"-m\", \"/models/base.bin\", \"-nt\", \"-f\", \"{file}\"].");
        } else if by_server && !section.has("price_per_minute") {
            let fix = "Write the dollars for a minute, such as 0.006; 0 for a server of your own.";
            section.wrong("price_per_minute", "is missing.", fix);
        }
        section.finish();
        match (by_server, by_program) {
            (true, false) => server.map(Self::Server),
            (false, true) => program.map(Self::Program),
            _ => None,
        }
    }
    /// The most that this recording can cost; none where that cannot be told.
    pub fn most(&self, recording: &Recording) -> Option<Micros> {
        match self {
            Self::Server(server) if server.price == Micros::ZERO => Some(Micros::ZERO),
            Self::Server(server) => {
                recording.seconds_max().map(|seconds| server.of_seconds(seconds))
            }
            Self::Program(_) => Some(Micros::ZERO),
        }
    }
    /// The cost of words; none if their length is not known.
    pub fn cost(&self, words: &Words) -> Option<Micros> {
        match self {
            Self::Server(server) => {
                let seconds = words.seconds.filter(|seconds| (0.0..1e7).contains(seconds))?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "in range"
                )]
                let whole = seconds.ceil() as u64;
                Some(server.of_seconds(whole))
            }
            Self::Program(_) => Some(Micros::ZERO),
        }
    }
    /// The words of a recording.
    ///
    /// # Errors
    /// [`TranscriptionError`].
    pub async fn words(
        &self,
        outbound: &dyn Outbound,
        programs: Option<&dyn Programs>,
        (task, boundary): (&str, &str),
        recording: Recording,
    ) -> Result<Words, TranscriptionError> {
        match self {
            Self::Server(server) => server.words(outbound, boundary, &recording).await,
            Self::Program(program) => {
                let programs = programs.ok_or_else(|| {
                    TranscriptionError::Program("programs run only on your own machine".to_owned())
                })?;
                program.words(programs, task, recording).await
            }
        }
    }
}

impl Server {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let base_url = section.url("base_url");
        let api_key = section.secret("api_key");
        let model = section.text("model").unwrap_or_else(|| "whisper-1".to_owned());
        let language = section.text("language");
        let price = section.dollars("price_per_minute");
        Some(Self { base_url: base_url?, api_key, model, language, price: price? })
    }
    /// Rounded up.
    fn of_seconds(&self, seconds: u64) -> Micros {
        let price = u64::try_from(self.price.0).unwrap_or(0);
        let micros = price.saturating_mul(seconds).div_ceil(60);
        Micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
    async fn words(
        &self,
        outbound: &dyn Outbound,
        boundary: &str,
        recording: &Recording,
    ) -> Result<Words, TranscriptionError> {
        let mut headers =
            vec![("content-type", format!("multipart/form-data; boundary={boundary}"))];
        headers.extend(
            self.api_key.as_ref().map(|key| ("authorization", format!("Bearer {}", key.reveal()))),
        );
        let request = OutboundRequest {
            method: http::Method::POST,
            url: format!("{}/audio/transcriptions", self.base_url),
            headers,
            body: self.form(boundary, recording).into(),
            timeout_ms: TIMEOUT_MS,
        };
        let answer = outbound.send(request).await?;
        if answer.status != 200 {
            return Err(TranscriptionError::Status(answer.status));
        }
        let answer: Value =
            serde_json::from_slice(&answer.body).map_err(|_| TranscriptionError::Odd)?;
        let text = answer.get("text").and_then(Value::as_str).ok_or(TranscriptionError::Odd)?;
        let seconds = answer.pointer("/usage/seconds").or_else(|| answer.get("duration"));
        Ok(Words { text: text.trim().to_owned(), seconds: seconds.and_then(Value::as_f64) })
    }
    /// The form of `/audio/transcriptions`.
    fn form(&self, boundary: &str, recording: &Recording) -> Vec<u8> {
        let language = self.language.as_deref().map(|language| ("language", language));
        let fields = [("model", self.model.as_str()), ("response_format", "json")]
            .into_iter()
            .chain(language);
        let mut form = String::new();
        for (name, value) in fields {
            // A line break would begin a part of its own.
            let value = value.replace(['\r', '\n'], " ");
            form += &format!(
                "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        form += &format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{}\"\r\ncontent-type: {}\r\n\r\n",
            recording.name, recording.kind
        );
        let mut form = form.into_bytes();
        form.extend_from_slice(&recording.content);
        form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        form
    }
}

impl Program {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let command = section.texts("command");
        if command.as_ref().is_some_and(|command| !command.iter().skip(1).any(|part| part == FILE))
        {
            let fix = "Write \"{file}\" where the program expects the recording's path.";
            section.wrong("command", "names no recording.", fix);
        }
        let readable = section.texts("readable").unwrap_or_default();
        if readable.iter().any(|path| !path.starts_with('/') && !path.starts_with("~/")) {
            let fix = "Begin each path with / or ~/.";
            section.wrong("readable", "has a path that is relative.", fix);
        }
        Some(Self { command: command?, readable })
    }
    async fn words(
        &self,
        programs: &dyn Programs,
        task: &str,
        recording: Recording,
    ) -> Result<Words, TranscriptionError> {
        let mut parts = self.command.iter().map(|part| match part.as_str() {
            FILE => format!("{FOLDER_IN}/{}", recording.name),
            other => other.to_owned(),
        });
        let file =
            InputFile { name: recording.name.to_owned(), content: recording.content.clone() };
        let spec = ProgramSpec {
            program: parts.next().unwrap_or_default(),
            args: parts.collect(),
            reach: Reach {
                network: ProgramNetwork::None,
                readable: self.readable.clone(),
                ..Reach::default()
            },
            task: task.to_owned(),
            timeout_ms: TIMEOUT_MS,
            output_bytes_max: OUTPUT_BYTES_MAX,
            exchange: Some(Exchange { files: vec![file], ..Exchange::default() }),
            ..ProgramSpec::default()
        };
        let failed = |why: String| TranscriptionError::Program(why);
        let mut running =
            programs.start(spec).await.map_err(|error| failed(format!("no program: {error}")))?;
        let mut lines: Vec<String> = Vec::new();
        let why = loop {
            match running.next().await {
                ProgramEvent::Line(line) => lines.push(line.trim().to_owned()),
                ProgramEvent::Exited { code: Some(0), .. } => {
                    let text = lines.join("\n").trim().to_owned();
                    return Ok(Words { text, seconds: None });
                }
                ProgramEvent::Exited { stderr, .. } => {
                    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
                    break format!("the program failed: {}", last.unwrap_or("without a word"));
                }
                ProgramEvent::TimedOut => break "the program took too long".to_owned(),
                ProgramEvent::TooMuchOutput => break "the program printed too much".to_owned(),
                ProgramEvent::OverLimit(_) => break "the program used too much".to_owned(),
            }
        };
        Err(failed(why))
    }
}
