// Requests to the gateway, and how it refuses.

import * as key from './key.js';

/** The gateway said no. `title` and `detail` are for people. */
export class Refusal extends Error {
  constructor(status, problem, retryAfter = null) {
    super(problem.detail);
    this.status = status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.retryAfter = retryAfter;
  }

  /** Whether the same may well work a little later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** What is thrown when there was no answer at all. */
export function unreachable() {
  return new Refusal(0, {
    code: 'unreachable',
    title: 'No connection',
    detail: 'The gateway cannot be reached at the moment.',
  });
}

/** What people are told where the gateway speaks to programs. */
const WORDS = {
  key_missing: 'This gateway asks for an API key. Enter yours.',
  key_unknown: 'The gateway does not know this API key. Enter another.',
};

/** The refusal in an answer. What is no problem document comes from something in between. */
export function refusalOf(status, body, retryAfter) {
  try {
    const problem = JSON.parse(body);
    const detail = WORDS[problem.code] ?? problem.detail;
    if (typeof detail === 'string') return new Refusal(status, {...problem, detail}, Number(retryAfter) || null);
  } catch { /* a proxy's page */ }
  const detail = `Something between this page and the gateway answered with ${status}.`;
  return new Refusal(status, {code: 'unknown', title: 'No answer from the gateway', detail});
}

/** Whether a refusal is about the key that the request was sent with, and there is another now. */
export async function hasNewKey(refusal, sentWith) {
  if (!['key_missing', 'key_unknown'].includes(refusal.code)) return false;
  if (sentWith !== key.current()) return true; // the person has answered while this one was under way
  if (refusal.code === 'key_missing') return key.ask('This gateway asks for a key.');
  key.lose();
  return key.ask('The gateway does not know this key, or no longer.');
}

/** The answer to a request. Asks for a key where one is needed; throws `Refusal`. */
export async function ask(path, {method = 'GET'} = {}) {
  const sentWith = key.current();
  let answer;
  try {
    answer = await fetch(path, {method, headers: key.headers(), cache: 'no-cache'});
  } catch {
    throw unreachable();
  }
  if (answer.ok) return answer;
  const refusal = refusalOf(answer.status, await answer.text(), answer.headers.get('Retry-After'));
  if (await hasNewKey(refusal, sentWith)) return ask(path, {method});
  throw refusal;
}

/** The JSON of the answer. */
export async function askJson(path, options) {
  return (await ask(path, options)).json();
}

/** A wait, longer after each attempt that has failed, and never the same for two clients. */
export function backOff(attempt, seconds = null) {
  const pause = seconds ?? Math.min(30, 2 ** attempt) * (0.5 + Math.random() / 2);
  return new Promise(resolve => { setTimeout(resolve, pause * 1000); });
}
