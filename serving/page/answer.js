// A model from text to text: its answer, character by character.

/** A probability as one reads it; never rounded to certainty. */
function percent(probability) {
  if (probability > 0.9995) return "> 99.9%";
  if (probability < 0.0005) return "< 0.1%";
  return `${(probability * 100).toFixed(1)}%`;
}

function answerRequest(text) {
  return predictRequest(chosen.model, chosen.resolved, "serving_default", { text: [text] });
}

function scoreRequest(text, target) {
  return predictRequest(chosen.model, chosen.resolved, "score", { text: [text], target: [target] });
}

/** Whether the version says the probability of each character. */
function scoresCharacters() {
  return "character_log_prob" in (chosen.resolved.signatures.score?.outputs ?? {});
}

let asked = 0;

async function answer() {
  const mine = ++asked;
  const text = byId("text").value;
  await resolveChoice(); // the newest may be another by now
  const request = answerRequest(text);
  const requests = [{ title: "The answer", request }];
  showLines(requests);
  const outputs = await send(request);
  const said = outputs.text[0];
  let places = [...said].map((character) => ({ character }));
  // An empty answer is nothing but padding, which cannot be asked for.
  if (said && scoresCharacters()) {
    const score = scoreRequest(text, said);
    requests.push({ title: "The probability of each character", request: score });
    const logProbs = (await send(score)).character_log_prob[0];
    const padding = Array(logProbs.length - places.length).fill({ character: "" });
    places = [...padding, ...places].map((place, i) => ({ ...place, probability: Math.exp(logProbs[i]) }));
  }
  if (mine !== asked) throw new SupersededError();
  showLines(requests);
  showAnswer(text, said, places, Math.exp(outputs.log_prob[0]));
}

function showAnswer(text, said, places, probability) {
  byId("characters").replaceChildren(...places.map(characterCell));
  const parts = [`${text} → ${said || "nothing"}`, `${percent(probability)} for the whole answer`];
  if (said && !scoresCharacters()) parts.push("this version does not say the probability of each character");
  byId("whole").textContent = `${parts.join(" · ")}.`;
  byId("answer").hidden = false;
}

function characterCell({ character, probability }, place) {
  const cell = element("li", { className: character ? "" : "blank" });
  cell.style.setProperty("--place", place);
  cell.append(element("span", { className: "character", textContent: character || "blank" }));
  if (probability !== undefined) {
    const bar = element("span", { className: "bar" });
    bar.style.setProperty("--probability", probability);
    cell.append(bar, element("span", { className: "percent", textContent: percent(probability) }));
  }
  return cell;
}
