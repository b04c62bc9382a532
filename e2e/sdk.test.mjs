// Quintet against the platforms' own SDKs: both judge the same bytes alike, both send the same
// request for the same intent, and Quintet backs off when a platform asks for it.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { REST } from '@discordjs/rest';
import bolt from '@slack/bolt';
import { LogLevel, WebClient } from '@slack/web-api';
import { Routes } from 'discord-api-types/v10';
import { verifyKey } from 'discord-interactions';
import { Api, Bot, webhookCallback } from 'grammy';
import { config, discord, slack, telegram } from './bed/platforms.mjs';
import { startQuintet, until } from './bed/quintet.mjs';
import { shape, startRecorder } from './bed/recorder.mjs';

const BUTTON = /^a1:[\w-]{22}:[yn]$/;
// The output of agent.mjs, as each platform shows it.
const AUDITED = 'Audited the login form.';

let recorder;
let quintet;
before(async () => {
  recorder = await startRecorder();
  quintet = await startQuintet({ config: config(recorder.base) });
});
after(async () => {
  const end = await quintet?.stop();
  await recorder?.stop();
  if (!end) return;
  assert.deepEqual(end, { code: 0, signal: null }, 'the server stops clean');
  assert.doesNotMatch(quintet.said.err, /panicked|"level":"ERROR"/, 'nothing went wrong inside');
});

async function post(path, { body, headers }) {
  const answer = await fetch(quintet.base + path, { method: 'POST', headers, body });
  const text = await answer.text();
  return { status: answer.status, body: text && JSON.parse(text) };
}
const accepts = async (path, signed, ack) => assert.deepEqual(await post(path, signed), { status: 200, body: ack });
const events = async (channel) => (await quintet.api('GET', `/webhook-aggregator/api/events?channel=${channel}&limit=500`)).events;
/** All headers but one. */
const without = ({ body, headers }, name) => ({ body, headers: Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name)) });

describe('telegram', () => {
  test('grammY and we take and refuse the same updates', async () => {
    const bot = new Bot(telegram.token, { botInfo: { id: 5550001, is_bot: true, first_name: 'Desk', username: 'desk_test_bot' } });
    const callback = webhookCallback(bot, 'http', { secretToken: telegram.secret });
    const theirs = createServer(callback);
    await new Promise((done) => theirs.listen(0, '127.0.0.1', done));
    const body = telegram.message(1001, '/help');
    const header = 'x-telegram-bot-api-secret-token';
    const cases = [telegram.signed(body), telegram.signed(body, 'tg_S3cret-Token_0123456780'), telegram.signed(body, 'tg'), telegram.signed(body, ''),
      telegram.signed(body, `${telegram.secret}x`), telegram.signed(body, telegram.secret.toLowerCase()), without(telegram.signed(body), header)];
    for (const [index, sent] of cases.entries()) {
      const ours = await post(telegram.path, sent);
      const grammy = await fetch(`http://127.0.0.1:${theirs.address().port}/`, { method: 'POST', ...sent });
      assert.deepEqual([ours.status, grammy.status], index === 0 ? [200, 200] : [401, 401], JSON.stringify(sent.headers));
    }
    theirs.close();
    theirs.closeAllConnections();
  });

  test('a repeated update is acknowledged alike and kept once', async () => {
    const sent = telegram.signed(telegram.message(1002, '/help'));
    await accepts(telegram.path, sent, {});
    await accepts(telegram.path, sent, {});
    assert.equal((await events('telegram')).filter((event) => event.dedupeKey === '1002').length, 1);
  });

  test('placeholder, question with buttons, press and answer are on the wire as grammY puts them there', async () => {
    const api = new Api(telegram.token, { apiRoot: `${recorder.base}/theirs/tg` });
    const same = async (ours, call) => assert.deepEqual(shape(ours), shape(await recorder.sentBy(call)));
    const sent = (method, fits) => (request) => request.platform === 'tg' && request.path.endsWith(`/${method}`) && fits(request.body);
    const silent = { link_preview_options: { is_disabled: true } };
    await accepts(telegram.path, telegram.signed(telegram.message(1010, '@security audit the login form', 1410)), {});

    const placeholder = await recorder.awaited('placeholder', sent('sendMessage', (body) => body.reply_parameters?.message_id === 1410));
    assert.match(placeholder.body.text, /needs approval/);
    await same(placeholder, () => api.sendMessage(telegram.user, placeholder.body.text, { reply_parameters: { message_id: 1410 }, ...silent }));

    const ask = await recorder.awaited('question', sent('sendMessage', (body) => body.reply_markup));
    const [approve, reject] = ask.body.reply_markup.inline_keyboard[0].map((button) => button.callback_data);
    assert.match(approve, BUTTON);
    assert.match(reject, BUTTON);
    assert.match(ask.body.text, /^Approval needed: security/);
    const inline_keyboard = [[{ text: 'Approve', callback_data: approve }, { text: 'Reject', callback_data: reject }]];
    await same(ask, () => api.sendMessage(telegram.user, ask.body.text, { reply_markup: { inline_keyboard }, ...silent }));

    const shown = ask.answer.result.message_id;
    await accepts(telegram.path, telegram.signed(telegram.press(1011, approve, shown)), {});
    const pressed = await recorder.awaited('answer to the press', sent('answerCallbackQuery', () => true));
    await same(pressed, () => api.answerCallbackQuery('300710021011', { text: 'Approved: security.' }));
    const frozen = await recorder.awaited('end of the question', sent('editMessageText', (body) => body.message_id === shown));
    assert.match(frozen.body.text, /^Approved by /);
    await same(frozen, () => api.editMessageText(telegram.user, shown, frozen.body.text, { reply_markup: { inline_keyboard: [] }, ...silent }));

    const answer = await recorder.awaited('answer', sent('editMessageText', (body) => body.text.includes(AUDITED)));
    assert.equal(answer.body.message_id, placeholder.answer.result.message_id, 'the placeholder becomes the answer');
    const entities = [{ type: 'bold', offset: 3, length: 7 }, { type: 'code', offset: 15, length: 5 }];
    await same(answer, () => api.editMessageText(telegram.user, answer.body.message_id, answer.body.text, { entities, reply_markup: { inline_keyboard: [] }, ...silent }));
  });
});

describe('slack', () => {
  test('Bolt and we take and refuse the same requests', async () => {
    const body = JSON.stringify({ type: 'event_callback', team_id: 'T0AAAA111', event_id: 'Ev0VERIFY', event: { type: 'reaction_added' } });
    const now = Math.floor(Date.now() / 1000);
    const good = slack.signed(body);
    const cases = [
      [true, good],
      [true, slack.signed(body, { at: now - 240 })],
      [true, slack.signed(slack.command('1.vf', '/help'), { type: 'application/x-www-form-urlencoded' })],
      [false, slack.signed(body, { secret: 'another' })],
      [false, slack.signed(body, { at: now - 330 })],
      [false, { ...good, body: `${body} ` }],
      [false, { body, headers: { ...good.headers, 'x-slack-signature': good.headers['x-slack-signature'].replace('v0', 'v1') } }],
      [false, without(good, 'x-slack-signature')],
      [false, without(good, 'x-slack-request-timestamp')],
    ];
    for (const [valid, sent] of cases) {
      const theirs = bolt.isValidSlackRequest({ signingSecret: slack.secret, body: sent.body, headers: sent.headers });
      const ours = await post(slack.path, sent);
      assert.deepEqual([ours.status, theirs], [valid ? 200 : 401, valid], JSON.stringify(sent.headers));
    }
    // Bolt checks the past only; Quintet also refuses the future, as Slack's Python SDK does.
    assert.equal((await post(slack.path, slack.signed(body, { at: now + 330 }))).status, 401);
  });

  test('each kind of request gets its own acknowledgement', async () => {
    const asForm = { type: 'application/x-www-form-urlencoded' };
    await accepts(slack.path, slack.signed(JSON.stringify({ type: 'url_verification', challenge: 'c3po', token: 'x' })), { challenge: 'c3po' });
    await accepts(slack.path, slack.signed(JSON.stringify({ type: 'app_rate_limited', team_id: 'T0AAAA111', minute_rate_limited: 1, api_app_id: 'A0APP0001' })), '');
    await accepts(slack.path, slack.signed(slack.command('1.cmd', '/help'), asForm), '');
    const retried = slack.mention('Ev0TWICE000001', '/help');
    await accepts(slack.path, slack.signed(retried), '');
    await accepts(slack.path, slack.signed(retried, { at: Math.floor(Date.now() / 1000) + 60 }), '');
    assert.equal((await events('slack')).filter((event) => event.dedupeKey === 'Ev0TWICE000001').length, 1);
  });

  test('placeholder, question with buttons, press and answer are on the wire as @slack/web-api puts them there', async (t) => {
    const client = new WebClient(slack.token, { slackApiUrl: `${recorder.base}/theirs/slack/`, logLevel: LogLevel.ERROR });
    const same = async (ours, call) => assert.deepEqual(shape(ours), shape(await recorder.sentBy(call)));
    const sent = (method, fits) => (request) => request.platform === 'slack' && request.path === `/${method}` && fits(request.body);
    const silent = { unfurl_links: false, unfurl_media: false };
    const place = { channel: slack.channel, thread_ts: slack.thread, ...silent };
    const metadataOf = (request) => ({ event_type: 'outbox', event_payload: { id: request.body.metadata.event_payload.id } });
    await accepts(slack.path, slack.signed(slack.mention('Ev0AUDIT000002', '@security audit the login form')), '');

    const placeholder = await recorder.awaited('placeholder', sent('chat.postMessage', (body) => /needs approval/.test(body.text)));
    await same(placeholder, () => client.chat.postMessage({ ...place, text: placeholder.body.text, metadata: metadataOf(placeholder) }));

    const ask = await recorder.awaited('question', sent('chat.postMessage', (body) => body.blocks));
    const { block_id, elements } = ask.body.blocks.at(-1);
    assert.ok(elements.every((button) => BUTTON.test(button.value)));
    assert.equal(block_id, `appr_${ask.body.metadata.event_payload.id}`);
    const section = (text) => ({ type: 'section', text: { type: 'mrkdwn', text } });
    const quote = (text) => ({ type: 'rich_text', elements: [{ type: 'rich_text_quote', elements: [{ type: 'text', text }] }] });
    const button = (action_id, label, style, value) => ({ type: 'button', action_id, style, text: { type: 'plain_text', text: label }, value });
    const [ours, , after] = ask.body.blocks;
    const blocks = [
      section(ours.text.text),
      quote('@security audit the login form'),
      section(after.text.text),
      { type: 'actions', block_id, elements: [button('approve', 'Approve', 'primary', elements[0].value), button('reject', 'Reject', 'danger', elements[1].value)] },
    ];
    assert.deepEqual(ask.body.blocks, blocks, 'the words of the sender are a quotation without marks');
    await same(ask, () => client.chat.postMessage({ ...place, text: ask.body.text, blocks, metadata: metadataOf(ask) }));

    const ts = ask.answer.ts;
    await accepts(slack.path, slack.signed(slack.press('13.press', elements[0].value, ts), { type: 'application/x-www-form-urlencoded' }), '');
    const pressed = await recorder.awaited('answer to the press', sent('chat.postEphemeral', () => true));
    await t.test('the answer to the press stays in the thread', () =>
      same(pressed, () => client.chat.postEphemeral({ ...place, user: slack.user, text: 'Approved: security.' })));
    const frozen = await recorder.awaited('end of the question', sent('chat.update', (body) => body.ts === ts));
    assert.match(frozen.body.text, /^Approved by /);
    const [end, , rest] = frozen.body.blocks;
    const shown = [section(end.text.text), quote('@security audit the login form'), section(rest.text.text)];
    assert.deepEqual(frozen.body.blocks, shown, 'without buttons, and still a quotation');
    await same(frozen, () => client.chat.update({ channel: slack.channel, ts, ...silent, text: frozen.body.text, blocks: shown }));

    const answer = await recorder.awaited('answer', sent('chat.update', (body) => body.text.includes('*Audited* the `login` form.')));
    assert.equal(answer.body.ts, placeholder.answer.ts, 'the placeholder becomes the answer');
    await same(answer, () => client.chat.update({ channel: slack.channel, ts: answer.body.ts, ...silent, text: answer.body.text, blocks: [] }));
  });
});

describe('discord', () => {
  test('discord-interactions and we take and refuse the same interactions', async () => {
    const body = discord.interaction(1, '990000000000000001');
    const good = discord.signed(body);
    const stranger = generateKeyPairSync('ed25519').privateKey;
    const signature = good.headers['x-signature-ed25519'];
    const cases = [
      [true, good],
      // Discord documents no time window: an old signature is valid, but no command or press.
      [true, discord.signed(body, { at: 1700000000 })],
      [false, discord.signed(body, { key: stranger })],
      [false, { ...good, body: `${body} ` }],
      [false, { body, headers: { ...good.headers, 'x-signature-timestamp': '1790000009' } }],
      [false, { body, headers: { ...good.headers, 'x-signature-ed25519': signature.slice(2) } }],
      [false, { body, headers: { ...good.headers, 'x-signature-ed25519': `zz${signature.slice(2)}` } }],
      [false, { body, headers: { ...good.headers, 'x-signature-ed25519': '0'.repeat(128) } }],
      [false, without(good, 'x-signature-ed25519')],
      [false, without(good, 'x-signature-timestamp')],
    ];
    for (const [valid, sent] of cases) {
      const header = (name) => sent.headers[name] ?? '';
      const theirs = await verifyKey(sent.body, header('x-signature-ed25519'), header('x-signature-timestamp'), discord.publicKey);
      const ours = await post(discord.path, sent);
      assert.deepEqual([ours.status, theirs], [valid ? 200 : 401, valid], JSON.stringify(sent.headers));
    }
  });

  test('each kind of interaction gets its own acknowledgement', async () => {
    const kinds = [
      [discord.interaction(1, '990000000000000011'), { type: 1 }],
      [discord.command('990000000000000012', '/help'), { type: 5 }],
      [discord.press('990000000000000013', 'a1:unknown:y'), { type: 6 }],
      [discord.interaction(4, '990000000000000014', { name: 'ask', options: [] }), { type: 8, data: { choices: [] } }],
      [discord.interaction(5, '990000000000000015', { custom_id: 'm', components: [{ type: 1, components: [{ type: 4, custom_id: 't', value: '/help' }] }] }), { type: 5 }],
    ];
    for (const [body, ack] of kinds) {
      await accepts(discord.path, discord.signed(body), ack);
      await accepts(discord.path, discord.signed(body), ack);
    }
  });

  test('deferred answer, question with nonce, press and follow-ups are on the wire as @discordjs/rest puts them there', async () => {
    const rest = new REST({ version: '10', api: `${recorder.base}/theirs/dc` }).setToken(discord.token);
    const same = async (ours, call) => assert.deepEqual(shape(ours), shape(await recorder.sentBy(call)));
    const sent = (method, route, fits = () => true) => (request) => request.platform === 'dc' && request.method === method && request.path === `/v10${decodeURIComponent(route)}` && fits(request.body);
    const quiet = { allowed_mentions: { parse: [] }, flags: 4 };
    const [asked, pressedId] = ['990000000000000021', '990000000000000022'];
    const original = Routes.webhookMessage(discord.application, `tok-${asked}`, '@original');
    await accepts(discord.path, discord.signed(discord.command(asked, '@security audit the login form')), { type: 5 });

    const placeholder = await recorder.awaited('placeholder', sent('PATCH', original, (body) => /needs approval/.test(body.content)));
    await same(placeholder, () => rest.patch(original, { auth: false, body: { content: placeholder.body.content, ...quiet } }));

    const ask = await recorder.awaited('question', sent('POST', Routes.channelMessages(discord.channel), (body) => body.components));
    const [approve, reject] = ask.body.components[0].components.map((button) => button.custom_id);
    assert.match(approve, BUTTON);
    assert.match(reject, BUTTON);
    assert.ok(ask.body.nonce.length <= 25);
    const button = (style, label, custom_id) => ({ type: 2, style, label, custom_id });
    const components = [{ type: 1, components: [button(3, 'Approve', approve), button(4, 'Reject', reject)] }];
    const question = { content: ask.body.content, nonce: ask.body.nonce, enforce_nonce: true, components, ...quiet };
    await same(ask, () => rest.post(Routes.channelMessages(discord.channel), { body: question }));

    await accepts(discord.path, discord.signed(discord.press(pressedId, approve)), { type: 6 });
    const toPresser = Routes.webhook(discord.application, `tok-${pressedId}`);
    const pressed = await recorder.awaited('answer to the press', sent('POST', toPresser));
    await same(pressed, () => rest.post(toPresser, { auth: false, body: { content: 'Approved: security.', ...quiet, flags: 68 } }));
    const frozenRoute = Routes.channelMessage(discord.channel, ask.answer.id);
    const frozen = await recorder.awaited('end of the question', sent('PATCH', frozenRoute));
    assert.match(frozen.body.content, /^Approved by /);
    await same(frozen, () => rest.patch(frozenRoute, { body: { content: frozen.body.content, components: [], ...quiet } }));

    const answer = await recorder.awaited('answer', sent('PATCH', original, (body) => body.content.includes('**Audited** the `login` form.')));
    await same(answer, () => rest.patch(original, { auth: false, body: { content: answer.body.content, components: [], ...quiet } }));
    const more = Routes.webhook(discord.application, `tok-${asked}`);
    const second = await recorder.awaited('second part', sent('POST', more));
    assert.ok([answer, second].every((part) => part.body.content.length <= 2000));
    await same(second, () => rest.post(more, { auth: false, body: { content: second.body.content, ...quiet } }));
  });
});

describe('a platform that asks for patience', () => {
  const limits = [
    {
      name: 'telegram', waitMs: 2000, accept: () => accepts(telegram.path, telegram.signed(telegram.message(1900, 'Fix the TypeError in the login flow', 1990)), {}),
      fits: (request) => request.platform === 'tg' && request.body.reply_parameters?.message_id === 1990,
      refusal: { status: 429, body: { ok: false, error_code: 429, description: 'Too Many Requests: retry after 2', parameters: { retry_after: 2 } } },
    },
    {
      name: 'slack', waitMs: 2000, accept: () => accepts(slack.path, slack.signed(slack.mention('Ev0LIMIT000003', 'Fix the TypeError in the login flow')), ''),
      fits: (request) => request.platform === 'slack' && request.path === '/chat.postMessage' && /^(Working on it|codegen,)/.test(request.body.text),
      refusal: { status: 429, headers: { 'retry-after': '2' }, body: { ok: false, error: 'ratelimited' } },
    },
    {
      name: 'discord', waitMs: 1500, accept: () => accepts(discord.path, discord.signed(discord.command('990000000000000031', 'Fix the TypeError in the login flow')), { type: 5 }),
      fits: (request) => request.platform === 'dc' && request.path.includes('/tok-990000000000000031/'),
      refusal: { status: 429, headers: { 'retry-after': '2' }, body: { message: 'You are being rate limited.', retry_after: 1.5, global: false } },
    },
  ];
  for (const { name, waitMs, accept, fits, refusal } of limits) {
    test(`${name}: nothing before its time, then it is delivered`, async (t) => {
      recorder.refuse(fits, refusal);
      await accept();
      const refused = await recorder.awaited('the refused request', (request) => fits(request) && request.status === 429);
      const next = await recorder.awaited('the next request', (request) => fits(request) && request.status === 200);
      const waited = Math.round(next.at - refused.at);
      t.diagnostic(`asked for ${waitMs} ms, came back after ${waited} ms`);
      assert.ok(waited >= waitMs, `came back after ${waited} ms`);
      await until('the answer is delivered', async () => (await events(name)).find((event) => /TypeError/.test(event.text))?.state === 'done');
    });
  }

  test('telegram: another message to the same chat waits too', async () => {
    const answers = (id) => (request) => request.platform === 'tg' && request.body.reply_parameters?.message_id === id;
    recorder.refuse(answers(1991), { status: 429, body: { ok: false, error_code: 429, description: 'Too Many Requests: retry after 2', parameters: { retry_after: 2 } } });
    await accepts(telegram.path, telegram.signed(telegram.message(1901, '/help', 1991)), {});
    const refused = await recorder.awaited('the refused request', answers(1991));
    await accepts(telegram.path, telegram.signed(telegram.message(1902, '/help', 1992)), {});
    const other = await recorder.awaited('the other message', answers(1992));
    assert.ok(other.at - refused.at >= 2000, `came after ${Math.round(other.at - refused.at)} ms`);
  });
});

test('a proxy for the world is not asked for this machine', async (t) => {
  const nowhere = 'http://127.0.0.1:9';
  const behind = await startQuintet({ config: config(recorder.base), env: { HTTP_PROXY: nowhere, http_proxy: nowhere } });
  t.after(() => behind.stop());
  const sent = telegram.signed(telegram.message(1950, '/help', 1995));
  await fetch(behind.base + telegram.path, { method: 'POST', ...sent });
  await recorder.awaited('the answer', (request) => request.platform === 'tg' && request.body.reply_parameters?.message_id === 1995, { within: 3000 });
});
