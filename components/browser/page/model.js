// The model: texts in, answers out. What the signature serving_default does with strings is done here.
/* global tf */

// As in components/trainer/string_model.py, the padding counted.
const LISTED_TOKENS = 100;

/** A text that the model cannot read. */
export class RefusedError extends Error {}

/** Loads the files that lie beside this one; every file that is missing is an error. */
export async function load() {
  const response = await fetch(new URL("about.json", import.meta.url));
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  const about = await response.json();
  const [graph] = await Promise.all([tf.loadGraphModel(new URL("model/model.json", import.meta.url).href), tf.ready()]);
  return { ...about, graph };
}

/**
 * Answers texts: [{text, probability, places}]. The places are {character, probability}: of a model of a fixed length all
 * places of the answer, the blank ones on its left included, whose character is ""; else the answer's tokens and its end,
 * whose character is "".
 */
export async function answer(model, texts) {
  const rows = texts.map((text, row) => indicesOf(model, text, row));
  const answers = model.architecture === "seq2seq" ? await tokensSaid(model, rows) : placesFilled(model, rows);
  return answers.map((places) => ({
    text: places.map(({ character }) => character).filter(Boolean).join(model.target_separator),
    probability: places.reduce((product, { probability }) => product * probability, 1),
    places,
  }));
}

/** The likeliest character of every place, by a model that says all of them at once. */
function placesFilled(model, rows) {
  const [length, tokens] = [model.longest, model.target];
  const padded = rows.map((row) => [...Array(length - row.length).fill(0), ...row]);
  const [places, logProbabilities] = tf.tidy(() => {
    const found = model.graph.execute({ tokens: tf.tensor2d(padded, [rows.length, length], "int32") });
    return [found.shape[1], found.dataSync()];
  });
  return rows.map((_, row) =>
    Array.from({ length: places }, (_, place) => {
      const begin = (row * places + place) * tokens.length;
      const column = logProbabilities.subarray(begin, begin + tokens.length);
      const best = column.indexOf(Math.max(...column));
      return { character: tokens[best], probability: Math.exp(column[best]) };
    }),
  );
}

/** The tokens up to the end, by a model that says one after the other. */
async function tokensSaid(model, rows) {
  const { end } = model.indices;
  const length = Math.max(0, ...rows.map((row) => row.length)) + 1;
  const padded = rows.map((row) => [...row, end, ...Array(length - 1 - row.length).fill(0)]);
  const tokens = tf.tensor2d(padded, [rows.length, length], "int32");
  const outputs = await model.graph.executeAsync({ tokens });
  const said = await outputs.find(({ dtype }) => dtype === "int32").array();
  const logProbabilities = await outputs.find(({ dtype }) => dtype === "float32").array();
  tf.dispose([tokens, outputs]);
  return said.map((row, number) =>
    row.slice(0, row.indexOf(end) + 1).map((index, step) => ({
      character: model.target[index],
      probability: Math.exp(logProbabilities[number][step]),
      ...(index === end && { blank: "end" }),
    })),
  );
}

/** The indices of a text; refuses, in the words of the served model, what that refuses. */
function indicesOf(model, text, row) {
  const { source, source_separator: separator, longest } = model;
  const unit = separator ? "token" : "character";
  const cleaned = clean(model, text);
  const read = separator ? cleaned.split(separator).filter(Boolean) : [...cleaned];
  if (!read.length) throw new RefusedError(`text[${row}] is empty: send at least one ${unit}`);
  if (read.length > longest) {
    throw new RefusedError(`text[${row}] has ${read.length} ${unit}s: this model reads at most ${longest}`);
  }
  return read.map((token, i) => {
    const index = source.indexOf(token);
    if (index > 0) return index;
    if (model.unknown === "replace") return model.indices.unknown;
    const numbers = codePoints(token, 4);
    const named = /^[\p{C}\p{Z}]$/u.test(token) ? numbers : `\`${token}\` (${numbers})`;
    const where = `text[${row}]: ${unit} ${named} at position ${i + 1}`;
    throw new RefusedError(`${where} is unknown: this model knows ${known(source, separator, unit)}`);
  });
}

/** The code points of a token, each with at least so many digits; with 6 they have the order of the tokens. */
function codePoints(token, digits) {
  return Array.from(token, (c) => `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(digits, "0")}`).join(", ");
}

/** A text as the training's were cleaned. */
function clean({ cleaning }, text) {
  let cleaned = cleaning.byte_order_mark ? text.replace(/^\uFEFF/, "") : text;
  if (cleaning.line_ends) cleaned = cleaned.replaceAll("\r\n", "\n");
  if (cleaning.lowercase) cleaned = cleaned.toLowerCase();
  return cleaning.nfc ? cleaned.normalize("NFC") : cleaned;
}

/** The tokens of a vocabulary, or how many, if they are too many to list. */
function known(vocabulary, separator, unit) {
  const tokens = vocabulary.filter(Boolean);
  if (tokens.length >= LISTED_TOKENS) return `${tokens.length} ${unit}s`;
  tokens.sort((a, b) => (codePoints(a, 6) < codePoints(b, 6) ? -1 : 1));
  return `\`${JSON.stringify(tokens.join(separator)).slice(1, -1)}\``;
}
