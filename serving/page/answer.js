// A model from text to text: its answer, character by character.

function answerRequest(text) {
  return predictRequest(chosen.model, chosen.resolved, "serving_default", { text: [text] });
}

/** Whether the version has a signature with an output. */
function gives(signature, output) {
  return output in (chosen.resolved.signatures[signature]?.outputs ?? {});
}

/** Answers beside the likeliest that are asked for, if the version tells several. */
const MOST_ANSWERS = 5;
/** Cells of the table of where the model looked; of more nobody sees anything. */
const MOST_SHARES = 10_000;
/** TensorFlow's models say this, the least float32, of an answer that does not exist. */
const NO_ANSWER = -3e38;

let asked = 0;

async function answer() {
  const mine = ++asked;
  const text = byId("text").value;
  await resolveChoice(); // the newest may be another by now
  const requests = [];
  const say = (title, request) => {
    requests.push({ title, request });
    return send(request);
  };
  const further = (title, signature, inputs) =>
    say(title, predictRequest(chosen.model, chosen.resolved, signature, { text: [text], ...inputs }));
  const first = answerRequest(text);
  showLines([{ title: "The answer", request: first }]);
  const outputs = await say("The answer", first);
  const said = outputs.text[0];
  const looked = gives("attention", "attention") ? await further("Where the model looked", "attention", {}) : null;
  const places = looked ? tokensOf(looked.target[0]) : [...said].map((character) => ({ character }));
  const scored = await probabilities(said, further);
  const several = gives("nbest", "texts") ? await further("The likeliest answers", "nbest", { n: [MOST_ANSWERS] }) : null;
  if (mine !== asked) throw new SupersededError();
  showLines(requests);
  showAnswer(text, said, withProbabilities(places, scored), Math.exp(outputs.log_prob[0]), scored !== null);
  showAlternatives(several);
  showLooked(looked);
}

/** The natural logarithms of the probability of each place of an answer; null if the version does not say them. */
async function probabilities(said, further) {
  const inputs = { target: [said] };
  if (gives("score", "token_log_prob")) {
    return (await further("The probability of each token", "score", inputs)).token_log_prob[0];
  }
  // An empty answer is nothing but padding, which cannot be asked for.
  if (!said || !gives("score", "character_log_prob")) return null;
  return (await further("The probability of each character", "score", inputs)).character_log_prob[0];
}

/** The tokens of an answer, as places; the first empty string is its end. */
function tokensOf(tokens) {
  const end = tokens.indexOf("");
  return [...tokens.slice(0, end < 0 ? tokens.length : end).map((character) => ({ character })), { character: "", blank: "end" }];
}

/** Places with their probabilities; a model of answers of a fixed length fills short ones up on the left. */
function withProbabilities(places, logProbs) {
  if (!logProbs) return places;
  const padding = Array(Math.max(0, logProbs.length - places.length)).fill({ character: "" });
  return [...padding, ...places].map((place, i) => ({ ...place, probability: Math.exp(logProbs[i]) }));
}

function showAnswer(text, said, places, probability, scored) {
  byId("characters").replaceChildren(...places.map(characterCell));
  const parts = [`${text} → ${said || "nothing"}`, `${percent(probability)} for the whole answer`];
  if (said && !scored) parts.push("this version does not say the probability of each character");
  byId("whole").textContent = `${parts.join(" · ")}.`;
  byId("answer").hidden = false;
}

function showAlternatives(several) {
  byId("several").hidden = !several;
  if (!several) return;
  const answers = several.texts[0].map((said, i) => [said, several.log_probs[0][i]]).filter(([, logProb]) => logProb > NO_ANSWER);
  byId("alternatives").replaceChildren(
    ...answers.map(([said, logProb]) => element("li", {}, element("bdi", { textContent: said || "nothing" }), " ", ...likelihood(Math.exp(logProb)))),
  );
}

function showLooked(looked) {
  byId("looked").hidden = !looked;
  if (!looked) return;
  const [read, said] = [tokensOf(looked.source[0]), tokensOf(looked.target[0])].map((tokens) =>
    tokens.map(({ character, blank }) => character || blank),
  );
  const fits = read.length * said.length <= MOST_SHARES;
  byId("looked-note").textContent = fits
    ? "Each row is a token of the answer. The stronger the colour of a cell, the more of that token of the input was read for it."
    : `A table of ${said.length} rows and ${read.length} columns is too large to be read. Ask about a shorter text.`;
  byId("shares").hidden = !fits;
  if (!fits) return;
  const head = element("tr", {}, element("td"), ...read.map((token) => element("th", { scope: "col" }, element("bdi", { textContent: token }))));
  const rows = said.map((token, row) => {
    const cells = looked.attention[0][row].slice(0, read.length).map((share) => {
      const cell = element("td", { title: percent(share) }, element("span", { className: "unseen", textContent: percent(share) }));
      cell.style.setProperty("--share", share);
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row" }, element("bdi", { textContent: token })), ...cells);
  });
  byId("shares").replaceChildren(head, ...rows);
}
