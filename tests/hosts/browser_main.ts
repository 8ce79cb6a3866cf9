// The op suite as a page's script, bundled for browsers by webgpu_browser_test.ts. The page's address has the options as
// JSON behind its "#"; the result, or what went wrong instead, is posted back to where the page came from.

import { runOpSuite } from "./op_suite.ts";

const post = (answer: unknown) => fetch("/result", { method: "POST", body: JSON.stringify(answer) });

try {
  const { hash } = location, { crossOriginIsolated } = globalThis as { crossOriginIsolated?: boolean };
  await post({
    isolated: crossOriginIsolated,
    ...await runOpSuite(JSON.parse(decodeURIComponent(hash.slice(1)))),
  });
} catch (error) {
  await post({ error: String(error) });
}
