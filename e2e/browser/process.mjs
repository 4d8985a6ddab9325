// Programs that a test starts, and that end with it whatever happens.

import { spawn } from 'node:child_process';

const PATIENCE_MS = 20_000;

const running = new Set();
process.on('exit', () => running.forEach((child) => killGroup(child.pid)));

/** A running program, and all that it has written. */
export class Program {
  log = '';

  constructor(name, command, args) {
    this.name = name;
    // Settings of whoever runs the tests are not the tests' settings.
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('SLUICE_')));
    // A process group of its own: a browser has many processes, and all of them end with the first.
    this.child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => { this.log += text; });
    }
    this.ended = new Promise((resolve) => {
      this.child.on('error', (error) => { this.log += error; resolve(error.code); });
      this.child.on('exit', () => killGroup(this.child.pid));
      this.child.on('close', (status, signal) => resolve(status ?? signal));
    }).finally(() => running.delete(this.child));
  }

  /** Waits until it has written what matches, and returns the match. */
  async written(pattern) {
    let timer;
    const found = new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.log);
        if (match) resolve(match);
      };
      this.child.stdout.on('data', look);
      this.child.stderr.on('data', look);
      look();
      this.ended.then((status) => reject(this.failure(`ended with ${status}`)));
      timer = setTimeout(() => reject(this.failure(`did not write ${pattern} in time`)), PATIENCE_MS);
    });
    return found.finally(() => clearTimeout(timer));
  }

  failure(what) {
    return new Error(`${this.name} ${what}. It wrote:\n${this.log}`);
  }

  signal(name) {
    this.child.kill(name);
  }

  /** Ends it, by force if it takes too long, and returns its exit status or the signal that it died of. */
  async stop(signal = 'SIGTERM') {
    this.signal(signal);
    const timer = setTimeout(() => killGroup(this.child.pid), PATIENCE_MS);
    return this.ended.finally(() => clearTimeout(timer));
  }
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // nobody is left
  }
}
