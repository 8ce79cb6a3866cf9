// JSON beside weights: read with an error that names the file, written as people read it. What stands in it is for those
// to judge who know the format.

import { NotFound, type Storage } from "../core/storage.ts";

/** A value as the bytes of a JSON file. */
export const jsonBytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);

/** What a JSON file holds. Rejects with `SyntaxError` that names it if it is not JSON, `NotFound` if it is missing. */
export async function readJson(storage: Storage, path: string): Promise<unknown> {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(await storage.read(path)));
  } catch (error) {
    if (error instanceof NotFound || !(error instanceof SyntaxError || error instanceof TypeError)) {
      throw error;
    }
    throw new SyntaxError(`Cannot read ${storage.describe(path)}: it is not JSON; download it again`, {
      cause: error,
    });
  }
}

/** The object that a JSON file holds. Rejects with `SyntaxError` too if it holds anything else. */
export async function readJsonObject(storage: Storage, path: string): Promise<Record<string, unknown>> {
  const json = await readJson(storage, path);
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return { ...json };
  throw new SyntaxError(`Cannot use ${storage.describe(path)}: it is no JSON object; download it again`);
}
