// The model: texts in, answers out. What the signature serving_default does with strings is done here.
/* global tf */

// As in components/trainer/string_model.py, the padding counted.
const LISTED_CHARACTERS = 100;

/** A text that the model cannot read. */
export class RefusedError extends Error {}

/** Loads the files that lie beside this one; every file that is missing is an error. */
export async function load() {
  const response = await fetch(new URL("characters.json", import.meta.url));
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
  const about = await response.json();
  const [graph] = await Promise.all([tf.loadGraphModel(new URL("model/model.json", import.meta.url).href), tf.ready()]);
  return { ...about, graph };
}

/**
 * Answers texts: [{text, probability, places}] with the places of the answer, {character, probability}, the blank ones on its
 * left included, whose character is "".
 */
export function answer(model, texts) {
  const rows = texts.map((text, row) => indicesOf(model, text, row));
  const { characters, output_length: places } = model;
  const logProbabilities = tf.tidy(() => {
    const tokens = tf.tensor2d(rows, [rows.length, model.input_length], "int32");
    return model.graph.execute({ tokens }).dataSync();
  });
  return texts.map((_, row) => {
    const said = Array.from({ length: places }, (_, place) => {
      const begin = (row * places + place) * characters.length;
      const column = logProbabilities.subarray(begin, begin + characters.length);
      const best = column.indexOf(Math.max(...column));
      return { character: characters[best], probability: Math.exp(column[best]) };
    });
    return {
      text: said.map(({ character }) => character).join(""),
      probability: said.reduce((product, { probability }) => product * probability, 1),
      places: said,
    };
  });
}

/** The indices of a text, padded on the left; refuses, in the words of the served model, what that refuses. */
function indicesOf(model, text, row) {
  const { characters, input_length: longest } = model;
  const read = [...text];
  if (!read.length) throw new RefusedError(`text[${row}] is empty: send at least one character`);
  if (read.length > longest) {
    throw new RefusedError(`text[${row}] has ${read.length} characters: this model reads at most ${longest}`);
  }
  const indices = read.map((character, i) => {
    const index = characters.indexOf(character);
    if (index > 0) return index;
    const number = `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    const named = /[\p{C}\p{Z}]/u.test(character) ? number : `\`${character}\` (${number})`;
    const where = `text[${row}]: character ${named} at position ${i + 1}`;
    throw new RefusedError(`${where} is unknown: this model knows ${known(characters)}`);
  });
  return [...Array(longest - read.length).fill(0), ...indices];
}

/** The characters of a vocabulary, or how many, if they are too many to list. */
function known([, ...characters]) {
  if (characters.length >= LISTED_CHARACTERS) return `${characters.length} characters`;
  characters.sort((a, b) => a.codePointAt(0) - b.codePointAt(0));
  return `\`${JSON.stringify(characters.join("")).slice(1, -1)}\``;
}
