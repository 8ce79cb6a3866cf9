// `import`, `export` and `inspect` as people use them: real processes, out of a run and back into one, what is said of a
// mistake, and that nothing is left behind by it.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { makePlace, makeTokenizer, type Place, PRETRAIN } from "./cli_support.ts";

let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
  await place.json(`${PRETRAIN} --model nano --tokenizer tok --steps 4 --out base`);
  await place.json("export --model base --out face");
});
Deno.test.afterAll(() => place.remove());

const weightsOf = async (run: string): Promise<string> =>
  Object.entries(await place.tree(run)).find(([name]) => name.endsWith("/model.safetensors"))![1];

async function fails(message: RegExp, line: string): Promise<void> {
  const before = await place.tree("."), { code, stdout, stderr } = await place.foreword(line);
  assertEquals([code, stdout], [1, ""], stderr);
  assertMatch(stderr, message);
  const said = stderr.replace("(add --help for the flags)\n", "").replace(/^auto: .*\n/, "");
  assertEquals(said.trimEnd().split("\n").length, 1, stderr);
  assertEquals(await place.tree("."), before, "nothing was written, lost or damaged");
}

Deno.test("the commands explain themselves", async () => {
  for (const name of ["import", "export", "inspect"]) {
    const { code, stdout } = await place.foreword(`${name} --help`);
    assertEquals(code, 0);
    for (const flag of ["--json", "--out"]) assert(stdout.includes(flag), flag);
    assertEquals(stdout.includes("--device"), name === "inspect", "only what computes says where");
  }
});

Deno.test("a run comes back from either format with the same weights, and scores the same", async () => {
  await place.json("export --model base --format original --out release");
  const { format } = await place.json<{ format: string }>("import --from face --out from-face");
  const release = await place.json<{ format: string; model: { heads: number } }>(
    "import --from release --heads 2 --out from-release",
  );
  assertEquals([format, release.format, release.model.heads], ["hugging-face", "original", 2]);
  const weights = await weightsOf("base");
  assertEquals([await weightsOf("from-face"), await weightsOf("from-release")], [weights, weights]);
  const score = (run: string) =>
    place.json(`evaluate --model ${run} --corpus valid.txt --threads 1 --device wasm`);
  assertEquals(await score("from-face"), await score("base"));
});

Deno.test("import and export say what is wrong and leave nothing behind", async () => {
  await fails(/there is no such folder; check the path/, "import --from gone --out new");
  await fails(/it holds neither config.json with model.safetensors/, "import --from tok --out new");
  await fails(/base already holds a run: choose another --out/, "import --from face --out base");
  await fails(/face already exists: choose an --out/, "export --model base --out face");
  await fails(
    /not the configuration of a Foreword run/,
    "export --model face --out new",
  );
  await fails(/'..' is invalid. It must be a new folder/, "export --model base --out ..");
  await fails(
    /Allowed choices are hugging-face, original/,
    "export --model base --format x --out new",
  );
  const bytes = await Deno.readFile(`${place.path}/face/model.safetensors`);
  await place.write("face/model.safetensors", bytes.slice(0, -4));
  await fails(
    /face\/model.safetensors as safetensors: its tensors end at byte/,
    "import --from face --out new",
  );
  await place.write("face/model.safetensors", bytes);
});

Deno.test("inspect shows the same numbers as a list, as JSON and as a page", async () => {
  interface Shown {
    readonly perplexity: number;
    readonly tokens: { readonly token: string; readonly logProbability: number | null }[];
    readonly attention: number[][][][];
  }
  const line = "inspect --model base --threads 1 --device wasm", text = ["--text", "Mara went home. <b>"];
  const shown = await place.json<Shown>(`${line} --out page.html`, ...text), T = shown.tokens.length;
  const total = shown.tokens.reduce((sum, { logProbability }) => sum + (logProbability ?? 0), 0);
  assert(Math.abs(Math.exp(-total / (T - 1)) - shown.perplexity) < 1e-9 * shown.perplexity);
  assertEquals(shown.attention.map((block) => block.map((head) => head.at(-1)!.length)), [[T, T], [T, T]]);
  const { stdout } = await place.foreword(line, ...text);
  assertEquals(stdout.trimEnd().split("\n").length, T + 1);
  assertMatch(stdout, new RegExp(`${shown.tokens[1].logProbability!.toFixed(4)}\t`));
  assertMatch(await place.read("page.html"), /^<!doctype html>[^]*<\/html>\n$/);
  await fails(/page.html already exists/, `${line} --text a --out page.html`);
  await fails(/Give either --text or --text-file/, line);
  await fails(/it takes two to predict one/, `${line} --text .`);
  const cut = await place.foreword(`${line} --max-tokens 3 --json`, ...text);
  assertMatch(cut.stderr, /The first 3 of \d+ tokens are looked at/);
});
