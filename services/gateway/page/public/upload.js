// One recording on its way to the gateway.

import {backOff, hasNewKey, refusalOf, unreachable} from './gateway.js';
import * as key from './key.js';

const ATTEMPTS = 6;

/** The person has stopped it. */
export class Stopped extends Error {}

/**
 * Submit `file` with the fields of the form; answers what the gateway does. An upload whose connection breaks is sent
 * again, under the same idempotency key: it makes one task. `told` hears the share that has been sent, 0 to 1; the
 * signal stops it. Throws `Refusal` or `Stopped`.
 */
export async function upload(file, fields, {told, signal}) {
  const once = newKey();
  for (let attempt = 0; ; attempt += 1) {
    const sentWith = key.current();
    try {
      return await send(file, fields, {once, told, signal});
    } catch (problem) {
      if (problem instanceof Stopped || signal.aborted) throw new Stopped();
      if (await hasNewKey(problem, sentWith)) continue;
      if (!problem.passing || attempt + 1 >= ATTEMPTS || problem.retryAfter > 60) throw problem;
      await backOff(attempt, problem.retryAfter);
    }
  }
}

/** With `fetch` a page does not learn how much has been sent, so this is the older XMLHttpRequest. */
function send(file, fields, {once, told, signal}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append('audio', file, file.name);
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Stopped());
    const request = new XMLHttpRequest();
    request.open('POST', '/audio/tasks');
    request.setRequestHeader('Idempotency-Key', once);
    for (const [name, value] of Object.entries(key.headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = event => event.lengthComputable && told(event.loaded / event.total);
    request.onload = () => {
      const answer = request.status < 300 && submittedOf(request.responseText);
      if (answer) resolve(answer);
      else reject(refusalOf(request.status, request.responseText, request.getResponseHeader('Retry-After')));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new Stopped());
    signal.addEventListener('abort', () => request.abort(), {once: true});
    request.send(form);
  });
}

/** The task of which the answer tells; null where it is none of a gateway's, but the page of somebody in between. */
function submittedOf(body) {
  try {
    const answer = JSON.parse(body);
    return answer?.task_id && answer.links ? answer : null;
  } catch {
    return null;
  }
}

/** `crypto.randomUUID` is there only on secure origins; this is everywhere. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
}
