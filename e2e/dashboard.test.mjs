// The dashboard in a real browser: sign-in, console, events, approvals, without scripts, by
// keyboard, on a phone.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { assertSound, open, photograph, startBrowser } from './bed/browser.mjs';
import { telegram } from './bed/platforms.mjs';
import { startQuintet, until } from './bed/quintet.mjs';
import { startRecorder } from './bed/recorder.mjs';

const ROOT = '/monitoring-dashboard';
const MESSAGE = 'Fix the TypeError in the login flow';
const SCRIPT = '<script>alert(1)</script>';
// Above this a person feels a delay.
const ANSWER_MS = 1000;

let quintet, browser, owner;
before(async () => {
  quintet = await startQuintet({ config: '[budget]\ndaily = 500\n' });
  browser = await startBrowser();
  owner = await open(browser, quintet.base);
});
after(async () => {
  await browser?.close();
  const end = await quintet?.stop();
  if (!end) return;
  assert.deepEqual(end, { code: 0, signal: null }, 'the server stops clean');
  assert.doesNotMatch(quintet.said.err, /panicked|"level":"ERROR"/, 'nothing went wrong inside');
});

const visit = (path, page = owner.page) => page.goto(ROOT + path);
/** Waits for the page with this heading: a click is answered before its page has come. */
const headed = (page, text) => page.getByRole('heading', { level: 1, name: text, exact: true }).waitFor();
let asked = 0;
/** A request that waits for the owner. */
const ask = (description, more = {}) =>
  quintet.api('POST', '/personal-assistant/api/approve', { taskId: `e2e-${asked += 1}`, type: 'deploy', description, estimatedCost: 25, agentType: 'codegen', ...more });
const approval = (id) => quintet.api('GET', `/personal-assistant/api/approvals/${id}`);

test('without a session every page leads to the sign-in', async () => {
  await visit('/dashboard/events');
  assert.match(owner.page.url(), /\/sign-in\?next=/);
  await assertSound(owner.page, 'sign-in');
});

test('the printed link signs in once; the second time it says so in words', async () => {
  await owner.page.goto(quintet.link);
  await owner.page.waitForURL(`**${ROOT}/dashboard`);
  const [cookie] = await owner.context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', ROOT]);

  const stranger = await open(browser, quintet.base);
  const answer = await stranger.page.goto(quintet.link);
  assert.equal(answer.status(), 401);
  assert.match(await stranger.page.getByRole('alert').innerText(), /was used before/);
  await photograph(stranger.page, 'sign-in', { asItIs: true });
  await stranger.context.close();
});

test('a server on another port gets the cookie, and nothing by it', async () => {
  // The first page has bound the session to its key.
  await until('the session is bound', async () => {
    await visit('/dashboard');
    return !(await owner.page.locator('body').getAttribute('data-bind'));
  });
  const seen = [];
  const preview = createServer((request, response) => {
    seen.push(request.headers.cookie);
    response.end('a preview');
  });
  await new Promise((ready) => preview.listen(0, '127.0.0.1', ready));
  const host = new URL(quintet.base).hostname;
  const page = await owner.context.newPage();
  await page.goto(`http://${host}:${preview.address().port}${ROOT}/x`);
  await page.close();
  preview.close();
  const stolen = seen.find(Boolean);
  assert.match(stolen ?? '', /quintet_session=/, 'browsers send a cookie to every port of its host');

  const thief = (path, more = {}) => fetch(quintet.base + ROOT + path, { redirect: 'manual', ...more, headers: { cookie: stolen, ...more.headers } });
  for (const path of ['/dashboard', '/dashboard/approvals', '/dashboard/events']) {
    const text = await (await thief(path)).text();
    assert.doesNotMatch(text, /<form|name="token"/, path);
    assert.equal((await thief(path, { headers: { 'x-quintet-key': '0'.repeat(64) } })).status, 401);
  }
  const token = await owner.page.locator('form[action$="/dashboard/halt"] input[name=token]').first().getAttribute('value');
  const halt = await thief('/dashboard/halt', { method: 'POST', body: new URLSearchParams({ token, reason: 'x' }) });
  assert.equal(halt.status, 403, 'even with the token of the form');
});

test('codegen answers in the console within a second', async (t) => {
  const { page } = owner;
  await visit('/dashboard');
  await assertSound(page, 'overview, empty');
  await photograph(page, 'console-empty');
  const took = [];
  for (let round = 1; round <= 3 && !(Math.min(...took) < ANSWER_MS); round += 1) {
    await page.getByLabel('Message', { exact: true }).fill(MESSAGE);
    const from = performance.now();
    await page.keyboard.press('Enter');
    await page.locator('.said .agent:not(.open)').nth(round - 1).waitFor();
    took.push(Math.round(performance.now() - from));
  }
  t.diagnostic(`server up after ${Math.round(quintet.startMs)} ms; answer seen ${took.join(', ')} ms after Enter`);
  const answer = page.locator('.said .agent').last();
  assert.equal(await answer.locator('.who strong').innerText(), 'codegen');
  assert.match(await answer.innerText(), /TypeError/);
  assert.ok(Math.min(...took) < ANSWER_MS, `${took.join(', ')} ms`);
  await page.getByText('Delivered').first().waitFor();
  assert.equal(await page.locator('#welcome').count(), 0);
  await assertSound(page, 'overview');
  await photograph(page, 'console');
});

test('what is typed is shown as text, whatever it is', async () => {
  const { page } = owner;
  await visit('/dashboard');
  const hostile = `${SCRIPT}<img src=x onerror=alert(2)>`;
  await page.getByLabel('Message', { exact: true }).fill(hostile);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('.said .user').getByText(hostile).waitFor();
  assert.equal(await page.locator('.said script, .said img').count(), 0);
});

test('the event is listed and opens', async () => {
  const { page } = owner;
  await page.getByRole('link', { name: 'Events', exact: true }).click();
  await headed(page, 'Events');
  await until('both events are in their last state', async () => {
    await page.reload();
    return (await page.locator('tbody tr').filter({ hasText: /done/i }).count()) >= 2;
  });
  await assertSound(page, 'events');
  await photograph(page, 'events');
  await page.getByLabel('Channel').selectOption('web');
  await page.waitForURL(/channel=web/);
  await page.getByRole('link', { name: MESSAGE }).first().click();
  await page.getByText('codegen').first().waitFor();
  await assertSound(page, 'event');
  await photograph(page, 'event');
});

test('was it the right agent? the answer becomes a suggestion', async () => {
  const { page } = owner;
  const form = page.getByRole('region', { name: 'Feedback' });
  await form.getByLabel('Which agent is right for this?').selectOption('security');
  await form.getByRole('button', { name: 'No' }).click();
  await page.getByRole('status').waitFor();
  const { decisions } = await quintet.api('GET', '/agency-router/api/decisions?limit=20');
  const judged = decisions.filter(({ correct }) => correct === false);
  assert.deepEqual(judged.map(({ message, correctAgent }) => [message, correctAgent]), [[MESSAGE, 'security']]);
});

test('the skill graph: drawn, searched, its versions compared and rolled back', async () => {
  const { page } = owner;
  const graph = await quintet.api('GET', '/skill-graph-loader/api/versions');
  const text = `---\nagentId: gardener\n---\n# Gardener ${SCRIPT}\n## Examples\n- prune the roses\n- water the tomatoes\n`;
  const files = [{ path: 'agents/gardener.md', text }];
  await quintet.api('POST', '/skill-graph-loader/api/publish', { files, message: `a garden ${SCRIPT}`, allowRemoval: true });
  await page.getByRole('link', { name: 'Graph', exact: true }).click();
  await headed(page, 'Skill graph');
  assert.equal(await page.locator('main script').count(), 0);
  await assertSound(page, 'graph of one agent');
  await page.getByRole('link', { name: 'What changed' }).first().click();
  await page.getByRole('region', { name: 'What changed' }).getByText('gardener').first().waitFor();
  await assertSound(page, 'graph, compared');
  await photograph(page, 'graph-compared');
  await page.getByRole('button', { name: 'Serve this version' }).first().click();
  await page.getByRole('status').waitFor();
  const after = await quintet.api('GET', '/skill-graph-loader/api/versions');
  assert.equal(after.versions.find(({ current }) => current).version, graph.versions.find(({ current }) => current).version);
  await page.getByLabel('Search the graph').fill('phishing');
  await page.keyboard.press('Enter');
  await page.locator('.hits mark').first().waitFor();
  await assertSound(page, 'graph, searched');
  await photograph(page, 'graph-searched');
  await visit('/dashboard/graph');
  await assertSound(page, 'graph');
  await photograph(page, 'graph');
});

test('approvals: shown as text, approved by one click, rejected with a reason', async () => {
  const { page } = owner;
  const first = await ask(`Deploy ${SCRIPT}`, { operation: 'deploy', arguments: { target: 'production', note: SCRIPT } });
  const second = await ask('Deploy the nightly build');
  assert.deepEqual([first.state, second.state], ['pending', 'pending']);
  await visit('/dashboard/approvals');
  assert.match(await page.title(), /2 waiting/);
  const card = page.locator(`#a-${first.approvalId}`);
  assert.match(await card.locator('h2').innerText(), /<script>alert\(1\)<\/script>/);
  assert.equal(await page.locator('main script').count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Reject', 'no stray key approves');
  await assertSound(page, 'approvals');
  await photograph(page, 'approvals');

  await card.getByRole('button', { name: 'Approve once' }).click();
  await page.getByRole('status').getByText('Approved.').waitFor();
  assert.equal((await approval(first.approvalId)).state, 'approved');
  await page.getByLabel('Reason for rejecting').fill('not tonight');
  await page.getByRole('button', { name: 'Reject' }).click();
  await page.getByRole('status').getByText('Rejected.').waitFor();
  const rejected = await approval(second.approvalId);
  assert.deepEqual([rejected.state, rejected.decidedBy], ['rejected', 'dashboard']);
  await assertSound(page, 'approvals, decided');
  await photograph(page, 'approvals-decided');
  await page.getByRole('link', { name: /^Deploy <script>/ }).click();
  await assertSound(page, 'approval');
  await photograph(page, 'approval');
});

test('a decision that comes late is told', async () => {
  const { page } = owner;
  const { approvalId } = await ask('Deploy the hotfix');
  await visit('/dashboard/approvals');
  await quintet.api('POST', `/personal-assistant/api/approvals/${approvalId}/decide`, { decision: 'reject' });
  await page.getByRole('button', { name: 'Approve once' }).click();
  await page.getByText('It was decided before your answer came').waitFor();
  assert.equal((await approval(approvalId)).state, 'rejected');
});

test('by keyboard: skip link, walking through the cards, the halt lever', async () => {
  const { page } = owner;
  const [one, two] = [await ask('Deploy the first of two'), await ask('Deploy the second of two')];
  const focused = (selector) => page.evaluate((selector) => document.activeElement.matches(selector), selector);
  await visit('/dashboard/events');
  await page.keyboard.press('Tab');
  assert.ok(await focused('.skip'));
  assert.ok(await page.locator('.skip').evaluate((link) => link.getBoundingClientRect().height > 10), 'the skip link is seen when it has the focus');
  await page.keyboard.press('Enter');
  // The browser tells of a jump inside the page after the key press has been answered.
  await page.waitForURL(/#main$/);
  await page.keyboard.press('Tab');
  assert.ok(await focused('main *'), 'Tab goes on inside the content');
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');

  await visit('/dashboard/approvals');
  const onCard = ({ approvalId }) =>
    page.waitForFunction((id) => document.activeElement.closest('[data-card]')?.id === id, `a-${approvalId}`);
  await onCard(one);
  await page.keyboard.press('j');
  await onCard(two);
  await page.keyboard.press('k');
  await onCard(one);
  await page.locator('.lever summary').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Halt everything' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Halt everything' }).waitFor({ state: 'hidden' });
});

test('halt and resume', async () => {
  const { page } = owner;
  await visit('/dashboard');
  await page.locator('.lever summary').click();
  await photograph(page, 'lever', { asItIs: true });
  await page.getByRole('button', { name: 'Halt everything' }).click();
  await page.getByText('Everything is halted').waitFor();
  assert.equal((await quintet.api('GET', '/personal-assistant/api/halts')).all, true);
  await photograph(page, 'halted');
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByText('Resumed.').waitFor();
  assert.equal((await quintet.api('GET', '/personal-assistant/api/halts')).all, false);
});

test('a chat is connected: a token, a first message, the owner', async () => {
  const { page } = owner;
  await visit('/dashboard');
  await page.getByRole('link', { name: 'Chats', exact: true }).click();
  await page.getByText('No chat yet.').waitFor();
  assert.equal(await page.getByText('quintet doctor').count(), 0, 'there is none to try');
  await assertSound(page, 'chats, none');
  await photograph(page, 'chats');

  // A new bot is tried where the one of the configuration is.
  const recorder = await startRecorder();
  const bed = await startQuintet({ config: `[endpoints.telegram.main]\nsecret_token = "${telegram.secret}"\nbot_token = "99:OLD"\napprovers = ["1"]\napi_base = "${recorder.base}/ours/${telegram.api}"\n` });
  const desk = await open(browser, bed.base);
  try {
    await desk.page.goto(bed.link);
    await desk.page.waitForURL(`**${ROOT}/dashboard`);
    await connect(desk.page, bed);
    assert.deepEqual(desk.trouble.filter((line) => !/status of 422/.test(line)), []);
  } finally {
    await desk.context.close();
    await bed.stop();
    await recorder.stop();
  }
});

/** Connects the recorder's bot of Telegram on the page of the chats, with every page on the way. */
async function connect(page, bed) {
  await visit('/dashboard/chats', page);
  const card = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Telegram', exact: true }) });
  const attempt = async (token) => {
    await card.getByLabel(/token/).fill(token);
    await card.getByRole('button', { name: 'Try it' }).click();
  };
  await attempt('no token');
  await headed(page, 'The chat is not connected');
  await assertSound(page, 'chats, refused');
  await photograph(page, 'chats-refused', { asItIs: true });
  await page.getByRole('link', { name: 'Back to the chats' }).click();
  await headed(page, 'Chats');
  await attempt(telegram.token);
  await page.getByText('Waiting for your message').waitFor();
  await assertSound(page, 'chats, waiting');
  await photograph(page, 'chats-waiting');
  telegram.waiting.push(JSON.parse(telegram.message(7001, 'hello')));
  // The page looks by itself.
  const choose = page.getByRole('button', { name: 'This is me' });
  await choose.waitFor();
  await assertSound(page, 'chats, a person wrote');
  await photograph(page, 'chats-choice');
  assert.match(await page.locator('.people').innerText(), new RegExp(`Ines id ${telegram.user}`));
  await choose.click();
  await page.getByRole('status').getByText('Connected: telegram.main-5550001').waitFor();
  await assertSound(page, 'chats, connected');
  await photograph(page, 'chats-connected');
  const { endpoints } = await bed.api('GET', '/webhook-aggregator/api/endpoints');
  assert.ok(endpoints.some(({ name }) => name === 'main-5550001'), JSON.stringify(endpoints));
}

test('at 360 pixels nothing scrolls sideways', async (t) => {
  const { page } = owner;
  await page.setViewportSize({ width: 360, height: 740 });
  const event = (await quintet.api('GET', '/webhook-aggregator/api/events?limit=1')).events[0].id;
  const pages = ['', '/events', `/events/${event}`, '/approvals', '/agents', '/health', '/budget', '/graph', '/chats', '/nothing-here'];
  for (const path of pages) {
    await visit(`/dashboard${path}`);
    await assertSound(page, path);
  }
  for (const name of ['agents', 'health', 'budget']) {
    await visit(`/dashboard/${name}`);
    await photograph(page, name);
  }
  await t.test('not even with a word wider than the window', async () => {
    await ask(`Deploy ${'averylongnamewithoutanyblank'.repeat(8)}`, { operation: 'o'.repeat(120), arguments: { path: '/very/long/'.repeat(30) } });
    await visit('/dashboard/approvals');
    await photograph(page, 'approvals-long');
    await page.setViewportSize({ width: 360, height: 740 });
    await assertSound(page, 'approvals');
  });
});

test('without scripts: console and approvals work by forms', async () => {
  const { context, page, trouble } = await open(browser, quintet.base, { javaScriptEnabled: false });
  await visit('/dashboard/approvals', page);
  await page.getByLabel('Operator token').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('not the operator token').waitFor();
  await page.getByLabel('Operator token').fill(quintet.operator);
  await page.getByRole('button', { name: 'Sign in' }).click();
  // Signing in leads to the page that was wanted.
  await headed(page, 'Approvals');

  const { approvalId } = await ask('Deploy without scripts');
  await visit('/dashboard/approvals', page);
  await page.locator(`#a-${approvalId}`).getByRole('button', { name: 'Approve once' }).click();
  await page.getByRole('status').getByText('Approved.').waitFor();
  assert.equal((await approval(approvalId)).state, 'approved');

  await visit('/dashboard', page);
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.getByLabel('Message', { exact: true }).fill(MESSAGE);
  await page.getByRole('button', { name: 'Send' }).click();
  await until('the answer is on the page', async () => {
    await page.reload();
    return (await page.locator('.said .agent:not(.open)').count()) === 1;
  });
  await page.getByRole('button', { name: 'Sign out' }).click();
  await headed(page, 'Sign in');
  await visit('/dashboard', page);
  await page.waitForURL(/\/sign-in/);
  assert.deepEqual(trouble.filter((line) => !line.includes('401')), []);
  await context.close();
});

test('all the while no script of others ran, nothing failed, nobody else was asked', () => {
  // The missing page is requested on purpose.
  assert.deepEqual(owner.trouble.filter((line) => !/status of 404/.test(line)), []);
});
