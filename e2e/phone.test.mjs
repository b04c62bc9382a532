// The owner's agent from a phone, on Workers: a gateway on another machine runs it in a git repository, it asks before it writes, is
// answered by a button after a power cut of the Workers, is stopped by a button, and is halted while it is frozen. Needs
// `cargo xtask build`.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { endpoints } from './bed/channels.mjs';
import * as platforms from './bed/platforms.mjs';
import { binary, until } from './bed/quintet.mjs';
import { startRecorder } from './bed/recorder.mjs';
import { Workers, token } from './bed/workers.mjs';

/** Reports that it has spent $5, and goes on. */
const SPENDER = '#!/bin/sh\ncat > /dev/null\necho \'{"type":"progress","text":"deep in it","costUsd":5}\'\nsleep 600\n';

let home, recorder, workers, gateway, number = 0;
const path = (...parts) => join(home, ...parts);
const git = (...args) => execFileSync('git', args, { cwd: path('src/app'), encoding: 'utf8', env: { PATH: process.env.PATH, HOME: home } }).trim();
function program(name, text) {
  writeFileSync(path(name), text);
  chmodSync(path(name), 0o755);
  return path(name);
}
/** States of the processes that run this program, as /proc has them. */
const processes = (name) => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).flatMap((pid) => {
  try {
    const runs = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path(name));
    return runs ? [readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '')[0]] : [];
  } catch {
    return [];
  }
});

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'quintet-phone-'));
  mkdirSync(path('src/app'), { recursive: true });
  git('init', '--quiet', '--initial-branch=main');
  git('config', 'user.name', 'Ines');
  git('config', 'user.email', 'ines@example.org');
  writeFileSync(path('src/app/main.txt'), 'one\ntwo\n');
  git('add', '.');
  git('commit', '--quiet', '-m', 'first');
  const claude = readFileSync(new URL('../runtimes/native/tests/agents/claude.py', import.meta.url), 'utf8');
  const agents = {
    codegen: { runner: 'claude-code', command: [program('claude', claude)], input_price: 3, output_price: 15, workspace: '~/src/app', isolation: 'worktree' },
    security: { runner: 'command', command: [program('spender', SPENDER)], output: 'json-lines', estimated_cost: 0.05 },
  };
  recorder = await startRecorder();
  const { telegram } = endpoints(recorder.base);
  workers = await new Workers({ config: { 'webhook-aggregator': { agents, endpoints: { telegram } }, 'personal-assistant': { agents } } }).start();
  // The gateway finds them again after a power cut.
  workers.options.listen = new URL(workers.front).host;
  assert.equal((await workers.publish()).status, 200);
  const toml = Object.entries(agents).map(([id, keys]) => `[agents.${id}]\n${Object.entries(keys).map(([key, value]) => `${key} = ${JSON.stringify(value)}`).join('\n')}\n`).join('\n');
  writeFileSync(path('office.toml'), toml, { mode: 0o600 });
  gateway = spawn(binary(), ['gateway', '--control', workers.front, '--config', path('office.toml'), '--data', path('office'), '--listen', '127.0.0.1:0'], {
    env: { PATH: process.env.PATH, HOME: home, QUINTET_GATEWAY_TOKEN: token('gateway'), QUINTET_AGENT_TOKEN: token('agent') },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  gateway.said = '';
  gateway.stderr.on('data', (data) => { gateway.said += data; });
  const joined = async () => (await workers.ask('webhook-aggregator', '/api/gateways', { as: 'operator' })).json.gateways.length === 1;
  await until('the office joins', joined, { within: 30_000, isHopeless: () => gateway.exitCode !== null }).catch((error) => { throw new Error(`${error.message}\n${gateway.said}`); });
});
after(async () => {
  gateway?.kill('SIGKILL');
  await workers?.close();
  await recorder?.stop();
  rmSync(home, { recursive: true, force: true, maxRetries: 3 });
});

const send = async (update) => {
  const { body, headers } = platforms.telegram.signed(update);
  assert.equal((await workers.ask('webhook-aggregator', platforms.telegram.path, { body, headers })).status, 200);
};
/** The owner writes; the id of the event. */
async function says(text) {
  number += 1;
  await send(platforms.telegram.message(6_100_000 + number, text, number));
  const key = String(6_100_000 + number);
  return (await until('it is stored', async () => (await workers.events()).find(({ dedupeKey }) => dedupeKey === key))).id;
}
const texts = () => recorder.ours().map(({ body }) => body?.text).filter(Boolean);
const hears = (words) => until(`the words ${words}`, () => texts().find((text) => text.includes(words)), { within: 40_000 }).catch((error) => { throw new Error(`${error.message}\n${texts().join('\n---\n')}\n${gateway.said}`); });
/** The newest button with this label, and the message that it is below. */
const button = (label) => until(`the button ${label}`, () => recorder.ours().toReversed().flatMap(({ body, answer }) => (body?.reply_markup?.inline_keyboard ?? []).flat().filter(({ text }) => text === label).map(({ callback_data: data }) => ({ data, message: answer.result.message_id })))[0], { within: 40_000 });
async function presses({ data, message }) {
  number += 1;
  await send(platforms.telegram.press(6_100_000 + number, data, message));
}
const spent = async () => Math.round((await workers.ask('personal-assistant', '/api/budget', { as: 'operator' })).json.scopes[0].spent * 1e6);

test('it is asked before it writes, answered after a power cut, and its work is kept', async () => {
  const event = await says('@codegen case=edit file=main.txt');
  const yes = await button('Yes');
  assert.ok(texts().some((text) => text.includes('main.txt') && text.includes('edited')), 'the exact arguments');
  await workers.kill();
  await workers.start();
  await presses(yes);
  // An edit that the cut interrupted is in doubt for a minute, and the answer comes after it.
  const done = await workers.eventIn(event, ['done'], 120_000);
  assert.equal(done.costMicros, 20_000);
  await hears('behavior: allow');
  assert.equal(git('show', 'main:main.txt'), 'one\ntwo', "the owner's own branch");
  await presses(await button('Keep'));
  await until('its work is a commit on a branch of its own', () => {
    const branch = git('branch', '--list', 'quintet/*', '--format=%(refname)');
    return branch && git('show', `${branch}:main.txt`) === 'edited';
  }, { within: 30_000 });
  assert.equal(await spent(), 20_000);
});

test('it is stopped by a button, and charged for what it did', async () => {
  const event = await says('@codegen case=test');
  await hears('Run the tests');
  await presses(await button('Stop'));
  const done = await workers.eventIn(event, ['done'], 40_000);
  // 1,000 tokens in and 100 out.
  assert.equal(done.costMicros, 4_500);
  await until('no process is left', () => processes('claude').length === 0);
  assert.equal(await spent(), 24_500);
});

test('a run that is frozen until its owner decides about more money leaves no process after a halt', async () => {
  const event = await says('@security look at everything');
  await hears('has reached its cost limit and is paused');
  await until('it is frozen', () => processes('spender').includes('T')).catch((error) => { throw new Error(`${error.message}: ${processes('spender')}`); });
  await says('/halt');
  await workers.eventIn(event, ['halted'], 40_000);
  await until('no process is left', () => processes('spender').length === 0);
  assert.equal(await spent(), 5_024_500);
});
