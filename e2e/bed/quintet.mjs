// Starts the native binary on its own data directory, and stops it.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const START_MS = 60_000;
// The server gives running work at most 28 s.
const STOP_MS = 35_000;

/** The binary under test: QUINTET_BINARY, or cargo's newest build. */
export function binary() {
  const built = ['release', 'debug'].map((profile) => join(ROOT, 'target', profile, 'quintet'));
  const given = process.env.QUINTET_BINARY ? [resolve(process.env.QUINTET_BINARY)] : built;
  const there = given.map((path) => ({ path, at: statSync(path, { throwIfNoEntry: false })?.mtimeMs })).filter(({ at }) => at);
  return there.sort((a, b) => b.at - a.at)[0]?.path;
}

/** Retries until the result is truthy; the failure after the deadline includes the last result or error. */
export async function until(what, ask, { within = 15_000, every = 25, isHopeless = () => false } = {}) {
  const deadline = Date.now() + within;
  for (let last; ;) {
    try {
      const found = await ask();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    if (isHopeless()) throw new Error(`it ended before: ${what}`);
    if (Date.now() > deadline) throw new Error(`not within ${within} ms: ${what}${last ? ` (${last.message})` : ''}`);
    await new Promise((done) => setTimeout(done, every));
  }
}

/** `quintet up` on a new directory, with only the variables of `env`. */
export async function startQuintet({ config = '', env = {} } = {}) {
  const home = mkdtempSync(join(tmpdir(), 'quintet-e2e-'));
  const data = join(home, 'data');
  const file = join(home, 'quintet.toml');
  writeFileSync(file, config, { mode: 0o600 });
  const started = performance.now();
  const child = spawn(binary(), ['up', '--data', data, '--config', file, '--listen', '127.0.0.1:0'], {
    env: { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk) => { said.out += chunk; });
  child.stderr.on('data', (chunk) => { said.err += chunk; });
  const ended = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);

  const clear = () => { process.off('exit', kill); rmSync(home, { recursive: true, force: true }); };
  try {
    await until('the server says that it is up', () => said.out.includes('Ctrl-C'), { within: START_MS, isHopeless: () => child.exitCode !== null });
  } catch (error) {
    kill();
    await ended;
    clear();
    throw new Error(`${error.message}\nstdout: ${said.out}\nstderr: ${said.err}`);
  }
  const link = said.out.match(/http:\/\/127\.0\.0\.1:\d+\/monitoring-dashboard\/sign-in\?code=\w+/)?.[0];
  const base = JSON.parse(readFileSync(join(data, 'server.json'), 'utf8')).address;
  const operator = readFileSync(join(data, 'tokens', 'operator'), 'utf8').trim();

  return {
    base, link, operator, data, said, startMs: performance.now() - started,
    /** Calls the API as the operator; returns the parsed response. */
    async api(method, path, body) {
      const headers = { authorization: `Bearer ${operator}`, ...(body && { 'content-type': 'application/json' }) };
      const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return JSON.parse(text);
    },
    /** Stops it as Ctrl-C does; returns how it ended. */
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(kill, STOP_MS);
      const end = await ended;
      clearTimeout(late);
      clear();
      return end;
    },
  };
}
