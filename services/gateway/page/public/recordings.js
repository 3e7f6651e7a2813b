// The recordings themselves, kept in this browser so that they can be heard again after a reload. The gateway removes
// its copy when a task has ended, and never gives it out.

import {vault, warn} from './vault.js';

const MOST_BYTES = 200e6; // larger ones are not copied; they are chosen again to be heard
const held = new Map(); // id -> Blob, of this visit

/** Keep the recording of a task. */
export async function keep(id, blob) {
  held.set(id, blob);
  const owner = await vault();
  if (blob.size > MOST_BYTES || !owner.isLasting) return;
  try {
    const kept = owner.isLocked ? {type: blob.type, locked: await owner.lock(await blob.arrayBuffer())} : blob;
    await run('readwrite', store => store.put(kept, nameOf(owner, id)));
  } catch {
    warn(); // no room, or a browser that keeps nothing
  }
}

/** The recording, or undefined. */
export async function find(id) {
  if (held.has(id)) return held.get(id);
  try {
    const owner = await vault();
    const kept = await run('readonly', store => store.get(nameOf(owner, id)));
    return kept && owner.isLocked ? new Blob([await owner.unlock(kept.locked)], {type: kept.type}) : kept;
  } catch {
    return undefined;
  }
}

/** Give it up. */
export async function remove(id) {
  held.delete(id);
  const owner = await vault();
  await removeWhere(name => name === nameOf(owner, id));
}

/** Give up those of the key that is in use, but for the ids of which `isKept` says so. */
export async function removeOthers(isKept) {
  const owner = await vault();
  const isOurs = name => owner.isLasting && (owner.mark ? name.startsWith(`${owner.mark}/`) : !name.includes('/'));
  await removeWhere(name => isOurs(name) && !isKept(name.slice(name.indexOf('/') + 1)));
}

/** Give up all of the key that is in use. */
export function clear() {
  held.clear();
  return removeOthers(() => false);
}

/** Give up all there are, of whatever key. */
export function forget() {
  held.clear();
  return removeWhere(() => true);
}

/** Under a key its mark comes first; what is kept without one is named by its id alone, which has no slash. */
function nameOf({mark}, id) {
  return mark ? `${mark}/${id}` : id;
}

async function removeWhere(isOne) {
  try {
    const names = await run('readonly', store => store.getAllKeys());
    for (const name of names.filter(isOne)) await run('readwrite', store => store.delete(name));
  } catch { /* a browser that keeps nothing */ }
}

let opening = null;

function database() {
  opening ??= answered(() => {
    const request = indexedDB.open('voxmesh', 1);
    request.onupgradeneeded = () => request.result.createObjectStore('recordings');
    return request;
  });
  return opening;
}

/** What the request answers, when it is as good as written: where there is no room, it is the transaction that fails. */
async function run(mode, ask) {
  const transaction = (await database()).transaction('recordings', mode);
  const ended = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  const [answer] = await Promise.all([answered(() => ask(transaction.objectStore('recordings'))), ended]);
  return answer;
}

function answered(start) {
  return new Promise((resolve, reject) => {
    const request = start();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
