//! The inbox's own tables; they lie in no migration, since a Durable Object brings them up by
//! itself. Statements are additive and idempotent: they run each time an inbox is opened.

/// Ended events of senders who are not known: only `*` lets them in, or nothing does. Queries that
/// are to use the index name the same condition.
macro_rules! unknown_ended {
    () => {
        "state IN ('done', 'failed', 'halted', 'refused', 'expired', 'dead', 'ignored')
            AND (reason = 'unknown_sender' OR CASE WHEN json_valid(payload) THEN payload ->> '$.publicOnly' = 1 ELSE 0 END)"
    };
}
pub(crate) use unknown_ended;

/// All tables and indices.
pub const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        shard TEXT NOT NULL,
        channel TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        dedupe_key TEXT NOT NULL,
        semantic_key TEXT,
        conversation TEXT NOT NULL,
        control INTEGER NOT NULL DEFAULT 0,
        sender TEXT,
        text TEXT NOT NULL,
        payload TEXT NOT NULL,
        raw TEXT,
        state TEXT NOT NULL,
        reason TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        runs INTEGER NOT NULL DEFAULT 1,
        replays INTEGER NOT NULL DEFAULT 0,
        version INTEGER NOT NULL DEFAULT 1,
        received_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        answered_ms INTEGER,
        agent TEXT,
        decision_id TEXT,
        task_id TEXT,
        approval_id TEXT,
        digest TEXT,
        cost_limit INTEGER,
        cost_micros INTEGER,
        data TEXT NOT NULL DEFAULT '{}'
    )",
    "CREATE UNIQUE INDEX IF NOT EXISTS event_dedupe ON event (shard, dedupe_key)",
    "CREATE UNIQUE INDEX IF NOT EXISTS event_semantic ON event (shard, semantic_key) WHERE semantic_key IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS event_conversation ON event (conversation, seq)",
    "CREATE INDEX IF NOT EXISTS event_received ON event (shard, received_ms)",
    concat!(
        "CREATE INDEX IF NOT EXISTS event_unknown_ended ON event (shard, updated_ms) WHERE ",
        unknown_ended!()
    ),
    // Keys of deleted events.
    "CREATE TABLE IF NOT EXISTS forgotten (
        shard TEXT NOT NULL,
        key TEXT NOT NULL,
        until_ms INTEGER NOT NULL,
        PRIMARY KEY (shard, key)
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS forgotten_until ON forgotten (shard, until_ms)",
    // Only events that still move: finished ones leave it, so that its index stays small however
    // long the log grows.
    "CREATE TABLE IF NOT EXISTS queue (
        event_id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        shard TEXT NOT NULL,
        lane TEXT NOT NULL,
        control INTEGER NOT NULL,
        state TEXT NOT NULL,
        due_ms INTEGER NOT NULL,
        lease_ms INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS queue_due ON queue (shard, due_ms)",
    "CREATE INDEX IF NOT EXISTS queue_lane ON queue (lane, seq)",
    "CREATE TABLE IF NOT EXISTS stage (
        event_id TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        stage TEXT NOT NULL,
        note TEXT,
        error TEXT,
        retry_ms INTEGER
    )",
    "CREATE INDEX IF NOT EXISTS stage_event ON stage (event_id)",
    "CREATE TABLE IF NOT EXISTS task (
        id TEXT PRIMARY KEY,
        shard TEXT NOT NULL,
        event_id TEXT NOT NULL,
        agent TEXT NOT NULL,
        message TEXT NOT NULL,
        context TEXT NOT NULL,
        approval_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        cost_limit INTEGER NOT NULL,
        state TEXT NOT NULL,
        epoch INTEGER NOT NULL DEFAULT 0,
        gateway_id TEXT,
        lease_until_ms INTEGER NOT NULL DEFAULT 0,
        created_ms INTEGER NOT NULL,
        leased_ms INTEGER,
        progress TEXT,
        outcome TEXT,
        text TEXT
    )",
    "CREATE INDEX IF NOT EXISTS task_waiting ON task (shard, state, created_ms)",
    "CREATE TABLE IF NOT EXISTS gateway (
        id TEXT NOT NULL,
        shard TEXT NOT NULL,
        agents TEXT NOT NULL,
        seen_ms INTEGER NOT NULL,
        PRIMARY KEY (id, shard)
    ) WITHOUT ROWID",
    // The agents of a gateway's configuration, with what a run of each starts.
    "CREATE TABLE IF NOT EXISTS agent_run (
        id TEXT NOT NULL,
        shard TEXT NOT NULL,
        runs TEXT NOT NULL,
        PRIMARY KEY (id, shard)
    ) WITHOUT ROWID",
    // Agents that a gateway offers and is not ready to run, as JSON.
    "CREATE TABLE IF NOT EXISTS unready (gateway_id TEXT PRIMARY KEY, agents TEXT NOT NULL) WITHOUT ROWID",
    // Only of tasks that are not for every gateway alike.
    "CREATE TABLE IF NOT EXISTS place (
        task_id TEXT NOT NULL,
        gateway_id TEXT NOT NULL,
        wanted INTEGER NOT NULL,
        until_ms INTEGER NOT NULL,
        PRIMARY KEY (task_id, gateway_id)
    ) WITHOUT ROWID",
    // The newest lines of a run.
    "CREATE TABLE IF NOT EXISTS progress (
        task_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        line TEXT NOT NULL,
        cost_micros INTEGER,
        PRIMARY KEY (task_id, seq)
    ) WITHOUT ROWID",
    // The end of the log of an event's newest run that has ended.
    "CREATE TABLE IF NOT EXISTS run_log (
        event_id TEXT PRIMARY KEY,
        task_id TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        text TEXT NOT NULL,
        left_out_bytes INTEGER NOT NULL
    ) WITHOUT ROWID",
    // Runs that a person stopped, with the control input that asked for it.
    "CREATE TABLE IF NOT EXISTS stop (task_id TEXT PRIMARY KEY, event_id TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS drained (gateway_id TEXT PRIMARY KEY, since_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS outbox (
        id TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        shard TEXT NOT NULL,
        event_id TEXT,
        address TEXT NOT NULL,
        target TEXT NOT NULL,
        text TEXT NOT NULL,
        buttons TEXT,
        kind TEXT NOT NULL,
        revision INTEGER NOT NULL,
        sent_revision INTEGER NOT NULL DEFAULT -1,
        parts TEXT NOT NULL DEFAULT '[]',
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_ms INTEGER NOT NULL,
        lease_ms INTEGER NOT NULL DEFAULT 0,
        expires_ms INTEGER,
        error TEXT,
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS outbox_due ON outbox (shard, due_ms) WHERE state = 'queued'",
    "CREATE INDEX IF NOT EXISTS outbox_address ON outbox (address) WHERE state = 'sending'",
    "CREATE INDEX IF NOT EXISTS outbox_event ON outbox (event_id)",
    // The file of a message that is one.
    "CREATE TABLE IF NOT EXISTS outbox_file (id TEXT PRIMARY KEY, file TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS said (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        conversation TEXT NOT NULL,
        speaker TEXT NOT NULL,
        agent TEXT,
        text TEXT NOT NULL,
        event_id TEXT,
        settled INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS said_conversation ON said (conversation, seq)",
    // Since when a conversation counts: its sender began anew.
    "CREATE TABLE IF NOT EXISTS fresh (conversation TEXT PRIMARY KEY, after_seq INTEGER NOT NULL, since_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS session (
        conversation TEXT NOT NULL,
        agent TEXT NOT NULL,
        id TEXT NOT NULL,
        runner TEXT NOT NULL,
        gateway_id TEXT,
        input INTEGER NOT NULL,
        output INTEGER NOT NULL,
        runs INTEGER NOT NULL,
        begun_ms INTEGER NOT NULL,
        used_ms INTEGER NOT NULL,
        current INTEGER NOT NULL,
        PRIMARY KEY (conversation, agent, id)
    ) WITHOUT ROWID",
    // The cost of a session, where its program reports that.
    "CREATE TABLE IF NOT EXISTS session_cost (
        conversation TEXT NOT NULL,
        agent TEXT NOT NULL,
        id TEXT NOT NULL,
        cost_micros INTEGER NOT NULL,
        PRIMARY KEY (conversation, agent, id)
    ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS socket (shard TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
    // A chat that its platform gave another id.
    "CREATE TABLE IF NOT EXISTS alias (shard TEXT NOT NULL, chat TEXT NOT NULL, moved_to TEXT NOT NULL, PRIMARY KEY (shard, chat)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS rate (key TEXT PRIMARY KEY, tat_ms INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS schedule (
        shard TEXT NOT NULL,
        name TEXT NOT NULL,
        made_by TEXT NOT NULL,
        spec TEXT NOT NULL,
        made_ms INTEGER NOT NULL,
        due_ms INTEGER,
        due_local TEXT,
        look_ms INTEGER,
        last_ms INTEGER,
        last_event TEXT,
        note TEXT,
        PRIMARY KEY (shard, name)
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS schedule_look ON schedule (shard, look_ms) WHERE look_ms IS NOT NULL",
    // The open question about a missed due time.
    "CREATE TABLE IF NOT EXISTS schedule_question (
        shard TEXT NOT NULL,
        name TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        token_hash TEXT NOT NULL,
        closing TEXT,
        PRIMARY KEY (shard, name)
    ) WITHOUT ROWID",
];
