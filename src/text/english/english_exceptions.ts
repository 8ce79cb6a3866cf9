// The exceptions of spaCy 2.0.11's English tokenizer: strings with a split of their own (contractions, clock times) and
// strings that stay whole although a rule would cut them (abbreviations, emoticons). Written as families; the table
// has 1,244 entries. Case matters, since GPT-1's text is lower-cased only later. Affixes are in english_rules.ts.

const ABBREVIATIONS = [
  "Jan. Feb. Mar. Apr. May. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec.",
  "Ak. Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. Md. Mich. Minn.",
  "Miss. Mo. Mont. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C. Tenn. Va. Wash. Wis. D.C.",
  "Adm. Dr. Gen. Gov. Jr. Messrs. Mr. Mrs. Ms. Ph.D. Rep. Rev. Sen. St. Mt. Bros. co. Co. Corp. Inc. Ltd.",
  "a.m. p.m. e.g. E.g. E.G. i.e. I.e. I.E. vs.",
].join(" ");
const WHOLE_WORDS =
  "'s 'S ‘s ‘S 'd 're 'bout 'Cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz and/or w/o C++ <space> \\n \\t —";
/** After ":" or ":-". */
const MOUTHS = ") )) ))) ( (( ((( ] } / | 0 3 * > D O P X o p x";
const FACES = [
  "' '' \") \\\") :1 :() :o) (o: :') :'-) :'( :'-( ): )-: (: (-: [: [-: >:( >:o",
  ";) ;-) ;D ;-D (; (-; =) (= =( =/ =| =3 =D 8) 8-) (-8 8D 8-D xD xDD XD XDD <3 <33 <333 </3",
  "^_^ ^__^ ^___^ (^_^) -_- -__- (-_-) ._. (._.) (>_<) >.< >.> <.< (*_*) ;_; @_@ (¬_¬) ಠ_ಠ (ಠ_ಠ) ಠ︵ಠ",
  "v.v V.V v_v V_V o_o o_O O_o O_O o_0 0_o 0_0 o.o o.O O.o O.O o.0 0.o 0.0",
  "¯\\(ツ)/¯ (╯°□°）╯︵┻━┻ ><(((*>",
].join(" ");
const SPACES = [" ", "\t", "\n", "\xa0"];

const list = (words: string): string[] => words.split(" ");
const bothCases = (words: string): string[] =>
  list(words).flatMap((word) => [word, word[0].toUpperCase() + word.slice(1)]);

function exceptions(): Map<string, readonly string[]> {
  const table = new Map<string, readonly string[]>();
  const add = (...parts: string[]): unknown => table.set(parts.join(""), parts);
  /** Every stem in both cases with every ending ("+" parts it), as written and without its apostrophes. */
  const contract = (stems: string, endings: string): void => {
    for (const stem of bothCases(stems)) {
      for (const ending of list(endings)) {
        add(stem, ...ending.split("+"));
        add(stem, ...ending.replaceAll("'", "").split("+"));
      }
    }
  };
  contract("i", "'m 'm+a");
  contract("i you he she it we they", "'ll 'll+'ve 'd 'd+'ve");
  contract("i you we they not", "'ve");
  contract("you we they", "'re");
  contract("he she it", "'s");
  contract("who what when where why how there that", "'s 'll 'll+'ve 're 've 'd 'd+'ve");
  contract("ca could do does did had may might must need ought sha should wo would", "n't n't+'ve");
  contract("could might must should would", "'ve");
  contract("ai are is was were have has dare", "n't");
  // Words of their own that an apostrophe-less spelling would take apart.
  for (const word of bothCases("ill its hell shell shed were well whore")) table.delete(word);

  for (const parts of bothCases("how+'d+'y can+not gon+na got+ta let+'s")) add(...parts.split("+"));
  add("y'", "all");
  add("y", "all");
  for (let hour = 1; hour <= 12; hour++) {
    for (const period of ["am", "a.m.", "pm", "p.m."]) add(`${hour}`, period);
  }

  for (const word of bothCases("doin goin nothin nuthin ol somethin lovin havin")) add(word), add(`${word}'`);
  for (const word of list("cause em ll nuff")) add(word), add(`'${word}`);
  for (const word of bothCases("ma'am o'clock")) add(word);
  for (const word of list(`${WHOLE_WORDS} ${ABBREVIATIONS} ${FACES}`)) add(word);
  for (const letter of "abcdefghijklmnopqrstuvwxyzäöü") add(`${letter}.`);
  for (const mouth of list(MOUTHS)) add(`:${mouth}`), add(`:-${mouth}`);
  for (const space of SPACES) add(space);

  for (const parts of [...table.values()]) add(...parts.map((part) => part.replaceAll("'", "’")));
  return table;
}

/** The split of every exception; one part where the entry stays whole. */
export const ENGLISH_EXCEPTIONS: ReadonlyMap<string, readonly string[]> = exceptions();
