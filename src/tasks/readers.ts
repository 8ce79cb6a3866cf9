// Readers of labelled data: `text<TAB>label`, one example a line, UTF-8, no header; a line's last tab is the one that
// counts. Errors name the file and the line.

import type { Storage } from "../core/storage.ts";
import { documents } from "../text/corpus.ts";
import type { LabelledText } from "./classification.ts";

/** Reads a TSV file of labelled texts. Errors name file and line. */
export async function readLabelled(storage: Storage, path: string): Promise<LabelledText[]> {
  const examples: LabelledText[] = [];
  for await (const { path: file, text } of documents(storage, path, { extensions: [""] })) {
    text.split("\n").forEach((line, i) => {
      if (line.trim() === "") return;
      const tab = line.lastIndexOf("\t"), where = `${storage.describe(file)}, line ${i + 1}`;
      if (tab < 0) {
        throw new SyntaxError(`${where}: there is no tab; each line is text, a tab, and the label`);
      }
      const example = { text: line.slice(0, tab).trim(), label: line.slice(tab + 1).trim() };
      if (example.text === "") {
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
