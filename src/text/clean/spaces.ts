// What Python calls white space, as the inside of a regular expression's class. Texts were cleaned by Python programs
// with `\s` and `str.strip`, so their steps are only repeated exactly with Python's set.

/** What `\s` matches in a Python str. JavaScript's has U+FEFF in addition and lacks U+001C-001F and U+0085. */
export const PYTHON_SPACE =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
