// Tokenizers of other libraries by one interface (`TextPeers` in ../text_job.ts), on one thread each, and the program that
// measures them and ours in one process. Ours comes as a bundle, so that Deno and Node run the same code:
// text.js BUNDLE JOB. A library is loaded when it is measured, so that one that is missing takes only itself away.

import { readFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";

const peers = {
  gpt2: {
    hypertok: {
      fixed: true,
      open: async () => {
        const { fromBytes } = await import("hypertok");
        const { vocabulary } = await import("@hypertok/vocab-gpt2");
        const tokenizer = await fromBytes(readFileSync(vocabulary), {
          tier: "single",
        });
        return {
          encode: (text) => tokenizer.encodeSync(text),
          decode: (ids) => tokenizer.decode(ids),
        };
      },
    },
    "gpt-tokenizer": {
      fixed: true,
      open: async () => await import("gpt-tokenizer/esm/encoding/r50k_base"),
    },
    tiktoken: {
      fixed: true,
      open: async () => {
        const { get_encoding } = await import("tiktoken");
        const tokenizer = get_encoding("gpt2"), utf8 = new TextDecoder();
        return {
          encode: (text) => tokenizer.encode_ordinary(text),
          decode: (ids) => utf8.decode(tokenizer.decode(ids)),
        };
      },
    },
  },
  wordpiece: {
    huggingface: {
      fixed: false,
      open: async (tokenizerJson) => {
        const { Tokenizer } = await import("@huggingface/tokenizers");
        const tokenizer = new Tokenizer(JSON.parse(tokenizerJson()), {});
        return {
          encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
        };
      },
    },
  },
};

const [bundle, job] = process.argv.slice(2);
const { measureText } = await import(pathToFileURL(bundle).href);
await measureText(
  JSON.parse(readFileSync(job, "utf8")),
  peers,
  (finding) => process.stdout.write(`${JSON.stringify(finding)}\n`),
);
