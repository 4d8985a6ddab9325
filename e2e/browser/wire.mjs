// The network between browser and gateway, which a test can cut.

import { connect, createServer } from 'node:net';

export class Wire {
  #sockets = new Set();
  #cut = false;

  /** Carries what comes in at host to the address `to`, host:port. */
  async open(host, to) {
    const [toHost, toPort] = to.split(':');
    this.server = createServer((near) => {
      if (this.#cut) return near.destroy();
      const far = connect(Number(toPort), toHost);
      for (const [one, other] of [[near, far], [far, near]]) {
        this.#sockets.add(one);
        one.on('error', () => {}).on('close', () => { this.#sockets.delete(one); other.destroy(); });
        one.pipe(other);
      }
    });
    await new Promise((resolve) => this.server.listen(0, host, resolve));
    this.address = `${host}:${this.server.address().port}`;
  }

  /** Breaks every connection, and each new one until it is mended. */
  cut() {
    this.#cut = true;
    this.#sockets.forEach((socket) => socket.destroy());
  }

  mend() {
    this.#cut = false;
  }

  close() {
    this.cut();
    this.server.close();
  }
}
