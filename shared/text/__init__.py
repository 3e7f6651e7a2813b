"""Text and its languages, as people read it: lines, subtitles, speakers, what can be masked."""
