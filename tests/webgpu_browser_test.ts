// The op suite in headless Chromium, Debian's, on SwiftShader. The page and the bundle come from a server in this process,
// with the headers that give a page shared memory; the page posts its result back. Without Chromium it is skipped with the
// reason.

import { assertEquals, assertMatch } from "@std/assert";
import { checksOf } from "./hosts/op_suite.ts";
import { bundle } from "./hosts/programs.ts";
import { CHROMIUM, EVERY, missing, testUnless } from "./webgpu_support.ts";

const MAIN = new URL("./hosts/browser_main.ts", import.meta.url);
const PATIENCE = 900_000; // ms; the suite takes half a minute of an idle machine, and other tests run beside it
const PAGE = `<!doctype html><title>Op suite</title><script type="module" src="/main.mjs"></script>`;
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};
const FLAGS = [
  "--headless",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  "--no-sandbox", // root, as which continuous integration runs, cannot have one
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

type Answer = Readonly<Record<string, unknown>>;

/** Serves the page; `answer` settles with what it posts. */
function serve(script: string) {
  const { promise: answer, resolve } = Promise.withResolvers<Answer>();
  const served = (body: string, type: string): Response =>
    new Response(body, { headers: { "Content-Type": type, ...ISOLATED } });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return served(PAGE, "text/html");
    if (pathname === "/main.mjs") return served(script, "text/javascript");
    if (pathname !== "/result" || request.method !== "POST") return new Response(null, { status: 404 });
    resolve(await request.json());
    return new Response(null, { status: 204 });
  });
  return { server, answer };
}

/** What the page at an address posts. Throws if the browser ends, or time runs out, before it does. */
async function browse(url: string, folder: string, answer: Promise<Answer>): Promise<Answer> {
  const args = [...FLAGS, `--user-data-dir=${folder}/profile`, url], env = { XDG_RUNTIME_DIR: folder };
  const browser = new Deno.Command("chromium", { args, env, stdin: "null", stdout: "null", stderr: "piped" })
    .spawn();
  const log = browser.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "", timer: ReturnType<typeof setTimeout> | undefined;
  const listening = (async () => {
    for (let piece; !(piece = await log.read()).done;) said = (said + piece.value).slice(-5000);
  })();
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`did not end within ${PATIENCE / 1000} s`), PATIENCE);
  });
  const got = await Promise.race([answer, browser.status.then(({ code }) => `exited with ${code}`), late]);
  clearTimeout(timer);
  try {
    browser.kill("SIGKILL");
  } catch { /* it has ended */ }
  await browser.status;
  const slow = setTimeout(() => log.cancel(), 30_000);
  await listening; // the log ends with the last of its helpers, which write to the profile until then
  clearTimeout(slow);
  if (typeof got === "string") throw new Error(`Chromium ${got} and posted nothing:\n${said}`);
  return got;
}

testUnless(await missing([CHROMIUM], ["chromium"]), "Chromium: the op suite agrees", async () => {
  const folder = await Deno.makeTempDir({ prefix: "foreword-chromium-" });
  const { server, answer } = serve(
    await Deno.readTextFile(await bundle(MAIN, folder, ["--platform", "browser"])),
  );
  try {
    const options = encodeURIComponent(JSON.stringify({ every: EVERY }));
    const url = `http://localhost:${server.addr.port}/#${options}`;
    const { error, isolated, adapter, subgroups, passed, failures } = await browse(url, folder, answer);
    assertEquals(error, undefined);
    assertEquals(isolated, true);
    assertEquals(failures, []);
    assertMatch(String(adapter), /swiftshader/i);
    assertEquals(subgroups, true, "kernels that exchange values within subgroups were not run");
    assertEquals(passed, checksOf({ every: EVERY }));
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
