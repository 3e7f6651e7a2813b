// OpenAI's own npm package, unchanged, against a mesh: node openai_client.mjs URL FILE
// Prints a line of JSON for each thing that it has tried. OPENAI_NPM is a folder with the package in its node_modules.

import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [url, file] = process.argv.slice(2);
const require = createRequire(join(process.env.OPENAI_NPM, 'index.js'));
const { OpenAI, toFile } = require('openai');
const client = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, timeout: 60_000 });
const tell = (name, value) => console.log(JSON.stringify({ name, value }));
const transcribe = (more) =>
    client.audio.transcriptions.create({ file: createReadStream(file), model: 'whisper-1', ...more });

for (const response_format of ['json', 'text', 'srt', 'vtt']) {
    const answer = await transcribe({ response_format });
    tell(response_format, answer.text ?? answer);
}

const verbose = await transcribe({ response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'] });
tell('verbose_json', { language: verbose.language, segments: verbose.segments.length, words: Array.isArray(verbose.words) });

const events = [];
for await (const event of await transcribe({ stream: true })) events.push(event);
tell('stream', {
    types: [...new Set(events.map((event) => event.type))],
    deltas: events.map((event) => event.delta ?? '').join(''),
    text: events.at(-1).text,
});

const translation = await client.audio.translations.create({ file: createReadStream(file), model: 'whisper-1' });
tell('translation', translation.text);

const models = [];
for await (const model of client.models.list()) models.push(model.id);
tell('models', models);

try {
    await client.audio.transcriptions.create({ file: await toFile(Buffer.from('no sound'.repeat(200)), 'a.wav'), model: 'whisper-1' });
} catch (error) {
    tell('error', { status: error.status, code: error.code, type: error.type });
}

// One that gives up at once sends the same again by itself, and all of it is one task.
const before = (await (await fetch(`${url}/audio/tasks?limit=200`)).json()).tasks.length;
const sound = Buffer.concat([await (await import('node:fs/promises')).readFile(file), Buffer.from('once')]);
const hasty = new OpenAI({ apiKey: 'none', baseURL: `${url}/v1`, timeout: 60, maxRetries: 2 });
try {
    await hasty.audio.transcriptions.create({ file: await toFile(sound, 'once.ogg'), model: 'whisper-1' });
} catch (error) {
    if (error.constructor.name !== 'APIConnectionTimeoutError') throw error;
}
const patient = await client.audio.transcriptions.create({ file: await toFile(sound, 'once.ogg'), model: 'whisper-1' });
const after = (await (await fetch(`${url}/audio/tasks?limit=200`)).json()).tasks.length;
tell('retries', { text: patient.text, tasks: after - before });
