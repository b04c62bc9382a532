// The channels as the Rust side lists them, each with the endpoint and the known webhooks of its vectors.
import { readFileSync } from 'node:fs';

const read = (path) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
const { webhooks } = read('workers/channels.json');

/** {channel: its file of `tests/vectors/`}. */
export const vectors = Object.fromEntries(webhooks.map((channel) => [channel, read(`services/webhook-aggregator/tests/vectors/${channel}.json`)]));

/** `[endpoints]` of a configuration: every channel's endpoint, with the recorder as its platform. */
export const endpoints = (recorder) => Object.fromEntries(Object.entries(vectors).map(([channel, { endpoint: { name, keys }, others }]) => {
  const api = keys.api_base && { api_base: `${recorder}/ours${new URL(keys.api_base).pathname}` };
  return [channel, { ...others, [name]: { ...keys, ...api } }];
}));
