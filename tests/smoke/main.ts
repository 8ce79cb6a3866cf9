// The smoke run as a program, bundled for Node by node_smoke_test.ts. Its argument is a folder to save in. It must end by
// itself once its devices are closed, so it never calls exit.

import { openDevice } from "../../mod.ts";
import { folder } from "../../src/platform/fs.ts";
import { smoke } from "./smoke.ts";

const [root] = (globalThis as unknown as { process: { argv: string[] } }).process.argv.slice(2);
for (const threads of [1, 2]) {
  const device = await openDevice({ threads }), { description } = device;
  const result = await smoke(device, folder(`${root}/${threads}`));
  device.close();
  console.log(JSON.stringify({ description, ...result }));
}
