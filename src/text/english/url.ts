// Which strings spaCy 2.0 takes for a URL or e-mail address and never splits. Its pattern allows anything before an "@"
// and anything after the host, so it comes down to this: the first character is a word character, the last one too
// (or "/"), and a host name with a lower-case top-level domain, or a public IPv4 address, begins at the front, behind
// the scheme or behind an "@". Checked in time linear in the chunk, whatever is stripped from its ends meanwhile.

const WORD = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const FIRST = new RegExp(WORD, "vy");
const LAST = new RegExp(`(?<=${WORD}|/)`, "vy");
const SCHEME = /(?:https?|ftp|mailto):\/\//y;
// Both end as early as they can, since anything may follow.
const HOST = /(?:[a-z0-9\-]*[a-z0-9]\.)+?[a-z]{2}/y;
const ADDRESS = new RegExp(
  [
    "(?!(?:10|127)(?:\\.\\p{Nd}{1,3}){3})",
    "(?!(?:169\\.254|192\\.168)(?:\\.\\p{Nd}{1,3}){2})",
    "(?!172\\.(?:1[6-9]|2\\p{Nd}|3[01])(?:\\.\\p{Nd}{1,3}){2})",
    "(?:[1-9]\\p{Nd}?|1\\p{Nd}{2}|2[01]\\p{Nd}|22[0-3])",
    "(?:\\.(?:1?\\p{Nd}{1,2}|2[0-4]\\p{Nd}|25[0-5])){2}",
    "\\.[1-9]",
  ].join(""),
  "vy",
);

/**
 * Looks at a chunk once; the result says whether the chunk from `start` to `end` is a URL. No "@" may precede `start`,
 * and none does: it is no prefix.
 */
export function urlMatcher(chunk: string): (start: number, end: number) => boolean {
  if (!chunk.includes(".")) return () => false;
  let atFront = -1, frontEnd = Infinity, mailEnd = -1;
  return (start, end) => {
    if (matchEnd(FIRST, chunk, start) > end || matchEnd(LAST, chunk, end) > end) return false;
    if (start !== atFront) {
      atFront = start;
      const behind = matchEnd(SCHEME, chunk, start);
      frontEnd = Math.min(hostEnd(chunk, start), behind < Infinity ? hostEnd(chunk, behind) : Infinity);
    }
    if (frontEnd <= end) return true;
    if (mailEnd < 0) mailEnd = firstMailEnd(chunk);
    return mailEnd <= end;
  };
}

/** Where the host that begins at `start` is complete. */
const hostEnd = (chunk: string, start: number): number =>
  Math.min(matchEnd(HOST, chunk, start), matchEnd(ADDRESS, chunk, start));

function firstMailEnd(chunk: string): number {
  for (let at = chunk.indexOf("@"); at >= 0; at = chunk.indexOf("@", at + 1)) {
    const end = hostEnd(chunk, at + 1);
    if (end < Infinity) return end; // a host holds no "@", so the first to be complete is this one
  }
  return Infinity;
}

/** Where a match that begins at `start` ends; infinity if there is none. */
function matchEnd(sticky: RegExp, text: string, start: number): number {
  sticky.lastIndex = start;
  return sticky.test(text) ? sticky.lastIndex : Infinity;
}
