// The CSV parser: RFC 4180 by hand, lines of records, quotation marks that do not match, and whatever cells there are.

import { assertEquals, assertThrows } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { parseCsv } from "../src/tasks/readers/csv.ts";

Deno.test("comma-separated values, by RFC 4180", () => {
  const cells = (text: string) => parseCsv(text, "x").map((row) => [row.line, ...row.cells]);
  assertEquals(cells(""), []);
  assertEquals(cells("a,b\nc,d"), [[1, "a", "b"], [2, "c", "d"]]);
  assertEquals(cells("a,\n,b\n"), [[1, "a", ""], [2, "", "b"]]);
  assertEquals(cells('"a ""b"", c","",""""\n\n"d\n\ne",f\ng'), [
    [1, 'a "b", c', "", '"'],
    [2, ""],
    [3, "d\n\ne", "f"],
    [6, "g"],
  ]);
  assertEquals(cells('5" nails, "quoted late"'), [[1, '5" nails', ' "quoted late"']]);
  for (const bad of ['a\n"b', 'a\n"b"c,d', 'a\n"b""', 'a\n"']) {
    assertThrows(() => parseCsv(bad, "x"), SyntaxError, "x, line 2: a quoted cell");
  }
  // What is written is read: any cells, each in quotation marks.
  const random = new Random(1, "csv"), pieces = ['"', ",", "\n", "a", " ", "é"];
  for (let i = 0; i < 300; i++) {
    const rows = Array.from(
      { length: 1 + random.below(4) },
      () =>
        Array.from(
          { length: 1 + random.below(4) },
          () => Array.from({ length: random.below(6) }, () => pieces[random.below(pieces.length)]).join(""),
        ),
    );
    const text = rows.map((row) => row.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(",")).join("\n");
    assertEquals(parseCsv(text, "x").map(({ cells }) => cells), rows, text);
  }
});
