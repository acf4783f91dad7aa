// What is chosen, and what the page shows of it.

const served = JSON.parse(byId("served").textContent);
/** What is chosen: `choice` is "" for the newest, "versions/N" or "labels/L"; `resolved` is what that stands for now. */
const chosen = { model: "", choice: "", resolved: null };

/** Something else has been chosen or asked before the answer came. */
class SupersededError extends Error {}

/** Runs what asks the server, and says what went wrong. */
async function attempt(action) {
  byId("problem").hidden = true;
  try {
    await action();
  } catch (error) {
    if (error instanceof RefusedError) showProblem("The server refuses this", error.message);
    else if (error instanceof AwayError) showProblem("The server does not answer", awayText(error), true);
    else if (!(error instanceof SupersededError)) throw error;
  }
}

function awayText(error) {
  const where = served.rest || location.origin;
  return `Nothing answers at ${where} (${error.message}). Is it running? Start it again, then try again here.`;
}

function showProblem(title, text, again = false) {
  byId("problem-title").textContent = title;
  byId("problem-text").textContent = text;
  byId("retry").hidden = !again;
  byId("problem").hidden = false;
  byId("problem").scrollIntoView({ block: "nearest" });
}

/** Takes the model over that is selected: its versions, and what it can be asked. */
async function chooseModel() {
  writer?.abort();
  const model = byId("model").value;
  Object.assign(chosen, { model, choice: "", resolved: null });
  showFamily("");
  byId("resolved").textContent = "";
  byId("version").replaceChildren();
  const versions = await versionsOf(model);
  if (model !== chosen.model) return; // another was chosen meanwhile
  const labels = served.models.find(({ name }) => name === model)?.labels ?? [];
  const options = [
    new Option("newest", ""),
    ...labels.map((label) => new Option(label, `labels/${encodeURIComponent(label)}`)),
    ...versions.map(({ version, state }) => {
      const option = new Option(state === "AVAILABLE" ? version : `${version} (${state.toLowerCase()})`, `versions/${version}`);
      option.disabled = state !== "AVAILABLE";
      return option;
    }),
  ];
  byId("version").replaceChildren(...options);
  if (versions.some(({ state }) => state === "AVAILABLE")) return chooseVersion();
  const [newest] = versions;
  const why = newest?.error || "None of its versions is loaded.";
  throw new RefusedError(`${model} cannot be asked: ${why}`);
}

async function chooseVersion() {
  writer?.abort();
  chosen.choice = byId("version").value;
  await resolveChoice();
  const family = familyOf(chosen.resolved.signatures);
  showFamily(family);
  if (!family) throw new RefusedError(`This page cannot ask ${chosen.model}: it neither answers texts, nor writes, nor forecasts.`);
  showRequest();
}

/** Finds which version the choice stands for now. */
async function resolveChoice() {
  const { model, choice } = chosen;
  const resolved = await resolve(model, choice);
  if (model !== chosen.model || choice !== chosen.choice) throw new SupersededError();
  chosen.resolved = resolved;
  byId("resolved").textContent = `version ${chosen.resolved.version}`;
}

function showFamily(family) {
  byId("answering").hidden = family !== "answer";
  byId("writing").hidden = family !== "write";
  byId("forecasting").hidden = family !== "forecast";
  byId("forecasted").hidden = true;
  byId("answer").hidden = true;
  if (!family) showLines([]);
}

/** Shows what will be sent, as it stands. */
function showRequest() {
  if (!byId("answering").hidden) showLines([{ title: "The answer", request: answerRequest(byId("text").value || byId("text").placeholder) }]);
  if (!byId("writing").hidden) showWritingLines();
  if (!byId("forecasting").hidden) showForecastLines();
}

function showSlider(input) {
  document.querySelector(`output[for="${input.id}"]`).textContent = input.value;
}

function start() {
  const wanted = new URLSearchParams(location.search).get("model");
  const names = served.models.map(({ name }) => name);
  if (wanted && !names.includes(wanted)) names.push(wanted);
  if (!names.length) return showProblem("No model is served yet", "Push one with `charseq run`, then reload this page.");
  byId("model").replaceChildren(...names.map((name) => new Option(name, name)));
  if (wanted) byId("model").value = wanted;
  byId("model").addEventListener("change", () => attempt(chooseModel));
  byId("version").addEventListener("change", () => attempt(chooseVersion));
  byId("retry").addEventListener("click", () => attempt(chooseModel));
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    byId("answer").hidden = true;
    attempt(answer);
  });
  byId("write").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(write);
  });
  byId("ahead").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(forecast);
  });
  byId("text").addEventListener("input", showRequest);
  byId("history").addEventListener("input", showRequest);
  byId("write").addEventListener("input", showRequest);
  byId("stop").addEventListener("click", () => writer?.abort());
  byId("another").addEventListener("click", () => {
    byId("seed").value = crypto.getRandomValues(new Uint32Array(1))[0];
    showRequest();
  });
  for (const id of SLIDERS) {
    byId(id).addEventListener("input", () => showSlider(byId(id)));
    showSlider(byId(id));
  }
  // They are long; a small window has more use for what is asked and answered.
  byId("requests").open = matchMedia("(min-width: 40rem)").matches;
  return attempt(chooseModel);
}

start();
