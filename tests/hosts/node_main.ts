// The op suite as a program, bundled for Node by webgpu_node_test.ts. Its argument is the options as JSON; it prints the
// result as JSON. The library finds Dawn by itself, and the process must end by itself.

import { runOpSuite } from "./op_suite.ts";

const [options] = (globalThis as unknown as { process: { argv: string[] } }).process.argv.slice(2);
console.log(JSON.stringify(await runOpSuite(JSON.parse(options))));
