// Money of runs on D1, in Cloudflare's own runtime: fifty that run away at once, and one that waits for its owner. Needs
// `cargo xtask build`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from './bed/quintet.mjs';
import { Workers } from './bed/workers.mjs';

const DAY = 20;

let workers;
before(async () => {
  const agents = { codegen: { runner: 'command', command: ['true'], estimated_cost: 0.5 } };
  const budget = { daily: DAY };
  workers = await new Workers({ config: { 'personal-assistant': { agents, budget } } }).start();
  assert.equal((await workers.publish()).status, 200);
  const rules = { riskTolerance: 'aggressive', costThreshold: 1000 };
  assert.equal((await assistant('/api/context', { method: 'PUT', body: rules })).status, 200);
});
after(() => workers.close());

const assistant = (path, options) => workers.ask('personal-assistant', path, { as: 'operator', ...options });
const asGateway = (path, body) => workers.ask('personal-assistant', path, { as: 'gateway', body });
const day = async () => {
  const { json } = await assistant('/api/budget');
  return { ...json.scopes.find(({ scope, window }) => scope === 'all' && window === 'day'), agents: json.agents };
};
const ask = async (taskId, estimatedCost) => {
  const body = { taskId, type: 'codegen', agentType: 'codegen', operation: 'run', description: 'Rewrite everything', estimatedCost };
  const { status, json, text } = await assistant('/api/approve', { body });
  assert.equal(status, 200, text);
  return json;
};
const claim = async ({ approvalId, digest }) => {
  const { status, json, text } = await asGateway(`/api/approvals/${approvalId}/claim`, { digest });
  assert.equal(status, 200, text);
  return json.claimToken;
};
const renew = async (taskId, claimToken, dollars) => {
  const { status, json, text } = await asGateway(`/api/tasks/${taskId}/renew`, { claimToken, costMicros: Math.round(dollars * 1e6) });
  assert.equal(status, 200, text);
  return json;
};
const settle = async (taskId, claimToken, actualCost) => {
  const { status, text } = await asGateway(`/api/tasks/${taskId}/settle`, { claimToken, actualCost, outcome: 'failed' });
  assert.equal(status, 200, text);
};

test('fifty runs that run away at once end within one tick each of the day', async () => {
  const asked = await Promise.all(Array.from({ length: 50 }, (_, n) => ask(`run-${n}`, 0.5)));
  const refused = asked.filter(({ code }) => code === 'budget_exhausted').length;
  assert.equal(refused, 10, 'forty fit at the start');
  const runs = await Promise.all(asked.flatMap((answer, n) => (answer.approved ? [(async () => ({ task: `run-${n}`, token: await claim(answer), spent: 0 }))()] : [])));
  const over = async (run) => {
    for (let cost = 1; cost <= 8; cost += 1) {
      run.spent = cost;
      const { reason } = await renew(run.task, run.token, cost);
      if (reason) return reason;
    }
    return undefined;
  };
  const ended = await Promise.all(runs.map(over));
  assert.deepEqual(new Set(ended), new Set(['budget']));
  await Promise.all(runs.map((run) => settle(run.task, run.token, run.spent)));
  const total = runs.reduce((sum, { spent }) => sum + spent, 0);
  const { spent, held, agents } = await day();
  assert.deepEqual([spent, held], [total, 0]);
  assert.ok(total <= DAY + runs.length, `${total}`);
  assert.deepEqual(agents, [{ agent: 'codegen', spent: total, held: 0, unpriced: 0 }]);
});

test('money of a run is free while its owner is asked about a tool call, and held again after', async () => {
  const { spent } = await day();
  assert.equal((await assistant('/api/budget', { method: 'PUT', body: { daily: spent + 3 } })).status, 200);
  const token = await claim(await ask('waits', 2));
  await renew('waits', token, 0.5);
  assert.equal((await day()).held, 2);
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'request_approval', arguments: { tool: 'Bash', arguments: { command: 'ls' } } } };
  const headers = { 'x-quintet-run': token, accept: 'application/json, text/event-stream' };
  const answered = workers.ask('personal-assistant', '/mcp', { as: 'agent', body: call, headers });
  const pending = () => assistant('/api/approvals?state=pending').then(({ json }) => json.approvals[0]);
  const question = await until('the owner is asked', pending);
  // After two looks 30 s apart that saw the same cost.
  await until('its money is free', async () => (await day()).held === 0.5, { within: 150_000, every: 1_000 });
  assert.equal((await assistant(`/api/approvals/${question.id}/decide`, { body: { decision: 'approve' } })).status, 200);
  assert.match((await answered).text, /approved\W+true/);
  assert.equal((await day()).held, 2);
  await settle('waits', token, 0.7);
  assert.equal(Math.round(((await day()).spent - spent) * 1e6), 700_000);
});
