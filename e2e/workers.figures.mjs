#!/usr/bin/env node
// How fast the router and the search are as WebAssembly on Cloudflare's runtime, and what a publish takes of its memory: each
// figure beside its bound and a baseline of the same run. The work is the suite Worker's (workers/suite/src/figures.rs).
//   node e2e/workers.figures.mjs
// Needs Linux (/proc), `cargo xtask build` and `npm ci` in workers/. Ends with 1 when a bound does not hold.
import { Workers, cpu, runtimeOf } from './bed/workers.mjs';

const ROUNDS = 7;
const MB = 1 << 20;
const SMALL = { agents: 10, lines: 150 };
const LARGE = { agents: 150, lines: 100 };
const MIDDLE = { agents: 20, lines: 100 };
/** A Worker accepts at most 2,000 files and 8 MB: many small files, and the largest possible ones. */
const FOLDERS = [{ files: 2000, bytes: 1024 }, { files: 2000, bytes: 4096 }];
const WHOLE = { ...MIDDLE, files: 1980, bytes: 4096 };
const QUERIES = 300;

const sorted = (values) => [...values].sort((a, b) => a - b);
const quantile = (values, share) => sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))];
const median = (values) => quantile(values, 0.5);
const named = ({ agents, lines }) => `${agents} agents × ${lines} examples`;
const query = (numbers) => new URLSearchParams(Object.entries(numbers)).toString();

/** The suite in a new instance. */
async function fresh(work) {
  const workers = new Workers({ only: ['suite'], control: false });
  try {
    await workers.start();
    const pid = runtimeOf(workers.process.pid);
    const ask = async (path, numbers = {}, body) => {
      const answer = await workers.ask('suite', `/figures/${path}?${query(numbers)}`, { body });
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text}\n${workers.log}`);
      return answer.json;
    };
    return await work({
      ask,
      memory: async () => (await ask('memory')) / MB,
      seconds: () => cpu(pid) / 1e6,
      /** Microseconds of CPU of the runtime's process. */
      spent: async (path, numbers) => {
        const before = cpu(pid);
        await ask(path, numbers);
        return cpu(pid) - before;
      },
    });
  } finally {
    await workers.close();
  }
}

/** Microseconds per repetition of each kind. Interleaved, so that other load affects all of them equally. */
async function repeated(spent, kinds) {
  const found = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const [name, [path, few, many]] of Object.entries(kinds)) {
      const short = await spent(path, { times: few });
      const long = await spent(path, { times: many });
      // The first round is a warm-up, because the engine recompiles hot code.
      if (round >= 0) found[name].push((long - short) / (many - few));
    }
  }
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, { micros: median(values), from: Math.min(...values), to: Math.max(...values) }]));
}

const rows = [];
/** Prints one figure: the measurement, its bound (none: printed only), and its baseline. */
function tell(name, value, unit, bound, beside = '') {
  const digits = unit === 'µs' || unit === 'MB' ? 1 : 2;
  const holds = bound === undefined ? '' : value <= bound ? 'holds' : 'DOES NOT HOLD';
  rows.push({ name, holds });
  console.log(`${name.padEnd(58)} ${value.toFixed(digits).padStart(8)} ${unit}  ${(bound === undefined ? '' : `≤ ${bound}`).padEnd(5)}  ${holds.padEnd(13)}  ${beside}`);
}
const spread = ({ from, to }, by, unit) => `${(from / by).toFixed(2)} to ${(to / by).toFixed(2)} ${unit}`;

const kinds = [SMALL, MIDDLE, LARGE, WHOLE];
const [nothing, ...made] = await fresh(async ({ ask, memory }) => {
  const all = [await memory()];
  for (const kind of kinds) all.push({ kind, folder: await ask('folder', kind), next: await ask('folder', { ...kind, seed: 1 }), graph: await ask('graph', kind) });
  return all;
});
console.log(`WebAssembly on workerd; an instance has ${nothing.toFixed(1)} MB before it does anything. Times are CPU of the runtime's process.\n`);

for (const row of made) {
  // The limit of a Worker is not our bound, so it is printed without one.
  const [bound, name, limit] = row.kind === WHOLE ? [undefined, '1,980 files, 8 MB, 20 agents', '; a Worker has 128 MB for all'] : [64, named(row.kind), ''];
  const trained = await fresh(async ({ ask, memory, seconds }) => {
    const before = seconds();
    row.model = (await ask('service/agency-router/internal/train', {}, row.graph)).modelBase64;
    return { took: seconds() - before, memory: await memory() };
  });
  tell(`memory, the router trains ${name}`, trained.memory, 'MB', bound, `/internal/train, ${trained.took.toFixed(1)} s; a Worker has 30 s unless it asks for more`);
  const published = await fresh(async ({ ask, memory }) => {
    await ask('service/skill-graph-loader/api/publish', row.kind, row.folder);
    const first = await memory();
    await ask('service/skill-graph-loader/api/publish', row.kind, row.next);
    return { first, next: await memory() };
  });
  tell('memory, the loader publishes it', published.first, 'MB', bound, `/api/publish; ${published.next.toFixed(1)} MB after another graph of this kind${limit}`);
}
console.log();

for (const row of made.filter(({ kind }) => kind === MIDDLE || kind === LARGE)) {
  const found = await fresh(async ({ ask, spent }) => {
    await ask('routing', row.kind, row.model);
    return repeated(spent, { route: ['route', 400, 4400], keywords: ['keywords', 400, 4400] });
  });
  const beside = `× ${(found.route.micros / found.keywords.micros).toFixed(2)} of a keyword counter (${found.keywords.micros.toFixed(1)} µs); ${spread(found.route, 1, 'µs')}`;
  tell(`route, 20 words, ${row.kind.agents} agents`, found.route.micros, 'µs', 60, beside);
}

const training = await fresh(async ({ ask, spent }) => {
  await ask('training', SMALL);
  return repeated(spent, { train: ['train', 1, 3], read: ['read', 10, 60] });
});
tell(`training, ${named(SMALL)}`, training.train.micros / 1e6, 's', 0.5, `× ${Math.round(training.train.micros / training.read.micros)} of cutting its lines into words; ${spread(training.train, 1e6, 's')}`);

for (const folder of FOLDERS) {
  const { told, times, scan, memory } = await fresh(async ({ ask, spent, memory }) => {
    const told = await ask('searching', folder);
    const scan = await repeated(spent, { scan: ['scan', 2, 12] });
    const times = [];
    const idle = [];
    for (let place = -QUERIES; place < QUERIES; place += 1) {
      const at = (place + QUERIES) % QUERIES;
      const empty = await spent('search', { query: at, times: 0 });
      // The faster of two runs, to exclude other programs' time.
      const both = [await spent('search', { query: at, times: 8 }), await spent('search', { query: at, times: 8 })];
      if (place < 0) continue;
      idle.push(empty);
      times.push(Math.min(...both));
    }
    const nothing = median(idle);
    return { told, times: times.map((time) => (time - nothing) / 8000), scan: scan.scan, memory: await memory() };
  });
  const name = `search, ${told.files} files, ${(told.bytes / MB).toFixed(1)} MB`;
  const beside = `p50 ${median(times).toFixed(2)}, max ${Math.max(...times).toFixed(2)}; reading every file takes ${(scan.micros / 1000).toFixed(1)} ms; ${memory.toFixed(0)} MB with the making of it`;
  tell(`${name}, p99`, quantile(times, 0.99), 'ms', 10, beside);
}

const broken = rows.filter(({ holds }) => holds && holds !== 'holds');
console.log(broken.length ? `\n${broken.length} of ${rows.length} figures are over their bound` : '\nevery bound holds');
if (broken.length) process.exitCode = 1;
