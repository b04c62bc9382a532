#!/usr/bin/env node
// The cost of a request on Cloudflare's runtime, as CPU time of its process, each beside a baseline
// of the same run:
//   node e2e/workers.bench.mjs [--write]
// Needs Linux (/proc), `cargo xtask build` and `npm ci` in workers/. `--write` stores the figures
// in workers/bench.json.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { SERVICES, Workers, cpu, runtimeOf } from './bed/workers.mjs';

// The runtime enables what Node still has behind a flag.
setFlagsFromString('--experimental-wasm-exnref');
const STORED = fileURLToPath(new URL('../workers/bench.json', import.meta.url));
const ROUNDS = 5;
const REQUESTS = 800;
const SIDE_BY_SIDE = 4;
const MESSAGE = 'Please fix the failing build of the login service and tell me afterwards which test was broken and why';

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Microseconds of CPU per request. */
async function measure(pid, ask, requests = REQUESTS) {
  let left = requests;
  const before = cpu(pid);
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, async () => {
    while (left-- > 0) {
      const answer = await ask();
      if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
    }
  }));
  return (cpu(pid) - before) / requests;
}

async function requests() {
  const workers = new Workers({ only: [...SERVICES, 'suite'], control: false });
  try {
    await workers.start();
    const published = await workers.publish();
    if (published.status !== 200) throw new Error(published.text);
    const pid = runtimeOf(workers.process.pid);
    await workers.ask('suite', '/d1/table');
    const route = (path) => () => workers.ask('agency-router', path, { as: 'operator', body: { message: MESSAGE } });
    const kinds = {
      'GET /health': () => workers.ask('webhook-aggregator', '/health'),
      'one D1 read, one write': () => workers.ask('suite', '/d1'),
      'POST /api/analyze': route('/api/analyze'),
      'POST /api/route': route('/api/route'),
    };
    const found = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]));
    for (const ask of Object.values(kinds)) await measure(pid, ask, 200);
    // Interleaved, so that other load affects all of them equally.
    for (let round = 0; round < ROUNDS; round += 1) for (const [name, ask] of Object.entries(kinds)) found[name].push(await measure(pid, ask));
    return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, Math.round(median(values))]));
  } finally {
    await workers.close();
  }
}

/** Milliseconds of CPU to compile and instantiate a module, with the same engine. */
async function startUp(service) {
  const dist = new URL(`../workers/${service}/dist/`, import.meta.url);
  const bytes = readFileSync(new URL('index_bg.wasm', dist));
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage();
    const module = new WebAssembly.Module(bytes);
    const imports = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      imports[from] ??= {};
      if (kind === 'function') imports[from][name] = () => 0;
      if (kind === 'tag') imports[from][name] = WebAssembly.JSTag;
    }
    new WebAssembly.Instance(module, imports);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  return Math.round(median(times) * 10) / 10;
}

const figures = { cpuMicros: await requests(), startUpMs: {} };
for (const service of SERVICES) figures.startUpMs[service] = await startUp(service);
const stored = existsSync(STORED) ? JSON.parse(readFileSync(STORED, 'utf8')) : { cpuMicros: {}, startUpMs: {} };
const micros = figures.cpuMicros;
console.log('CPU of the runtime a request'.padEnd(34), 'µs'.padStart(7), '× /health'.padStart(10), 'stored'.padStart(8));
for (const [name, value] of Object.entries(micros)) {
  console.log(name.padEnd(34), String(value).padStart(7), (value / micros['GET /health']).toFixed(2).padStart(10), String(stored.cpuMicros[name] ?? '-').padStart(8));
}
console.log('\nstart-up (compile, instantiate)'.padEnd(35), 'ms'.padStart(7), 'stored'.padStart(19));
for (const [name, value] of Object.entries(figures.startUpMs)) console.log(name.padEnd(34), String(value).padStart(7), String(stored.startUpMs[name] ?? '-').padStart(19));
if (process.argv.includes('--write')) writeFileSync(STORED, `${JSON.stringify(figures, null, 2)}\n`);
const bounds = [
  ['POST /api/analyze at most 2 × /health', micros['POST /api/analyze'] <= 2 * micros['GET /health']],
  ['POST /api/route at most one D1 read and one write + 100 µs', micros['POST /api/route'] <= micros['one D1 read, one write'] + 100],
  ['start-up at most 50 ms', Object.values(figures.startUpMs).every((ms) => ms <= 50)],
];
console.log();
for (const [what, holds] of bounds) console.log(`${holds ? 'holds' : 'DOES NOT HOLD'}: ${what}`);
if (bounds.some(([, holds]) => !holds)) process.exitCode = 1;
