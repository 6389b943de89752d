"""The catalog: what a participant offers, in DCAT and on the DSP wire, and how it is found. Pure: no input, no output."""
