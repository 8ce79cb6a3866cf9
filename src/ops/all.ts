// The op families put together. It is a file of its own so that mod.ts can give what it exports an explicit type, which
// documentation needs, without naming every family twice. Everything else imports mod.ts.

import { activation } from "./activation.ts";
import { attentions } from "./attention.ts";
import { basic } from "./basic.ts";
import { dropouts } from "./dropout.ts";
import { embeddings } from "./embedding.ts";
import { gather } from "./gather.ts";
import { inspection } from "./inspection.ts";
import { losses } from "./loss.ts";
import { recurrent } from "./lstm.ts";
import { matmuls } from "./matmul.ts";
import { norm } from "./norm.ts";
import { optimizer } from "./optimizer.ts";
import { sampling } from "./sampling.ts";

/** All ops by name; `ops` of mod.ts. */
export const all = {
  ...basic,
  ...matmuls,
  ...attentions,
  ...norm,
  ...activation,
  ...dropouts,
  ...embeddings,
  ...gather,
  ...inspection,
  ...losses,
  ...recurrent,
  ...optimizer,
  ...sampling,
} as const;
