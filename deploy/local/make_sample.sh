#!/usr/bin/env bash
# Makes sample.ogg from sample.txt: a line is `VOICE: words`, VOICE one of flite's (CMU ARCTIC voices, free for any use).
# Needs: apt-get install flite sox opus-tools
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# flite hardly pauses between sentences, and a recogniser then hears commas: so each sentence is spoken by itself.
silence() { sox -n -b 16 -r 16000 -c 1 "$1" trim 0 "$2"; }
silence "$work/breath.wav" 0.2
silence "$work/turn.wav" 0.3
parts=("$work/turn.wav")
while IFS=: read -r voice words; do
    while read -r sentence; do
        part="$work/${#parts[@]}.wav"
        flite -voice "$voice" --setf duration_stretch=0.88 -t "$sentence" -o "$part"
        parts+=("$part" "$work/breath.wav")
    done < <(sed 's/\([.?]\) /\1\n/g' <<<"${words# }")
    parts+=("$work/turn.wav")
done <sample.txt

sox "${parts[@]}" -b 16 "$work/all.wav" norm -3
opusenc --quiet --bitrate 40 --comp 10 --serial 1 --title "A weekly review (synthetic voices)" "$work/all.wav" sample.ogg
