// A model that writes: its text, as it comes.

// Characters of a call: few enough that the text flows.
const CHUNK = 16;
const SLIDERS = ["length", "temperature", "top_k", "top_p"];

let writer = null; // what stops the text that is being written

/** How to sample, and the prompt, as the inputs of a call. */
function writingInputs() {
  const number = (id) => [Number(byId(id).value)];
  const sampling = Object.fromEntries([...SLIDERS, "seed"].map((id) => [id, number(id)]));
  return { prompt: [byId("prompt").value], ...sampling };
}

/** One call of a text: the state that the call before returned travels with it, so any server can go on. */
function stepRequest(inputs, state, left) {
  return predictRequest(chosen.model, chosen.resolved, "step", { ...inputs, length: [Math.min(CHUNK, left)], state });
}

function showWritingLines() {
  const inputs = writingInputs();
  const whole = predictRequest(chosen.model, chosen.resolved, "serving_default", inputs);
  const first = stepRequest(inputs, [[]], inputs.length[0]);
  showLines([
    { title: "The whole text in one call", request: whole },
    { title: `The first ${first.inputs.length[0]} characters, as this page asks; the next call sends the state back`, request: first },
  ]);
}

async function write() {
  writer?.abort();
  const mine = (writer = new AbortController());
  byId("stop").disabled = false;
  byId("written").hidden = false;
  byId("written").ariaBusy = "true";
  try {
    await resolveChoice(); // to the end by the version that begins
    await stream(mine.signal);
  } catch (error) {
    if (!mine.signal.aborted) {
      byId("progress").textContent = "";
      byId("written").hidden = !byId("drawn").textContent;
      throw error;
    }
    if (writer === mine) byId("progress").textContent = `Stopped after ${[...byId("drawn").textContent].length} characters.`;
  } finally {
    if (writer === mine) {
      byId("stop").disabled = true;
      byId("written").ariaBusy = "false";
    }
  }
}

async function stream(signal) {
  let inputs = writingInputs();
  let state = [[]];
  const length = inputs.length[0];
  byId("given").textContent = inputs.prompt[0];
  byId("drawn").textContent = "";
  byId("progress").textContent = `Version ${chosen.resolved.version} writes ${length} characters…`;
  const begun = performance.now();
  for (let left = length; left > 0; left -= CHUNK) {
    const outputs = await send(stepRequest(inputs, state, left), signal);
    signal.throwIfAborted();
    byId("drawn").append(outputs.text[0]);
    state = outputs.state;
    inputs = { ...inputs, prompt: [""] };
  }
  const rate = Math.round((length / (performance.now() - begun)) * 1000);
  byId("progress").textContent = `${length} characters by version ${chosen.resolved.version}, ${rate} a second.`;
}
