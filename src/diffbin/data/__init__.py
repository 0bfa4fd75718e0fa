"""Labelled pictures, augmentation, label maps and the loader; and the renderer of text."""
