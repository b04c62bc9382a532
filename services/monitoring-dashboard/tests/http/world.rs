//! The other services as fakes with a realistic day, behind the same call table.

use super::day::{approvals, budget, event, events, inbox, ledger, pool, routing};
use contracts::approval::{Approval, ApprovalList, ApprovalState, DecideRequest, Decision};
use contracts::calls::Method;
use contracts::calls::agency_router::{ReadPool, ReadRoutingStats};
use contracts::calls::personal_assistant::{
    Chat, Decide, EditFact, ForgetFact, Halt, ListApprovals, ListFacts, ListHalts, ReadApproval,
    ReadBudget, ReadChat, ReadLedgerStats, Resume,
};
use contracts::calls::webhook_aggregator::{
    DeliverEvent, DrainGateway, ListEvents, ListGateways, ListSchedules, ReadConversation,
    ReadEvent, ReadInboxStats, ReadLog, RemoveSchedule, ReplayEvent, SendMessage,
};
use contracts::chat::{ChatAnswer, ChatHistory, ChatLine, Usage};
use contracts::event::{
    DeliverAnswer, EventDetail, EventList, EventRow, EventsQuery, MessageAccepted, MessageList,
    MessageListQuery, MessageRequest, ReplayAnswer, Speaker, Stage, TranscriptLine,
};
use contracts::halt::{HaltAnswer, HaltLevel, HaltList, HaltRequest, HaltRow, ResumeAnswer};
use contracts::memory::{Fact, FactList, FactMaker};
use contracts::routing::PoolList;
use contracts::run_log::{EventLog, KeptLog, RunLog};
use contracts::schedule::{MadeBy, OnMissed, ScheduleList, ScheduleView, Timing};
use contracts::task::{GatewayList, GatewayRow};
use contracts::{ApprovalId, ErrorCode, Micros, ServiceName};
use fakes::Neighbours;
use platform::edge::{ApiError, ApiResult, Auth};
use platform::memory::Switchboard;
use platform::ports::Clock;
use platform::time::rfc3339;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// State of the fakes.
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub approvals: Mutex<Vec<Approval>>,
    pub events: Mutex<Vec<EventDetail>>,
    pub said: Mutex<Vec<TranscriptLine>>,
    pub halts: Mutex<HaltList>,
    pub gateway_age_ms: Mutex<i64>,
    /// Whether there is a second gateway, offering codegen only.
    pub office: Mutex<bool>,
    /// The agents that the gateways are not ready to run.
    pub unready: Mutex<Vec<contracts::task::UnreadyAgent>>,
}

impl World {
    pub fn at(clock: Arc<dyn Clock>) -> Arc<Self> {
        let now = clock.now_ms();
        Arc::new(Self {
            clock,
            approvals: Mutex::new(approvals(now)),
            events: Mutex::new(events(now)),
            said: Mutex::default(),
            halts: Mutex::default(),
            gateway_age_ms: Mutex::new(4_000),
            office: Mutex::default(),
            unready: Mutex::default(),
        })
    }
    pub fn say(&self, speaker: Speaker, agent: Option<&str>, text: &str, event: Option<&str>) {
        let mut said = self.said.lock().unwrap();
        let seq = said.len() as i64 + 1;
        let at = rfc3339(self.clock.now_ms());
        said.push(TranscriptLine {
            seq,
            id: format!("s{seq}"),
            speaker,
            agent: agent.map(Into::into),
            text: text.into(),
            event_id: event.map(Into::into),
            settled: true,
            at,
        });
    }
    /// Edits a message: it gets a new sequence number and keeps its time.
    pub fn edit(&self, id: &str, text: &str) {
        let mut said = self.said.lock().unwrap();
        let mut line = said.iter().find(|line| line.id == id).cloned().unwrap();
        (line.seq, line.text) = (said.len() as i64 + 1, text.to_owned());
        said.push(line);
    }
    /// All four neighbours on the switchboard.
    pub fn neighbours(self: &Arc<Self>, switchboard: &Switchboard, auth: &Auth) -> Neighbours {
        let services = [
            ServiceName::PersonalAssistant,
            ServiceName::AgencyRouter,
            ServiceName::SkillGraphLoader,
            ServiceName::WebhookAggregator,
        ];
        let fakes = Neighbours::on_board(switchboard, auth.clone(), services);
        let document = include_str!("../../../../docs/api/personal-assistant.json");
        fakes.document(ServiceName::PersonalAssistant, document);
        assistant_fake(self, &fakes);
        router_fake(self, &fakes);
        gateways_fake(self, &fakes);
        events_fake(self, &fakes);
        fakes
    }
}

/// The requests that were to change something: path and body.
pub fn changed(fakes: &Neighbours) -> Vec<(String, Value)> {
    let changes = fakes.log().into_iter().filter(|asked| asked.call.method != Method::Get);
    changes.map(|asked| (asked.path.clone(), asked.json())).collect()
}

fn assistant_fake(world: &Arc<World>, fakes: &Neighbours) {
    let w = world.clone();
    fakes.on::<ReadLedgerStats>(move |(), _| Ok(ledger(&w)));
    fakes.on::<ReadBudget>(|(), ()| Ok(budget()));
    let w = world.clone();
    fakes.on::<ListHalts>(move |(), ()| Ok(w.halts.lock().unwrap().clone()));
    let w = world.clone();
    fakes.on::<Halt>(move |(), request| Ok(w.halt(request)));
    let w = world.clone();
    fakes.on::<Resume>(move |(), _| {
        *w.halts.lock().unwrap() = HaltList::default();
        Ok(ResumeAnswer { success: true, task_id: None, message: "Resumed.".into() })
    });
    let w = world.clone();
    fakes.on::<ListApprovals>(move |(), query| {
        let wanted = query.state.and_then(|state| ApprovalState::parse(&state));
        let mut approvals = w.approvals.lock().unwrap().clone();
        approvals.retain(|a| wanted.is_none_or(|state| a.state == state));
        Ok(ApprovalList { approvals })
    });
    let w = world.clone();
    fakes.on::<ReadApproval>(move |id, _| {
        let approvals = w.approvals.lock().unwrap();
        let found = approvals.iter().find(|a| a.id == id).cloned();
        found.ok_or_else(|| ApiError::not_found("such approval"))
    });
    let w = world.clone();
    fakes.on::<Decide>(move |id, request| w.decide(&id, request));
    memory_fake(fakes);
    super::rules::answer(fakes);
}

fn memory_fake(fakes: &Neighbours) {
    let fact = || Fact {
        id: "mem_1".to_owned(),
        subject: "motto".to_owned(),
        text: "My motto is <script>alert(1)</script>".to_owned(),
        source: Some("msg_1".to_owned()),
        made_by: FactMaker::Words,
        confidence: 0.9,
        pinned: false,
        valid_from: "2026-11-20T10:00:00Z".to_owned(),
        valid_to: None,
        superseded_by: None,
    };
    let line = |id: &str, by_owner, text: &str| ChatLine {
        id: id.to_owned(),
        by_owner,
        text: text.to_owned(),
        at: "2026-11-20T10:00:00Z".to_owned(),
    };
    fakes.on::<ReadChat>(move |(), _| {
        let messages =
            vec![line("1", true, "What waits for me?"), line("2", false, "Nothing waits.")];
        Ok(ChatHistory { messages })
    });
    fakes.on::<Chat>(|(), request| {
        Ok(ChatAnswer {
            message: "Nothing.".to_owned(),
            session_key: request.session_key,
            usage: Usage::default(),
            cost: Micros::ZERO,
        })
    });
    fakes.on::<ListFacts>(move |(), _| Ok(FactList { facts: vec![fact()] }));
    fakes.on::<EditFact>(move |_, _| Ok(fact()));
    fakes.on::<ForgetFact>(move |_, ()| Ok(fact()));
}

fn router_fake(world: &Arc<World>, fakes: &Neighbours) {
    fakes.on::<ReadRoutingStats>(|(), _| Ok(routing()));
    let w = world.clone();
    fakes.on::<ReadPool>(move |(), ()| Ok(PoolList { agents: pool(w.clock.now_ms()) }));
}

fn gateways_fake(world: &Arc<World>, fakes: &Neighbours) {
    let w = world.clone();
    fakes.on::<ListGateways>(move |(), ()| Ok(w.gateways()));
    fakes.on::<ListSchedules>(|(), ()| Ok(schedules()));
    fakes.on::<RemoveSchedule>(|_, ()| Ok(ScheduleList::default()));
    fakes.on::<DrainGateway>(|gateway_id, request| {
        Ok(GatewayRow {
            unready: Vec::new(),
            gateway_id,
            agents: vec![],
            last_seen: String::new(),
            age_ms: 0,
            running: 1,
            drained: request.drained,
        })
    });
}

/// One of each maker; the message is a stranger's markup.
fn schedules() -> ScheduleList {
    let view = |name: &str, made_by| ScheduleView {
        name: name.to_owned(),
        timing: Timing {
            cron: Some("0 8 * * 1-5".to_owned()),
            time_zone: Some("Europe/Berlin".to_owned()),
            ..Timing::default()
        },
        conversation: "telegram:main:700100200".to_owned(),
        message: "<script>alert(1)</script>".to_owned(),
        on_missed: OnMissed::Ask,
        agent: None,
        made_by,
        next_due: Some("2026-12-01T07:00:00.000Z".to_owned()),
        next_due_local: Some("Tue 2026-12-01 08:00 Europe/Berlin".to_owned()),
        last_due: None,
        last_event: None,
        asked_about: None,
        ended: false,
        note: None,
    };
    ScheduleList { schedules: vec![view("digest", MadeBy::File), view("tea", MadeBy::Api)] }
}

fn events_fake(world: &Arc<World>, fakes: &Neighbours) {
    fakes.on::<ReadInboxStats>(|(), _| Ok(inbox()));
    let w = world.clone();
    fakes.on::<ListEvents>(move |(), query| Ok(w.events(&query)));
    let w = world.clone();
    fakes.on::<ReadEvent>(move |id, _| {
        let found = w.events.lock().unwrap().iter().find(|e| e.row.id == id).cloned();
        found.ok_or_else(|| ApiError::not_found("such event"))
    });
    let log = RunLog { text: "<b>no disk</b>\n<script>".to_owned(), left_out_bytes: 70 };
    fakes.on::<ReadLog>(move |id, ()| {
        let (task, at) = (id.as_str().into(), "2026-01-01T00:00:00Z".to_owned());
        Ok(EventLog { log: Some(KeptLog { task, at, log: log.clone() }) })
    });
    fakes.on::<DeliverEvent>(|event_id, ()| Ok(DeliverAnswer { event_id }));
    fakes.on::<ReplayEvent>(|id, ()| {
        Ok(ReplayAnswer { dry_run: false, matched: vec![id.clone()], replayed: vec![id] })
    });
    let w = world.clone();
    fakes.on::<SendMessage>(move |(), request| Ok(w.message(request)));
    let w = world.clone();
    fakes.later::<ReadConversation>(move |_, query| {
        let world = w.clone();
        Box::pin(async move { Ok(world.conversation(query).await) })
    });
}

impl World {
    fn halt(&self, request: HaltRequest) -> HaltAnswer {
        let row = HaltRow {
            target: "all".into(),
            reason: request.reason.unwrap_or_default(),
            by: request.actor.unwrap_or_default(),
            at: rfc3339(self.clock.now_ms()),
            level: HaltLevel::Accepted,
            resumed_at: None,
        };
        *self.halts.lock().unwrap() = HaltList { all: true, halts: vec![row] };
        HaltAnswer {
            success: true,
            task_id: None,
            message: "Halted.".into(),
            level: HaltLevel::Accepted,
            unwritten: false,
        }
    }
    fn decide(&self, id: &ApprovalId, request: DecideRequest) -> ApiResult<Approval> {
        let mut approvals = self.approvals.lock().unwrap();
        let approval = approvals
            .iter_mut()
            .find(|a| a.id == *id)
            .ok_or_else(|| ApiError::not_found("such approval"))?;
        if approval.state != ApprovalState::Pending {
            return Err(ApiError::new(
                ErrorCode::AlreadyDecided,
                "Decided by telegram:main:700100200.",
            ));
        }
        approval.state = if request.decision == Decision::Approve {
            ApprovalState::Approved
        } else {
            ApprovalState::Rejected
        };
        approval.decided_by = request.actor;
        approval.decided_at = Some(rfc3339(self.clock.now_ms()));
        Ok(approval.clone())
    }
    fn gateways(&self) -> GatewayList {
        let age_ms = *self.gateway_age_ms.lock().unwrap();
        let last_seen = rfc3339(self.clock.now_ms() - age_ms);
        let row = |id: &str, agents: &[&str], age_ms| GatewayRow {
            unready: self.unready.lock().unwrap().clone(),
            gateway_id: id.into(),
            agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
            last_seen: last_seen.clone(),
            age_ms,
            running: u32::from(id == "gw-home"),
            drained: false,
        };
        let office = self.office.lock().unwrap().then(|| row("gw-office", &["codegen"], 4_000));
        GatewayList {
            gateways: [row("gw-home", &["*"], age_ms)].into_iter().chain(office).collect(),
        }
    }
    fn events(&self, query: &EventsQuery) -> EventList {
        let fits = |row: &EventRow| {
            query.state.as_ref().is_none_or(|s| row.state.as_str() == s)
                && query.channel.as_ref().is_none_or(|c| &row.channel == c)
        };
        let limit = query.limit.unwrap_or(50) as usize;
        let events = self.events.lock().unwrap();
        let rows = events.iter().map(|e| e.row.clone()).filter(fits);
        let events: Vec<_> = rows.take(limit).collect();
        let cursor = (events.len() > 8).then(|| "next page&1".to_owned());
        EventList { events, cursor }
    }
    fn message(&self, request: MessageRequest) -> MessageAccepted {
        let now = self.clock.now_ms();
        let id = format!("web.console.01J8A{now:021}");
        let stages = [(Stage::Received, 0), (Stage::Routed, 12)];
        let event = event(&id, now, "web", &request.text, &stages, Some("codegen"));
        self.events.lock().unwrap().insert(0, event);
        self.say(Speaker::User, None, &request.text, Some(&id));
        let conversation = request.conversation.unwrap_or_default();
        MessageAccepted { event_id: id.into(), conversation }
    }
    async fn conversation(&self, query: MessageListQuery) -> MessageList {
        let after = query.after;
        let until = self.clock.now_ms() + i64::from(query.wait) * 1000;
        loop {
            let (messages, last) = {
                let said = self.said.lock().unwrap();
                let new = said.iter().filter(|line| line.seq > after).cloned();
                (new.collect::<Vec<_>>(), said.len() as i64)
            };
            let now = self.clock.now_ms();
            if !messages.is_empty() || now >= until {
                return MessageList { messages, last };
            }
            self.clock.sleep_until(now + 200).await;
        }
    }
}
