// The measuring program of the text benchmark: in one process, on one thread, ours and the peers that it is handed. Started
// by peers/text.js, under Deno and Node alike. Who takes turns how is in text_turns.ts, which texts are hard in text_worst.ts.

import { folder } from "../src/platform/fs.ts";
import { trainByteBpe } from "../src/text/bytes/train.ts";
import { tokenizerJsonOf } from "../src/text/hugging_face/write.ts";
import { type AnyTokenizer, openTokenizer } from "../src/text/open_tokenizer.ts";
import { type Finding, type Kind, kinds, type TextJob, type TextPeer, type TextPeers } from "./text_job.ts";
import { firstShare, prefix, trainUpTo } from "./text_train.ts";
import { idsDiffer, takeFresh, type Taker, takeTurns, textsDiffer, type Turns } from "./text_turns.ts";
import { worstTexts } from "./text_worst.ts";

const OURS = "ours", disk = folder("/");
const SAMPLE = 5e6, WORST = 1e6, QUICK = 16e3; // bytes, about, in what is read; exactly in what is made
const SHARES = { "-twentieth": 1 / 20, "-quarter": 1 / 4, "-half": 1 / 2, "": 1 }, VOCABULARY = 32_768;

/** Receives what is found while it is being found. */
export type Say = (finding: Finding) => void;

type Opened = readonly [kind: Kind, tokenizer: AnyTokenizer, peers: ReadonlyMap<string, TextPeer>];

/** Measures all parts of a job but preparing a corpus, which is a program of its own. */
export async function measureText(job: TextJob, peers: TextPeers, say: Say): Promise<void> {
  const { parts, quick } = job, documents = await Promise.all(job.documents.map(read));
  const sample = sampleOf(documents, quick ? QUICK : SAMPLE), { length: bytes } = utf8(sample);
  const turns = quick ? { seconds: 0, least: 1 } : { seconds: 2, least: 5 };
  const compared = parts.includes("encode") || parts.includes("decode");
  for (const kind of kinds) {
    const opened = await open(kind, job, compared ? peers : {}, say);
    if (opened === null) continue;
    if (parts.includes("encode")) await encoding(opened, sample, bytes, turns, say);
    if (parts.includes("decode")) await decoding(opened, sample, turns, say);
    if (parts.includes("worst")) worst(opened, quick ? QUICK : WORST, turns, say);
  }
  if (parts.includes("train")) await training(documents, say);
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = async (path: string): Promise<string> => new TextDecoder().decode(await disk.read(path));

function sampleOf(documents: readonly string[], units: number): string {
  let text = "";
  for (let i = 0; i < documents.length && text.length < units; i++) text += documents[i];
  return prefix(text, units);
}

async function open(
  kind: Kind,
  { tokenizers: { [kind]: place }, published }: TextJob,
  peers: TextPeers,
  say: Say,
): Promise<Opened | null> {
  if (place === undefined) return null;
  const tokenizer = await openTokenizer(disk, place.path, place.type), present = new Map<string, TextPeer>();
  const json = (): string => {
    if (tokenizer.kind !== "wordpiece") throw new TypeError(`No peer reads a tokenizer of kind ${kind}`);
    return tokenizerJsonOf(tokenizer);
  };
  for (const [name, peer] of Object.entries(peers[kind] ?? {})) {
    if (peer.fixed && !published) {
      say({ remark: `skipped: ${name} has GPT-2's published vocabulary only, which is not here (--data)` });
      continue;
    }
    try {
      present.set(name, await peer.open(json));
    } catch (error) {
      const [why] = `${error instanceof Error ? error.message : error}`.split("\n");
      say({ remark: `skipped: ${name}: ${why}` });
    }
  }
  return [kind, tokenizer, present];
}

async function encoding(
  [kind, tokenizer, peers]: Opened,
  text: string,
  bytes: number,
  options: { readonly seconds: number; readonly least: number },
  say: Say,
): Promise<void> {
  const takers: Taker<ArrayLike<number>>[] = [{ name: OURS, run: () => tokenizer.encodeText(text) }];
  for (const [name, peer] of peers) takers.push({ name, run: () => peer.encode(text) });
  report(`${kind}-encode`, bytes, await takeTurns(takers, idsDiffer, options), say);
}

// Everyone decodes ids in the form in which its own `encode` gives them.
async function decoding(
  [kind, tokenizer, peers]: Opened,
  text: string,
  options: { readonly seconds: number; readonly least: number },
  say: Say,
): Promise<void> {
  const ids = tokenizer.encodeText(text), decoded = tokenizer.decode(ids);
  if (tokenizer.kind === "byte-bpe" && decoded !== text) {
    throw new Error(`${kind} does not give back the text it was given: not timed`);
  }
  const takers: Taker<string>[] = [{ name: OURS, run: () => tokenizer.decode(ids) }];
  for (const [name, peer] of peers) {
    if (!peer.decode) continue;
    const theirs = peer.encode(text);
    takers.push({ name, run: () => peer.decode!(theirs) });
  }
  report(`${kind}-decode`, utf8(decoded).length, await takeTurns(takers, textsDiffer, options), say);
}

function report(name: string, bytes: number, { cold, warm, left }: Turns, say: Say): void {
  for (const remark of left) say({ remark: `${name}: ${remark}` });
  for (const [suffix, seconds] of [["", warm], ["-cold", cold]] as const) {
    for (const [who, taken] of seconds) {
      const row = { name: `${name}${suffix}`, unit: "MB/s", value: bytes / 1e6 / taken };
      if (who !== OURS) say({ ...row, who });
      else {
        const others = [...seconds].slice(1).map(([peer, theirs]) => [peer, theirs / taken]);
        say({ ...row, who: null, ...(others.length > 0 ? { ratioTo: Object.fromEntries(others) } : {}) });
      }
    }
  }
}

function worst(
  [kind, tokenizer]: Opened,
  bytes: number,
  options: { readonly seconds: number; readonly least: number },
  say: Say,
): void {
  for (const [name, make] of Object.entries(worstTexts)) {
    const text = make(bytes, 1);
    if (tokenizer.kind === "byte-bpe" && tokenizer.decode(tokenizer.encodeText(text)) !== text) {
      throw new Error(`${kind} does not give back ${bytes} bytes of ${name}: not timed`);
    }
    const makers = [(turn: number) => make(bytes, 2 * turn), (turn: number) => make(bytes / 2, 2 * turn + 1)];
    const [long, short] = takeFresh(makers, (text) => tokenizer.encodeText(text), options);
    say({ name: `${kind}-worst-${name}`, who: null, unit: "MB/s", value: bytes / 1e6 / long });
    say({ name: `${kind}-worst-${name}-growth`, who: null, unit: "x", value: long / short });
  }
}

// Once each, the smallest share first, after a training that does not count: each takes seconds.
async function training(documents: readonly string[], say: Say): Promise<void> {
  await trainUpTo((vocabSize) => trainByteBpe(firstShare(documents, 1 / 20), { vocabSize }), VOCABULARY);
  for (const [suffix, share] of Object.entries(SHARES)) {
    const part = firstShare(documents, share), name = `train-byte-bpe-32k${suffix}`;
    let seconds = 0;
    const { vocabSize } = await trainUpTo(async (vocabSize) => {
      const began = performance.now();
      await trainByteBpe(part, { vocabSize });
      seconds = (performance.now() - began) / 1000;
    }, VOCABULARY);
    say({ name, who: null, unit: "s", value: seconds });
    say({ name: `${name}-tokens`, who: null, unit: "tokens", value: vocabSize });
    say({ name: `${name}-text`, who: null, unit: "MB", value: utf8(part.join("")).length / 1e6 });
  }
}
