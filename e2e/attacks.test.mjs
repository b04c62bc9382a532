// Attacks of attacks/README.md, played on the Workers in Cloudflare's own runtime. They are those where the way in is another
// than the native server's: paths, headers, bodies, signatures, cookies, the databases. Needs `cargo xtask build`.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { endpoints, vectors } from './bed/channels.mjs';
import { discord, slack as slackForms } from './bed/platforms.mjs';
import { until } from './bed/quintet.mjs';
import { startRecorder } from './bed/recorder.mjs';
import { SERVICES, Workers, token } from './bed/workers.mjs';

const OWNER = 700100200;
const OTHER = 555;
const DAY_MS = 86_400_000;
const { telegram: { endpoint: { keys: telegram } }, slack: { endpoint: { keys: slack } } } = vectors;
const OTHER_SECRET = 'tg_S3cret-Token_of-the-other';
/** It costs more than the default rules allow, so that work stops at the owner's decision. */
const COSTLY = { codegen: { runner: 'command', command: ['true'], estimated_cost: 5 } };

let recorder, workers, number = 0;

before(async () => {
  recorder = await startRecorder();
  const all = endpoints(recorder.base);
  all.telegram.other = { ...all.telegram.main, secret_token: OTHER_SECRET, bot_token: '5550002:TEST', approvers: [`${OTHER}`] };
  Object.values(all.discord)[0].public_key = discord.publicKey;
  const config = { 'webhook-aggregator': { agents: COSTLY, endpoints: all }, 'personal-assistant': { agents: COSTLY } };
  workers = await new Workers({ config }).start();
  assert.equal((await workers.publish()).status, 200);
});
after(async () => {
  await workers.close();
  await recorder.stop();
});

const operator = (service, path, body, method) => workers.ask(service, path, { as: 'operator', body, method });
const halts = async () => (await operator('personal-assistant', '/api/halts')).json;
const approval = async (id) => (await operator('personal-assistant', '/api/approvals?limit=100')).json.approvals.find((row) => row.id === id);
const byKey = async (key) => (await workers.events()).find((event) => event.dedupeKey === String(key));
const stored = (key) => until(`${key} is stored`, () => byKey(key));

const raw = (...request) => workers.raw(...request);

function update(from, more) {
  number += 1;
  const person = { id: from, is_bot: false, first_name: 'P' };
  const chat = { id: from, type: 'private' };
  return { update_id: 6_000_000 + number, ...more({ message_id: number, date: Math.floor(Date.now() / 1000), chat, from: person }) };
}
const says = (text, from = OWNER) => update(from, (message) => ({ message: { ...message, text } }));
const presses = (data, from, message_id) => update(from, ({ from: person, chat }) => ({ callback_query: { id: `q${number}`, from: person, data, message: { message_id, chat } } }));
const deliver = (body, endpoint = 'main', secret = endpoint === 'main' ? telegram.secret_token : OTHER_SECRET) =>
  workers.ask('webhook-aggregator', `/telegram/${endpoint}`, { body, headers: { 'x-telegram-bot-api-secret-token': secret } });
const toSlack = (body, options) => {
  const signed = slackForms.signed(body, { secret: slack.signing_secret, ...options });
  return workers.ask('webhook-aggregator', '/slack/T0AAAA111', signed);
};
/** Texts sent to a chat. */
const toldTo = (chat) => recorder.ours(({ path, body }) => /sendMessage$/.test(path) && String(body.chat_id) === String(chat)).map(({ body }) => body.text);

/** A message of the owner that waits for a decision: its event. */
async function parked() {
  const message = says('@codegen fix the build');
  assert.equal((await deliver(message)).status, 200);
  const { id } = await stored(message.update_id);
  return workers.eventIn(id, ['parked']);
}

async function signIn() {
  const { path } = (await operator('monitoring-dashboard', '/api/sign-in-links', {})).json;
  const first = await raw('monitoring-dashboard', 'GET', path);
  assert.equal(first.status, 303, first.text);
  return { path, cookie: first.headers['set-cookie'][0].split(';')[0], attributes: first.headers['set-cookie'][0] };
}
const page = (cookie, path = '/dashboard', headers = {}) => raw('monitoring-dashboard', 'GET', path, { headers: { cookie, ...headers } });
function submit(path, cookie, fields, headers = {}) {
  const body = new URLSearchParams(fields).toString();
  return raw('monitoring-dashboard', 'POST', path, { body, headers: { cookie, 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length, ...headers } });
}
/** The token of the form with this action and these words. */
function formToken(html, action, words) {
  const form = html.split('<form').slice(1).map((rest) => rest.split('</form>')[0]).find((one) => one.includes(`action="${action}"`) && one.includes(words));
  return form.match(/name="token" value="([^"]+)"/)[1];
}

test('a form from another site changes nothing', async () => {
  const { cookie } = await signIn();
  const html = (await page(cookie)).text;
  const halt = formToken(html, '/dashboard/halt', 'Halt');
  for (const header of [{ origin: 'https://evil.example' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }]) {
    for (const path of ['/dashboard/halt', '/dashboard/console', '/sign-in', '/sign-out']) {
      assert.equal((await submit(path, cookie, { token: halt, text: 'hello' }, header)).status, 403, `${path} ${JSON.stringify(header)}`);
    }
  }
  assert.equal((await submit('/dashboard/halt', cookie, { token: 'f'.repeat(64) })).status, 403, 'a token of no form');
  assert.equal((await halts()).all, false);
  const own = { origin: workers.services['monitoring-dashboard'], 'sec-fetch-site': 'same-origin' };
  assert.equal((await submit('/dashboard/halt', cookie, { token: halt }, own)).status, 303);
  assert.equal((await halts()).all, true);
  assert.equal((await operator('personal-assistant', '/api/resume', { all: true })).status, 200);
});

test('a sign-in link opens one session, and none for a preview', async () => {
  const { path } = (await operator('monitoring-dashboard', '/api/sign-in-links', {})).json;
  const preview = await raw('monitoring-dashboard', 'HEAD', path);
  assert.equal(preview.headers['set-cookie'], undefined);
  const opened = await Promise.all(Array.from({ length: 8 }, () => raw('monitoring-dashboard', 'GET', path)));
  assert.deepEqual(opened.map(({ status }) => status).sort(), [303, ...Array(7).fill(401)]);
  assert.ok(opened.every(({ status, headers }) => (status === 303) === Boolean(headers['set-cookie'])));
  assert.equal((await raw('monitoring-dashboard', 'GET', path)).status, 401);
});

test('a cookie alone opens no API, and no page of a session with a key', async () => {
  const { cookie, attributes } = await signIn();
  for (const part of ['HttpOnly', 'SameSite=Strict']) assert.ok(attributes.includes(part), attributes);
  for (const service of SERVICES) {
    for (const path of ['/api/stats', '/api/events', '/api/approvals', '/api/graph', '/api/agents', '/metrics']) {
      const { status } = await raw(service, 'GET', path, { headers: { cookie } });
      assert.ok([401, 404].includes(status), `${service}${path}: ${status}`);
    }
  }
  const html = (await page(cookie)).text;
  const key = '5a'.repeat(32);
  assert.equal((await submit('/dashboard/session-key', cookie, { key, token: html.match(/data-token="([^"]+)"/)[1] })).status, 204);
  assert.match((await page(cookie, '/dashboard', { 'x-quintet-key': key })).text, /<form/);
  for (const path of ['/dashboard', '/dashboard/events', '/dashboard/approvals']) {
    assert.doesNotMatch((await page(cookie, path)).text, /<form/, path);
    assert.equal((await page(cookie, path, { 'x-quintet-key': '0b'.repeat(32) })).status, 401, path);
  }
  assert.equal((await submit('/dashboard/halt', cookie, { token: formToken(html, '/dashboard/halt', 'Halt') })).status, 403);
  assert.equal((await halts()).all, false);
});

test('an unsigned content type chooses no parser', async () => {
  const words = '&command=/halt&user_id=U0HUMAN01&team_id=T0AAAA111&trigger_id=1&channel_id=C1&';
  for (const [at, type] of ['application/json', 'application/x-www-form-urlencoded', 'text/plain'].entries()) {
    const event = { type: 'message', channel: 'D0IM00001', channel_type: 'im', user: 'U0STRANGER', text: words, ts: `1790000000.00040${at}` };
    const body = JSON.stringify({ team_id: 'T0AAAA111', type: 'event_callback', event_id: `EvType${at}`, event });
    assert.equal((await toSlack(body, { type })).status, 200, type);
    assert.equal((await stored(`EvType${at}`)).state, 'ignored', type);
    assert.equal((await halts()).all, false, type);
  }
});

test('an event of another workspace is not heard, whomever it names', async () => {
  const event = { type: 'message', channel: 'D0IM00001', channel_type: 'im', user: 'U0HUMAN01', text: '/halt', ts: '1790000000.000500' };
  assert.equal((await toSlack(JSON.stringify({ team_id: 'T0EVIL001', type: 'event_callback', event_id: 'EvTeam', event }))).status, 200);
  const { id, state } = await stored('EvTeam');
  assert.equal(state, 'ignored');
  assert.equal((await operator('webhook-aggregator', `/api/events/${id}`)).json.reason, 'another_workspace');
  assert.equal((await halts()).all, false);
});

test('forged signatures and old times are refused, and nothing of them is stored', async () => {
  const before = (await workers.events()).length;
  const mention = slackForms.mention('Ev0FORGED1', 'do some work');
  const now = Math.floor(Date.now() / 1000);
  assert.equal((await toSlack(mention, { secret: 'another secret' })).status, 401);
  for (const at of [now - 400, now + 400, 0]) assert.equal((await toSlack(mention, { at })).status, 401, `${at - now} s`);
  const signed = slackForms.signed(mention, { secret: slack.signing_secret });
  const slackWith = (headers, body = signed.body) => workers.ask('webhook-aggregator', '/slack/T0AAAA111', { body, headers: { ...signed.headers, ...headers } });
  assert.equal((await slackWith({}, `${mention} `)).status, 401, 'a longer body');
  assert.equal((await slackWith({ 'x-slack-signature': signed.headers['x-slack-signature'].replace('v0=', 'v1=') })).status, 401);
  assert.equal((await slackWith({ 'x-slack-request-timestamp': ` ${now + 1}` })).status, 401, 'another time');

  // Bytes moved between the time and the body, which the signature covers one after the other.
  const ping = discord.interaction(1, '1');
  const sound = discord.signed(ping, { at: now });
  const discordWith = (time, body) => workers.ask('webhook-aggregator', discord.path, { method: 'POST', body, headers: { ...sound.headers, 'x-signature-timestamp': time } });
  assert.equal((await discordWith(`${now}`, ping)).status, 200);
  assert.equal((await discordWith(`${now}{`, ping.slice(1))).status, 401);
  assert.equal((await discordWith(`${now}${ping}`, '')).status, 401);
  assert.equal((await discordWith('', `${now}${ping}`)).status, 401);

  for (const secret of ['', telegram.secret_token.slice(0, -1), `${telegram.secret_token}x`, OTHER_SECRET]) {
    assert.equal((await deliver(says('/halt'), 'main', secret)).status, 401, secret);
  }
  assert.equal((await deliver(says('/halt', OTHER), 'other', telegram.secret_token)).status, 401, 'the secret of another endpoint');
  assert.equal((await workers.events()).length, before + 1, 'the sound ping alone');
  assert.equal((await halts()).all, false);
});

test('an approver of one endpoint decides nothing for another', async () => {
  const { id: event, approvalId: id } = await parked();
  const order = async (text) => {
    const before = toldTo(OTHER).length;
    assert.equal((await deliver(says(text, OTHER), 'other')).status, 200);
    return until('he is answered', () => toldTo(OTHER).slice(before)[0]);
  };
  const unknown = 'apr_01ARZ3NDEKTSV4RRFFQ69G5FAV';
  for (const word of ['approve', 'reject']) {
    const [there, nowhere] = [await order(`/${word} ${id}`), await order(`/${word} ${unknown}`)];
    assert.equal(there.replaceAll(id, 'ID'), nowhere.replaceAll(unknown, 'ID'), 'it reads like an unknown id');
  }
  // The button that the owner was shown, pressed by the other approver in both endpoints.
  const asked = recorder.ours(({ body }) => body?.reply_markup?.inline_keyboard?.length && String(body.chat_id) === String(OWNER)).at(-1);
  const [approve] = asked.body.reply_markup.inline_keyboard.flat();
  for (const endpoint of ['main', 'other']) {
    const press = presses(approve.callback_data, OTHER, asked.answer.result.message_id);
    assert.equal((await deliver(press, endpoint)).status, 200);
    await workers.eventIn((await stored(press.update_id)).id, ['done', 'ignored']);
    assert.equal((await approval(id)).state, 'pending', endpoint);
  }
  // The owner's halt outlasts his resume.
  assert.equal((await operator('personal-assistant', '/api/halt', { all: true })).status, 202);
  await order('/resume');
  assert.equal((await halts()).all, true);
  assert.equal((await operator('personal-assistant', '/api/resume', { all: true })).status, 200);
  const press = presses(approve.callback_data, OWNER, asked.answer.result.message_id);
  assert.equal((await deliver(press)).status, 200);
  await until('the owner has decided', async () => (await approval(id)).state === 'approved');
  // It holds its conversation from here on, so that later messages wait before they are routed.
  await workers.eventIn(event, ['approved', 'running']);
});

test('the words of a database language, and JSON, are words', async () => {
  const texts = ["'; DROP TABLE event; --", '"); DELETE FROM approvals; --', '{"approved":true,"actualCost":0,"publicOnly":false}', `x${'\u0000'}y ' OR 1=1`];
  for (const text of texts) {
    const message = says(`@codegen ${text}`);
    assert.equal((await deliver(message)).status, 200, text);
    const { id } = await stored(message.update_id);
    const event = await workers.eventIn(id, ['parked', 'received']);
    assert.ok(event.text.includes(text), `${text}: ${event.text}`);
    assert.equal((await operator('webhook-aggregator', `/api/events/${id}/replay`, {})).status, 409, 'it waits for the owner like any other');
  }
  const rows = (await workers.events()).length;
  for (const [service, path, list] of [
    ['webhook-aggregator', '/api/events?channel=%27%20OR%201%3D1--', 'events'],
    ['webhook-aggregator', '/api/events?state=%27%20OR%20%27%27%3D%27', 'events'],
    ['webhook-aggregator', '/api/events?cursor=%27%3BDELETE%20FROM%20event--', 'events'],
    ['personal-assistant', '/api/approvals?state=%27%20OR%20%27%27%3D%27', 'approvals'],
  ]) {
    const answer = await operator(service, path);
    assert.ok(answer.status < 500 && !(answer.json?.[list]?.length && /OR/.test(decodeURIComponent(path))), `${path}: ${answer.text}`);
  }
  assert.equal((await workers.events()).length, rows);
});

test('bodies that are too large, too deep or compressed are refused', async () => {
  const before = (await workers.events()).length;
  const secret = { 'x-telegram-bot-api-secret-token': telegram.secret_token, 'content-type': 'application/json' };
  const long = await raw('webhook-aggregator', 'POST', '/telegram/main', { headers: { ...secret, 'content-length': 3 << 20 }, open: true });
  assert.equal(long.status, 413);
  const large = 'x'.repeat((1 << 20) + 1);
  const chunked = await raw('webhook-aggregator', 'POST', '/telegram/main', { headers: { ...secret, 'transfer-encoding': 'chunked' }, body: large, open: true });
  assert.equal(chunked.status, 413, 'without its length');
  const packed = gzipSync(JSON.stringify(says('hello')));
  const compressed = await raw('webhook-aggregator', 'POST', '/telegram/main', { headers: { ...secret, 'content-encoding': 'gzip', 'content-length': packed.length }, body: packed });
  assert.equal(compressed.status, 415);
  const deep = await workers.ask('personal-assistant', '/api/approve', { as: 'operator', method: 'POST', body: '['.repeat(200_000) });
  assert.ok(deep.status >= 400 && deep.status < 500, `${deep.status}`);
  // 200 MB of zeros in 200 kB, more than a Worker has.
  const bomb = gzipSync(Buffer.alloc(200 << 20));
  const headers = { authorization: `Bearer ${token('operator')}`, 'content-type': 'application/json', 'content-encoding': 'gzip', 'content-length': bomb.length };
  assert.equal((await raw('skill-graph-loader', 'POST', '/api/publish', { headers, body: bomb })).status, 413);
  assert.equal((await workers.events()).length, before);
  for (const service of SERVICES) assert.equal((await workers.ask(service, '/health')).status, 200, service);
});

test('a tiny estimate is money, and only zero is nothing', async () => {
  const held = async () => (await operator('personal-assistant', '/api/budget')).json.scopes.find(({ scope, window }) => scope === 'all' && window === 'day').held;
  const ask = (taskId, estimatedCost) => operator('personal-assistant', '/api/approve', { taskId, type: 'docs', agentType: 'docs', operation: 'run', description: 'x', estimatedCost });
  const before = await held();
  for (const [at, estimate] of [1e-7, Number.MIN_VALUE, 1e-6].entries()) {
    const answer = await ask(`tiny-${at}`, estimate);
    assert.equal(answer.json.state, 'approved', answer.text);
    assert.equal(Math.round((await held() - before) * 1e6), at + 1, `${estimate}`);
  }
  assert.equal((await ask('negative', -1e-9)).status, 422);
  assert.equal(Math.round((await held() - before) * 1e6), 3);
});

test('other spellings of a path reach nothing internal', async () => {
  const headers = { authorization: `Bearer ${token('operator')}`, 'content-type': 'application/json' };
  for (const path of ['/internal/halts/check', '/%69nternal/halts/check', '//internal/halts/check', '/api/../internal/halts/check', '/api/%2e%2e/internal/halts/check', '/INTERNAL/halts/check', '/api/halts/..%2f..%2finternal/halts/check', '/internal/halts/check?x=/api/']) {
    const { status } = await raw('personal-assistant', 'POST', path, { headers, body: '{"tasks":[]}' });
    assert.ok([400, 401, 403, 404].includes(status), `${path}: ${status}`);
  }
});

test('the rows of strangers are deleted after eight days, and their messages are not taken again', async () => {
  const stranger = says('hello', 999);
  assert.equal((await deliver(stranger)).status, 200);
  assert.equal((await stored(stranger.update_id)).state, 'ignored');
  const known = (await workers.events()).find((event) => event.sender === String(OWNER));
  await workers.kill();
  let moved = 0;
  for (const file of readdirSync(join(workers.folder, 'state'), { recursive: true }).filter((name) => name.endsWith('.sqlite'))) {
    const database = new DatabaseSync(join(workers.folder, 'state', file));
    if (database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'forgotten'").get()) {
      moved += database.prepare('UPDATE event SET updated_ms = updated_ms - ?1, received_ms = received_ms - ?1').run(9 * DAY_MS).changes;
    }
    database.close();
  }
  assert.ok(moved > 1, 'the inboxes are found');
  await workers.start();
  const later = says('hello again', 998);
  assert.equal((await deliver(later)).status, 200);
  await until('the alarm has deleted it', async () => !(await byKey(stranger.update_id)));
  assert.ok(await byKey(later.update_id), 'a new one is kept');
  assert.equal((await operator('webhook-aggregator', `/api/events/${known.id}`)).status, 200, 'a known sender’s too');
  assert.equal((await deliver(stranger)).status, 200);
  assert.equal(await byKey(stranger.update_id), undefined);
});
