/** A load balancer for TCP connections, as it stands before the servers of a Temporal cluster. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Connects every client to the first address that accepts a connection, and drops it when that server is gone. */
export async function startLoadBalancer(addresses: readonly string[]) {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => undefined).on('close', () => sockets.delete(client));
    forward(client, addresses);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function forward(client: Socket, [address, ...others]: readonly string[]): void {
  if (address === undefined) {
    client.destroy();
    return;
  }
  const [host = '', port] = address.split(':');
  const target = connect(Number(port), host);
  const next = () => forward(client, others);
  target.once('error', next);
  target.once('connect', () => {
    target.off('error', next).on('error', () => undefined);
    client.pipe(target).pipe(client);
    target.on('close', () => client.destroy());
    client.on('close', () => target.destroy());
  });
}
