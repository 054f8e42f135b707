"""The market maker's journal: what is written in it, how it is laid out, and how others read it."""
