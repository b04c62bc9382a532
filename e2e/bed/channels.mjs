// The channels as the Rust side lists them, each with the endpoint and the known webhooks of its vectors.
import { readFileSync } from 'node:fs';

const read = (path) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
const { webhooks } = read('workers/channels.json');

const all = webhooks.map((channel) => [channel, read(`services/webhook-aggregator/tests/vectors/${channel}.json`)]);

/** {channel: its file of `tests/vectors/`}, without a channel that is native only: its vectors are those of a local endpoint. */
export const vectors = Object.fromEntries(all.filter(([, { endpoint }]) => !endpoint.keys.local));

/** `[endpoints]` of a configuration: every channel's endpoint, with the recorder as its platform. */
export const endpoints = (recorder) => Object.fromEntries(Object.entries(vectors).map(([channel, { endpoint: { name, keys }, others }]) => {
  const api = keys.api_base && { api_base: `${recorder}/ours${new URL(keys.api_base).pathname}` };
  return [channel, { ...others, [name]: { ...keys, ...api } }];
}));
