// The Workers on Cloudflare's own runtime: started, killed and restarted on the same storage.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from './quintet.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WORKERS = join(ROOT, 'workers');
export const SERVICES = ['personal-assistant', 'agency-router', 'skill-graph-loader', 'monitoring-dashboard', 'webhook-aggregator'];
const SCOPES = ['operator', 'viewer', 'agent', 'gateway'];

export const token = (scope) => `${scope}-token-0123456789`;
export const serviceKey = (from, to) => `key-${from}-${to}`;

/** The missing requirement, if any. */
export function missing() {
  if (!existsSync(node())) return 'workers/node_modules is missing: run `npm ci` in workers/';
  const unbuilt = [...SERVICES, 'suite'].find((name) => !existsSync(join(WORKERS, name, 'dist/index_bg.wasm')));
  return unbuilt && `the Worker ${unbuilt} is not built: run \`cargo xtask build\``;
}

function node() {
  return process.env.QUINTET_NODE ?? join(WORKERS, 'node_modules/node/bin/node');
}

/** Each service's secrets; every pair of services that may call each other shares a key. */
function bindings(config, vars) {
  const own = (service) => ({
    QUINTET_CONFIG: JSON.stringify(config[service] ?? {}),
    QUINTET_SERVICE_KEYS: JSON.stringify({
      out: Object.fromEntries(SERVICES.filter((to) => to !== service).map((to) => [to, serviceKey(service, to)])),
      in: Object.fromEntries(SERVICES.filter((from) => from !== service).map((from) => [from, serviceKey(from, service)])),
    }),
    ...Object.fromEntries(SCOPES.map((scope) => [`QUINTET_${scope.toUpperCase()}_TOKEN`, token(scope)])),
    QUINTET_BUTTON_KEY: 'button-key-0123456789',
    QUINTET_PLAIN_HTTP: '1',
    ...vars,
  });
  return Object.fromEntries(SERVICES.map((service) => [service, own(service)]));
}

/** CPU time of a process with all its threads, microseconds. */
export function cpu(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]), 0) / 1000;
}

/** The runtime: a child process of the launcher. */
export function runtimeOf(launcher) {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')[1]);
      if (parent === launcher && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('workerd')) return Number(pid);
    } catch {}
  }
  throw new Error('the runtime is not found');
}

export class Workers {
  /** `config`: {service: its part of the configuration}; `vars`: for all of them; `only`: other Workers than the five. */
  constructor({ config = {}, vars = {}, only, control = true, tied = false } = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'quintet-workers-'));
    this.options = { state: join(this.folder, 'state'), bindings: bindings(config, vars), only, control, tied };
    this.log = '';
  }
  async start() {
    const path = join(this.folder, 'options.json');
    writeFileSync(path, JSON.stringify(this.options));
    this.process = spawn(node(), [join(WORKERS, 'serve.mjs'), path], { detached: true, stdio: [this.options.tied ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
    this.process.stderr.on('data', (data) => (this.log += data));
    const lines = createInterface({ input: this.process.stdout });
    const first = await new Promise((resolve, reject) => {
      lines.once('line', resolve);
      this.process.once('exit', () => reject(new Error(`the Workers did not come up:\n${this.log}`)));
    });
    Object.assign(this, JSON.parse(first));
    return this;
  }
  /** Kills the runtime and its launcher, as a power cut does. */
  async kill() {
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    process.kill(-this.process.pid, 'SIGKILL');
    await gone;
  }
  async close() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
  /** Calls a service, as a scope (`operator`), with any token (`{ bearer }`) or without one. */
  async ask(service, path, { as, bearer = as && token(as), method, headers = {}, body } = {}) {
    const all = new Headers(headers);
    if (bearer) all.set('authorization', `Bearer ${bearer}`);
    if (body !== undefined && !all.has('content-type')) all.set('content-type', 'application/json');
    const answer = await fetch(`${this.services[service]}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: all,
      body: typeof body === 'object' && !(body instanceof Uint8Array) ? JSON.stringify(body) : body,
      redirect: 'manual',
    });
    const text = await answer.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch {}
    return { status: answer.status, headers: answer.headers, text, json };
  }
  /**
   * Sends a request without changing its path. With `open` it never ends the body: the service must answer without it, and no
   * unread bytes can reset the connection before the answer arrives.
   */
  raw(service, method, path, { headers = {}, body, open = false } = {}) {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.services[service]);
      const sent = request({ hostname, port, method, path, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (data) => { text += data; }).on('end', () => {
          resolve({ status: answer.statusCode, headers: answer.headers, text });
          if (open) sent.destroy();
        });
      });
      sent.on('error', reject);
      if (!open) sent.end(body);
      else if (body) sent.write(body);
      else sent.flushHeaders();
    });
  }
  /** Makes the next `times` calls through a service binding fail. */
  async breakCalls(to, times, { from, status = 503, code } = {}) {
    await fetch(`${this.control}/fault`, { method: 'POST', body: JSON.stringify({ from, to, times, status, code }) });
  }
  /** Reads a key of a KV namespace; writes it first if there is a value. */
  async kv(service, binding, key, value) {
    return (await fetch(`${this.control}/kv`, { method: 'POST', body: JSON.stringify({ service, binding, key, value }) })).json();
  }
  /** Runs a statement in the shared database. */
  async sql(text) {
    const answer = await fetch(`${this.control}/sql`, { method: 'POST', body: text });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }
  async cron(service, cron) {
    return (await fetch(`${this.control}/cron?service=${service}&cron=${encodeURIComponent(cron)}`, { method: 'POST' })).json();
  }
  /** Publishes the default graph with these additional files. */
  async publish(more = []) {
    const root = join(ROOT, 'routing-knowledge');
    const walk = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? walk(join(folder, entry.name)) : join(folder, entry.name)));
    const files = walk(root).filter((path) => path.endsWith('.md')).map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }));
    return this.ask('skill-graph-loader', '/api/publish', { as: 'operator', body: { files: [...files, ...more] } });
  }
  async events() {
    return (await this.ask('webhook-aggregator', '/api/events?limit=500', { as: 'operator' })).json.events;
  }
  /** Waits until an event has one of the states. */
  eventIn(id, states, within = 30_000) {
    return until(`${id} is ${states.join(' or ')}`, async () => {
      const { json } = await this.ask('webhook-aggregator', `/api/events/${id}`, { as: 'operator' });
      if (states.includes(json.state)) return json;
      throw new Error(`it is ${json.state}`);
    }, { within, every: 100 });
  }
}
