// The official SDK of the Model Context Protocol as a client: over HTTP, and through `quintet mcp`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { binary, startQuintet, until } from './bed/quintet.mjs';

const PATH = '/personal-assistant/mcp';
const TOOLS = ['request_approval', 'ask_owner', 'budget_status', 'route', 'search_skills'];

let quintet;
before(async () => { quintet = await startQuintet(); });
after(async () => {
  const end = await quintet?.stop();
  if (end) assert.deepEqual(end, { code: 0, signal: null });
});

const token = () => readFileSync(join(quintet.data, 'tokens', 'agent'), 'utf8').trim();
const overHttp = (bearer = token()) => new StreamableHTTPClientTransport(new URL(quintet.base + PATH), { requestInit: { headers: { authorization: `Bearer ${bearer}` } } });
const overStdio = () => new StdioClientTransport({ command: binary(), args: ['mcp'], env: { PATH: process.env.PATH, HOME: quintet.data, QUINTET_DATA: quintet.data } });

async function connected(transport) {
  const client = new Client({ name: 'e2e', version: '1.0.0' });
  await client.connect(transport);
  return client;
}
const pending = async () => (await quintet.api('GET', '/personal-assistant/api/approvals?state=pending')).approvals;
const decide = (id, decision) => quintet.api('POST', `/personal-assistant/api/approvals/${id}/decide`, decision);

for (const [way, transport] of [['over HTTP', overHttp], ['through quintet mcp', overStdio]]) {
  test(`the SDK lists the tools, asks, and reads the owner's answer ${way}`, async () => {
    const client = await connected(transport());
    assert.deepEqual((await client.listTools()).tools.map((tool) => tool.name), TOOLS);

    const call = { name: 'request_approval', arguments: { tool: 'Bash', arguments: { command: `make ${way}` } } };
    const signs = [];
    const asked = client.callTool(call, undefined, { onprogress: (sign) => signs.push(sign), resetTimeoutOnProgress: true });
    const [row] = await until('the owner is asked', async () => { const rows = await pending(); return rows.length && rows; });
    assert.equal(row.operation, 'Bash');
    assert.ok(row.description.includes(`command: make ${way}`), row.description);
    await decide(row.id, { decision: 'approve' });
    const answer = await asked;
    assert.deepEqual([answer.structuredContent.approved, answer.structuredContent.approvalId], [true, row.id]);

    const question = client.callTool({ name: 'ask_owner', arguments: { question: `Which branch, ${way}?` } });
    const [open] = await until('the question is asked', async () => { const rows = await pending(); return rows.length && rows; });
    await decide(open.id, { decision: 'approve', answer: 'release/2' });
    assert.deepEqual((await question).structuredContent, { answered: true, answer: 'release/2' });

    const budget = await client.callTool({ name: 'budget_status', arguments: {} });
    assert.ok(budget.structuredContent.scopes.length > 0);
    const route = await client.callTool({ name: 'route', arguments: { message: 'Fix the TypeError in the login flow' } });
    assert.equal(route.structuredContent.agent, 'codegen');
    const found = await client.callTool({ name: 'search_skills', arguments: { query: 'security' } });
    assert.ok(!found.isError, JSON.stringify(found));
    await client.close();
  });
}

test('a wrong token is refused', async () => {
  await assert.rejects(connected(overHttp('nobody')), /401|Unauthorized/i);
});
