// A voice message becomes words, and the daily digest comes once: on Workers, in Cloudflare's own runtime. Needs
// `cargo xtask build`.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { endpoints } from './bed/channels.mjs';
import * as platforms from './bed/platforms.mjs';
import { startRecorder } from './bed/recorder.mjs';
import { Workers } from './bed/workers.mjs';

const WORDS = 'codegen, fix the build';

let recorder, ears, workers;
const heard = [];
before(async () => {
  recorder = await startRecorder();
  ears = createServer(async (request, response) => {
    heard.push({ path: request.url, key: request.headers.authorization, body: Buffer.concat(await Array.fromAsync(request)) });
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ text: WORDS, duration: 1.5 }));
  });
  await new Promise((done) => ears.listen(0, '127.0.0.1', done));
  const agents = { codegen: { runner: 'command', command: ['true'], estimated_cost: 5 } };
  const transcription = { base_url: `http://127.0.0.1:${ears.address().port}/v1`, api_key: 'sk-ears', price_per_minute: 0 };
  // A few minutes ago in UTC, the time zone of a fresh budget; at midnight it is due at once.
  const at = new Date(Math.max(Date.now() - 180_000, Math.floor(Date.now() / 86_400_000) * 86_400_000)).toISOString().slice(11, 16);
  const config = {
    'webhook-aggregator': { agents, endpoints: { telegram: endpoints(recorder.base).telegram } },
    'personal-assistant': { agents, transcription, digest: { at } },
  };
  workers = await new Workers({ config }).start();
  assert.equal((await workers.publish()).status, 200);
});
after(async () => {
  await workers.close();
  await recorder.stop();
  ears.close();
});

const told = (words) => recorder.ours(({ path, body }) => /sendMessage$/.test(path) && String(body.text).includes(words));

test('a voice message is transcribed, is told back, and chooses the agent', async () => {
  const update = JSON.parse(platforms.telegram.withFiles(4_950_001, '', platforms.files));
  for (const member of ['caption', 'photo', 'document']) delete update.message[member];
  const { body, headers } = platforms.telegram.signed(JSON.stringify(update));
  assert.equal((await workers.ask('webhook-aggregator', platforms.telegram.path, { body, headers })).status, 200);
  const { id } = (await workers.events()).find((event) => event.dedupeKey === '4950001');
  const event = await workers.eventIn(id, ['parked']);
  assert.deepEqual([event.text, event.agent], [WORDS, 'codegen']);
  assert.equal(told(`I heard: ${WORDS}`).length, 1);
  const [{ path, key, body: sent }] = heard;
  assert.deepEqual([path, key, heard.length], ['/v1/audio/transcriptions', 'Bearer sk-ears', 1]);
  assert.ok(sent.includes(platforms.files[1].content), 'the recording itself');
});

test('the digest of the day before comes once', async () => {
  for (let round = 0; round < 3; round += 1) await workers.cron('personal-assistant', '* * * * *');
  await recorder.awaited('the digest', ({ path, body }) => /sendMessage$/.test(path) && /nothing ran/.test(body.text));
  await workers.cron('webhook-aggregator', '* * * * *');
  assert.equal(told('nothing ran').length, 1);
});
