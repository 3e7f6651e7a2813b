// Texts, times and names as people read them.

/**
 * Where in a JavaScript string each of these character offsets is. The gateway counts characters (code points), a
 * string counts UTF-16 units, of which an emoji has two.
 */
export function unitsOf(text, offsets) {
  const wanted = [...new Set(offsets)].sort((a, b) => a - b);
  const units = new Map();
  let characters = 0;
  let unit = 0;
  let next = 0;
  for (const character of text) {
    while (next < wanted.length && wanted[next] <= characters) units.set(wanted[next++], unit);
    characters += 1;
    unit += character.length;
  }
  while (next < wanted.length) units.set(wanted[next++], unit);
  return units;
}

/** `75.4` as `1:15`, `3700` as `1:01:40`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map(part => String(part).padStart(2, '0'));
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${parts.join(':')}` : `${Number(parts[0])}:${parts[1]}`;
}

/** `75.4` as `1 min 15 s`: what a screen reader reads as a length. */
export function length(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

/** `1_500_000` as `1.5 MB`. */
export function size(bytes) {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${Number((bytes / 1000 ** power).toPrecision(2))} ${units[power]}`;
}

const names = new Intl.DisplayNames('en', {type: 'language', fallback: 'code'});

/** `pt` as `Portuguese`. */
export function languageName(code) {
  try {
    return names.of(code);
  } catch {
    return code;
  }
}

/** `SPEAKER_00`, as recognisers count, as `Speaker 1`; a name as it is. */
export function speakerName(speaker) {
  return speaker.replace(/^SPEAKER_(\d+)$/, (_, number) => `Speaker ${Number(number) + 1}`);
}

/** A name that is very long, without its middle: how it begins, and what kind of file it is. */
export function brief(name) {
  const letters = [...name];
  return letters.length <= 60 ? name : `${letters.slice(0, 40).join('')}…${letters.slice(-15).join('')}`;
}

/** `Team call.mp3` as `Team call`. */
export function stem(name) {
  return name.replace(/\.[^.]+$/, '') || name;
}
