// The five Workers on Cloudflare's own runtime: port suite, webhook vectors, allowed calls, panics,
// failing services, power cuts. Needs `cargo xtask build` and `npm ci` in workers/.
import { createServer } from 'node:http';
import assert from 'node:assert/strict';
import { createHash, createHmac, createPrivateKey } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { endpoints, vectors } from './bed/channels.mjs';
import * as platforms from './bed/platforms.mjs';
import { until } from './bed/quintet.mjs';
import { SERVICES, Workers, serviceKey, token } from './bed/workers.mjs';
import { startModel } from './bed/model.mjs';
import { startRecorder } from './bed/recorder.mjs';

const { telegram: { endpoint: { keys: telegram } }, slack: { endpoint: { keys: slack } }, hook: { endpoint: { keys: hook } } } = vectors;
const OWNER = 700100200;

/** Every agent costs more than the default rules allow, so that work stops at the owner's decision and needs no gateway. */
const COSTLY = Object.fromEntries(['pm', 'codegen', 'security', 'assistant'].map((agent) => [agent, { runner: 'command', command: ['true'], estimated_cost: 5 }]));
/** The seven people of the power cut are known: of strangers only a few messages leave a row. */
const withSenders = (endpoints) => {
  for (const endpoint of Object.values(endpoints.telegram)) {
    endpoint.senders = [OWNER, ...Array.from({ length: 7 }, (_, n) => OWNER + 1 + n)].map(String);
  }
  return endpoints;
};
const configOf = (base) => ({
  'webhook-aggregator': {
    agents: COSTLY,
    endpoints: withSenders(endpoints(base)),
    limits: { sender_per_minute: 0, endpoint_per_minute: 0 },
  },
  'personal-assistant': { agents: COSTLY },
});

let number = 0;
/** A message of the owner (or another user) through Telegram's webhook. */
function message(text, from = OWNER) {
  number += 1;
  const sender = { id: from, is_bot: false, first_name: 'O' };
  return { update_id: 5_000_000 + number, message: { message_id: number, date: 1_790_000_000, chat: { id: from, type: 'private' }, from: sender, text } };
}

const deliver = (workers, update) =>
  workers.ask('webhook-aggregator', '/telegram/main', { body: update, headers: { 'x-telegram-bot-api-secret-token': telegram.secret_token } });

async function eventOf(workers, update) {
  return (await workers.events()).find((event) => event.dedupeKey === String(update.update_id));
}

/** The Workers with the default graph, and a recorder as their platforms. */
async function published() {
  const recorder = await startRecorder();
  const workers = await new Workers({ config: configOf(recorder.base) }).start();
  assert.equal((await workers.publish()).status, 200);
  return { recorder, workers };
}

async function ended(recorder, workers) {
  await workers.close();
  await recorder.stop();
}

describe('the adapters inside the runtime', () => {
  const workers = new Workers({ only: ['suite'] });
  // Requested by the suite of `outbound`, see platform/src/suite/outbound.rs.
  const echo = createServer(async (request, response) => {
    if (request.url === '/redirect') return response.writeHead(302, { location: '/echo' }).end();
    if (request.url === '/large') return response.end(Buffer.alloc((5 << 20) + 1, 'a'));
    if (request.url === '/silent') return;
    if (request.url === '/parts' || request.url === '/begins') {
      response.writeHead(200, { 'x-given': 'kept' }).write('one ');
      if (request.url === '/parts') setTimeout(() => response.end('two'), 300);
      return;
    }
    const body = Buffer.concat(await Array.fromAsync(request));
    response.writeHead(201, { 'x-method': request.method, 'x-given': request.headers['x-given'] }).end(body);
  });
  before(async () => {
    await new Promise((done) => echo.listen(0, '127.0.0.1', done));
    await workers.start();
  });
  after(async () => {
    await workers.close();
    echo.closeAllConnections();
    echo.close();
  });
  test('outbound passes the suite of the ports', async () => {
    const answer = await workers.ask('suite', `/outbound?http://127.0.0.1:${echo.address().port}`);
    assert.equal(answer.text, 'passed', workers.log);
  });
  for (const port of ['sql', 'kv', 'objects', 'cell', 'inbox', 'signal', 'clock', 'background']) {
    test(`${port} passes the suite of the ports`, async () => {
      const answer = await workers.ask('suite', `/${port}`);
      assert.equal(answer.text, 'passed', workers.log);
    });
  }
  test('a panic is answered at once, ends nobody for good, and is a problem with a request id', async () => {
    const slow = workers.ask('suite', '/slow');
    await new Promise((done) => setTimeout(done, 100));
    const panicked = await workers.ask('suite', '/panic', { headers: { 'x-request-id': 'panic-1' } });
    assert.equal(panicked.status, 500);
    assert.equal(panicked.headers.get('content-type'), 'application/problem+json');
    assert.deepEqual([panicked.json.code, panicked.json.requestId], ['internal', 'panic-1']);
    assert.deepEqual([(await slow).status, (await slow).text], [200, 'passed'], 'who was in it and reads is answered by the next instance');
    assert.equal((await workers.ask('suite', '/clock')).text, 'passed', 'the next request meets a fresh instance');
  });
});

describe('the process that serves them', () => {
  test('ends with its runtime when its parent process is gone', async () => {
    const workers = await new Workers({ only: ['suite'], tied: true }).start();
    const gone = new Promise((done) => workers.process.once('exit', done));
    workers.process.stdin.end();
    await gone;
    assert.throws(() => process.kill(-workers.process.pid, 0), /ESRCH/, 'nobody of its group is left');
    await workers.close();
  });
});

describe('webhooks', () => {
  let recorder, workers;
  before(async () => ({ recorder, workers } = await published()));
  after(() => ended(recorder, workers));

  /** Slack and Standard Webhooks sign the time too: re-signs a valid vector for now, with the same offset. */
  function headersNow(channel, one, body) {
    const headers = { ...one.headers };
    if (channel === 'hook') return hookNow(headers, one, body);
    if (channel !== 'slack') return headers;
    const name = (wanted) => Object.keys(headers).find((key) => key.toLowerCase() === wanted);
    const [time, signature] = [name('x-slack-request-timestamp'), name('x-slack-signature')];
    if (!time) return headers;
    const signed = (at) => `v0=${createHmac('sha256', slack.signing_secret).update(`v0:${at}:`).update(body).digest('hex')}`;
    const wasRight = headers[signature] === signed(headers[time]);
    const now = String(Math.floor(Date.now() / 1000) + Number(headers[time]) - one.now);
    if (wasRight) headers[signature] = signed(now);
    headers[time] = now;
    return headers;
  }

  function hookNow(headers, one, body) {
    const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures } = headers;
    if (!/^\d+$/.test(time ?? '')) return headers;
    const { secret, previous_secret } = hook;
    const now = String(Math.floor(Date.now() / 1000) + Number(time) - one.now);
    const by = (key, at) => `v1,${createHmac('sha256', Buffer.from(key.slice('whsec_'.length), 'base64')).update(`${id}.${at}.`).update(body).digest('base64')}`;
    headers['webhook-timestamp'] = now;
    for (const key of [secret, previous_secret]) headers['webhook-signature'] = (headers['webhook-signature'] ?? signatures)?.replace(by(key, time), by(key, now));
    if (signatures === undefined) delete headers['webhook-signature'];
    return headers;
  }

  for (const [channel, { endpoint: { name: main }, cases }] of Object.entries(vectors)) {
    for (const one of cases) {
      const endpoint = one.endpoint ?? main;
      test(`${channel}: ${one.name}`, async () => {
        const body = Buffer.from(one.body_b64, 'base64');
        const ask = () => workers.ask('webhook-aggregator', `/${channel}/${endpoint}`, { method: 'POST', body: new Uint8Array(body), headers: headersNow(channel, one, body) });
        // A status that comes while its message may be on its way is to be sent again, as the platform does.
        const send = () => until('it is taken', async () => {
          const answer = await ask();
          return answer.status !== 503 || one.expected_reply.status === 503 ? answer : undefined;
        });
        const count = async () => (await workers.events()).length;
        const before = await count();
        const answer = await send();
        assert.equal(answer.status, one.expected_reply.status, answer.text);
        const json = one.expected_reply.body_json ?? one.expected_reply.json;
        if (json) assert.deepEqual(answer.json, json);
        if (one.expected_reply.body === '') assert.equal(answer.text, '');
        if (!one.valid) assert.equal(await count(), before, 'a refused body was stored');
        const events = await workers.events();
        if (one.dedupe_key) {
          const event = events.find((row) => row.channel === channel && row.dedupeKey === one.dedupe_key);
          assert.ok(event, 'it is not stored by its key');
          if (one.conversation) assert.equal(event.conversation, `${channel}:${endpoint}:${one.conversation.join(':')}`);
        }
        assert.equal((await send()).status, one.expected_reply.status, 'a repetition is answered the same');
        assert.equal(await count(), events.length, 'a repetition is stored once');
      });
    }
  }
  test('twenty deliveries of one message at once are one event', async () => {
    const update = message('@codegen fix the build');
    const answers = await Promise.all(Array.from({ length: 20 }, () => deliver(workers, update)));
    assert.ok(answers.every((answer) => answer.status === 200));
    assert.equal((await workers.events()).filter((event) => event.dedupeKey === String(update.update_id)).length, 1);
  });
  test('a body that is too long is refused before it is read', async () => {
    const headers = { 'x-telegram-bot-api-secret-token': telegram.secret_token, 'content-length': 3 << 20 };
    const answer = await workers.raw('webhook-aggregator', 'POST', '/telegram/main', { headers, open: true });
    assert.equal(answer.status, 413);
  });
});

describe('who may call what', () => {
  const workers = new Workers();
  before(() => workers.start());
  after(() => workers.close());

  // service, path, method, allowed scopes
  const ROUTES = [
    ['personal-assistant', '/api/budget', 'GET', ['operator', 'viewer']],
    ['personal-assistant', '/api/halts', 'GET', ['operator', 'viewer', 'gateway']],
    ['personal-assistant', '/api/approve', 'POST', ['operator', 'agent']],
    ['personal-assistant', '/api/approvals', 'GET', ['operator', 'viewer', 'agent']],
    ['personal-assistant', '/api/approvals/apr_0/decide', 'POST', ['operator']],
    ['personal-assistant', '/api/approvals/apr_0/claim', 'POST', ['gateway']],
    ['personal-assistant', '/api/tasks/t/settle', 'POST', ['gateway']],
    ['personal-assistant', '/api/budget', 'PUT', ['operator']],
    ['personal-assistant', '/api/context', 'PUT', ['operator']],
    ['personal-assistant', '/api/backups', 'POST', ['operator']],
    ['personal-assistant', '/api/restore', 'POST', ['operator']],
    ['personal-assistant', '/api/halt', 'POST', ['operator']],
    ['personal-assistant', '/api/resume', 'POST', ['operator']],
    ['agency-router', '/api/route', 'POST', ['operator']],
    ['agency-router', '/api/analyze', 'POST', ['operator', 'viewer']],
    ['agency-router', '/api/feedback', 'POST', ['operator']],
    ['agency-router', '/api/agents', 'GET', ['operator', 'viewer']],
    ['skill-graph-loader', '/api/versions', 'GET', ['operator', 'viewer', 'gateway']],
    ['skill-graph-loader', '/api/publish', 'POST', ['operator']],
    ['skill-graph-loader', '/api/rollback', 'POST', ['operator']],
    ['webhook-aggregator', '/api/events', 'GET', ['operator', 'viewer']],
    ['webhook-aggregator', '/api/messages', 'POST', ['operator']],
    ['webhook-aggregator', '/api/replay', 'POST', ['operator']],
    ['webhook-aggregator', '/api/events/x/replay', 'POST', ['operator']],
    ['webhook-aggregator', '/api/gateways', 'GET', ['operator', 'viewer']],
    ['webhook-aggregator', '/api/gateways/x/drain', 'POST', ['operator']],
    ['webhook-aggregator', '/api/tasks/lease', 'POST', ['gateway']],
    ['webhook-aggregator', '/api/tasks/t/renew', 'POST', ['gateway']],
    ['webhook-aggregator', '/api/tasks/t/result', 'POST', ['gateway']],
    ['monitoring-dashboard', '/api/stats', 'GET', ['operator', 'viewer']],
  ];
  for (const [service, path, method, allowed] of ROUTES) {
    test(`${method} ${service}${path}`, async () => {
      const ask = (options) => workers.ask(service, path, { method, ...(method === 'GET' ? {} : { body: {} }), ...options });
      assert.equal((await ask({})).status, 401, 'nobody');
      assert.equal((await ask({ bearer: 'wrong' })).status, 401, 'a token that nobody has');
      for (const scope of ['operator', 'viewer', 'agent', 'gateway']) {
        const { status } = await ask({ as: scope });
        if (allowed.includes(scope)) assert.ok(![401, 403].includes(status), `${scope}: ${status}`);
        else assert.equal(status, 403, scope);
      }
    });
  }
  test('health is open, and says which service it is', async () => {
    for (const service of SERVICES) {
      const answer = await workers.ask(service, '/health');
      assert.deepEqual([answer.status, answer.json.service], [200, service]);
    }
  });
  test('internal paths are there for the services of the table alone', async () => {
    const press = (options) => workers.ask('personal-assistant', '/internal/press', { body: {}, ...options });
    for (const scope of ['operator', 'viewer', 'agent', 'gateway']) assert.equal((await press({ as: scope })).status, 404, scope);
    assert.equal((await press({ bearer: serviceKey('agency-router', 'personal-assistant') })).status, 404, 'a service that is not in the table');
    assert.equal((await press({ bearer: serviceKey('webhook-aggregator', 'agency-router') })).status, 404, 'the key of another pair');
    assert.equal((await press({ bearer: serviceKey('webhook-aggregator', 'personal-assistant') })).status, 422, 'the service of the table');
  });
  test('the dashboard takes no post from another site', async () => {
    const answer = await workers.ask('monitoring-dashboard', '/halt', { method: 'POST', headers: { origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded' }, body: 'all=1' });
    assert.ok(answer.status >= 400 || answer.status === 303, String(answer.status));
    const halts = await workers.ask('personal-assistant', '/api/halts', { as: 'operator' });
    assert.equal(halts.json.all, false);
  });
});

describe('a Worker without its secrets', () => {
  const workers = new Workers();
  workers.options.bindings = Object.fromEntries(SERVICES.map((service) => [service, {}]));
  before(() => workers.start());
  after(() => workers.close());
  test('takes nothing, and its log says what is missing', async () => {
    for (const service of SERVICES) {
      const answer = await workers.ask(service, '/api/anything', { bearer: token('operator') });
      assert.deepEqual([answer.status, answer.json?.code], [503, 'unavailable'], service);
    }
    await until('the log says it', () => /QUINTET_SERVICE_KEYS is missing/.test(workers.log));
  });
});

describe('an agent at work', () => {
  let recorder, workers;
  before(async () => ({ recorder, workers } = await published()));
  after(() => ended(recorder, workers));
  const approve = (id) => workers.ask('personal-assistant', `/api/approvals/${id}/decide`, { as: 'operator', body: { decision: 'approve' } });
  const lease = () => workers.ask('webhook-aggregator', '/api/tasks/lease', { as: 'gateway', body: { gatewayId: 'home', agents: ['*'], capacity: 1 } });
  /** Delivers a signed webhook, approves its event, and leases its task. */
  async function work({ path, key, body, headers }) {
    assert.equal((await workers.ask('webhook-aggregator', path, { body, headers })).status, 200);
    const { id } = await until('it is stored', async () => (await workers.events()).find((event) => event.dedupeKey === key));
    assert.equal((await approve((await workers.eventIn(id, ['parked'])).approvalId)).status, 200);
    await workers.eventIn(id, ['running']);
    const [task] = (await lease()).json;
    return { id, task };
  }
  const finish = (task, more) => workers.ask('webhook-aggregator', `/api/tasks/${task.taskId}/result`, { as: 'gateway', body: { epoch: task.epoch, outcome: 'success', actualCost: 0, ...more } });
  const ofTelegram = (update) => ({ path: '/telegram/main', key: String(update.update_id), ...platforms.telegram.signed(JSON.stringify(update)) });
  const uploads = (platform = platforms.telegram) => platform.uploads(recorder.ours((request) => request.platform === platform.api));
  // The key of the vectors in DER: a fixed head, then the seed.
  const seed = Buffer.from(`302e020100300506032b657004220420${vectors.discord.test_private_seed_hex}`, 'hex');
  const discordKey = createPrivateKey({ key: seed, format: 'der', type: 'pkcs8' });

  for (const [channel, { id, by, chat }] of Object.entries({
    telegram: { id: 4_900_001, chat: String(OWNER) },
    slack: { id: 'Ev0FILES01', by: { secret: slack.signing_secret }, chat: `${platforms.slack.channel}/${platforms.slack.thread}` },
    discord: { id: '990000000000009001', by: { key: discordKey }, chat: `/webhooks/${platforms.discord.application}/tok-990000000000009001` },
  })) {
    test(`${channel}: a photo, a voice message and a PDF go in with words, and a file comes out`, async () => {
      const platform = platforms[channel];
      const body = platform.withFiles(id, '@codegen what is this?', platforms.files, recorder.base);
      const { id: event, task } = await work({ path: platform.path, key: String(id), ...platform.signed(body, by) });
      assert.match(task.message, /what is this\?/);
      const digest = (content) => createHash('sha256').update(content).digest('hex');
      const given = Object.fromEntries(platforms.files.map(({ name, content }) => [name, digest(content)]));
      assert.deepEqual(Object.fromEntries(task.context.attachments.map(({ name, sha256 }) => [name, sha256])), given);
      for (const { id, sha256 } of task.context.attachments) {
        const answer = await fetch(`${workers.services['webhook-aggregator']}/api/files/${id}`, { headers: { authorization: `Bearer ${token('gateway')}` } });
        assert.equal(answer.status, 200);
        assert.equal(digest(Buffer.from(await answer.arrayBuffer())), sha256);
      }
      const { content } = platforms.files[2];
      const stored = await workers.ask('webhook-aggregator', `/api/tasks/${task.taskId}/files`, { as: 'gateway', method: 'PUT', body: new Uint8Array(content) });
      assert.equal(stored.status, 200, stored.text);
      assert.equal((await finish(task, { text: 'Here it is.', files: [{ name: 'copy.pdf', sha256: stored.json.sha256 }] })).status, 200);
      await workers.eventIn(event, ['done']);
      assert.deepEqual(await uploads(platform), [{ chat, name: 'copy.pdf', content }]);
    });
  }

  test('an answer of many messages is its beginning and a file', async () => {
    const before = (await uploads()).length;
    const { id, task } = await work(ofTelegram(message('@codegen write a lot')));
    const text = Array.from({ length: 9_000 }, (_, n) => `w${n}`).join(' ');
    assert.equal((await finish(task, { text })).status, 200);
    await workers.eventIn(id, ['done']);
    const after = await uploads();
    assert.equal(after.length, before + 1);
    assert.ok(after.at(-1).name === 'answer.md' && after.at(-1).content.includes(text));
  });

  test('the buttons below changes in a worktree are orders for the gateway that has them', async () => {
    const { id, task } = await work(ofTelegram(message('@codegen fix it')));
    assert.equal((await finish(task, { text: 'Fixed.', worktree: 'codegen-1' })).status, 200);
    await workers.eventIn(id, ['done']);
    const shown = recorder.ours(({ path, body }) => /Message(Text)?$/.test(path) && body.reply_markup?.inline_keyboard?.length).at(-1).body;
    const [diff] = shown.reply_markup.inline_keyboard.flat();
    assert.equal(diff.text, 'Show diff');
    const press = message('');
    press.callback_query = { id: 'q1', from: press.message.from, data: diff.callback_data, message: { message_id: shown.message_id, chat: press.message.chat } };
    delete press.message;
    assert.equal((await deliver(workers, press)).status, 200);
    const [order] = await until('the order is handed out', async () => { const tasks = (await lease()).json; return tasks.length && tasks; });
    assert.deepEqual(order.context.order, { worktree: 'codegen-1', action: 'diff' });
    assert.equal((await finish(order, { text: '```diff\n+x\n```' })).status, 200);
    await recorder.awaited('the diff is shown', ({ path, raw }) => /sendMessage$/.test(path) && raw.includes('+x'));
  });

  test('a tool call is asked over MCP, approved after a power cut, and answered once it is asked again', async () => {
    const connected = async () => {
      const client = new Client({ name: 'e2e', version: '1.0.0' });
      const url = new URL(`${workers.services['personal-assistant']}/mcp`);
      await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: { authorization: `Bearer ${token('agent')}` } } }));
      return client;
    };
    const call = { name: 'request_approval', arguments: { tool: 'Bash', arguments: { command: 'make release' } } };
    const pending = async () => (await workers.ask('personal-assistant', '/api/approvals?state=pending', { as: 'operator' })).json.approvals.filter((row) => row.operation === 'Bash');
    const first = await connected();
    // The SDK does not notice the end of the stream, and gives up after its own time limit.
    const lost = first.callTool(call, undefined, { timeout: 10_000 }).then(() => 'answered', () => 'lost');
    const [row] = await until('the owner is asked', async () => { const rows = await pending(); return rows.length && rows; });
    await workers.kill();
    assert.equal(await lost, 'lost');
    await workers.start();
    const second = await connected();
    assert.ok((await second.listTools()).tools.length >= 5);
    const again = second.callTool(call);
    assert.equal((await approve(row.id)).status, 200);
    assert.deepEqual((await again).structuredContent.approved, true);
    assert.equal((await pending()).length, 0);
    await second.close();
  });
});

describe('the assistant with a model', () => {
  let model, workers;
  const asksName = (body) => JSON.stringify(body.messages.at(-1)).includes('what is my name');
  const says = (body) => {
    if (!asksName(body)) return 'Nice to meet you.';
    return JSON.stringify(body).includes('Ana') ? 'Your name is Ana.' : 'I do not know.';
  };
  const models = () => ({ claude: { api: 'anthropic', base_url: model.base, api_key: 'sk-worker-key', model: 'claude-opus-5-5', uses: ['chat'] } });
  const chat = (message, sessionKey) => workers.ask('personal-assistant', '/api/chat', { as: 'operator', body: { message, sessionKey } });
  before(async () => {
    model = await startModel(says);
    workers = await new Workers({ config: { 'personal-assistant': { models: models() } } }).start();
  });
  after(async () => {
    await workers.close();
    await model.stop();
  });

  test('remembers a name in another conversation and after a restart, and pays to the micro-dollar', async () => {
    assert.equal((await chat('what is my name?', 'one')).json.message, 'I do not know.');
    const told = await chat('my name is Ana', 'one');
    assert.deepEqual([told.status, told.json.message, told.json.usage, told.json.cost], [200, 'Nice to meet you.', { inputTokens: 1000, outputTokens: 10 }, 0.0042]);
    await workers.kill();
    await workers.start();
    assert.equal((await chat('what is my name?', 'two')).json.message, 'Your name is Ana.');
    const { json: { facts } } = await workers.ask('personal-assistant', '/api/memory?q=name', { as: 'operator' });
    assert.deepEqual([facts.length, facts[0].text, facts[0].madeBy], [1, 'my name is Ana', 'words']);
    const day = (await workers.ask('personal-assistant', '/api/budget', { as: 'operator' })).json.scopes.find(({ scope, window }) => scope === 'all' && window === 'day');
    assert.deepEqual([day.spent, day.held], [0.0126, 0]);
    const forgotten = await workers.ask('personal-assistant', `/api/memory/${facts[0].id}`, { as: 'operator', method: 'DELETE' });
    assert.equal(forgotten.status, 200, forgotten.text);
    assert.equal((await chat('what is my name?', 'three')).json.message, 'I do not know.');
    assert.ok(model.asked.every(({ headers, body }) => headers['x-api-key'] === 'sk-worker-key' && !JSON.stringify(body).includes('sk-worker-key')));
  });

  test('streams the answer as it comes', async () => {
    const answer = await workers.ask('personal-assistant', '/api/chat', { as: 'operator', headers: { accept: 'text/event-stream' }, body: { message: 'hello', sessionKey: 'stream' } });
    const deltas = answer.text.split('\n\n').filter((event) => event.startsWith('data: ')).map((event) => JSON.parse(event.slice(6)).delta);
    assert.equal(deltas.join(''), 'Nice to meet you.');
    assert.ok(deltas.length >= 4, 'it came in pieces');
    assert.match(answer.text, /event: done\ndata: .*"cost":0.0042/);
  });

  test('is answered by no model over the budget, and without one where the rules do not allow it', async () => {
    const before = model.asked.length;
    const put = (path, body) => workers.ask('personal-assistant', path, { as: 'operator', method: 'PUT', body });
    assert.equal((await put('/api/context', { requiresHumanApproval: ['assistant-chat'] })).status, 200);
    assert.match((await chat('how much is left?', 'rules')).json.message, /your rules do not approve/);
    assert.equal((await put('/api/context', { requiresHumanApproval: [] })).status, 200);
    assert.equal((await put('/api/budget', { daily: 0.02 })).status, 200);
    const refused = await chat('hello', 'poor');
    assert.deepEqual([refused.status, refused.json.code], [402, 'budget_exhausted']);
    assert.equal(model.asked.length, before);
  });
});

describe('when something breaks', () => {
  let recorder;
  const beds = [];
  const bed = async () => {
    const workers = await new Workers({ config: configOf(recorder.base) }).start();
    beds.push(workers);
    assert.equal((await workers.publish()).status, 200);
    return workers;
  };
  before(async () => (recorder = await startRecorder()));
  after(async () => {
    for (const workers of beds) await workers.close();
    await recorder.stop();
  });

  test('a neighbour that fails twice delays a message and loses nothing', async () => {
    const workers = await bed();
    await workers.breakCalls('agency-router', 2, { from: 'webhook-aggregator' });
    await workers.breakCalls('personal-assistant', 1, { from: 'webhook-aggregator' });
    const update = message('@codegen fix the build');
    assert.equal((await deliver(workers, update)).status, 200);
    const { id } = await until('it is stored', () => eventOf(workers, update));
    const event = await workers.eventIn(id, ['parked']);
    assert.ok(event.attemptsLog.length >= 3, JSON.stringify(event.attemptsLog));
    await until('the owner is asked', () => recorder.requests.some((request) => /Approval needed/.test(JSON.stringify(request.body))));
  });

  test('an event that can never be worked on is a dead letter, and the next of its conversation goes on', async () => {
    const workers = await bed();
    await workers.breakCalls('agency-router', 1, { from: 'webhook-aggregator', status: 422, code: 'invalid_field' });
    const [poisoned, sound] = [message('@codegen fix the build'), message('@codegen fix the tests')];
    assert.equal((await deliver(workers, poisoned)).status, 200);
    const { id } = await until('it is stored', () => eventOf(workers, poisoned));
    const dead = await workers.eventIn(id, ['dead']);
    assert.match(dead.reason, /Injected by a test/);
    assert.equal((await deliver(workers, sound)).status, 200);
    const next = await until('the next is stored', () => eventOf(workers, sound));
    await workers.eventIn(next.id, ['parked']);
    const replay = await workers.ask('webhook-aggregator', `/api/events/${id}/replay`, { as: 'operator', method: 'POST', body: {} });
    assert.equal(replay.status, 200, replay.text);
    await workers.eventIn(id, ['parked']);
  });

  test('a gateway that is taken out of service gets nothing, also after a restart, until it is put back', async () => {
    const workers = await bed();
    const lease = () => workers.ask('webhook-aggregator', '/api/tasks/lease', { as: 'gateway', body: { gatewayId: 'home', agents: ['*'], capacity: 4 } });
    const drain = (drained) => workers.ask('webhook-aggregator', '/api/gateways/home/drain', { as: 'operator', body: { drained } });
    assert.deepEqual((await lease()).json, []);
    assert.deepEqual([(await drain(true)).json.drained, (await workers.ask('webhook-aggregator', '/api/gateways', { as: 'operator' })).json.gateways[0].drained], [true, true]);
    const update = message('@codegen fix the build');
    await deliver(workers, update);
    const { id } = await until('it is stored', () => eventOf(workers, update));
    const { approvalId } = await workers.eventIn(id, ['parked']);
    const decided = await workers.ask('personal-assistant', `/api/approvals/${approvalId}/decide`, { as: 'operator', body: { decision: 'approve' } });
    assert.equal(decided.status, 200, decided.text);
    await workers.eventIn(id, ['running']);
    await workers.kill();
    await workers.start();
    assert.deepEqual((await lease()).json, []);
    assert.equal((await drain(false)).json.drained, false);
    const [task] = (await lease()).json;
    assert.equal(task?.agent, 'codegen');
  });

  test('copies in KV that are stale or lie never hide what was published', async () => {
    const workers = await bed();
    const route = () => workers.ask('agency-router', '/api/route', { as: 'operator', body: { message: 'fix the failing build' } });
    const first = (await route()).json.graphVersion;
    const gardener = { path: 'agents/agent-gardener.md', text: '---\nagentId: gardener\ndescription: Waters plants.\n---\n# Gardener\n## Examples\n- water the roses\n- prune the apple tree\n- when should I plant tulips\n' };
    const second = (await workers.publish([gardener])).json.version;
    assert.notEqual(second, first);
    assert.equal((await route()).json.graphVersion, second, 'a publish is seen at once');
    // As KV may do: an older value for the pointer, and another version's content for a key.
    await workers.kv('agency-router', 'ROUTING_CACHE', 'current', first);
    const old = (await workers.kv('skill-graph-loader', 'GRAPH_CACHE', `graph:${first}`)).value;
    await workers.kv('skill-graph-loader', 'GRAPH_CACHE', `graph:${second}`, old ?? '{}');
    await workers.kv('agency-router', 'ROUTING_CACHE', `graph:${second}`, old ?? '{}');
    await workers.kill();
    await workers.start();
    assert.equal((await route()).json.graphVersion, second);
    const graph = (await workers.ask('skill-graph-loader', '/api/graph', { as: 'operator' })).json;
    assert.ok(graph.agents.some((agent) => agent.id === 'gardener'), 'the loader does not believe the copy');
  });

  test('a database that fails approves nothing, loses nothing, and work goes on when it is back', async () => {
    const workers = await bed();
    await workers.sql('ALTER TABLE approvals RENAME TO approvals_gone');
    const update = message('@codegen fix the build');
    assert.equal((await deliver(workers, update)).status, 200);
    const { id } = await until('it is stored', () => eventOf(workers, update));
    const event = await workers.eventIn(id, ['routed']);
    assert.equal(event.state, 'routed', 'without its database nothing is approved');
    await workers.sql('ALTER TABLE approvals_gone RENAME TO approvals');
    await workers.eventIn(id, ['parked'], 60_000);
  });

  test('a lost database comes back from the backups: approvals, budget, graph, metrics', async () => {
    const workers = await bed();
    const post = (service, path, body) => workers.ask(service, path, { as: 'operator', method: 'POST', body: body ?? {} });
    const asked = await post('personal-assistant', '/api/approve', { taskId: 't1', type: 'codegen', agentType: 'codegen', operation: 'run', description: 'x', estimatedCost: 5 });
    assert.equal(asked.json.state, 'pending', asked.text);
    await workers.cron('monitoring-dashboard', '* * * * *');
    // Yesterday is a full day, which the daily timer archives.
    const yesterday = Date.now() - 86_400_000;
    await workers.sql(`INSERT INTO metrics VALUES ('agency-router', ${yesterday - (yesterday % 60_000)}, 60000, 0, 0, 1, 1, 4.5)`);
    assert.equal((await workers.cron('monitoring-dashboard', '17 3 * * *')).outcome, 'ok');
    assert.equal((await workers.cron('personal-assistant', '17 3 * * *')).outcome, 'ok');
    const { backups } = (await workers.ask('personal-assistant', '/api/backups', { as: 'operator' })).json;
    assert.equal(backups.length, 1, 'the daily timer made one');
    const tables = await workers.sql("SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('approvals', 'budget', 'skill_graph', 'metrics')");
    for (const { name } of tables) await workers.sql(`DELETE FROM ${name}`);
    await workers.sql('UPDATE skill_graph_current SET version = NULL');
    assert.equal((await workers.ask('personal-assistant', '/api/approvals', { as: 'operator' })).json.approvals.length, 0);
    assert.equal((await post('personal-assistant', '/api/restore', { backup: backups[0].name })).status, 200);
    assert.equal((await workers.ask('personal-assistant', '/api/approvals', { as: 'operator' })).json.approvals[0].taskId, 't1');
    const graph = await post('skill-graph-loader', '/api/restore');
    assert.deepEqual([graph.status, graph.json.changed], [200, true], graph.text);
    const metrics = await post('monitoring-dashboard', '/api/restore');
    assert.deepEqual([metrics.status, metrics.json.rows.metrics], [200, 1], metrics.text);
    assert.deepEqual(await workers.sql('SELECT latency_ms_sum AS ms FROM metrics'), [{ ms: 4.5 }]);
  });

  test('a power cut in the middle of traffic loses nothing that was acknowledged, and the alarms go on', async () => {
    const workers = await bed();
    const acknowledged = [];
    for (let round = 0; round < 4; round += 1) {
      let open = true;
      const sending = Array.from({ length: 4 }, async () => {
        while (open) {
          const update = message('@codegen fix the build', OWNER + 1 + (number % 7));
          try {
            if ((await deliver(workers, update)).status === 200) acknowledged.push(update);
          } catch {}
        }
      });
      await new Promise((done) => setTimeout(done, 300 + 250 * round));
      await workers.kill();
      open = false;
      await Promise.all(sending);
      await workers.start();
    }
    assert.ok(acknowledged.length > 20, `only ${acknowledged.length} were acknowledged`);
    const keys = (await allEvents(workers)).map((event) => event.dedupeKey);
    for (const update of acknowledged) assert.equal(keys.filter((key) => key === String(update.update_id)).length, 1, `${update.update_id}`);

    // A message that waits for its next attempt during the power cut; afterwards only its alarm
    // continues it.
    await workers.breakCalls('agency-router', 3, { from: 'webhook-aggregator' });
    const update = message('@codegen fix the build');
    assert.equal((await deliver(workers, update)).status, 200);
    const { id } = await until('it is stored', () => eventOf(workers, update));
    await workers.kill();
    await workers.start();
    // An interrupted step is requeued when its lease of a minute expires.
    await workers.eventIn(id, ['parked'], 75_000);
  });
});

/** All events, page by page. */
async function allEvents(workers) {
  const all = [];
  for (let cursor = ''; ;) {
    const { json } = await workers.ask('webhook-aggregator', `/api/events?limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`, { as: 'operator' });
    all.push(...json.events);
    if (!json.cursor) return all;
    cursor = json.cursor;
  }
}
