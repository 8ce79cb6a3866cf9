"""Computes the tokens in tests/fixtures/english_tokens.json again with spaCy itself. The texts in the file stay: random
strings of exceptions, marks, units, letters of several scripts, white space and parts of URLs. Building and testing
never need Python. To run it: Python 3.6 with spacy==2.0.11 and regex==2017.4.5; then `deno fmt`.
"""

import json
import pathlib

import spacy

path = pathlib.Path(__file__).parent.parent / "tests/fixtures/english_tokens.json"
tokenize = spacy.blank("en").tokenizer
texts = [text for text, _ in json.loads(path.read_text(encoding="utf8"))]
lines = [json.dumps([text, [token.text for token in tokenize(text)]]) for text in texts]
path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf8")
