// The recordings themselves, kept in this browser so that they can be heard again after a reload. The gateway removes
// its copy when a task has ended, and never gives it out.

const MOST_BYTES = 200e6; // larger ones are not copied; they are chosen again to be heard
const held = new Map(); // id -> Blob, of this visit

/** Keep the recording of a task. */
export async function keep(id, blob) {
  held.set(id, blob);
  if (blob.size <= MOST_BYTES) await run('readwrite', store => store.put(blob, id));
}

/** The recording, or undefined. */
export async function find(id) {
  return held.get(id) ?? await run('readonly', store => store.get(id));
}

/** Give it up. */
export async function remove(id) {
  held.delete(id);
  await run('readwrite', store => store.delete(id));
}

/** Give up all but those of these tasks. */
export async function removeOthers(ids) {
  const kept = new Set(ids);
  for (const id of await run('readonly', store => store.getAllKeys()) ?? []) if (!kept.has(id)) await remove(id);
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

/** What the request answers. A browser that keeps nothing, or has no room, is like one in which nothing is kept. */
async function run(mode, ask) {
  try {
    const open = await database();
    return await answered(() => ask(open.transaction('recordings', mode).objectStore('recordings')));
  } catch {
    return undefined;
  }
}

function answered(start) {
  return new Promise((resolve, reject) => {
    const request = start();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
