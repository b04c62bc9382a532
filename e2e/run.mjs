#!/usr/bin/env node
// Runs the tests that need Node: the official SDKs and the browser, against the native binary.
//   node e2e/run.mjs [--skip-browser] [--allow-missing]
// `cargo xtask e2e` runs this with the Node it installs. By hand it also needs `cargo build -p quintet` (or
// QUINTET_BINARY) and, for the browser, Chromium (or CHROMIUM=/path).
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const NODE_MIN = 24;
const OPTIONS = ['--skip-browser', '--allow-missing'];
let skipBrowser = process.argv.includes('--skip-browser');
const allowMissing = process.argv.includes('--allow-missing');

function fail(what, fix) {
  console.error(`e2e: ${what}\n     ${fix}`);
  process.exit(1);
}

const unknown = process.argv.slice(2).filter((word) => !OPTIONS.includes(word));
if (unknown.length) fail(`there is no option ${unknown.join(' ')}.`, 'Usage: node e2e/run.mjs [--skip-browser] [--allow-missing]');
if (parseInt(process.versions.node, 10) < NODE_MIN) fail(`Node ${process.versions.node} is too old for these tests.`, 'Run `cargo xtask e2e`: it installs the Node that they need.');
installPackages();

// Imported after the installation, because they need the packages.
const { binary } = await import('./bed/quintet.mjs');
if (!binary()) fail('the quintet binary is missing.', 'Run `cargo build -p quintet`, or set QUINTET_BINARY=/path/to/quintet.');
console.log(`e2e: ${binary()}`);
if (!skipBrowser) {
  const { browserPath } = await import('./bed/browser.mjs');
  if (!browserPath()) {
    const fix = 'Run `apt-get update && apt-get install -y chromium fonts-dejavu`, or set CHROMIUM=/path.';
    if (!allowMissing) fail('Chromium is missing, so the browser tests cannot run.', `${fix} Or skip them with --skip-browser.`);
    console.log(`e2e: SKIPPED the browser tests: Chromium is missing. ${fix}`);
    skipBrowser = true;
  }
}

const { missing } = await import('./bed/workers.mjs');
if (missing() && !allowMissing) fail(`the Workers cannot be tested: ${missing()}`, 'Build them with `cargo xtask build`, or skip them with --allow-missing.');
if (missing()) console.log(`e2e: SKIPPED the Workers: ${missing()}`);
const files = ['sdk.test.mjs', 'mcp.test.mjs', ...skipBrowser ? [] : ['dashboard.test.mjs'], ...missing() ? [] : ['workers.test.mjs', 'attacks.test.mjs', 'rules.test.mjs', 'budget.test.mjs', 'voice.test.mjs', 'phone.test.mjs']];
// Sequential, because the files measure times.
const tests = spawnSync(process.execPath, ['--test', '--test-concurrency=1', '--test-reporter=spec', ...files], { cwd: HERE, stdio: 'inherit' });
if (skipBrowser) console.log('e2e: skipped the browser tests');
process.exit(tests.status === 0 ? 0 : 1);

/** Runs `npm ci` if the packages are missing or older than the lock. */
function installPackages() {
  const installed = statSync(join(HERE, 'node_modules/.package-lock.json'), { throwIfNoEntry: false })?.mtimeMs;
  if (installed && isAsLocked()) return;
  console.log('e2e: installing the packages of package-lock.json');
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: HERE, stdio: 'inherit' });
  if (npm.error) fail('npm is missing.', 'It comes with Node: https://nodejs.org/en/download');
  if (npm.status !== 0) fail('the packages could not be installed.', 'Check the network and the registry (`npm config get registry`), then run `npm ci` in e2e/.');
}

/** Whether every direct package is installed in the locked version. */
function isAsLocked() {
  const read = (path) => JSON.parse(readFileSync(join(HERE, path), 'utf8'));
  const { packages } = read('package-lock.json');
  return Object.keys(packages[''].devDependencies).every((name) => {
    const manifest = `node_modules/${name}/package.json`;
    return existsSync(join(HERE, manifest)) && read(manifest).version === packages[`node_modules/${name}`].version;
  });
}
