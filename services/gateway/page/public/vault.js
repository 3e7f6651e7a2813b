// What keeps the things of one key apart from those of another, and from whoever has none: in this browser they are
// locked with the key itself (AES-GCM). Without it they say neither what was recorded nor what that is called.

import {at} from './dom.js';
import * as key from './key.js';

const OPEN = {mark: '', isLocked: false, isLasting: true};
const PASSING = {mark: '', isLocked: false, isLasting: false};
const NONCE_BYTES = 12;

let made = {key: '', vault: Promise.resolve(OPEN)};
let isTold = false;

/**
 * The vault of the key that is in use. `mark` tells its things from others; where it is locked, `lock` and `unlock` are
 * how. In one that is not lasting nothing may outlive the tab: there is a key, but no https, without which browsers
 * lock nothing.
 */
export function vault() {
  const given = key.current();
  if (made.key !== given) made = {key: given, vault: given ? lockedBy(given) : Promise.resolve(OPEN)};
  return made.vault;
}

/** Tell the person that something could not be kept: once, whatever else cannot be. */
export function warn() {
  if (isTold) return;
  isTold = true;
  at('not-kept').hidden = false;
}

async function lockedBy(secret) {
  const {subtle} = crypto;
  if (!subtle) return PASSING;
  const base = await subtle.importKey('raw', new TextEncoder().encode(secret), 'HKDF', false, ['deriveBits', 'deriveKey']);
  const to = purpose => ({name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode(purpose)});
  const mark = new Uint8Array(await subtle.deriveBits(to('voxmesh mark'), base, 128));
  const cipher = await subtle.deriveKey(to('voxmesh lock'), base, {name: 'AES-GCM', length: 256}, false, ['encrypt', 'decrypt']);
  return {
    mark: Array.from(mark, byte => byte.toString(16).padStart(2, '0')).join(''),
    isLocked: true,
    isLasting: true,
    async lock(bytes) {
      const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      return new Blob([iv, await subtle.encrypt({name: 'AES-GCM', iv}, cipher, bytes)]).arrayBuffer();
    },
    unlock(locked) {
      const iv = new Uint8Array(locked, 0, NONCE_BYTES);
      return subtle.decrypt({name: 'AES-GCM', iv}, cipher, new Uint8Array(locked, NONCE_BYTES));
    },
  };
}
