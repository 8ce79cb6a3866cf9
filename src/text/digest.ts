// SHA-256 by the platform's own Web Crypto, as text. For data that is in memory at once; files that are streamed are
// hashed in src/train/checkpoint_folder.ts.

/** SHA-256 of some bytes, in hex. */
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
