// Quintet's dashboard: local times, countdowns, live parts, the console, the key of a session. All pages also work without it.
// The server renders and escapes inserted fragments with the pages' own templates.
'use strict';
const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The key of this browser: the server binds the session to it, because a cookie alone reaches every port of the host.
let key = '';
try { key = localStorage.getItem('quintet-key') || ''; } catch { /* blocked: the session has no key */ }
try {
  if (!/^[0-9a-f]{64}$/.test(key)) {
    const made = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    localStorage.setItem('quintet-key', made);
    // Another tab may have written its own at the same moment: the one that stays counts.
    key = localStorage.getItem('quintet-key') || '';
  }
} catch { key = ''; }
// A session that was opened without scripts.
function bindKey({ bind, token }) {
  fetch(bind, { method: 'POST', body: new URLSearchParams({ key, token }), keepalive: true }).then((answer) => {
    if (answer.status !== 403 || sessionStorage.getItem('quintet-refused')) return;
    // Once: behind a proxy that changes the host every change is refused.
    sessionStorage.setItem('quintet-refused', '1');
    location.reload();
  }).catch(() => {});
}
if (key && document.body.dataset.bind) bindKey(document.body.dataset);
document.addEventListener('submit', ({ target }) => {
  if (!key || target.method !== 'post') return;
  const field = target.elements.namedItem('key') || target.appendChild(document.createElement('input'));
  Object.assign(field, { type: 'hidden', name: 'key', value: key });
}, true);
const json = { headers: { Accept: 'application/json', ...(key && { 'X-Quintet-Key': key }) } };

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
function localise(root) {
  for (const time of root.querySelectorAll('time[datetime]:not([data-countdown])')) {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) time.textContent = (at.toDateString() === new Date().toDateString() ? clock : day).format(at);
  }
}

function countDown() {
  for (const time of document.querySelectorAll('[data-countdown]')) {
    const left = Math.round((new Date(time.dateTime) - Date.now()) / 1000);
    const text = left <= 0 ? 'time is up' : left < 60 ? `${left} s left` : left < 3600 ? `${Math.floor(left / 60)} min ${left % 60} s left` : `${Math.floor(left / 3600)} h ${Math.floor(left % 3600 / 60)} min left`;
    if (time.textContent !== text) time.textContent = text;
    time.classList.toggle('soon', left < 120);
  }
}

const awake = () => document.hidden
  ? new Promise((done) => document.addEventListener('visibilitychange', done, { once: true }))
  : undefined;

// Updates the parts of a page that change by themselves, while it is visible: every 15 seconds if the page says nothing else. Where it has a
// cursor, the server answers at the next change.
let hurry = () => {};
async function keepLive({ live: address, every, cursor }) {
  const shown = new Map();
  for (let failed = false; ;) {
    await Promise.race([pause(cursor && !failed ? 300 : +every || 15000), new Promise((done) => { hurry = done; })]);
    await awake();
    failed = true;
    try {
      const answer = await fetch(cursor ? `${address}?after=${encodeURIComponent(cursor)}` : address, json);
      if (answer.status === 401) return location.reload();
      if (!answer.ok) continue;
      const parts = new DOMParser().parseFromString(await answer.text(), 'text/html');
      // The event has ended: all of its page is different now.
      const next = parts.getElementById('live')?.dataset;
      if ($('live').dataset.every && !next?.live) return location.reload();
      failed = false;
      cursor = next?.cursor;
      for (const part of parts.querySelectorAll('[id^=live-]')) {
        const here = $(part.id);
        if (!here || shown.get(part.id) === part.innerHTML || here.contains(document.activeElement)) continue;
        shown.set(part.id, part.innerHTML);
        here.replaceChildren(...part.childNodes);
        localise(here);
      }
    } catch { /* unavailable: the next round retries */ }
  }
}

function startConsole(said) {
  const form = $('say'), text = $('text'), trouble = $('say-trouble'), button = form.querySelector('button');
  const state = { last: +said.dataset.last, event: said.dataset.event || '', mark: said.dataset.mark || '' };
  let request = new AbortController();
  // Scroll to the start of a long answer.
  const down = () => {
    const newest = said.lastElementChild;
    const long = newest && newest.offsetHeight > said.clientHeight;
    said.scrollTop = long ? newest.offsetTop - said.offsetTop - 8 : said.scrollHeight;
  };

  function put(line) {
    const frame = document.createElement('template');
    frame.innerHTML = line.html;
    localise(frame.content);
    const before = $(line.id);
    if (before) before.replaceWith(frame.content); else said.append(frame.content);
    $('welcome')?.remove();
  }

  async function listen() {
    for (let failures = 0; ;) {
      await awake();
      request = new AbortController();
      try {
        const query = new URLSearchParams({ after: state.last, event: state.event, mark: state.mark });
        const answer = await fetch(`${said.dataset.feed}?${query}`, { ...json, signal: request.signal });
        if (answer.status === 401) return location.reload();
        if (!answer.ok) throw new Error(answer.status);
        const news = await answer.json();
        failures = 0;
        state.last = news.last;
        news.lines.forEach(put);
        if (news.track !== null) { $('track').innerHTML = news.track; state.mark = news.mark; }
        if (news.over && state.event) hurry();
        if (news.over) { state.event = ''; state.mark = ''; }
        if (news.lines.length) down();
        else if (news.track === null) await pause(250);
      } catch (error) {
        if (error.name !== 'AbortError') await pause(Math.min(30000, 2000 * ++failures));
      }
    }
  }

  form.addEventListener('submit', async (submit) => {
    submit.preventDefault();
    if (!text.value.trim()) return;
    button.disabled = true;
    trouble.hidden = true;
    try {
      const answer = await fetch(form.action, { ...json, method: 'POST', body: new URLSearchParams(new FormData(form)) });
      const body = await answer.json();
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(body.detail);
      text.value = '';
      state.event = body.event;
      state.mark = '';
      request.abort();
    } catch (error) {
      trouble.textContent = `Not sent: ${error.message || 'the server does not answer.'}`;
      trouble.hidden = false;
    } finally {
      button.disabled = false;
      text.focus();
    }
  });
  text.addEventListener('keydown', (key) => {
    if (key.key === 'Enter' && !key.shiftKey && !key.isComposing) { key.preventDefault(); form.requestSubmit(); }
  });
  down();
  listen();
}

// j and k move between the approval cards; a decision still needs a press of a button.
document.addEventListener('keydown', (key) => {
  if (!/^[jk]$/.test(key.key) || key.ctrlKey || key.metaKey || key.altKey || key.target.matches('input, textarea, select')) return;
  const cards = [...document.querySelectorAll('[data-card]')];
  const here = cards.findIndex((card) => card.contains(document.activeElement));
  const next = cards[here + (key.key === 'j' ? 1 : -1)];
  if (next) { next.querySelector('button, a').focus(); next.scrollIntoView({ block: 'center' }); }
});

/** Scrolls the row of pages to the current one. Not by scrollIntoView: newer browsers then begin there with Tab, past the skip link. */
function showCurrent() {
  const current = document.querySelector('nav [aria-current]');
  const row = current?.closest('nav');
  if (!row) return;
  const [own, whole] = [current.getBoundingClientRect(), row.getBoundingClientRect()];
  row.scrollLeft += own.left + own.width / 2 - (whole.left + whole.width / 2);
}

for (const form of document.querySelectorAll('[data-send=now]')) form.requestSubmit();
for (const form of document.querySelectorAll('[data-autosend]')) form.addEventListener('change', () => form.requestSubmit());
document.addEventListener('keydown', (key) => {
  if (key.key === 'Escape') document.querySelector('.lever')?.removeAttribute('open');
});
// A page that waits for a message looks again.
const again = document.querySelector('[data-again]');
if (again) setTimeout(() => location.reload(), +again.dataset.again);
showCurrent();
localise(document);
countDown();
setInterval(countDown, 1000);
if ($('said')) startConsole($('said'));
if ($('live')?.dataset.live) keepLive($('live').dataset);
