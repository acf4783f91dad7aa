"use strict";
// The REST API of TensorFlow Serving, as far as the page needs it.

/** The server has answered that it will not. */
class RefusedError extends Error {}

/** Nothing has answered. */
class AwayError extends Error {}

/** Asks the server; a body makes it a POST. Returns the JSON of the answer. */
async function ask(path, body, signal) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  let response;
  let text;
  try {
    response = await fetch(path, { ...options, signal });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new AwayError(error.message);
  }
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new RefusedError(`${response.status} ${response.statusText}: ${text.slice(0, 500)}`);
  }
  if (response.ok) return answer;
  const message = reasonOf(answer.error ?? text.slice(0, 500));
  // What stands between page and server says by these that the server is away.
  throw [502, 503, 504].includes(response.status) ? new AwayError(message) : new RefusedError(message);
}

/**
 * What a model says of an input that it refuses: TensorFlow wraps it, "assertion failed: [...] [[{{node Assert}}]]", and
 * escapes it as C would, a character outside of ASCII as a row of octal escapes.
 */
function reasonOf(message) {
  const said = /assertion failed: \[(.*?)(?:\](?: \[|\s*\[\[|\s*$)|\.\.\.TRUNCATED$)/s.exec(message)?.[1];
  if (said === undefined) return message;
  const named = { n: 10, r: 13, t: 9 };
  const bytes = [];
  for (const [, octal, escaped, plain] of said.matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/gsu)) {
    if (octal) bytes.push(parseInt(octal, 8) & 255);
    else if (escaped in named) bytes.push(named[escaped]);
    else bytes.push(...new TextEncoder().encode(escaped ?? plain));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** The path of a model, or of one of its versions: `choice` is "", "versions/N" or "labels/L". */
function modelPath(model, choice = "") {
  return `/v1/models/${encodeURIComponent(model)}${choice && "/"}${choice}`;
}

/** The versions of a model: [{version, state, error}], the newest first. */
async function versionsOf(model) {
  const { model_version_status: statuses } = await ask(modelPath(model));
  return statuses
    .map(({ version, state, status }) => ({ version, state, error: status?.error_message ?? "" }))
    .sort((a, b) => (BigInt(a.version) < BigInt(b.version) ? 1 : -1));
}

/** What a choice stands for now: its version and signatures, {name: {inputs, outputs}}. */
async function resolve(model, choice) {
  const { model_spec: spec, metadata } = await ask(`${modelPath(model, choice)}/metadata`);
  return { version: spec.version, signatures: metadata.signature_def.signature_def };
}

/** What a model can be asked: "answer" (text in, text out), "write" (a prompt to continue), "forecast" (numbers), or "". */
function familyOf(signatures) {
  const inputs = signatures.serving_default?.inputs ?? {};
  if ("history" in inputs && "forecast" in (signatures.serving_default.outputs ?? {})) return "forecast";
  if ("prompt" in inputs && "step" in signatures) return "write";
  return "text" in inputs && "text" in (signatures.serving_default.outputs ?? {}) ? "answer" : "";
}

/** A request of a signature of one version, for `send` and for the lines of a terminal. */
function predictRequest(model, resolved, signature, inputs) {
  return { model, version: resolved.version, signature, inputs, types: resolved.signatures[signature].inputs };
}

/** The path and body of a request. */
function restOf({ model, version, signature, inputs }) {
  const path = `${modelPath(model, `versions/${version}`)}:predict`;
  return { path, body: { signature_name: signature, inputs } };
}

/** Sends a request of a signature with several outputs; returns them by name. */
async function send(request, signal) {
  const { path, body } = restOf(request);
  return (await ask(path, body, signal)).outputs;
}
