// The owner's rules, halts of an agent, the audit log and the ledger on D1, in Cloudflare's own runtime. Needs `cargo xtask build`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Workers } from './bed/workers.mjs';

/** Operations of the storm on the ledger; `QUINTET_STORM=100000` for the figure of docs/rules.md. */
const STORM = Number(process.env.QUINTET_STORM ?? 600);
const CLIENTS = 8;
const DAY = 40;

let workers, number = 0;
before(async () => {
  const agents = { codegen: { runner: 'command', command: ['true'], estimated_cost: 0.001, daily_budget: 25 } };
  const approvals = { cost_threshold: 8, blocked_operations: ['drop'] };
  workers = await new Workers({ config: { 'personal-assistant': { agents, approvals, budget: { daily: DAY } } } }).start();
  assert.equal((await workers.publish()).status, 200);
});
after(() => workers.close());

const assistant = (path, options) => workers.ask('personal-assistant', path, { as: 'operator', ...options });
const approve = async (estimatedCost, more = {}) => {
  number += 1;
  const body = { taskId: `t${number}`, type: 'codegen', agentType: 'codegen', operation: 'run', description: 'Fix the build', estimatedCost, ...more };
  const { status, json, text } = await assistant('/api/approve', { body });
  assert.equal(status, 200, text);
  return { ...json, taskId: body.taskId };
};
const put = (body, query = '') => assistant(`/api/policy${query}`, { method: 'PUT', body });

test('a rule is tried on earlier requests, then saved, and decides from then on', async () => {
  const first = (await assistant('/api/policy')).json;
  assert.deepEqual([first.costThreshold, first.fromFile], [8, ['costThreshold', 'blockedOperations']]);
  assert.equal((await approve(3)).state, 'pending');
  const rules = [{ effect: 'allow', agents: ['codegen'], upTo: 5 }];
  const tried = (await put({ rules }, '?dryRun=true')).json;
  assert.deepEqual([tried.saved, tried.trial.changed, tried.trial.differences[0].after], [false, 1, 'approve']);
  assert.equal((await assistant('/api/policy')).json.rules.length, 0);
  const saved = (await put({ rules, hash: first.hash })).json;
  const { id } = saved.policy.rules[0];
  assert.deepEqual((await approve(3)).policies, [id]);
  assert.equal((await put({ costThreshold: 1, hash: first.hash })).status, 409, 'it was made from older rules');
  const replayed = (await assistant('/api/policy/replay', { body: { days: 1 } })).json;
  assert.deepEqual([replayed.requests, replayed.changed], [2, 1]);
  assert.equal((await approve(0.1, { operation: 'drop' })).code, 'blocked_operation');
});

test('a halt of an agent stops its work alone', async () => {
  const halt = (path, body) => assistant(`/api/${path}`, { body });
  assert.equal((await halt('halt', { agent: 'codgen' })).status, 404, 'a slip of the pen');
  assert.equal((await halt('halt', { agent: 'CodeGen', reason: 'it went wild' })).status, 202);
  assert.equal((await approve(0.1)).code, 'halted');
  assert.equal((await approve(0.1, { type: 'security', agentType: 'security' })).state, 'approved');
  assert.equal((await halt('resume', { agent: 'codegen' })).json.success, true);
  assert.equal((await approve(0.1)).state, 'approved');
});

test('the audit log is sealed by the cron, and a changed entry is noticed', async () => {
  await workers.cron('personal-assistant', '* * * * *');
  const verdict = async () => (await assistant('/api/audit/verify')).json;
  const sound = await verdict();
  assert.ok(sound.intact && sound.sealed >= 5 && sound.unsealed === 0 && sound.head.length === 64, JSON.stringify(sound));
  const { entries } = (await assistant('/api/audit?limit=500')).json;
  for (const action of ['policy.changed', 'halt', 'resume']) assert.ok(entries.some((entry) => entry.action === action), action);
  await workers.sql("UPDATE audit SET actor = 'nobody' WHERE seq = 2");
  assert.deepEqual([(await verdict()).intact, (await verdict()).brokenAt], [false, 2]);
  await workers.sql("UPDATE audit SET actor = 'api' WHERE seq = 2");
});

test('the ledger of many clients at once exceeds no limit and equals what was spent', async () => {
  const each = Math.ceil(STORM / CLIENTS);
  const most = (DAY * 12) / (each * CLIENTS);
  const client = async () => {
    for (let n = 0; n < each; n += 1) {
      const asked = await approve(Math.max(Math.round(Math.random() * most * 1e6), 1) / 1e6);
      if (!asked.approved) continue;
      const claim = await workers.ask('personal-assistant', `/api/approvals/${asked.approvalId}/claim`, { as: 'gateway', body: { digest: asked.digest } });
      assert.equal(claim.status, 200, claim.text);
      const settled = { claimToken: claim.json.claimToken, actualCost: Math.floor(asked.costLimit * Math.random() * 1e6) / 1e6, outcome: 'success' };
      for (let again = 0; again < 2; again += 1) {
        const { status, text } = await workers.ask('personal-assistant', `/api/tasks/${asked.taskId}/settle`, { as: 'gateway', body: settled });
        assert.equal(status, 200, text);
      }
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const [one] = [await workers.sql(`SELECT MAX(b.spent_u + (SELECT COALESCE(SUM(h.amt_u), 0) FROM hold h WHERE h.scope = b.scope AND h.exp > 0) - b.limit_u) AS excess FROM budget b`)];
  const rows = (answer) => answer.results ?? answer[0]?.results ?? answer;
  assert.ok(rows(one)[0].excess <= 0, JSON.stringify(one));
  const differs = await workers.sql(`SELECT COUNT(*) AS n FROM budget b WHERE b.spent_u <> (SELECT COALESCE(SUM(p.amt_u), 0) FROM posted p WHERE EXISTS (SELECT 1 FROM hold h WHERE h.task = p.task AND h.scope = b.scope))`);
  assert.equal(rows(differs)[0].n, 0, 'the ledger is not what was spent');
  const refused = rows(await workers.sql(`SELECT COUNT(*) AS n FROM approvals WHERE code = 'budget_exhausted'`))[0].n;
  const posted = rows(await workers.sql('SELECT COUNT(*) AS n FROM posted'))[0].n;
  assert.ok(refused > 0 && posted > 0, `${posted} posted, ${refused} refused: no storm`);
  assert.equal((await assistant('/api/audit/verify')).json.intact, true);
  console.log(`${each * CLIENTS} requests by ${CLIENTS} clients in ${Math.round(performance.now() - begun)} ms: ${posted} posted, ${refused} refused`);
});
