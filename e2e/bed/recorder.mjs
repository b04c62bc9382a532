// A fake of the platforms' APIs: records every request and answers as the platform would.
// Paths below /ours are Quintet's, those below /theirs an official SDK's.
import { createServer } from 'node:http';
import { platformOf } from './platforms.mjs';
import { until } from './quintet.mjs';

export async function startRecorder() {
  const requests = [];
  const refusals = [];
  let number = 1000;

  const answerOf = (request) => {
    number += 1;
    return platformOf(request.platform)?.answer(request, number) ?? {};
  };

  const server = createServer((incoming, outgoing) => {
    const chunks = [];
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('end', () => {
      const request = read(incoming, Buffer.concat(chunks));
      requests.push(request);
      const refusal = request.side === 'ours' ? refusals.findIndex((entry) => entry.fits(request)) : -1;
      const { status = 200, headers = {}, body } = refusal < 0 ? { body: answerOf(request) } : refusals.splice(refusal, 1)[0];
      Object.assign(request, { status, answer: body });
      outgoing.writeHead(status, { 'content-type': 'application/json', ...headers }).end(Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const base = `http://127.0.0.1:${server.address().port}`;

  return {
    base, requests,
    /** Quintet's matching requests, in order. */
    ours: (fits = () => true) => requests.filter((request) => request.side === 'ours' && fits(request)),
    /** Waits for Quintet's first matching request. */
    awaited(what, fits, options) {
      return until(what, () => requests.find((request) => request.side === 'ours' && fits(request)), options)
        .catch((error) => { throw new Error(`${error.message}; seen:\n${requests.map(line).join('\n')}`); });
    },
    /** The requests that an SDK sends during `call`. */
    async sentBy(call) {
      const from = requests.length;
      await call();
      const sent = requests.slice(from).filter((request) => request.side === 'theirs');
      if (sent.length !== 1) throw new Error(`the SDK sent ${sent.length} requests`);
      return sent[0];
    },
    /** Answers Quintet's next matching request with this instead. */
    refuse(fits, { status, headers, body }) {
      refusals.push({ fits, status, headers, body });
    },
    stop: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }),
  };
}

const line = ({ side, status, method, path, raw }) => `  ${side} ${status} ${method} ${path} ${raw.slice(0, 120)}`;

function read(incoming, bytes) {
  const raw = bytes.toString('utf8');
  const [, side, platform, path] = incoming.url.match(/^\/(ours|theirs)\/(\w+)(\/.*)$/) ?? [];
  const type = (incoming.headers['content-type'] ?? '').split(';')[0];
  return { at: performance.now(), side, platform, path: path && decodeURIComponent(path), method: incoming.method, type, headers: incoming.headers, bytes, raw, body: bodyOf(type, raw) };
}

function bodyOf(type, raw) {
  if (type === 'application/json') return JSON.parse(raw);
  if (type !== 'application/x-www-form-urlencoded') return raw || undefined;
  const fields = Object.fromEntries(new URLSearchParams(raw));
  // Slack expects structures as JSON inside the form.
  for (const name of ['blocks', 'metadata']) if (name in fields) fields[name] = JSON.parse(fields[name]);
  return fields;
}

/** Everything that must be equal for both senders. */
export const shape = ({ method, path, type, headers, body }) => ({ method, path, type, authorization: headers.authorization, body });
