// A recording from the microphone, as a file.

const TYPES = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'];

/** Why nothing can be recorded here, or an empty text. */
export function obstacle() {
  if (!globalThis.isSecureContext) return 'Browsers let a page record only over https, or on this machine.';
  return navigator.mediaDevices && globalThis.MediaRecorder ? '' : 'This browser cannot record.';
}

/** Start; the promise of the answer's `stop()` is the file. Throws an `Error` that says what is in the way. */
export async function record() {
  const stream = await open();
  const close = () => {
    removeEventListener('pagehide', close);
    stream.getTracks().forEach(track => track.stop()); // upon which a recorder ends by itself, with what it has
  };
  addEventListener('pagehide', close); // a page that is kept for the way back would go on listening
  try {
    return recorded(stream, close);
  } catch {
    close();
    throw new Error('This browser cannot record from this microphone.');
  }
}

function recorded(stream, close) {
  const mimeType = TYPES.find(type => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, {mimeType});
  const parts = [];
  recorder.ondataavailable = event => parts.push(event.data);
  const ended = new Promise(resolve => { recorder.onstop = resolve; });
  recorder.start(1000); // a part each second: a long recording is not one piece of memory
  return {
    async stop() {
      try {
        if (recorder.state !== 'inactive') recorder.stop();
        await ended;
      } finally {
        close();
      }
      return new File(parts, nameNow(recorder.mimeType), {type: recorder.mimeType});
    },
  };
}

async function open() {
  try {
    return await navigator.mediaDevices.getUserMedia({audio: true});
  } catch (error) {
    throw new Error(error.name === 'NotFoundError'
      ? 'No microphone was found.'
      : 'The microphone may not be used. Allow it for this page in your browser, and try again.');
  }
}

function nameNow(type) {
  const ending = type.startsWith('audio/mp4') ? 'm4a' : type.startsWith('audio/ogg') ? 'ogg' : 'webm';
  const now = new Date();
  const two = number => String(number).padStart(2, '0');
  const day = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `Recording ${day} ${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('.')}.${ending}`;
}
