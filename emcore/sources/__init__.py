"""Data of the models beyond mixtures of Gaussians, one topic a file: frozen dataclasses with `make()`."""
