#!/usr/bin/env node
// What a message costs on Cloudflare: rows, object requests and alarms that D1 and the inbox objects are paid by, as the
// Workers count them themselves on the local runtime (QUINTET_LOG=debug).
//   node e2e/workers.cost.mjs
// Needs `cargo build -p quintet`, `cargo xtask build` and `npm ci` in workers/.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endpoints, vectors } from './bed/channels.mjs';
import { binary, until } from './bed/quintet.mjs';
import { startRecorder } from './bed/recorder.mjs';
import { Workers, cpu, runtimeOf, token } from './bed/workers.mjs';

const MESSAGES = 20;
const IDLE_S = 20;
const OWNER = 700100200;
const secret = vectors.telegram.endpoint.keys.secret_token;

/** Sums what the log says from one place on. */
function counted(log, from) {
  const sums = { 'D1 statements': 0, 'D1 rows read': 0, 'D1 rows written': 0, 'object requests': 0, 'object rows read': 0, 'object rows written': 0 };
  for (const line of log.slice(from).split('\n')) {
    let row;
    try {
      row = JSON.parse(line);
    } catch {
      continue;
    }
    const kind = { d1: 'D1', inbox: 'object' }[row.message];
    if (!kind) continue;
    sums[kind === 'D1' ? 'D1 statements' : 'object requests'] += 1;
    sums[`${kind} rows read`] += Number(row.rows_read);
    sums[`${kind} rows written`] += Number(row.rows_written);
  }
  return sums;
}

const recorder = await startRecorder();
const workers = new Workers({ config: { 'webhook-aggregator': { endpoints: endpoints(recorder.base) } }, vars: { QUINTET_LOG: 'debug' } });
const home = mkdtempSync(join(tmpdir(), 'quintet-cost-'));
let gateway;
try {
  await workers.start();
  await workers.publish();
  gateway = spawn(binary(), ['gateway', '--control', workers.front, '--data', join(home, 'data')], {
    env: { PATH: process.env.PATH, HOME: home, ...Object.fromEntries(['operator', 'gateway'].map((scope) => [`QUINTET_${scope.toUpperCase()}_TOKEN`, token(scope)])) },
    stdio: 'ignore',
  });
  let number = 0;
  const message = () => {
    number += 1;
    const sender = { id: OWNER, is_bot: false, first_name: 'O' };
    const body = { update_id: 7_000_000 + number, message: { message_id: number, date: 1_790_000_000, chat: { id: OWNER, type: 'private' }, from: sender, text: `@codegen how should errors be handled? (${number})` } };
    return workers.ask('webhook-aggregator', '/telegram/main', { body, headers: { 'x-telegram-bot-api-secret-token': secret } });
  };
  const done = async () => (await workers.events()).filter((event) => event.state === 'done').length;
  await message();
  await until('the first is answered', async () => (await done()) === 1, { within: 60_000, every: 500 });

  const pid = runtimeOf(workers.process.pid);
  let from = workers.log.length;
  let spent = cpu(pid);
  await new Promise((wait) => setTimeout(wait, IDLE_S * 1000));
  const idle = counted(workers.log, from);
  idle['CPU, ms'] = (cpu(pid) - spent) / 1000;

  from = workers.log.length;
  spent = cpu(pid);
  const started = Date.now();
  for (let n = 0; n < MESSAGES; n += 1) {
    await message();
    await until('it is answered', async () => recorder.ours((request) => /editMessageText$/.test(request.path)).length >= n + 2, { within: 60_000, every: 50 });
  }
  await new Promise((wait) => setTimeout(wait, 1500));
  const seconds = (Date.now() - started) / 1000;
  const busy = counted(workers.log, from);
  busy['CPU, ms'] = (cpu(pid) - spent) / 1000;
  console.log(`${MESSAGES} messages by Telegram, answered by the knowledge runner in ${seconds.toFixed(1)} s; a gateway waits all the time\n`);
  console.log(''.padEnd(22), 'idle, a second'.padStart(15), 'a message'.padStart(12));
  for (const name of Object.keys(busy)) {
    const rest = idle[name] / IDLE_S;
    console.log(name.padEnd(22), rest.toFixed(2).padStart(15), ((busy[name] - rest * seconds) / MESSAGES).toFixed(1).padStart(12));
  }
  console.log(`${'requests to Telegram'.padEnd(22)} ${''.padStart(15)} ${(recorder.ours().length / (MESSAGES + 1)).toFixed(1).padStart(12)}`);
} finally {
  gateway?.kill('SIGKILL');
  await workers.close();
  await recorder.stop();
  rmSync(home, { recursive: true, force: true });
}
