"""`voxmesh transcribe`: files, globs or standard input through a mesh; text, subtitles or JSON out."""
