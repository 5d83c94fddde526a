// Posts with the AWS SDK for JavaScript v3, keep-alive, so many at once as the job says.

import https from "node:https";
import http from "node:http";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { ApiGatewayManagementApiClient, PostToConnectionCommand } from "@aws-sdk/client-apigatewaymanagementapi";

const job = JSON.parse(readFileSync(0, "utf8"));
const agent = { keepAlive: true, maxSockets: job.in_flight };
const client = new ApiGatewayManagementApiClient({
  endpoint: job.endpoint,
  region: job.region,
  credentials: { accessKeyId: job.access_key, secretAccessKey: job.secret_key, sessionToken: job.token },
  requestHandler: {
    httpAgent: new http.Agent(agent),
    httpsAgent: new https.Agent({ ...agent, ca: readFileSync(job.ca_file) }),
  },
});
const payload = Buffer.from(job.payload);
let next = 0;

async function postUntil(ends) {
  let posted = 0;
  while (performance.now() < ends) {
    const ConnectionId = job.connections[next++ % job.connections.length];
    await client.send(new PostToConnectionCommand({ ConnectionId, Data: payload }));
    posted += 1;
  }
  return posted;
}

async function postFor(seconds) {
  const ends = performance.now() + seconds * 1000;
  const posted = await Promise.all(Array.from({ length: job.in_flight }, () => postUntil(ends)));
  return posted.reduce((sum, each) => sum + each, 0);
}

await postFor(job.warm_up_seconds);
console.log(JSON.stringify({ event: "started" }));
const started = performance.now();
const before = process.cpuUsage();
const count = await postFor(job.seconds);
const used = process.cpuUsage(before);
console.log(
  JSON.stringify({
    cpu_seconds: (used.user + used.system) / 1e6,
    seconds: (performance.now() - started) / 1000,
    count,
  }),
);
process.exit(0);
