#!/usr/bin/env node
// The five Workers on Cloudflare's own runtime, on this machine: for `cargo xtask dev` and for tests.
//
//   node workers/serve.mjs OPTIONS.json      (`-` reads the options from standard input)
//
// options                      meaning
// listen     "127.0.0.1:8787"  the front door: /<service>/path leads to that Worker's /path, a platform's webhook path to webhook-aggregator
// state      "/folder" | null  where storage is kept; null: nowhere
// bindings   {service: {…}}    secrets and variables of each Worker
// ports      {service: port}   fixed ports; else any
// only       ["service", …]    instead of the five
// timers     true | false      whether the Workers' cron timers run by the clock; tests run them by `control`
// tied       true | false      whether it ends when its standard input closes, as it does when the process that started it is killed
// control    true | false      a further port for tests: see `control` below
//
// Prints one line of JSON when everything answers: {ready, front, services: {name: address}, control}. Logs go to standard
// error. Ends with SIGTERM or SIGINT.
import { createServer, request as send } from "node:http";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer as createSocket } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Miniflare, convertV4MiniflareOptions } from "miniflare";
import { parse } from "smol-toml";

const HERE = dirname(fileURLToPath(import.meta.url));
const MIGRATIONS = join(HERE, "..", "migrations");
const FIVE = ["personal-assistant", "agency-router", "skill-graph-loader", "monitoring-dashboard", "webhook-aggregator"];
/** First segments of webhook paths. */
const WEBHOOKS = JSON.parse(readFileSync(join(HERE, "channels.json"), "utf8")).webhooks;

const options = JSON.parse(readFileSync(process.argv[2] === "-" ? 0 : process.argv[2], "utf8"));
const names = options.only ?? FIVE;
const ports = {};
/** What tests have broken: {from, to, times, status, code}. */
const faults = [];

const miniflare = await start();
await migrate();
const [host, port] = (options.listen ?? "127.0.0.1:0").split(/:(?=\d+$)/);
const front = await listen(createServer(pass), host, Number(port));
const control = options.control ? await listen(createServer(steer), "127.0.0.1", 0) : null;
const services = Object.fromEntries(names.map((name) => [name, `http://127.0.0.1:${ports[name]}`]));
console.log(JSON.stringify({ ready: true, front, services, control }));
if (options.timers) setTimeout(() => { tick(); setInterval(tick, 60_000); }, 60_000 - (Date.now() % 60_000));
const end = () => miniflare.dispose().finally(() => process.exit(0));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, end);
if (options.tied) process.stdin.on("end", end).on("error", end).resume();

/** A Worker by its own wrangler.toml: bindings are named there and nowhere else. */
function worker(name) {
  const folder = join(HERE, name);
  const config = parse(readFileSync(join(folder, "wrangler.toml"), "utf8"));
  const dist = join(folder, "dist");
  if (!existsSync(join(dist, "index_bg.wasm"))) {
    console.error(`${name} is not built: run \`cargo xtask build\``);
    process.exit(1);
  }
  const files = [join(folder, "entry.mjs"), join(HERE, "shim.mjs"), ...walk(dist).filter((path) => /\.(js|wasm)$/.test(path))];
  return {
    name,
    modulesRoot: HERE,
    modules: files.map((path) => ({ type: path.endsWith(".wasm") ? "CompiledWasm" : "ESModule", path })),
    compatibilityDate: config.compatibility_date,
    bindings: options.bindings?.[name] ?? {},
    d1Databases: Object.fromEntries((config.d1_databases ?? []).map((row) => [row.binding, row.database_id])),
    kvNamespaces: Object.fromEntries((config.kv_namespaces ?? []).map((row) => [row.binding, row.id])),
    r2Buckets: Object.fromEntries((config.r2_buckets ?? []).map((row) => [row.binding, row.bucket_name])),
    durableObjects: Object.fromEntries((config.durable_objects?.bindings ?? []).map((row) => [row.name, { className: row.class_name, useSQLite: true }])),
    serviceBindings: Object.fromEntries((config.services ?? []).map((row) => [row.binding, options.control ? breakable(name, row.service) : row.service])),
    unsafeDirectSockets: [{ host: "127.0.0.1", port: ports[name] }],
  };
}

/** A service binding that tests can break. */
function breakable(from, to) {
  return async (request) => {
    const fault = faults.find((row) => row.times > 0 && (row.from ?? from) === from && row.to === to);
    if (!fault) return (await miniflare.getWorker(to)).fetch(request.url, request);
    fault.times -= 1;
    if (!fault.code) return new Response("injected", { status: fault.status ?? 503 });
    const problem = { type: `urn:quintet:error:${fault.code}`, title: "Injected", status: fault.status, detail: "Injected by a test.", code: fault.code, fix: "None." };
    return new Response(JSON.stringify(problem), { status: fault.status, headers: { "content-type": "application/problem+json" } });
  };
}

/** The one list of migrations, each once, recorded as wrangler does. */
async function migrate() {
  const owner = names.find((name) => /^\[\[d1_databases\]\]/m.test(readFileSync(join(HERE, name, "wrangler.toml"), "utf8")));
  if (!owner) return;
  const db = await miniflare.getD1Database("DB", owner);
  await db.prepare("CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)").run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all();
  const done = new Set(results.map((row) => row.name));
  for (const name of readdirSync(MIGRATIONS).filter((name) => name.endsWith(".sql") && !done.has(name)).sort()) {
    const statements = readFileSync(join(MIGRATIONS, name), "utf8").replace(/--.*$/gm, "").split(";").map((text) => text.trim()).filter(Boolean);
    await db.batch([...statements.map((text) => db.prepare(text)), db.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(name)]);
  }
}

/** Runs the timers of this minute. */
async function tick() {
  const now = new Date();
  const fits = (field, value) => field === "*" || (field.startsWith("*/") ? value % Number(field.slice(2)) === 0 : Number(field) === value);
  for (const name of names) {
    const crons = parse(readFileSync(join(HERE, name, "wrangler.toml"), "utf8")).triggers?.crons ?? [];
    for (const cron of crons) {
      const [minute, hour] = cron.split(" ");
      if (!fits(minute, now.getUTCMinutes()) || !fits(hour, now.getUTCHours())) continue;
      const target = await miniflare.getWorker(name);
      await target.scheduled({ cron, scheduledTime: now }).catch((error) => console.error(`${name}: ${error}`));
    }
  }
}

/** The front door. */
function pass(request, response) {
  const [, first, ...rest] = request.url.split("/");
  const word = first.split("?")[0];
  const isWebhook = WEBHOOKS.includes(word);
  const to = isWebhook ? "webhook-aggregator" : word;
  if (!ports[to]) {
    response.writeHead(404, { "content-type": "text/plain" }).end("There is no such path. Services lie under their names, such as /agency-router/api/route.\n");
    return;
  }
  const path = isWebhook ? request.url : `/${rest.join("/")}${first.slice(word.length)}`;
  const onward = send({ host: "127.0.0.1", port: ports[to], method: request.method, path, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", (error) => {
    if (!response.headersSent) response.writeHead(502, { "content-type": "text/plain" });
    response.end(`the Worker gave no answer: ${error.code ?? "gone"}\n`);
  });
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

/**
 * For tests: POST /cron?service=S&cron=C[&time=MS] runs a timer now; POST /fault {from?, to, times, status?, code?} breaks the
 * next calls by a service binding, with `code` by a problem of that code; POST /kv {service, binding, key?, value?} looks into a namespace and puts what is stale there;
 * POST /sql runs the statement of the body in the shared database.
 */
async function steer(request, response) {
  const url = new URL(request.url, "http://control");
  let text = "";
  for await (const chunk of request) text += chunk;
  try {
    if (url.pathname === "/cron") {
      const target = await miniflare.getWorker(url.searchParams.get("service"));
      const time = url.searchParams.get("time");
      const outcome = await target.scheduled({ cron: url.searchParams.get("cron"), ...(time ? { scheduledTime: new Date(Number(time)) } : {}) });
      return void response.end(JSON.stringify(outcome));
    }
    if (url.pathname === "/fault") {
      faults.push(JSON.parse(text));
      return void response.end("{}");
    }
    if (url.pathname === "/kv") {
      const { service, binding, key, value } = JSON.parse(text);
      const namespace = await miniflare.getKVNamespace(binding, service);
      if (value !== undefined) await namespace.put(key, value);
      return void response.end(JSON.stringify({ keys: (await namespace.list()).keys.map((row) => row.name), value: key && (await namespace.get(key)) }));
    }
    if (url.pathname === "/sql") {
      const db = await miniflare.getD1Database("DB", names.find((name) => name !== "webhook-aggregator"));
      return void response.end(JSON.stringify((await db.prepare(text).all()).results));
    }
    response.writeHead(404).end();
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
}

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)]));
}

function listen(server, host, port) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve(`http://${host}:${server.address().port}`));
  });
}

/** The runtime binds its ports itself, after we have chosen them: when somebody was quicker, with other ones. */
async function start() {
  for (let tries = 5; ; tries -= 1) {
    for (const name of names) ports[name] = options.ports?.[name] ?? (await freePort());
    const runtime = new Miniflare(convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: await freePort(),
      cf: false,
      unsafeTriggerHandlers: true,
      handleStructuredLogs: ({ message }) => console.error(message),
      ...(options.state ? { resourcePersistencePath: options.state } : {}),
      workers: names.map(worker),
    }));
    try {
      await runtime.ready;
      return runtime;
    } catch (error) {
      await runtime.dispose().catch(() => {});
      if (error.code !== "ERR_ADDRESS_IN_USE" || options.ports || tries <= 1) throw error;
    }
  }
}

/** A port nobody has. Not one that the system itself gives away, since its next connection may get that very one. */
function freePort() {
  const port = 10_000 + Math.floor(Math.random() * 20_000);
  return new Promise((resolve) => {
    const socket = createSocket();
    socket.once("error", () => resolve(freePort()));
    socket.listen(port, "127.0.0.1", () => socket.close(() => resolve(port)));
  });
}
