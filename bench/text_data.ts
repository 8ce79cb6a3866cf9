// Text and tokenizers for the text benchmark: in a folder that the user names, or in one of the same layout that is filled
// here with the demo's stories and tokenizers trained on them. Layout: lm/novels/train/*.txt; tok/gpt2 and tok/gpt1, the
// published pairs of files; tok/bert/*vocab.txt, cased if its name says so and not "uncased".

import { stories } from "../src/cli/demo/stories.ts";
import { folder } from "../src/platform/fs.ts";
import { saveBpe } from "../src/text/bpe_files.ts";
import { trainBpe } from "../src/text/bpe_train.ts";
import { saveByteBpe } from "../src/text/bytes/files.ts";
import { trainByteBpe } from "../src/text/bytes/train.ts";
import { saveVocabulary } from "../src/text/wordpiece/files.ts";
import { trainWordPiece } from "../src/text/wordpiece/train.ts";
import { type Kind, kinds, type TextData, type TokenizerPlace } from "./text_job.ts";
import { trainUpTo } from "./text_train.ts";

const TEXT = "lm/novels/train", BERT = "tok/bert", GPT2 = "tok/gpt2", GPT1 = "tok/gpt1";

/** Finds what a folder has. Rejects with `RangeError` if it has no text, or no tokenizer. */
export async function findText(path: string): Promise<TextData & { readonly missing: readonly Kind[] }> {
  const root = await Deno.realPath(path).catch(() => path), storage = folder(root);
  const files = async (where: string): Promise<string[]> =>
    await storage.stat(where) === null
      ? []
      : (await storage.list(where)).filter(({ kind }) => kind === "file").map(({ name }) => name);
  const documents = (await files(TEXT)).filter((name) => name.endsWith(".txt"))
    .map((name) => `${root}/${TEXT}/${name}`);
  if (documents.length === 0) {
    throw new RangeError(`Cannot measure with ${path}: it has no ${TEXT}/*.txt; name another folder`);
  }
  const tokenizers: Partial<Record<Kind, TokenizerPlace>> = {};
  for (const [kind, where] of Object.entries({ gpt2: GPT2, gpt1: GPT1 })) {
    if ((await files(where)).length > 0) tokenizers[kind as Kind] = { path: `${root}/${where}` };
  }
  const vocabularies = (await files(BERT)).filter((name) => name.endsWith("vocab.txt"));
  const name = vocabularies.find((name) => name.includes("uncased")) ?? vocabularies.at(0);
  if (name !== undefined) {
    const cased = name.includes("cased") && !name.includes("uncased");
    tokenizers.wordpiece = { path: `${root}/${BERT}/${name}`, type: cased ? "bert-cased" : "bert-uncased" };
  }
  const missing = kinds.filter((kind) => tokenizers[kind] === undefined);
  if (missing.length === kinds.length) {
    throw new RangeError(
      `Cannot measure with ${path}: it has neither ${GPT2} nor ${GPT1} nor ${BERT}; name another folder`,
    );
  }
  return { documents, tokenizers, published: true, missing };
}

const STORIES = 12_500, QUICK_STORIES = 60, FILES = 5; // 5 MB, or what suffices to try things out
const VOCABULARY = 8000;

/** Fills a folder with stories and tokenizers, as many tokens as these yield. */
export async function makeText(root: string, quick: boolean): Promise<TextData> {
  const storage = folder(root), all = stories(1, quick ? QUICK_STORIES : STORIES, "train");
  await storage.makeFolder(TEXT);
  await storage.makeFolder(BERT);
  const each = all.length / FILES;
  for (let i = 0; i < FILES; i++) {
    const text = all.slice(i * each, (i + 1) * each).map((story) => `${story}\n`).join("");
    await storage.write(`${TEXT}/stories-${i + 1}.txt`, [new TextEncoder().encode(text)]);
  }
  const trained = async <T>(train: (vocabSize: number) => Promise<T>): Promise<T> =>
    (await trainUpTo(train, VOCABULARY)).tokenizer;
  await saveByteBpe(storage, GPT2, await trained((vocabSize) => trainByteBpe(all, { vocabSize })));
  await saveBpe(
    storage,
    GPT1,
    await trained((vocabSize) => trainBpe(all, { vocabSize, pretokenizer: "gpt1" })),
  );
  const { tokens } = await trained((vocabSize) => trainWordPiece(all, { vocabSize, lowerCase: true }));
  await saveVocabulary(storage, `${BERT}/uncased_vocab.txt`, tokens);
  return { ...await findText(root), published: false };
}
