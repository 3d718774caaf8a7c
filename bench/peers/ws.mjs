// ws on Node, without compression: one `send` per client.
//     node ws.mjs PORT CLIENTS INTERVAL_SECONDS TEMPLATE PLACEHOLDER

import { readFileSync } from "node:fs";
import { WebSocketServer } from "ws";

const [port, clients, interval, file, placeholder] = process.argv.slice(2);
const template = readFileSync(file, "utf8");
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  perMessageDeflate: false,
  backlog: 4096,
});
setInterval(() => {
  if (server.clients.size < Number(clients)) return;
  const message = Buffer.from(template.replaceAll(placeholder, new Date().toISOString()));
  for (const client of server.clients) client.send(message, { binary: false });
}, Number(interval) * 1000);
