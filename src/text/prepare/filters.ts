// Which documents are kept: those that are not copies, or nearly copies, of earlier ones, and whose domain is not on a list.
// Copies can only be told apart in order, but their prints can be taken by many workers: a print is all that the order
// needs to know of a document. Near copies are told by near_duplicates.ts.

import { sha256 } from "@noble/hashes/sha2.js";
import { NearDuplicates, Signature } from "./near_duplicates.ts";

/** Which documents to leave out. */
export interface Filters {
  /** Those that equal an earlier one, white space at the ends aside. */
  readonly exact: boolean;
  /** Those whose resemblance to an earlier one is at least this; null to keep them. */
  readonly near: number | null;
  /** Those whose `domainField` names one of these domains, or a part of one; in lower case. */
  readonly deniedDomains: ReadonlySet<string>;
  /** The field with a domain or a URL. */
  readonly domainField: string;
}

/** No document is left out. */
export const keepAll: Filters = { exact: false, near: null, deniedDomains: new Set(), domainField: "url" };

/** What tells whether a document is a copy. */
export interface Print {
  /** The first 16 bytes of the text's SHA-256. */
  readonly digest: Uint8Array;
  /** Its signature, where near copies are looked for and the text has words. */
  readonly signature: Uint32Array | null;
}

/** Takes the print of a document that comes in pieces. */
export class Printer {
  readonly #hash = sha256.create();
  readonly #signature: Signature | null;
  readonly #encoder = new TextEncoder();
  #started = false;
  #blank = ""; // white space that only counts if something follows

  /** For these filters. */
  constructor({ near }: Pick<Filters, "near">) {
    this.#signature = near === null ? null : new Signature();
  }

  /** Adds the next piece. */
  add(text: string): void {
    const all = this.#blank + (this.#started ? text : text.trimStart()), kept = all.trimEnd();
    this.#blank = all.slice(kept.length);
    if (kept === "") return;
    this.#started = true;
    this.#hash.update(this.#encoder.encode(kept));
    this.#signature?.add(kept);
  }

  /** The print. */
  finish(): Print {
    return { digest: this.#hash.digest().slice(0, 16), signature: this.#signature?.values() ?? null };
  }
}

/** Tells copies, given the prints of all documents in order. */
export class Copies {
  readonly #digests: Set<string> | null;
  readonly #near: NearDuplicates | null;

  /** For these filters; nothing is a copy where none is asked for. */
  constructor({ exact, near }: Filters) {
    this.#digests = exact || near !== null ? new Set() : null;
    this.#near = near === null ? null : new NearDuplicates(near);
  }

  /** Whether an earlier document is the same or nearly the same. */
  has({ digest, signature }: Print): boolean {
    if (!this.#digests) return false;
    const key = String.fromCharCode(...digest);
    if (this.#digests.has(key)) return true;
    this.#digests.add(key);
    return signature !== null && (this.#near?.has(signature) ?? false);
  }
}

/** Whether the fields of a document name a denied domain. */
export function isDenied(
  fields: Readonly<Record<string, unknown>>,
  { deniedDomains, domainField }: Filters,
): boolean {
  const value = fields[domainField];
  if (deniedDomains.size === 0 || typeof value !== "string") return false;
  const host = (URL.canParse(value) ? new URL(value).hostname : value).toLowerCase().replace(/\.$/, "");
  const labels = host.split(".");
  return labels.some((_, i) => deniedDomains.has(labels.slice(i).join(".")));
}
