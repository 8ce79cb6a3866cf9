// The words of the demo's world: who lives in it, what can happen there, and how people feel about it. Plain data; the
// sentences are put together in stories.ts. What a being or an event means (a wolf is feared, a lark is loved, a
// thing that whispers is eerie) is nowhere said in the texts themselves: a model can only learn it from the feelings
// that follow. Templates hold slots in braces: {name} {he} {him} {his} {trade} {work} {home} {where} {friend}
// {subject} {time}; "a" becomes "an" where the next word asks for it.

/** The four feelings of the world: the labels of the demo's task. */
export const FEELINGS = ["glad", "sad", "angry", "afraid"] as const;

/** One of the four feelings. */
export type Feeling = typeof FEELINGS[number];

/** First names, by the pronoun that goes with them. */
export const NAMES = {
  she: words("Ada Anna Bella Clara Dora Elsa Emma Greta Hanna Ida Lena Mara Nora Rosa Sara Tilda"),
  he: words("Adam Ben Carl Daniel Emil Felix Hugo Ivan Jacob Karl Leo Max Oscar Paul Simon Tom"),
} as const;

/** What people do for a living: the trade, and the work that only this trade does. */
export const TRADES: readonly { readonly trade: string; readonly work: string }[] = [
  { trade: "baker", work: "baked bread" },
  { trade: "miller", work: "ground corn" },
  { trade: "weaver", work: "wove cloth" },
  { trade: "shepherd", work: "counted sheep" },
  { trade: "potter", work: "shaped clay" },
  { trade: "smith", work: "hammered iron" },
  { trade: "tailor", work: "sewed shirts" },
  { trade: "gardener", work: "planted beans" },
  { trade: "fisher", work: "mended nets" },
  { trade: "teacher", work: "taught spelling" },
  { trade: "carpenter", work: "sawed planks" },
  { trade: "cook", work: "made soup" },
];

/** Homes, each with its look: mentioned when a story opens and again when it closes. */
export const HOMES = {
  look: words("small old white narrow crooked quiet wooden empty"),
  kind: words("cottage farm hut house cabin tower inn mill"),
  where: [
    "by the river",
    "near the forest",
    "on the hill",
    "beside the lake",
    "under the cliff",
    "behind the church",
    "above the harbour",
    "across the bridge",
  ],
} as const;

/** Beings that come and go, by what people think of them. */
export const BEINGS = {
  loved: words(
    "lamb kitten puppy pony fawn swan dove duckling foal robin rabbit lark squirrel deer minstrel piper singer " +
      "dancer juggler clown poet healer painter harper fiddler angel fairy nurse",
  ),
  feared: words(
    "wolf bear snake bull lion tiger boar panther dragon ghost giant witch goblin troll ogre demon vampire monster " +
      "robber pirate bandit sorcerer phantom hound viper scorpion skeleton jackal",
  ),
  annoying: words(
    "rat mouse mole crow magpie weasel goose gull slug beetle moth wasp flea bully liar cheat peddler landlord " +
      "rascal scoundrel quack meddler drunkard swindler boaster gossip nag taxman",
  ),
} as const;

/** What people think of a being. */
export type Regard = keyof typeof BEINGS;

/** How a being comes near or goes away. */
export const MOVES = {
  comes: [
    "came to the door",
    "slipped through the gate",
    "came into the garden",
    "turned up in the barn",
    "moved into the shed",
    "settled behind the house",
    "followed {him} home",
    "waited at the gate",
    "appeared at the window",
    "entered the yard",
    "came out of the woods",
    "was back in the kitchen",
  ],
  goes: [
    "went away for good",
    "left the valley",
    "vanished in the night",
    "moved to another village",
    "disappeared over the hill",
    "was gone without a trace",
    "ran off and never came back",
    "set out for the coast",
    "did not return",
    "wandered off into the fog",
    "was nowhere to be seen",
    "departed for ever",
  ],
} as const;

/** The feeling that follows when a being of some regard comes or goes. */
export const MOVE_FEELING: Record<Regard, Record<keyof typeof MOVES, Feeling>> = {
  loved: { comes: "glad", goes: "sad" },
  feared: { comes: "afraid", goes: "glad" },
  annoying: { comes: "angry", goes: "glad" },
};

/** Things that people own. */
export const THINGS = words(
  "ring lamp kite drum book doll coat shawl hat flute lantern basket quilt bell scarf mirror harp map purse whistle " +
    "puppet clock saddle blanket teapot kettle violin box chair cloak umbrella apron",
);

/** What happens to a thing that someone owns, by the feeling that follows. */
export const FATES: Record<Feeling, readonly string[]> = {
  glad: [
    "the {subject} was found again under the bed",
    "a neighbour repaired the {subject} for nothing",
    "the {subject} won a prize at the fair",
    "a child brought the {subject} back",
    "the {subject} came back as good as new",
    "a traveller praised the {subject}",
    "someone cleaned and polished the {subject}",
    "an uncle trimmed the {subject} with silver",
    "the queen admired the {subject}",
  ],
  sad: [
    "the {subject} fell into the river",
    "the {subject} was lost in the snow",
    "the {subject} sank in the lake",
    "a fire destroyed the {subject}",
    "the rain ruined the {subject}",
    "the {subject} went missing on the road",
    "the wind carried the {subject} away",
    "the {subject} fell to pieces",
    "the {subject} was swept out to sea",
  ],
  angry: [
    "a guest stole the {subject}",
    "a clerk kept the {subject} and laughed",
    "a boy broke the {subject} on purpose",
    "a soldier took the {subject} by force",
    "a trader swapped the {subject} for a fake",
    "a cousin sold the {subject} in secret",
    "a visitor threw the {subject} in the mud",
    "someone painted rude words on the {subject}",
    "a maid hid the {subject} out of spite",
  ],
  afraid: [
    "the {subject} moved by itself",
    "a strange voice spoke from the {subject}",
    "the {subject} began to glow in the dark",
    "the {subject} floated over the bed",
    "black smoke rose from the {subject}",
    "the {subject} crept across the floor",
    "something scratched inside the {subject}",
    "the {subject} whispered a curse",
    "two red eyes opened in the {subject}",
  ],
};

/** When things happen. */
export const TIMES = [
  "one morning",
  "on Monday",
  "in the evening",
  "that spring",
  "at noon",
  "after supper",
  "one night",
  "before dawn",
  "at midnight",
  "in late summer",
] as const;

/** How each feeling shows: names for it, an adverb, a noun, what people do, and what a friend does about it. */
export const SIGNS: Record<
  Feeling,
  {
    readonly adjectives: readonly string[];
    readonly adverb: string;
    readonly noun: string;
    readonly deeds: readonly string[];
    readonly answers: readonly string[];
  }
> = {
  glad: {
    adjectives: ["glad", "happy", "merry"],
    adverb: "happily",
    noun: "joy",
    deeds: [
      "sang a song",
      "danced around the table",
      "laughed out loud",
      "clapped {his} hands",
      "smiled all day",
    ],
    answers: ["{friend} laughed with {him}", "{friend} baked a cake for {him}"],
  },
  sad: {
    adjectives: ["sad", "unhappy", "gloomy"],
    adverb: "sadly",
    noun: "sorrow",
    deeds: [
      "wept for an hour",
      "sighed all evening",
      "sat alone in silence",
      "hung {his} head",
      "could not eat",
    ],
    answers: ["{friend} dried {his} tears", "{friend} put an arm around {him}"],
  },
  angry: {
    adjectives: ["angry", "furious", "cross"],
    adverb: "angrily",
    noun: "rage",
    deeds: [
      "shouted at the sky",
      "stamped {his} feet",
      "slammed the door",
      "shook {his} fist",
      "kicked a stone",
    ],
    answers: ["{friend} tried to calm {him}", "{friend} agreed with every word"],
  },
  afraid: {
    adjectives: ["afraid", "scared", "frightened"],
    adverb: "fearfully",
    noun: "fear",
    deeds: ["hid under the bed", "locked every door", "turned pale", "called for help", "ran to the cellar"],
    answers: ["{friend} took {him} by the hand", "{friend} stayed with {him} until morning"],
  },
};

/** Sentence templates, by their place in a story. */
export const SENTENCES = {
  opening: [
    "{name} the {trade} lived in a {home} {where}.",
    "In a {home} {where} lived a {trade} named {name}.",
    "There was once a {trade} called {name}, who had a {home} {where}.",
    "{name} was a {trade} and lived in a {home} {where}.",
  ],
  work: ["Every day {he} {work}.", "{he} {work} from morning to night.", "All week long {name} {work}."],
  friend: ["{his} best friend was called {friend}.", "{he} had a good friend named {friend}."],
  rumour: [
    "People had talked about a {subject} all week.",
    "Everyone on the road spoke of a {subject}.",
    "{name} had often heard about a {subject}.",
  ],
  arrival: ["{time} a {subject} {move}."],
  move: ["{time} the {subject} {move}.", "Then, {time}, the {subject} {move}."],
  owning: [
    "{he} owned a fine {subject}.",
    "{his} {subject} was very dear to {him}.",
    "{name} had a {subject}.",
  ],
  fate: ["{time} {fate}.", "Then, {time}, {fate}."],
  feeling: [
    "{he} was very {adjective}.",
    "{name} felt {adjective} and {deed}.",
    "{adverb} {he} {deed}.",
    "{noun} took hold of {name}, and {he} {deed}.",
    "This made {him} {adjective}, and {he} {deed}.",
    "{noun} filled {his} heart.",
    "{name} {deed} because {he} was so {adjective}.",
  ],
  telling: [
    "{name} told {friend} about the {subject}, and {answer}.",
    "When {friend} heard about the {subject}, {answer}.",
    "{friend} wanted to hear all about the {subject}.",
  ],
  closing: [
    "That night {name} slept in the {home} {where}.",
    "Then {name} went back to the {home} {where}.",
    "People {where} still remember {name} and the {subject}.",
    "After that {name} {work} again as before.",
  ],
} as const;

function words(text: string): readonly string[] {
  return text.split(" ");
}
