#!/usr/bin/env node
// Runs the binary of this platform, with the same arguments, signals and exit code.
'use strict';
const { spawn } = require('node:child_process');
const { constants } = require('node:os');

const name = `quintet-${process.platform}-${process.arch}`;

function binary() {
  try {
    return require.resolve(`${name}/bin/quintet`);
  } catch {
    const { optionalDependencies } = require('../package.json');
    console.error(name in optionalDependencies
      ? `quintet: the package ${name} is missing. Install again without --omit=optional.`
      : `quintet: there is no package for ${process.platform} ${process.arch}.`
        + ` There are ${Object.keys(optionalDependencies).join(', ')}.`);
    process.exit(1);
  }
}

const file = binary();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];
// The binary decides about each signal; this process only waits for its end. A terminal sends
// Ctrl-C to both, so the binary gets it twice, and stops once. Caught before the start: a signal
// just after it would end this process alone.
const handlers = signals.map((signal) => [signal, () => child.kill(signal)]);
for (const [signal, handler] of handlers) process.on(signal, handler);
const child = spawn(file, process.argv.slice(2), { stdio: 'inherit' });

child.on('error', (error) => {
  console.error(`quintet: cannot run the binary of ${name}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => {
  if (!signal) process.exit(code);
  // Ends by the same signal, as the binary did, so that the caller sees it.
  for (const [caught, handler] of handlers) process.off(caught, handler);
  process.kill(process.pid, signal);
  // Node ignores a few signals.
  setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
});
