"""Numbers of frames, as pure functions: signatures, motion, light, hashes, text. None of them decides anything."""
