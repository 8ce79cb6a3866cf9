// The plainest file of examples, which needs no columns: `text<TAB>label` on each line, no header; a line's last tab is the
// one that counts, so that a text may hold others. A folder is read file by file. Errors name the file and the line.

import type { Storage } from "../../core/storage.ts";
import { documents } from "../../text/corpus.ts";
import type { Example } from "../task.ts";

/** Reads a TSV file of labelled texts, or a folder of them. Errors name file and line. */
export async function readLabelled(storage: Storage, path: string): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const { path: file, text } of documents(storage, path, { extensions: [""] })) {
    text.split("\n").forEach((line, i) => {
      if (line.trim() === "") return;
      const tab = line.lastIndexOf("\t"), where = `${storage.describe(file)}, line ${i + 1}`;
      if (tab < 0) {
        throw new SyntaxError(`${where}: there is no tab; each line is text, a tab, and the label`);
      }
      const example = {
        texts: { text: line.slice(0, tab).trim() },
        label: line.slice(tab + 1).trim(),
        where,
      };
      if (example.texts.text === "") {
        throw new SyntaxError(`${where}: the text is empty; fill it in or remove the line`);
      }
      if (example.label === "") {
        throw new SyntaxError(`${where}: the label is empty; fill it in or remove the line`);
      }
      examples.push(example);
    });
  }
  return examples;
}
