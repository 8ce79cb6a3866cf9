// Checkpoint folders: what is saved comes back, damage of any kind is noticed and named, and whatever operation a save
// fails or dies in, `last` is afterwards the old or the new checkpoint, whole.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { NotFound, type Storage } from "../src/core/storage.ts";
import { folder } from "../src/platform/fs.ts";
import {
  appendLine,
  cutMetrics,
  DamagedCheckpoint,
  listCheckpoints,
  openCheckpoint,
  saveCheckpoint,
} from "../src/train/checkpoint_folder.ts";

const RUN = "runs/a";
const weights = (step: number): Uint8Array => new Uint8Array(50).fill(step & 255);

const save = (storage: Storage, step: number, best = false, run = RUN): Promise<string> =>
  saveCheckpoint(storage, run, {
    step,
    best,
    info: { step, note: "é" },
    files: {
      "weights.bin": weights(step),
      "state.bin": async function* () {
        for (let i = 0; i < 3; i++) yield await Promise.resolve(weights(step + i));
      }(),
      "empty": new Uint8Array(0),
    },
  });

/** The step of a checkpoint after comparing all of it with what `save` saves. */
async function stepOf(storage: Storage, which: string, run = RUN): Promise<number> {
  const { step, info, files, path } = await openCheckpoint(storage, run, which);
  assertEquals([info, files], [{ step, note: "é" }, ["weights.bin", "state.bin", "empty"]]);
  assertEquals(await storage.read(path("weights.bin")), weights(step));
  const state = [0, 1, 2].flatMap((i) => [...weights(step + i)]);
  assertEquals([...await storage.read(path("state.bin"))], state);
  return step;
}

const names = async (storage: Storage, path = `${RUN}/checkpoints`): Promise<string[]> =>
  (await storage.list(path)).map((entry) => entry.name);

Deno.test("checkpoints come back by pointer and by name; only last and best stay", async () => {
  const storage = memoryStorage();
  assertEquals(await listCheckpoints(storage, RUN), []);
  await assertRejects(() => openCheckpoint(storage, RUN, "last"), NotFound, "none was saved yet");
  assertEquals(await save(storage, 100), `${RUN}/checkpoints/step-00000100`);
  await assertRejects(() => openCheckpoint(storage, RUN, "best"), NotFound, "step-00000100");
  await save(storage, 200, true);
  await save(storage, 300);
  await save(storage, 400);
  assertEquals(await names(storage), ["step-00000200", "step-00000400"]);
  assertEquals([await stepOf(storage, "last"), await stepOf(storage, "best")], [400, 200]);
  assertEquals(await stepOf(storage, "step-00000200"), 200);
  assertEquals(await listCheckpoints(storage, RUN), [
    { name: "step-00000200", step: 200, last: false, best: true },
    { name: "step-00000400", step: 400, last: true, best: false },
  ]);
  for (const which of ["step-00000300", "../checkpoints/step-00000400", "", "step-1", "toString"]) {
    await assertRejects(() => openCheckpoint(storage, RUN, which), NotFound, "step-00000200, step-00000400");
  }
  const last = await openCheckpoint(storage, RUN, "last");
  assertThrows(() => last.path("weights"), NotFound, "its files are weights.bin, state.bin, empty");
});

Deno.test("a step saved again gets a folder of its own, so that its first one stays whole until then", async () => {
  const storage = memoryStorage();
  await save(storage, 7, true);
  assertEquals(await save(storage, 7), `${RUN}/checkpoints/step-00000007-2`);
  assertEquals(await save(storage, 7), `${RUN}/checkpoints/step-00000007-3`);
  assertEquals((await listCheckpoints(storage, RUN)).map(({ name, step }) => [name, step]), [
    ["step-00000007", 7],
    ["step-00000007-3", 7],
  ]);
  await save(storage, 123_456_789_012);
  assertEquals((await listCheckpoints(storage, RUN)).at(-1)?.step, 123_456_789_012);
});

Deno.test("checkpoints hold what FIPS 180-4 says SHA-256 is, and the run may be the root", async () => {
  const storage = memoryStorage();
  const abc = new TextEncoder().encode("abc");
  await saveCheckpoint(storage, "", {
    step: 0,
    files: { abc, big: new Uint8Array(9 << 20) },
    info: undefined,
  });
  const checkpoint = await openCheckpoint(storage, "", "last");
  assertEquals([checkpoint.folder, checkpoint.info], ["checkpoints/step-00000000", null]);
  const { files } = JSON.parse(
    new TextDecoder().decode(await storage.read(`${checkpoint.folder}/checkpoint.json`)),
  );
  assertEquals(files.abc, {
    bytes: 3,
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  });
  const subtle = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(9 << 20)));
  assertEquals(files.big.sha256, [...subtle].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
});

Deno.test("saveCheckpoint refuses bad content before it touches anything", async () => {
  const storage = memoryStorage(), files = {}, info = null;
  for (const step of [-1, 1.5, NaN, 2 ** 60]) {
    await assertRejects(() => saveCheckpoint(storage, RUN, { step, files, info }), RangeError, "step");
  }
  for (const name of ["a/b", "..", "", ".tmp-x", "checkpoint.json", "__proto__/", "é"]) {
    const bad = { step: 1, info, files: { [name]: new Uint8Array(1) } };
    await assertRejects(() => saveCheckpoint(storage, RUN, bad), RangeError, "Cannot save a file named");
  }
  await assertRejects(() => saveCheckpoint(storage, RUN, { step: 1, files, info: 1n }), TypeError);
  assertEquals(await storage.list("."), []);
});

Deno.test("openCheckpoint names the damaged file, what is wrong and what to do", async () => {
  const path = `${RUN}/checkpoints/step-00000020`;
  const edit = async (s: Storage, file: string, change: (text: string) => string): Promise<void> =>
    await s.write(file, [new TextEncoder().encode(change(new TextDecoder().decode(await s.read(file))))]);
  const damages: [string, (storage: Storage) => Promise<void>, string][] = [
    ["weights.bin", (s) => s.remove(`${path}/weights.bin`), "is missing"],
    ["weights.bin", (s) => s.truncate(`${path}/weights.bin`, 49), "holds 49 bytes, not the 50 saved"],
    ["weights.bin", (s) => s.write(`${path}/weights.bin`, [weights(20).fill(9, 49)]), "SHA-256"],
    ["weights.bin", async (s) => {
      await s.remove(`${path}/weights.bin`);
      await s.makeFolder(`${path}/weights.bin`);
    }, "is a folder"],
    ["checkpoint.json", (s) => s.remove(`${path}/checkpoint.json`), "is missing"],
    ["checkpoint.json", (s) => s.truncate(`${path}/checkpoint.json`, 30), "not a JSON object"],
    ["checkpoint.json", (s) => edit(s, `${path}/checkpoint.json`, (t) => t.replace('"é"', '"e"')), "SHA-256"],
    [
      "checkpoint.json",
      (s) => edit(s, `${path}/checkpoint.json`, (t) => t.replace("weights", "../b")),
      "SHA-256",
    ],
    ["step-00000020", (s) => s.remove(path), "is missing"],
  ];
  for (const [file, damage, what] of damages) {
    const storage = memoryStorage();
    await save(storage, 10, true);
    await save(storage, 20);
    await damage(storage);
    const error = await assertRejects(() => openCheckpoint(storage, RUN, "last"), DamagedCheckpoint, what);
    assertEquals([error.name, error.message.includes(file)], ["DamagedCheckpoint", true], error.message);
    assert(error.message.includes("use --checkpoint best"), error.message);
    assertEquals(await stepOf(storage, "best"), 10);
    if (file === "step-00000020") continue;
    const named = await assertRejects(
      () => openCheckpoint(storage, RUN, "step-00000020"),
      DamagedCheckpoint,
      what,
    );
    assert(named.message.includes("copy the folder again"), named.message);
  }
});

Deno.test("a sidecar with a right checksum of its own is still no way out of the folder", async () => {
  const sealed = async (sidecar: object): Promise<string> => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(sidecar)));
    const sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return JSON.stringify({ ...sidecar, sha256 });
  };
  const file = { bytes: 1, sha256: "00" }, path = "checkpoints/step-00000001/checkpoint.json";
  const bad: [object, string][] = [
    [{ format: 1, step: 1, info: null, files: { "../x": file } }, "does not describe"],
    [{ format: 1, step: 1, info: null, files: { x: null } }, "does not describe"],
    [{ format: 1, step: 1, info: null }, "does not describe"],
    [{ format: 1, step: "1", info: null, files: {} }, "does not describe"],
    [{ format: 2 }, "is of format 2, where this version reads 1"],
  ];
  for (const [sidecar, message] of bad) {
    const storage = memoryStorage({ [path]: await sealed(sidecar), "checkpoints/x": "1" });
    await assertRejects(() => openCheckpoint(storage, "", "step-00000001"), DamagedCheckpoint, message);
  }
  const good = memoryStorage({ [path]: await sealed({ format: 1, step: 1, info: null, files: {} }) });
  assertEquals((await openCheckpoint(good, "", "step-00000001")).step, 1);
});

Deno.test("a damaged pointer file is named, and nothing is removed on its account", async () => {
  for (const text of ["", "{", "[]", "{}", '{"last":"../x","best":null}', '{"last":"step-00000010"}']) {
    const storage = memoryStorage();
    await save(storage, 10, true);
    await save(storage, 20);
    await storage.write(`${RUN}/checkpoints.json`, [new TextEncoder().encode(text)]);
    for (const work of [() => openCheckpoint(storage, RUN, "last"), () => save(storage, 30)]) {
      await assertRejects(work, DamagedCheckpoint, "one of: step-00000010, step-00000020");
    }
    assertEquals([await stepOf(storage, "step-00000010"), await stepOf(storage, "step-00000020")], [10, 20]);
  }
});

class Crash extends Error {}

/**
 * A storage whose n-th operation fails half done: a write has produced some of its parts, a removal has taken one child.
 * If `forGood`, everything after it fails too, as when the process has died.
 */
function crashing(
  storage: Storage,
  n: number,
  forGood: boolean,
): { storage: Storage; crashed: () => boolean } {
  let count = 0;
  const halfDone: Partial<
    Record<keyof Storage, (path: string, parts?: AsyncIterable<Uint8Array>) => Promise<void>>
  > = {
    write: async (_path, parts) => {
      for await (const part of parts!) if (part.length > 0) break;
    },
    remove: async (path) => {
      const entry = await storage.stat(path);
      if (entry?.kind === "folder") {
        for (const child of (await names(storage, path)).slice(-1)) {
          await storage.remove(`${path}/${child}`);
        }
      }
    },
  };
  const proxy = new Proxy(storage, {
    get(target, key: keyof Storage) {
      if (key === "describe") return target.describe;
      return async (...args: never[]): Promise<unknown> => {
        count++;
        if (count < n || (count > n && !forGood)) {
          return await (target[key] as (...args: never[]) => unknown)(...args);
        }
        if (count === n) await (halfDone[key] as undefined | ((...args: never[]) => unknown))?.(...args);
        throw new Crash(`operation ${n}: ${key}`);
      };
    },
  });
  return { storage: proxy, crashed: () => count >= n };
}

/** Tries every `stride`-th operation of a save and returns the first number that no save reaches. */
async function survive(make: () => Promise<Storage>, forGood: boolean, stride = 1): Promise<number> {
  for (let n = 1;; n += stride) {
    const storage = await make(), at = `${forGood ? "crash" : "failure"} ${n}`;
    await save(storage, 10, true);
    await save(storage, 20);
    const broken = crashing(storage, n, forGood);
    const outcome = await save(broken.storage, 30, n % 2 === 0).then(() => "saved", (error) => error);
    if (!broken.crashed()) {
      assertEquals([outcome, await stepOf(storage, "last")], ["saved", 30]);
      return n;
    }
    assert(outcome === "saved" || outcome instanceof Crash, `${at}: ${outcome}`);
    const last = await stepOf(storage, "last"), best = await stepOf(storage, "best");
    assert(last === 20 || last === 30, `${at}: last is ${last}`);
    assertEquals(best, last === 30 && n % 2 === 0 ? 30 : 10, at);
    for (const { name } of await listCheckpoints(storage, RUN)) await stepOf(storage, name); // Never a part of one.
    await save(storage, 30);
    await save(storage, 40);
    assertEquals(
      await names(storage),
      [
        ...new Set([
          (await openCheckpoint(storage, RUN, "best")).folder,
          (await openCheckpoint(storage, RUN, "last")).folder,
        ]),
      ]
        .map((path) => path.split("/").at(-1)!),
      at,
    );
    assertEquals(await stepOf(storage, "last"), 40, at);
  }
}

Deno.test("a save that dies or fails at any operation leaves last old or new, whole (memory)", async () => {
  const make = () => Promise.resolve(memoryStorage());
  assert(await survive(make, true) > 12);
  assert(await survive(make, false) > 12);
});

Deno.test("a save that dies leaves last old or new, whole (files, every fifth operation)", async () => {
  const root = await Deno.makeTempDir({ prefix: "foreword-checkpoints-" });
  let count = 0;
  try {
    const make = async (): Promise<Storage> => {
      const storage = folder(`${root}/${count++}`);
      await storage.makeFolder(".");
      return storage;
    };
    assert(await survive(make, true, 5) > 12);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("a save clears up what crashes of earlier saves left, and nothing else", async () => {
  const storage = memoryStorage({
    [`${RUN}/checkpoints/.tmp-step-00000005/weights.bin`]: "part",
    [`${RUN}/checkpoints/mine.txt`]: "kept",
    [`${RUN}/.tmp-checkpoints.json-1`]: "part",
    [`${RUN}/.tmp-samples.txt-1`]: "being written by somebody else",
  });
  await save(storage, 5);
  assertEquals(await names(storage), ["mine.txt", "step-00000005"]);
  assertEquals(await names(storage, RUN), [".tmp-samples.txt-1", "checkpoints", "checkpoints.json"]);
});

Deno.test("the very first save leaves no checkpoint or a whole one, whatever it dies in", async () => {
  for (let n = 1;; n++) {
    const storage = memoryStorage(), broken = crashing(storage, n, true);
    await save(broken.storage, 10).catch(() => {});
    const step = await stepOf(storage, "last").catch((error) => error);
    assert(step === 10 || step instanceof NotFound, `crash ${n}: ${step}`);
    await save(storage, 10);
    assertEquals([await stepOf(storage, "last"), (await names(storage)).length], [10, 1]);
    if (!broken.crashed()) break;
    assert(n < 100);
  }
});

Deno.test("cutMetrics takes out records after the checkpoint and a torn last line", async () => {
  const path = "metrics.jsonl",
    storage = memoryStorage(),
    keep = (record: Record<string, unknown>): boolean => (record.step as number) <= 2;
  const text = async (): Promise<string> => new TextDecoder().decode(await storage.read(path));
  assertEquals(await cutMetrics(storage, path, keep), 0);
  assertEquals(await storage.stat(path), null);
  for (const step of [1, 2, 3, 4]) await appendLine(storage, path, { step, note: "é" });
  const two = '{"step":1,"note":"é"}\n{"step":2,"note":"é"}\n';
  assertEquals([await cutMetrics(storage, path, keep), await text()], [2, two]);
  assertEquals([await cutMetrics(storage, path, keep), await text()], [0, two]);

  const third = new TextEncoder().encode('{"step":2,"note":"é"}\n');
  for (let end = 1; end <= third.length; end++) { // Torn after every byte, also inside of é.
    await storage.write(path, [new TextEncoder().encode(two), third.subarray(0, end)]);
    const whole = end >= third.length - 1;
    assertEquals(await cutMetrics(storage, path, keep), whole ? 0 : 1, `torn after ${end}`);
    assertEquals(await text(), whole ? two + '{"step":2,"note":"é"}\n' : two);
  }
  await storage.write(path, [new TextEncoder().encode(two + "\0\0\0\0\n")]);
  assertEquals([await cutMetrics(storage, path, keep), await text()], [1, two]);
  for (const bad of ['{"step":1,"lo', "7", ""]) {
    await storage.write(path, [new TextEncoder().encode(`{"step":1}\n${bad}\n{"step":2}\n`)]);
    await assertRejects(() => cutMetrics(storage, path, keep), SyntaxError, "line 2");
  }
});
